//! What configs of cloud-init may ask of a machine: its id, its name, its keys, and facts by the names of templates.

use super::{Facts, documents, yaml};
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Documents that describe a machine have few values; a larger document is not one.
const MAX_VALUES: usize = 2000;

/// A machine as its platform tells it apart from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// What tells this machine from the one before it.
    pub id: Option<String>,
    /// The name that it is to have unless a config gives one.
    pub hostname: Option<String>,
    /// Public keys of those who may log in.
    pub keys: Vec<String>,
    /// Facts by the names of templates, e.g. `v1.region`.
    pub facts: Vec<(String, String)>,
    /// User data of whoever runs the platform.
    pub vendor_data: Option<Vec<u8>>,
}

/// The JSON form of [`Facts`], as `kindling metadata --json` prints it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    platform: String,
    hostname: Option<String>,
    ssh_keys: Vec<String>,
    attributes: BTreeMap<String, String>,
}

impl Identity {
    /// What `facts` of `platform` say.
    pub fn of(platform: &str, facts: &Facts) -> Self {
        let meta = |key: &str| facts.meta_data.get(key).cloned();
        let named = |suffixes: &[&str]| {
            let mut found = suffixes.iter().filter_map(|suffix| {
                let mut all = facts.attributes.iter();
                all.find(|(name, _)| name.ends_with(suffix))
            });
            found.next().map(|(_, value)| value.clone())
        };
        let id = meta("instance-id")
            .or_else(|| meta("instance_id"))
            .or_else(|| meta("uuid"))
            .or_else(|| named(&["_INSTANCE_ID", "_INSTANCE_UUID", "_INSTANCE_HOST_UUID"]));
        // Of a document in the form of NoCloud, `hostname` is not what cloud-init takes.
        let is_no_cloud = facts.meta_data.contains_key("instance-id");
        let hostname = match is_no_cloud {
            true => meta("local-hostname"),
            false => facts.hostname.clone(),
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
        let own = facts.meta_data.iter();
        let own = own.map(|(key, value)| (format!("ds.meta_data.{key}"), value.clone()));
        Identity {
            id,
            hostname,
            keys: facts.ssh_keys.clone(),
            facts: v1.chain(own).chain(addresses(facts)).collect(),
            vendor_data: facts.vendor_data.clone(),
        }
    }

    /// What a document says: that of `kindling metadata --json`, or meta-data in the form of NoCloud or OpenStack.
    ///
    /// # Errors
    /// It is none of them.
    pub fn read(text: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(text).context("it is not UTF-8")?;
        let value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => yaml::value(text)?,
        };
        if value.get("sshKeys").is_some() && value.get("attributes").is_some() {
            let printed: Printed = documents::shaped("the document", value)?;
            let facts = Facts {
                hostname: printed.hostname,
                ssh_keys: printed.ssh_keys,
                attributes: printed.attributes,
                ..Facts::default()
            };
            return Ok(Self::of(&printed.platform, &facts));
        }
        let facts = super::kubevirt::of_meta_data("the document", value)?;
        Ok(Self::of("nocloud", &facts))
    }
}

/// What cloud-init calls the cloud of a platform, and its kind.
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

/// Addresses by the names of coreos-cloudinit.
fn addresses(facts: &Facts) -> Vec<(String, String)> {
    /// Ends of names of attributes that have them, the better ones first.
    const ENDS: [(&str, &[&str]); 4] = [
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
    let found = ENDS.iter().filter_map(|(name, ends)| {
        let mut values = ends.iter().filter_map(|end| {
            let mut all = facts.attributes.iter();
            all.find(|(attribute, _)| attribute.ends_with(end))
        });
        // An address may come with the length of its prefix.
        let (_, value) = values.next()?;
        let (address, _) = value.split_once('/').unwrap_or((value, ""));
        Some(((*name).to_owned(), address.to_owned()))
    });
    found.collect()
}

/// The scalars of a document by their paths, e.g. `meta.role`.
pub fn flattened(value: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    flatten("", value, &mut flat);
    flat
}

/// As deep as a document can be.
fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    if flat.len() >= MAX_VALUES {
        return;
    }
    let text = match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                flatten(&path, value, flat);
            }
            return;
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // As a template prints it.
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null | Value::Array(_) => return,
    };
    flat.insert(path.to_owned(), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact<'i>(identity: &'i Identity, name: &str) -> Option<&'i str> {
        let found = identity.facts.iter().find(|(fact, _)| fact == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn facts_of_a_cloud() {
        let mut facts = Facts::default();
        facts.name(Some("ip-10-0-0-7.ec2.internal"));
        facts.add_keys("ssh-rsa A");
        facts.set("AWS_INSTANCE_ID", Some("i-1"));
        facts.set("AWS_REGION", Some("eu-west-1"));
        facts.set("AWS_AVAILABILITY_ZONE", Some("eu-west-1a"));
        facts.set("AWS_IPV4_LOCAL", Some("10.0.0.7"));
        let identity = Identity::of("aws", &facts);
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
            assert_eq!(fact(&identity, name), want, "{name}");
        }
        let printed = facts.to_json("aws").to_string();
        assert_eq!(Identity::read(printed.as_bytes()).expect("read"), identity);
    }

    #[test]
    fn documents_at_the_desk() {
        let text = "instance-id: i-2\nlocal-hostname: web.example.com\nhostname: other\n\
            public-keys: {a: ssh-rsa A, b: [ssh-rsa B]}\nregion: north\nmeta: {role: db, n: 3}\n";
        let identity = Identity::read(text.as_bytes()).expect("read");
        assert_eq!(identity.id.as_deref(), Some("i-2"));
        assert_eq!(identity.hostname.as_deref(), Some("web.example.com"));
        assert_eq!(identity.keys, ["ssh-rsa A", "ssh-rsa B"]);
        assert_eq!(fact(&identity, "v1.local_hostname"), Some("web"));
        assert_eq!(fact(&identity, "ds.meta_data.meta.role"), Some("db"));
        assert_eq!(fact(&identity, "v1.region"), Some("north"));
        let bare = Identity::read(b"instance-id: i-2\nhostname: other\n").expect("read");
        assert_eq!(bare.hostname, None);
        let text = r#"{"uuid": "u-1", "hostname": "web.novalocal", "public_keys": {"k": "ssh-rsa A"}, "meta": {"a": true}}"#;
        let drive = Identity::read(text.as_bytes()).expect("read");
        assert_eq!(drive.id.as_deref(), Some("u-1"));
        assert_eq!(drive.hostname.as_deref(), Some("web.novalocal"));
        assert_eq!(fact(&drive, "ds.meta_data.meta.a"), Some("True"));
        for bad in [&b"\xff"[..], b"- a", b"a: [", b"instance-id: [1]"] {
            Identity::read(bad).expect_err("refused");
        }
    }
}
