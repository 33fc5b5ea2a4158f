//! Platform `exoscale`: user data of Exoscale.

use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "exoscale",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/1.0/user-data"),
};
