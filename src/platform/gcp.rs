//! Platform `gcp`: the attribute `user-data` of an instance of Google Compute Engine. The service is asked by its address, so no
//! name has to be known.

use super::facts;
use super::metadata::{Document, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "gcp",
    source: "attribute `user-data` of the instance, from the metadata service",
    document: Document {
        headers: &[("Metadata-Flavor", "Google")],
        ..Document::at("http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data")
    },
    facts: &facts::gcp::SOURCE,
};
