//! Static addresses in network configs: versions 1 and 2 of cloud-init, and `network_data.json` of OpenStack. They only
//! become attributes; no network is configured.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A network config. Each format uses some of the fields.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NetworkConfig {
    /// Devices of version 1.
    config: Option<Vec<Device>>,
    /// Devices of version 2, by name.
    ethernets: Option<BTreeMap<String, Ethernet>>,
    /// Devices of OpenStack.
    links: Option<Vec<Link>>,
    /// OpenStack networks on these devices.
    networks: Option<Vec<Network>>,
}

#[derive(Debug, Deserialize)]
struct Device {
    #[serde(rename = "type")]
    kind: Option<String>,
    subnets: Option<Vec<Subnet>>,
}

#[derive(Debug, Deserialize)]
struct Subnet {
    #[serde(rename = "type")]
    kind: Option<String>,
    address: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ethernet {
    /// Criteria for matching the device; without them the key is its name.
    #[serde(rename = "match")]
    criteria: Option<serde_json::Value>,
    addresses: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Link {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Network {
    link: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    ip_address: Option<String>,
}

/// Static addresses of one device, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses(Vec<IpAddr>);

impl NetworkConfig {
    /// Physical devices. In version 1 they are in the order of the document; otherwise they are sorted by name, with
    /// those without a name last.
    pub(crate) fn devices(&self) -> Vec<Addresses> {
        let listed = self.config.iter().flatten();
        let physical = listed.filter(|device| device.kind.as_deref() == Some("physical"));
        let mut devices: Vec<Addresses> = physical.map(Device::addresses).collect();
        let mut named: Vec<(bool, &String, &Ethernet)> = Vec::new();
        for (name, ethernet) in self.ethernets.iter().flatten() {
            // With criteria, the key is only a label, unless it looks like a device name.
            let is_label = ethernet.criteria.is_some() && !name.starts_with("eth");
            named.push((is_label, name, ethernet));
        }
        named.sort_by_key(|(is_label, ..)| *is_label);
        devices.extend(named.into_iter().map(|(.., ethernet)| ethernet.addresses()));
        let mut links: Vec<&Link> = self.links.iter().flatten().collect();
        links.sort_by_key(|link| (link.name.is_none(), link.name.as_deref()));
        devices.extend(links.into_iter().map(|link| self.addresses_on(link)));
        devices
    }

    fn addresses_on(&self, link: &Link) -> Addresses {
        let networks = self.networks.iter().flatten();
        let here = networks.filter(|network| network.link.is_some() && network.link == link.id);
        let fixed = here.filter(|network| matches!(network.kind.as_deref(), Some("ipv4" | "ipv6")));
        Addresses::of(fixed.filter_map(|network| network.ip_address.as_deref()))
    }
}

impl Device {
    fn addresses(&self) -> Addresses {
        let subnets = self.subnets.iter().flatten();
        let fixed = subnets.filter(|subnet| {
            let kind = subnet.kind.as_deref();
            kind.is_some_and(|kind| kind.contains("static"))
        });
        Addresses::of(fixed.filter_map(|subnet| subnet.address.as_deref()))
    }
}

impl Ethernet {
    fn addresses(&self) -> Addresses {
        Addresses::of(self.addresses.iter().flatten().map(String::as_str))
    }
}

impl Addresses {
    /// Parses addresses; invalid ones are skipped.
    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        Addresses(texts.filter_map(address).collect())
    }

    /// True if the device has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first IPv4 address.
    pub(crate) fn ipv4(&self) -> Option<String> {
        let found = self.0.iter().find(|address| address.is_ipv4());
        found.map(IpAddr::to_string)
    }

    /// The first IPv6 address, in canonical form.
    pub(crate) fn ipv6(&self) -> Option<String> {
        let found = self.0.iter().find(|address| address.is_ipv6());
        found.map(IpAddr::to_string)
    }
}

/// Parses an address, and drops its prefix length.
fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.trim().parse().ok()
}

/// An address in canonical form (RFC 5952), or the text itself if it is not an address.
pub(crate) fn canonical(text: &str) -> String {
    let parsed: Result<IpAddr, _> = text.trim().parse();
    parsed.map_or_else(|_| text.into(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::{decode, yaml};

    fn devices(text: &str) -> Vec<(Option<String>, Option<String>)> {
        let value = yaml::value(text).expect("YAML");
        let network: NetworkConfig = decode::from_value("it", value).expect("good");
        let devices = network.devices();
        devices.iter().map(|d| (d.ipv4(), d.ipv6())).collect()
    }

    fn pair(ipv4: &str, ipv6: &str) -> (Option<String>, Option<String>) {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        (some(ipv4), some(ipv6))
    }

    #[test]
    fn version_1_in_the_order_of_the_document() {
        let text = "version: 1\nconfig:\n- type: physical\n  name: eth1\n  subnets:\n  - type: dhcp4\n    address: 10.0.0.9\n\
                    - type: physical\n  name: eth0\n  subnets:\n  - type: static\n    address: 192.0.2.1/24\n  - type: static6\n    \
                    address: 2001:db8:0:0:0::1/64\n- type: nameserver\n  address: [192.0.2.53]\n";
        assert_eq!(
            devices(text),
            [pair("", ""), pair("192.0.2.1", "2001:db8::1")]
        );
    }

    #[test]
    fn version_2_by_name() {
        let text = "version: 2\nethernets:\n  a:\n    match: {macaddress: 'aa'}\n    addresses: [10.0.0.3/8]\n  \
                    eth1:\n    addresses: [10.0.0.2/8]\n  eth0:\n    dhcp4: true\n";
        let want = [pair("", ""), pair("10.0.0.2", ""), pair("10.0.0.3", "")];
        assert_eq!(devices(text), want);
    }

    #[test]
    fn openstack_by_link() {
        let text = r#"{"links": [{"id": "b", "type": "phy"}, {"id": "a", "name": "eth0", "type": "phy"}], "networks": [
            {"id": "0", "link": "b", "type": "ipv4", "ip_address": "10.0.0.5", "netmask": "255.0.0.0"},
            {"id": "1", "link": "a", "type": "ipv6", "ip_address": "2001:db8:0::7", "netmask": "64"},
            {"id": "2", "link": "a", "type": "ipv4_dhcp"}]}"#;
        assert_eq!(
            devices(text),
            [pair("", "2001:db8::7"), pair("10.0.0.5", "")]
        );
    }
}
