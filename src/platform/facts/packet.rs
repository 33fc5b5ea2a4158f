//! Facts of `packet` (Equinix Metal): one JSON document.

use super::super::FetchContext;
use super::documents::Keys;
use super::network::canonical;
use super::service::Service;
use super::{AttributeSource, Facts};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
    names: &[
        "PACKET_HOSTNAME",
        "PACKET_IPV4_PRIVATE_0",
        "PACKET_IPV4_PRIVATE_GATEWAY_0",
        "PACKET_IPV4_PUBLIC_0",
        "PACKET_IPV4_PUBLIC_GATEWAY_0",
        "PACKET_IPV6_PRIVATE_0",
        "PACKET_IPV6_PRIVATE_GATEWAY_0",
        "PACKET_IPV6_PUBLIC_0",
        "PACKET_IPV6_PUBLIC_GATEWAY_0",
        "PACKET_PHONE_HOME_URL",
        "PACKET_PLAN",
    ],
    ask: |context: &FetchContext<'_>| {
        let service = Service::at(context, "https://metadata.packet.net/").with("Accept", "*/*");
        Ok(facts(&service.needed("metadata")?))
    },
};

#[derive(Deserialize)]
struct Machine {
    hostname: Option<String>,
    plan: Option<String>,
    phone_home_url: Option<String>,
    #[serde(default)]
    ssh_keys: Keys,
    network: Option<Network>,
}

#[derive(Deserialize)]
struct Network {
    addresses: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    address_family: u8,
    public: bool,
    address: Option<String>,
    gateway: Option<String>,
}

fn facts(machine: &Machine) -> Facts {
    let mut facts = Facts::default();
    facts.name(machine.hostname.as_ref());
    facts.set("PACKET_HOSTNAME", machine.hostname.as_ref());
    facts.set("PACKET_PHONE_HOME_URL", machine.phone_home_url.as_ref());
    facts.set("PACKET_PLAN", machine.plan.as_ref());
    let network = machine.network.as_ref();
    let addresses = network.and_then(|network| network.addresses.as_deref());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for address in addresses.unwrap_or_default() {
        let scope = if address.public { "PUBLIC" } else { "PRIVATE" };
        let kind = format!("PACKET_IPV{}_{scope}", address.address_family);
        // An address and its gateway have the same number.
        let number = seen.entry(kind.clone()).or_default();
        let of = |text: &Option<String>| text.as_deref().map(canonical);
        facts.set(format!("{kind}_{number}"), of(&address.address));
        facts.set(format!("{kind}_GATEWAY_{number}"), of(&address.gateway));
        *number += 1;
    }
    machine.ssh_keys.add_to(&mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::documents;

    #[test]
    fn addresses_are_numbered_by_kind() {
        let text = br#"{"id": "2885032e", "hostname": "web", "plan": "c3.small.x86", "facility": "ewr1",
            "ssh_keys": ["ssh-rsa A", "ssh-rsa B"], "network": {"bonding": {"mode": 4}, "addresses": [
            {"address_family": 4, "public": true, "address": "192.0.2.33", "gateway": "192.0.2.32", "cidr": 31},
            {"address_family": 6, "public": true, "address": "2001:db8:0:0::3", "gateway": "2001:db8::2"},
            {"address_family": 4, "public": false, "address": "10.0.0.3", "gateway": "10.0.0.2"},
            {"address_family": 4, "public": true, "address": "192.0.2.35", "gateway": null}]},
            "phone_home_url": "http://192.0.2.1/phone-home"}"#;
        let facts = facts(&documents::json("metadata", text).expect("good"));
        assert_eq!(facts.hostname.as_deref(), Some("web"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A", "ssh-rsa B"]);
        let want = "AFTERBURN_PACKET_HOSTNAME=web\n\
            AFTERBURN_PACKET_IPV4_PRIVATE_0=10.0.0.3\n\
            AFTERBURN_PACKET_IPV4_PRIVATE_GATEWAY_0=10.0.0.2\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_0=192.0.2.33\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_1=192.0.2.35\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_GATEWAY_0=192.0.2.32\n\
            AFTERBURN_PACKET_IPV6_PUBLIC_0=2001:db8::3\n\
            AFTERBURN_PACKET_IPV6_PUBLIC_GATEWAY_0=2001:db8::2\n\
            AFTERBURN_PACKET_PHONE_HOME_URL=http://192.0.2.1/phone-home\n\
            AFTERBURN_PACKET_PLAN=c3.small.x86\n";
        assert_eq!(facts.to_env(), want);
    }
}
