//! Platform `oraclecloud`: user data of Oracle Cloud, by version 2 of its metadata service, which wants to see that it is meant.

use super::facts;
use super::metadata::{Document, Packing, Plain};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "oraclecloud",
    source: "user data of the metadata service, base64",
    document: Document {
        headers: &[("Authorization", "Bearer Oracle")],
        again: &[429],
        packing: Packing::Base64,
        ..Document::at("http://169.254.169.254/opc/v2/instance/metadata/user_data")
    },
    facts: &facts::oraclecloud::SOURCE,
};
