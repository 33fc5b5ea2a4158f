//! Platform `hetzner`: user data of Hetzner Cloud.

use super::facts;
use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "hetzner",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/hetzner/v1/userdata"),
    facts: &facts::hetzner::SOURCE,
};
