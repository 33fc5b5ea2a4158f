//! Platform `example`: user data of Example Cloud.

use super::facts::{KeysAt, Tree};
use super::metadata::{Document, Packing, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "example",
    source: "user data of the metadata service, base64",
    document: Document {
        headers: &[("Metadata-Flavor", "Example")],
        again: &[429],
        packing: Packing::Base64,
        ..Document::at("http://169.254.169.254/example/v1/user-data")
    },
    facts: &FACTS,
};

/// What the service tells besides; `kindling metadata` asks for it.
static FACTS: Tree = Tree {
    base: "http://169.254.169.254/example/v1/",
    headers: &[("Metadata-Flavor", "Example")],
    hostname: Some("hostname"),
    keys: KeysAt::Lines("public-keys"),
    values: &[("EXAMPLE_INSTANCE_ID", "instance-id")],
};
