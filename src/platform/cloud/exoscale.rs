//! Platform `exoscale`: user data of Exoscale.

use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "exoscale",
    source: "user data of the metadata service",
    document: ServiceDocument::at("http://169.254.169.254/1.0/user-data"),
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/1.0/meta-data/",
    headers: &[],
    hostname: Some("local-hostname"),
    keys: KeysAt::Lines("public-keys"),
    values: &[
        ("EXOSCALE_AVAILABILITY_ZONE", "availability-zone"),
        ("EXOSCALE_CLOUD_IDENTIFIER", "cloud-identifier"),
        ("EXOSCALE_INSTANCE_ID", "instance-id"),
        ("EXOSCALE_LOCAL_HOSTNAME", "local-hostname"),
        ("EXOSCALE_LOCAL_IPV4", "local-ipv4"),
        ("EXOSCALE_PUBLIC_HOSTNAME", "public-hostname"),
        ("EXOSCALE_PUBLIC_IPV4", "public-ipv4"),
        ("EXOSCALE_SERVICE_OFFERING", "service-offering"),
        ("EXOSCALE_VM_ID", "vm-id"),
    ],
};
