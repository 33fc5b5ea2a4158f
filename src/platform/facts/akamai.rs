//! Facts of `akamai` (Linode): three JSON documents, with a token. They do not say what the machine is called.

use super::super::FetchContext;
use super::super::akamai::{TOKEN, TOKEN_HEADER};
use super::documents::{self, Keys, Word};
use super::service::Service;
use super::{AttributeSource, Facts};
use anyhow::{Context, bail};
use serde::Deserialize;

/// Between tags.
const BETWEEN_TAGS: &str = ":";

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
    names: &[
        "AKAMAI_INSTANCE_HOST_UUID",
        "AKAMAI_INSTANCE_ID",
        "AKAMAI_INSTANCE_LABEL",
        "AKAMAI_INSTANCE_REGION",
        "AKAMAI_INSTANCE_TAGS",
        "AKAMAI_INSTANCE_TYPE",
        "AKAMAI_IPV6_LINK_LOCAL",
        "AKAMAI_IPV6_RANGE_0",
        "AKAMAI_IPV6_SHARED_RANGE_0",
        "AKAMAI_IPV6_SLAAC",
        "AKAMAI_PRIVATE_IPV4_0",
        "AKAMAI_PUBLIC_IPV4_0",
        "AKAMAI_SHARED_IPV4_0",
    ],
    ask,
};

#[derive(Deserialize, Default)]
struct Instance {
    id: Option<Word>,
    host_uuid: Option<String>,
    label: Option<String>,
    region: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize, Default)]
struct Network {
    #[serde(default)]
    ipv4: Ipv4,
    #[serde(default)]
    ipv6: Ipv6,
}

#[derive(Deserialize, Default)]
struct Ipv4 {
    public: Option<Vec<String>>,
    private: Option<Vec<String>>,
    shared: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct Ipv6 {
    slaac: Option<String>,
    #[serde(alias = "link-local")]
    link_local: Option<String>,
    ranges: Option<Vec<String>>,
    #[serde(alias = "shared-ranges")]
    shared_ranges: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct SshKeys {
    #[serde(default)]
    users: Keys,
}

fn ask(context: &FetchContext<'_>) -> anyhow::Result<Facts> {
    let service = Service::at(context, "http://169.254.169.254/v1/");
    let given = service
        .send(&TOKEN.request())
        .context("cannot get a token")?;
    let token = documents::text("the token", given.unwrap_or_default())?;
    let token = token.trim();
    if token.is_empty() {
        bail!("the metadata service gave no token; check that it is on for this machine");
    }
    let service = service
        .with(TOKEN_HEADER, token)
        .with("Accept", "application/json");
    let instance = service.needed("instance")?;
    let network = service.json("network")?.unwrap_or_default();
    let keys = service.json("ssh-keys")?.unwrap_or_default();
    Ok(facts(&instance, network, &keys))
}

fn facts(instance: &Instance, network: Network, keys: &SshKeys) -> Facts {
    let mut facts = Facts::default();
    facts.set("AKAMAI_INSTANCE_HOST_UUID", instance.host_uuid.as_ref());
    facts.set("AKAMAI_INSTANCE_ID", instance.id.as_ref().map(Word::text));
    facts.set("AKAMAI_INSTANCE_LABEL", instance.label.as_ref());
    facts.set("AKAMAI_INSTANCE_REGION", instance.region.as_ref());
    let tags = instance.tags.as_ref().map(|tags| tags.join(BETWEEN_TAGS));
    facts.set("AKAMAI_INSTANCE_TAGS", tags);
    facts.set("AKAMAI_INSTANCE_TYPE", instance.kind.as_ref());
    let Network { ipv4, ipv6 } = network;
    facts.set("AKAMAI_IPV6_SLAAC", ipv6.slaac);
    facts.set("AKAMAI_IPV6_LINK_LOCAL", ipv6.link_local);
    for (name, values) in [
        ("AKAMAI_IPV6_RANGE", ipv6.ranges),
        ("AKAMAI_IPV6_SHARED_RANGE", ipv6.shared_ranges),
        ("AKAMAI_PRIVATE_IPV4", ipv4.private),
        ("AKAMAI_PUBLIC_IPV4", ipv4.public),
        ("AKAMAI_SHARED_IPV4", ipv4.shared),
    ] {
        facts.set_all(name, values.unwrap_or_default());
    }
    keys.users.add_to(&mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_documents() {
        let instance = br#"{"id": 1234, "host_uuid": "5e1f", "label": "web", "region": "us-east",
            "type": "g6-standard-1", "tags": ["blue", "prod"], "specs": {"vcpus": 1}}"#;
        let network = br#"{"interfaces": [], "ipv4": {"public": ["192.0.2.7/24"], "private": [],
            "shared": ["192.0.2.8/32", "192.0.2.9/32"]}, "ipv6": {"slaac": "2001:db8::7/128",
            "link_local": "fe80::7/128", "ranges": null, "shared_ranges": ["2001:db8:1::/64"]}}"#;
        let keys = br#"{"users": {"core": ["ssh-rsa B"], "root": ["ssh-rsa A", "ssh-rsa B"]}}"#;
        let instance = documents::json("instance", instance).expect("good");
        let network = documents::json("network", network).expect("good");
        let keys = documents::json("ssh-keys", keys).expect("good");
        let facts = facts(&instance, network, &keys);
        assert_eq!(facts.hostname, None);
        assert_eq!(facts.ssh_keys, ["ssh-rsa B", "ssh-rsa A"]);
        let env = facts.to_env();
        for line in [
            "AFTERBURN_AKAMAI_INSTANCE_ID=1234",
            "AFTERBURN_AKAMAI_INSTANCE_TAGS=blue:prod",
            "AFTERBURN_AKAMAI_INSTANCE_TYPE=g6-standard-1",
            "AFTERBURN_AKAMAI_IPV6_LINK_LOCAL=fe80::7/128",
            "AFTERBURN_AKAMAI_IPV6_SHARED_RANGE_0=2001:db8:1::/64",
            "AFTERBURN_AKAMAI_PUBLIC_IPV4_0=192.0.2.7/24",
            "AFTERBURN_AKAMAI_SHARED_IPV4_1=192.0.2.9/32",
        ] {
            assert!(env.lines().any(|found| found == line), "{line} in {env}");
        }
        assert_eq!(facts.attributes.len(), 12, "{env}");
    }

    #[test]
    fn a_machine_without_anything() {
        let nothing: SshKeys = documents::json("keys", b"{}").expect("good");
        let facts = facts(&Instance::default(), Network::default(), &nothing);
        assert_eq!(facts, Facts::default());
    }
}
