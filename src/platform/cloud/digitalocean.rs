//! Platform `digitalocean`: user data of a droplet. The service has the document on every machine, but it may be empty.
//!
//! Attributes: one JSON document.

use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::decode::Keys;
use crate::platform::attributes::network::canonical;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::document::{DocumentPlatform, Missing, ServiceDocument};
use serde::Deserialize;

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "digitalocean",
    source: "user data of the metadata service",
    document: ServiceDocument {
        missing: Missing::Failure,
        ..ServiceDocument::at("http://169.254.169.254/metadata/v1/user-data")
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "DIGITALOCEAN_HOSTNAME",
        "DIGITALOCEAN_IPV4_ANCHOR_0",
        "DIGITALOCEAN_IPV4_PRIVATE_0",
        "DIGITALOCEAN_IPV4_PUBLIC_0",
        "DIGITALOCEAN_IPV6_PRIVATE_0",
        "DIGITALOCEAN_IPV6_PUBLIC_0",
        "DIGITALOCEAN_REGION",
    ],
    fetch: |context: &FetchContext<'_>| {
        let service = MetadataService::at(context, "http://169.254.169.254/metadata/");
        Ok(attributes(&service.required_json("v1.json")?))
    },
};

#[derive(Deserialize)]
struct Droplet {
    hostname: Option<String>,
    region: Option<String>,
    #[serde(default)]
    public_keys: Keys,
    #[serde(default)]
    interfaces: Interfaces,
}

#[derive(Deserialize, Default)]
struct Interfaces {
    public: Option<Vec<Interface>>,
    private: Option<Vec<Interface>>,
}

#[derive(Deserialize)]
struct Interface {
    ipv4: Option<Address>,
    ipv6: Option<Address>,
    anchor_ipv4: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    ip_address: String,
}

fn attributes(droplet: &Droplet) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set_hostname(droplet.hostname.as_ref());
    attributes.set("DIGITALOCEAN_HOSTNAME", droplet.hostname.as_ref());
    attributes.set("DIGITALOCEAN_REGION", droplet.region.as_ref());
    let interfaces = &droplet.interfaces;
    let public = interfaces.public.as_deref().unwrap_or_default();
    let private = interfaces.private.as_deref().unwrap_or_default();
    for (kind, interfaces) in [("PUBLIC", public), ("PRIVATE", private)] {
        // Attributes are numbered by interface, which may not have all kinds of addresses.
        for (number, interface) in interfaces.iter().enumerate() {
            let mut set = |name: &str, address: &Option<Address>| {
                let address = address.as_ref().map(|a| canonical(&a.ip_address));
                attributes.set(format!("DIGITALOCEAN_{name}_{number}"), address);
            };
            set(&format!("IPV4_{kind}"), &interface.ipv4);
            set(&format!("IPV6_{kind}"), &interface.ipv6);
            if kind == "PUBLIC" {
                set("IPV4_ANCHOR", &interface.anchor_ipv4);
            }
        }
    }
    droplet.public_keys.add_to(&mut attributes);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::decode;

    #[test]
    fn interfaces_of_both_kinds() {
        let text = br#"{"droplet_id": 7, "hostname": "web", "region": "ams3", "user_data": "secret",
            "public_keys": ["ssh-rsa A me"], "dns": {"nameservers": ["192.0.2.53"]}, "interfaces": {
            "private": [{"ipv4": {"ip_address": "10.0.0.2", "netmask": "255.255.0.0", "gateway": "10.0.0.1"},
                "mac": "54:11:00:00:00:00", "type": "private"}],
            "public": [{"ipv4": {"ip_address": "192.0.2.20", "netmask": "255.255.192.0", "gateway": "192.0.2.1"},
                "ipv6": {"ip_address": "2001:0DB8:0000:0000:0000:0000:0000:0004", "cidr": 64, "gateway": "2001:db8::1"},
                "anchor_ipv4": {"ip_address": "10.17.0.5", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
                "mac": "04:01:2a:0f:2a:01", "type": "public"},
                {"ipv4": {"ip_address": "192.0.2.21"}}, {"ipv6": {"ip_address": "2001:db8:0::5"}}]}}"#;
        let droplet = decode::json("v1.json", text).expect("good");
        let attributes = attributes(&droplet);
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me"]);
        let want = "AFTERBURN_DIGITALOCEAN_HOSTNAME=web\n\
            AFTERBURN_DIGITALOCEAN_IPV4_ANCHOR_0=10.17.0.5\n\
            AFTERBURN_DIGITALOCEAN_IPV4_PRIVATE_0=10.0.0.2\n\
            AFTERBURN_DIGITALOCEAN_IPV4_PUBLIC_0=192.0.2.20\n\
            AFTERBURN_DIGITALOCEAN_IPV4_PUBLIC_1=192.0.2.21\n\
            AFTERBURN_DIGITALOCEAN_IPV6_PUBLIC_0=2001:db8::4\n\
            AFTERBURN_DIGITALOCEAN_IPV6_PUBLIC_2=2001:db8::5\n\
            AFTERBURN_DIGITALOCEAN_REGION=ams3\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn a_droplet_without_network_or_keys() {
        let text = br#"{"hostname": "web", "public_keys": null, "interfaces": {"public": null}}"#;
        let attributes = attributes(&decode::json("v1.json", text).expect("good"));
        assert_eq!(attributes.ssh_keys, [""; 0]);
        assert_eq!(attributes.to_env(), "AFTERBURN_DIGITALOCEAN_HOSTNAME=web\n");
    }
}
