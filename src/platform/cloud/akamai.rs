//! Platform `akamai` (Linode): user data of the metadata service, which requires a token, in base64 and maybe gzip.
//!
//! Attributes: three JSON documents, which require a token. None has a host name.

use crate::fetch::Method;
use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::decode::{self, Keys, StringOrNumber};
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, Network, Platform, TestLevel,
};
use crate::platform::source::document::{self, ConfigEncoding, Missing, ServiceDocument};
use anyhow::{Context, bail};
use serde::Deserialize;

/// Where tokens are issued.
static TOKEN: ServiceDocument = ServiceDocument {
    headers: &[
        ("Accept", "text/plain"),
        ("Metadata-Token-Expiry-Seconds", "300"),
    ],
    method: Method::Put,
    ..ServiceDocument::at("http://169.254.169.254/v1/token")
};
static USER_DATA: ServiceDocument = ServiceDocument {
    headers: &[("Accept", "*/*")],
    missing: Missing::Failure,
    encoding: ConfigEncoding::Base64Gzip,
    ..ServiceDocument::at("http://169.254.169.254/v1/user-data")
};
/// Header that carries the token.
const TOKEN_HEADER: &str = "Metadata-Token";

/// The platform.
pub(crate) struct Akamai;

impl Platform for Akamai {
    fn id(&self) -> &'static str {
        "akamai"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the metadata service, base64 and maybe gzip",
            requests: &[],
            no_config: USER_DATA.no_config(),
            waits: document::TIMEOUT_TEXT,
            network: Network::Needed,
            modules: &[],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
        let user_data = USER_DATA.describe();
        vec![
            TOKEN.describe(),
            format!("{user_data}, with {TOKEN_HEADER}"),
        ]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        USER_DATA.answer_with_token(TOKEN_HEADER, || token(context).map(Some), context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

fn token(context: &FetchContext<'_>) -> anyhow::Result<String> {
    let token = context
        .fetcher
        .fetch_to_vec(&TOKEN.request(), context.events);
    let (token, _) = token.context("cannot get a token")?;
    let token = String::from_utf8(token).context("the token is not valid UTF-8")?;
    let token = token.trim();
    if token.is_empty() {
        bail!("the metadata service gave an empty token; check that it is on for this machine");
    }
    Ok(token.into())
}

/// Separates the tags in one attribute.
const TAG_SEPARATOR: &str = ":";

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
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
    fetch: fetch_attributes,
};

#[derive(Deserialize, Default)]
struct Instance {
    id: Option<StringOrNumber>,
    host_uuid: Option<String>,
    label: Option<String>,
    region: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize, Default)]
struct InstanceNetwork {
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

fn fetch_attributes(context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
    let service = MetadataService::at(context, "http://169.254.169.254/v1/");
    let token = service
        .send(&TOKEN.request())
        .context("cannot get a token")?;
    let token = decode::text("the token", token.unwrap_or_default())?;
    let token = token.trim();
    if token.is_empty() {
        bail!("the metadata service gave no token; check that it is on for this machine");
    }
    let service = service
        .with_header(TOKEN_HEADER, token)
        .with_header("Accept", "application/json");
    let instance = service.required_json("instance")?;
    let network = service.json("network")?.unwrap_or_default();
    let keys = service.json("ssh-keys")?.unwrap_or_default();
    Ok(attributes(&instance, network, &keys))
}

fn attributes(instance: &Instance, network: InstanceNetwork, keys: &SshKeys) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("AKAMAI_INSTANCE_HOST_UUID", instance.host_uuid.as_ref());
    attributes.set(
        "AKAMAI_INSTANCE_ID",
        instance.id.as_ref().map(StringOrNumber::text),
    );
    attributes.set("AKAMAI_INSTANCE_LABEL", instance.label.as_ref());
    attributes.set("AKAMAI_INSTANCE_REGION", instance.region.as_ref());
    let tags = instance.tags.as_ref().map(|tags| tags.join(TAG_SEPARATOR));
    attributes.set("AKAMAI_INSTANCE_TAGS", tags);
    attributes.set("AKAMAI_INSTANCE_TYPE", instance.kind.as_ref());
    let InstanceNetwork { ipv4, ipv6 } = network;
    attributes.set("AKAMAI_IPV6_SLAAC", ipv6.slaac);
    attributes.set("AKAMAI_IPV6_LINK_LOCAL", ipv6.link_local);
    for (name, values) in [
        ("AKAMAI_IPV6_RANGE", ipv6.ranges),
        ("AKAMAI_IPV6_SHARED_RANGE", ipv6.shared_ranges),
        ("AKAMAI_PRIVATE_IPV4", ipv4.private),
        ("AKAMAI_PUBLIC_IPV4", ipv4.public),
        ("AKAMAI_SHARED_IPV4", ipv4.shared),
    ] {
        attributes.set_all(name, values.unwrap_or_default());
    }
    keys.users.add_to(&mut attributes);
    attributes
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
        let instance = decode::json("instance", instance).expect("good");
        let network = decode::json("network", network).expect("good");
        let keys = decode::json("ssh-keys", keys).expect("good");
        let attributes = attributes(&instance, network, &keys);
        assert_eq!(attributes.hostname, None);
        assert_eq!(attributes.ssh_keys, ["ssh-rsa B", "ssh-rsa A"]);
        let env = attributes.to_env();
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
        assert_eq!(attributes.values.len(), 12, "{env}");
    }

    #[test]
    fn a_machine_without_anything() {
        let nothing: SshKeys = decode::json("keys", b"{}").expect("good");
        let attributes = attributes(&Instance::default(), InstanceNetwork::default(), &nothing);
        assert_eq!(attributes, Attributes::default());
    }
}
