//! Platform `aliyun`: user data of Alibaba Cloud.

use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "aliyun",
    source: "user data of the metadata service",
    document: ServiceDocument::at("http://100.100.100.200/latest/user-data"),
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: DocumentTree = DocumentTree {
    base: "http://100.100.100.200/latest/meta-data/",
    headers: &[],
    hostname: Some("hostname"),
    keys: KeysAt::Listed("public-keys/"),
    values: &[
        ("ALIYUN_EIPV4", "eipv4"),
        ("ALIYUN_HOSTNAME", "hostname"),
        ("ALIYUN_IMAGE_ID", "image-id"),
        ("ALIYUN_INSTANCE_ID", "instance-id"),
        ("ALIYUN_INSTANCE_TYPE", "instance/instance-type"),
        ("ALIYUN_IPV4_PRIVATE", "private-ipv4"),
        ("ALIYUN_IPV4_PUBLIC", "public-ipv4"),
        ("ALIYUN_REGION_ID", "region-id"),
        ("ALIYUN_VPC_ID", "vpc-id"),
        ("ALIYUN_ZONE_ID", "zone-id"),
    ],
};
