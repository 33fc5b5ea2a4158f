//! Platform `vultr`: user data of Vultr.

use super::facts::{KeysAt, Tree};
use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "vultr",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/user-data/user-data"),
    facts: &FACTS,
};

static FACTS: Tree = Tree {
    base: "http://169.254.169.254/v1/",
    headers: &[],
    hostname: Some("hostname"),
    keys: KeysAt::Lines("public-keys"),
    values: &[
        ("VULTR_HOSTNAME", "hostname"),
        ("VULTR_INSTANCE_ID", "instanceid"),
        ("VULTR_REGION_CODE", "region/regioncode"),
    ],
};
