//! Platform `scaleway`: user data of Scaleway. The service only answers privileged source ports, so that other users of
//! the machine cannot read it.
//!
//! Attributes: one JSON document, which any user of the machine can read.

use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument, SourcePort};
use serde::Deserialize;

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "scaleway",
    source: "user data of the metadata service, which answers only privileged source ports",
    document: ServiceDocument {
        port: SourcePort::Privileged,
        ..ServiceDocument::at("http://169.254.42.42/user_data/cloud-init")
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "SCALEWAY_HOSTNAME",
        "SCALEWAY_INSTANCE_ID",
        "SCALEWAY_INSTANCE_TYPE",
        "SCALEWAY_IPV4_PRIVATE",
        "SCALEWAY_IPV4_PUBLIC",
        "SCALEWAY_IPV6_PUBLIC",
        "SCALEWAY_ZONE_ID",
    ],
    fetch: |context: &FetchContext<'_>| {
        let service = MetadataService::at(context, "http://169.254.42.42/");
        Ok(attributes(&service.required_json("conf?format=json")?))
    },
};

#[derive(Deserialize)]
struct Instance {
    hostname: Option<String>,
    id: Option<String>,
    commercial_type: Option<String>,
    private_ip: Option<String>,
    public_ip: Option<Address>,
    public_ips_v6: Option<Vec<Address>>,
    ipv6: Option<Address>,
    location: Option<Location>,
    zone: Option<String>,
    ssh_public_keys: Option<Vec<Key>>,
}

#[derive(Deserialize)]
struct Address {
    address: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    zone_id: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

fn attributes(instance: &Instance) -> Attributes {
    fn of(address: Option<&Address>) -> Option<&String> {
        address.and_then(|address| address.address.as_ref())
    }
    // The list was added later than the single field.
    let listed = instance.public_ips_v6.as_deref().unwrap_or_default();
    let ipv6 = of(instance.ipv6.as_ref()).or(of(listed.first()));
    let location = instance.location.as_ref();
    let zone = location.and_then(|location| location.zone_id.as_ref());
    let mut attributes = Attributes::default();
    attributes.set_hostname(instance.hostname.as_ref());
    for (name, value) in [
        ("HOSTNAME", instance.hostname.as_ref()),
        ("INSTANCE_ID", instance.id.as_ref()),
        ("INSTANCE_TYPE", instance.commercial_type.as_ref()),
        ("IPV4_PRIVATE", instance.private_ip.as_ref()),
        ("IPV4_PUBLIC", of(instance.public_ip.as_ref())),
        ("IPV6_PUBLIC", ipv6),
        ("ZONE_ID", zone.or(instance.zone.as_ref())),
    ] {
        attributes.set(format!("SCALEWAY_{name}"), value);
    }
    let keys = instance.ssh_public_keys.iter().flatten();
    attributes.add_all_keys(keys.map(|key| key.key.as_str()));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::decode;

    #[test]
    fn an_instance_with_everything() {
        let text = br#"{"id": "11111111-1111", "name": "web", "hostname": "web", "commercial_type": "DEV1-S",
            "private_ip": "10.1.2.3", "public_ip": {"address": "192.0.2.3", "dynamic": false},
            "public_ips_v6": [{"address": "2001:db8::3", "family": "inet6"}], "ipv6": null,
            "location": {"zone_id": "par1", "cluster_id": "1"}, "zone": "fr-par-1",
            "ssh_public_keys": [{"key": "ssh-rsa A me", "fingerprint": "x"}, {"key": "ssh-rsa B"}]}"#;
        let attributes = attributes(&decode::json("conf", text).expect("good"));
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me", "ssh-rsa B"]);
        let want = "AFTERBURN_SCALEWAY_HOSTNAME=web\n\
            AFTERBURN_SCALEWAY_INSTANCE_ID=11111111-1111\n\
            AFTERBURN_SCALEWAY_INSTANCE_TYPE=DEV1-S\n\
            AFTERBURN_SCALEWAY_IPV4_PRIVATE=10.1.2.3\n\
            AFTERBURN_SCALEWAY_IPV4_PUBLIC=192.0.2.3\n\
            AFTERBURN_SCALEWAY_IPV6_PUBLIC=2001:db8::3\n\
            AFTERBURN_SCALEWAY_ZONE_ID=par1\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn an_instance_without_addresses() {
        let text = br#"{"hostname": "web", "public_ip": null, "private_ip": null, "location": null,
            "ipv6": {"address": "2001:db8::9"}, "zone": "fr-par-1"}"#;
        let attributes = attributes(&decode::json("conf", text).expect("good"));
        let want = "AFTERBURN_SCALEWAY_HOSTNAME=web\n\
            AFTERBURN_SCALEWAY_IPV6_PUBLIC=2001:db8::9\n\
            AFTERBURN_SCALEWAY_ZONE_ID=fr-par-1\n";
        assert_eq!(attributes.to_env(), want);
    }
}
