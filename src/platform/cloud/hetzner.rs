//! Platform `hetzner`: user data of Hetzner Cloud.
//!
//! Attributes: a tree, a list of private networks, and the config of the public network.

use crate::platform::attributes::network::{Addresses, NetworkConfig};
use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::attributes::{decode, yaml};
use crate::platform::contract::{AttributeSource, Attributes, FetchContext};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};
use anyhow::Context;
use serde::Deserialize;

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "hetzner",
    source: "user data of the metadata service",
    document: ServiceDocument::at("http://169.254.169.254/hetzner/v1/userdata"),
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: HetznerAttributes = HetznerAttributes;

static TREE: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/hetzner/v1/metadata/",
    headers: &[],
    hostname: Some("hostname"),
    keys: KeysAt::Array("public-keys"),
    values: &[
        ("HETZNER_AVAILABILITY_ZONE", "availability-zone"),
        ("HETZNER_HOSTNAME", "hostname"),
        ("HETZNER_INSTANCE_ID", "instance-id"),
        ("HETZNER_PUBLIC_IPV4", "public-ipv4"),
        ("HETZNER_REGION", "region"),
    ],
};
const NETWORKS: &str = "private-networks";
const PRIVATE: &str = "HETZNER_PRIVATE_IPV4";
const NETWORK_CONFIG: &str = "network-config";

/// The tree, and addresses from two documents.
#[derive(Debug)]
struct HetznerAttributes;

#[derive(Deserialize)]
struct PrivateNetwork {
    ip: Option<String>,
}

impl AttributeSource for HetznerAttributes {
    fn names(&self) -> Vec<&'static str> {
        let mut names = TREE.names();
        names.extend(["HETZNER_PRIVATE_IPV4_0", "HETZNER_PUBLIC_IPV6"]);
        names
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        let service = TREE.service(context);
        let mut attributes = TREE.gather(&service)?;
        if let Some(text) = service.text(NETWORKS)? {
            attributes.set_all(PRIVATE, private_addresses(&text, &service.url(NETWORKS))?);
        }
        if let Some(text) = service.text(NETWORK_CONFIG)? {
            let ipv6 = public_ipv6(&text, &service.url(NETWORK_CONFIG))?;
            attributes.set("HETZNER_PUBLIC_IPV6", ipv6);
        }
        Ok(attributes)
    }
}

/// The IPv6 address of the first device in the network config.
fn public_ipv6(text: &str, what: &str) -> anyhow::Result<Option<String>> {
    let value = yaml::value(text).with_context(|| format!("cannot read {what}"))?;
    let network: Option<NetworkConfig> = decode::from_value(what, value)?;
    let devices = network.unwrap_or_default().devices();
    Ok(devices.first().and_then(Addresses::ipv6))
}

/// The addresses in the list of private networks. `what` names it.
fn private_addresses(text: &str, what: &str) -> anyhow::Result<Vec<String>> {
    let value = yaml::value(text).with_context(|| format!("cannot read {what}"))?;
    let networks: Option<Vec<PrivateNetwork>> = decode::from_value(what, value)?;
    let networks = networks.unwrap_or_default();
    Ok(networks
        .into_iter()
        .filter_map(|network| network.ip)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks() {
        let text = "- ip: 10.0.0.2\n  alias_ips: [10.0.0.3, 10.0.0.4]\n  interface_num: 1\n  mac_address: 86:00:00:2a:7d:e0\n  \
                    network_id: 1234\n  network_name: nw-test1\n  network: 10.0.0.0/8\n  subnet: 10.0.0.0/24\n  \
                    gateway: 10.0.0.1\n- ip: 192.168.0.2\n  alias_ips: []\n  interface_num: 2\n";
        assert_eq!(
            private_addresses(text, "x").expect("good"),
            ["10.0.0.2", "192.168.0.2"]
        );
        assert_eq!(private_addresses("[]", "x").expect("good"), [""; 0]);
        for (bad, want) in [
            ("ip: secret", "http://h/x has an unexpected structure"),
            (
                "- ip: *secret",
                "cannot read http://h/x: line 1: it is not valid YAML",
            ),
        ] {
            let error = format!("{:#}", private_addresses(bad, "http://h/x").expect_err(bad));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
