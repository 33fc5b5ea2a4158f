//! Instance data that cloud-init configs can refer to: the id, host name and keys of the machine, and template
//! variables.

use super::{decode, nocloud, yaml};
use crate::platform::contract::Attributes;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The identity of a machine, as its platform describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Instance id: a new one means that the image now runs as another machine.
    pub id: Option<String>,
    /// Host name, unless a config sets one.
    pub hostname: Option<String>,
    /// Authorized SSH keys.
    pub keys: Vec<String>,
    /// Template variables by name, e.g. `v1.region`.
    pub variables: Vec<(String, String)>,
    /// User data from the operator of the platform.
    pub vendor_data: Option<Vec<u8>>,
}

/// [`Attributes`] in JSON, as `kindling metadata --json` prints them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrintedAttributes {
    platform: String,
    hostname: Option<String>,
    ssh_keys: Vec<String>,
    attributes: BTreeMap<String, String>,
}

impl Identity {
    /// Derives the identity from the attributes of `platform`.
    pub fn of(platform: &str, attributes: &Attributes) -> Self {
        let meta = |key: &str| attributes.meta_data.get(key).cloned();
        let named = |suffixes: &[&str]| {
            let mut found = suffixes.iter().filter_map(|suffix| {
                let mut all = attributes.values.iter();
                all.find(|(name, _)| name.ends_with(suffix))
            });
            found.next().map(|(_, value)| value.clone())
        };
        let id = meta("instance-id")
            .or_else(|| meta("instance_id"))
            .or_else(|| meta("uuid"))
            .or_else(|| named(&["_INSTANCE_ID", "_INSTANCE_UUID", "_INSTANCE_HOST_UUID"]));
        // In NoCloud metadata, cloud-init ignores `hostname`.
        let is_no_cloud = attributes.meta_data.contains_key("instance-id");
        let hostname = match is_no_cloud {
            true => meta("local-hostname"),
            false => attributes.hostname.clone(),
        };
        let short = hostname.as_deref().map(|name| {
            let (first, _) = name.split_once('.').unwrap_or((name, ""));
            first.to_owned()
        });
        let region = meta("region").or_else(|| named(&["_REGION", "_REGION_ID", "_REGION_CODE"]));
        let zone = meta("availability-zone")
            .or_else(|| meta("availability_zone"))
            .or_else(|| named(&["_AVAILABILITY_ZONE", "_AVAILABILITY_DOMAIN", "_ZONE_ID"]));
        let (cloud, kind) = cloud(platform);
        let v1 = [
            ("v1.instance_id", id.clone()),
            ("v1.local_hostname", short),
            ("v1.region", region),
            ("v1.availability_zone", zone),
            ("v1.cloud_name", Some(cloud.into())),
            ("v1.cloud_id", Some(cloud.into())),
            ("v1.platform", Some(kind.into())),
        ];
        let v1 = v1
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let meta_data = attributes.meta_data.iter();
        let meta_data =
            meta_data.map(|(key, value)| (format!("ds.meta_data.{key}"), value.clone()));
        Identity {
            id,
            hostname,
            keys: attributes.ssh_keys.clone(),
            variables: v1.chain(meta_data).chain(addresses(attributes)).collect(),
            vendor_data: attributes.vendor_data.clone(),
        }
    }

    /// Parses the output of `kindling metadata --json`, or metadata in the format of NoCloud or OpenStack.
    ///
    /// # Errors
    /// If the text has none of these formats.
    pub fn read(text: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(text).context("it is not UTF-8")?;
        let value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => yaml::value(text)?,
        };
        if value.get("sshKeys").is_some() && value.get("attributes").is_some() {
            let printed: PrintedAttributes = decode::from_value("the document", value)?;
            let attributes = Attributes {
                hostname: printed.hostname,
                ssh_keys: printed.ssh_keys,
                values: printed.attributes,
                ..Attributes::default()
            };
            return Ok(Self::of(&printed.platform, &attributes));
        }
        let described = nocloud::machine_and_values("the document", value)?;
        let (machine, meta_data) = described.unwrap_or_default();
        let mut attributes = Attributes {
            meta_data,
            ..Attributes::default()
        };
        attributes.set_hostname(machine.hostname.as_ref());
        attributes.set("NOCLOUD_INSTANCE_ID", machine.id());
        machine.public_keys.add_to(&mut attributes);
        Ok(Self::of("nocloud", &attributes))
    }
}

/// The names of the cloud and of its data source in cloud-init.
fn cloud(platform: &str) -> (&str, &str) {
    match platform {
        "aws" | "ec2" => ("aws", "ec2"),
        "gcp" | "gce" => ("gce", "gce"),
        "oraclecloud" => ("oracle", "oracle"),
        "brightbox" => ("brightbox", "openstack"),
        "kubevirt" | "proxmoxve" | "ibmcloud" | "nocloud" => ("nocloud", "nocloud"),
        "powervs" => ("configdrive", "configdrive"),
        other => (other, other),
    }
}

/// Addresses, by the names of their variables in coreos-cloudinit.
fn addresses(attributes: &Attributes) -> Vec<(String, String)> {
    /// Suffixes of the attributes that may have them, in order of preference.
    const SUFFIXES: [(&str, &[&str]); 4] = [
        (
            "public_ipv4",
            &[
                "_IPV4_PUBLIC",
                "_PUBLIC_IPV4",
                "_IPV4_PUBLIC_0",
                "_PUBLIC_IPV4_0",
                "_IP_EXTERNAL_0",
                "_IPV4_VIRTUAL",
                "_EIPV4",
            ],
        ),
        (
            "private_ipv4",
            &[
                "_IPV4_LOCAL",
                "_PRIVATE_IPV4",
                "_LOCAL_IPV4",
                "_IPV4_PRIVATE",
                "_IPV4_PRIVATE_0",
                "_PRIVATE_IPV4_0",
                "_IP_LOCAL_0",
                "_IPV4_DYNAMIC",
            ],
        ),
        ("public_ipv6", &["_IPV6_PUBLIC_0", "_PUBLIC_IPV6"]),
        ("private_ipv6", &["_IPV6_PRIVATE_0"]),
    ];
    let found = SUFFIXES.iter().filter_map(|(name, suffixes)| {
        let mut values = suffixes.iter().filter_map(|suffix| {
            let mut all = attributes.values.iter();
            all.find(|(attribute, _)| attribute.ends_with(suffix))
        });
        // An address may have a prefix length.
        let (_, value) = values.next()?;
        let (address, _) = value.split_once('/').unwrap_or((value, ""));
        Some(((*name).to_owned(), address.to_owned()))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable<'i>(identity: &'i Identity, name: &str) -> Option<&'i str> {
        let found = identity
            .variables
            .iter()
            .find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn variables_of_a_cloud() {
        let mut attributes = Attributes::default();
        attributes.set_hostname(Some("ip-10-0-0-7.ec2.internal"));
        attributes.add_keys("ssh-rsa A");
        attributes.set("AWS_INSTANCE_ID", Some("i-1"));
        attributes.set("AWS_REGION", Some("eu-west-1"));
        attributes.set("AWS_AVAILABILITY_ZONE", Some("eu-west-1a"));
        attributes.set("AWS_IPV4_LOCAL", Some("10.0.0.7"));
        let identity = Identity::of("aws", &attributes);
        assert_eq!(identity.id.as_deref(), Some("i-1"));
        for (name, want) in [
            ("v1.instance_id", Some("i-1")),
            ("v1.local_hostname", Some("ip-10-0-0-7")),
            ("v1.region", Some("eu-west-1")),
            ("v1.availability_zone", Some("eu-west-1a")),
            ("v1.cloud_name", Some("aws")),
            ("v1.platform", Some("ec2")),
            ("private_ipv4", Some("10.0.0.7")),
            ("public_ipv4", None),
        ] {
            assert_eq!(variable(&identity, name), want, "{name}");
        }
        let printed = attributes.to_json("aws").to_string();
        assert_eq!(Identity::read(printed.as_bytes()).expect("read"), identity);
    }

    #[test]
    fn documents_given_by_the_user() {
        let text = "instance-id: i-2\nlocal-hostname: web.example.com\nhostname: other\n\
            public-keys: {a: ssh-rsa A, b: [ssh-rsa B]}\nregion: north\nmeta: {role: db, n: 3}\n";
        let identity = Identity::read(text.as_bytes()).expect("read");
        assert_eq!(identity.id.as_deref(), Some("i-2"));
        assert_eq!(identity.hostname.as_deref(), Some("web.example.com"));
        assert_eq!(identity.keys, ["ssh-rsa A", "ssh-rsa B"]);
        assert_eq!(variable(&identity, "v1.local_hostname"), Some("web"));
        assert_eq!(variable(&identity, "ds.meta_data.meta.role"), Some("db"));
        assert_eq!(variable(&identity, "v1.region"), Some("north"));
        let bare = Identity::read(b"instance-id: i-2\nhostname: other\n").expect("read");
        assert_eq!(bare.hostname, None);
        let text = r#"{"uuid": "u-1", "hostname": "web.novalocal", "public_keys": {"k": "ssh-rsa A"}, "meta": {"a": true}}"#;
        let drive = Identity::read(text.as_bytes()).expect("read");
        assert_eq!(drive.id.as_deref(), Some("u-1"));
        assert_eq!(drive.hostname.as_deref(), Some("web.novalocal"));
        assert_eq!(variable(&drive, "ds.meta_data.meta.a"), Some("True"));
        for bad in [&b"\xff"[..], b"- a", b"a: [", b"instance-id: [1]"] {
            Identity::read(bad).expect_err("refused");
        }
    }
}
