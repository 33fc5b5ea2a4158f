//! Platform `upcloud`: user data of UpCloud. The service is off for images of one's own unless it is switched on.

use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "upcloud",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/metadata/v1/user_data"),
};
