//! Platform `scaleway`: user data of Scaleway. The service answers only who can bind a port of root's: other users of the machine
//! are not to know.

use super::facts;
use super::metadata::{Document, Plain, SourcePort};

/// The platform.
pub static PLATFORM: Plain = Plain {
    id: "scaleway",
    source: "user data of the metadata service, which answers only privileged source ports",
    document: Document {
        port: SourcePort::Privileged,
        ..Document::at("http://169.254.42.42/user_data/cloud-init")
    },
    facts: &facts::scaleway::SOURCE,
};
