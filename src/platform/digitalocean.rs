//! Platform `digitalocean`: user data of a droplet. The service always has a document, if only an empty one.

use super::facts;
use super::metadata::{Document, Missing, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "digitalocean",
    source: "user data of the metadata service",
    document: Document {
        missing: Missing::Failure,
        ..Document::at("http://169.254.169.254/metadata/v1/user-data")
    },
    facts: &facts::digitalocean::SOURCE,
};
