//! Platform `aliyun`: user data of Alibaba Cloud.

use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "aliyun",
    source: "user data of the metadata service",
    document: Document::at("http://100.100.100.200/latest/user-data"),
};
