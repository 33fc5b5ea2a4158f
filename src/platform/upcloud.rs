//! Platform `upcloud`: user data of UpCloud. The service is off for images of one's own unless it is switched on.

use super::facts::{KeysAt, Tree};
use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "upcloud",
    source: "user data of the metadata service",
    document: Document::at("http://169.254.169.254/metadata/v1/user_data"),
    facts: &FACTS,
};

static FACTS: Tree = Tree {
    base: "http://169.254.169.254/metadata/v1/",
    headers: &[],
    hostname: Some("hostname"),
    keys: KeysAt::Lines("public_keys"),
    values: &[
        ("UPCLOUD_HOSTNAME", "hostname"),
        ("UPCLOUD_INSTANCE_ID", "instance_id"),
        ("UPCLOUD_REGION", "region"),
    ],
};
