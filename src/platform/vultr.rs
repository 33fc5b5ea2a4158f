//! Platform `vultr`: user data of Vultr.

use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "vultr",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/user-data/user-data"),
};
