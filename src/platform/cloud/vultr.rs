//! Platform `vultr`: user data of Vultr.

use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "vultr",
    source: "user data of the metadata service",
    document: ServiceDocument::at("http://169.254.169.254/user-data/user-data"),
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: DocumentTree = DocumentTree {
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
