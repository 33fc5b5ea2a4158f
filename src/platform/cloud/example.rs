//! Platform `example`: user data of Example Cloud.

use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::source::document::{ConfigEncoding, DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "example",
    source: "user data of the metadata service, base64",
    document: ServiceDocument {
        headers: &[("Metadata-Flavor", "Example")],
        retry_statuses: &[429],
        encoding: ConfigEncoding::Base64,
        ..ServiceDocument::at("http://169.254.169.254/example/v1/user-data")
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/example/v1/",
    headers: &[("Metadata-Flavor", "Example")],
    hostname: Some("hostname"),
    keys: KeysAt::Lines("public-keys"),
    values: &[("EXAMPLE_INSTANCE_ID", "instance-id")],
};
