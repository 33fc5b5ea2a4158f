//! Platform `upcloud`: user data of UpCloud. On custom images the service is off by default.

use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "upcloud",
    source: "user data of the metadata service",
    document: ServiceDocument::at("http://169.254.169.254/metadata/v1/user_data"),
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: DocumentTree = DocumentTree {
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
