//! What a platform tells a machine of itself besides its config: its name, SSH keys, attributes such as addresses.
//!
//! `kindling metadata` asks for it, and a boot whose config counts on the name and the keys of the machine.
//! `docs/metadata.md` lists what there is, and a test holds it against [`Source::names`].

pub mod akamai;
pub mod aws;
pub mod azure;
pub mod cloudstack;
pub mod digitalocean;
mod documents;
mod drives;
mod env;
pub mod gcp;
pub mod hetzner;
pub mod ibmcloud;
pub mod identity;
pub mod kubevirt;
mod mime;
mod network;
pub mod openstack;
pub mod oraclecloud;
pub mod packet;
pub mod powervs;
pub mod proxmoxve;
pub mod scaleway;
mod service;
mod tree;
mod yaml;

pub use tree::{KeysAt, Tree};

use super::FetchContext;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

/// What stands in front of the name of an attribute in an environment file. Services written for Afterburn expect it.
pub const PREFIX: &str = "AFTERBURN_";
/// Version of the JSON form.
const VERSION: u32 = 1;

/// What a machine is told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub hostname: Option<String>,
    /// Public keys of those who may log in, a line each, in the form of `authorized_keys`; none twice.
    pub ssh_keys: Vec<String>,
    /// Everything else by name, e.g. `AWS_INSTANCE_ID`. Values are as the platform gives them, but for white space
    /// around them, and never empty.
    pub attributes: BTreeMap<String, String>,
    /// Values of the document that describes the machine, by their paths in it, where there is one such document. A
    /// password may be among them, so they are in none of the forms.
    pub meta_data: BTreeMap<String, String>,
    /// User data of whoever runs the platform. It may hold secrets, so it is in none of the forms.
    pub vendor_data: Option<Vec<u8>>,
}

/// A platform that can be asked has no document that describes the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDescription(pub(super) String);

impl NoDescription {
    /// True if this is why an error occurred.
    pub fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<NoDescription>())
    }
}

/// Where the facts of a platform come from.
pub trait Source: Sync + Debug {
    /// Names of the attributes that may be there. Of a numbered series only the first, which ends in `_0`.
    fn names(&self) -> Vec<&'static str>;

    /// Asks for them. What is not there is left out.
    ///
    /// # Errors
    /// The platform does not answer, or not in the form it should; names the document, never what is in it.
    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts>;
}

/// A source that is a function.
#[derive(Debug)]
pub struct AttributeSource {
    /// As [`Source::names`].
    pub names: &'static [&'static str],
    /// As [`Source::ask`].
    pub ask: fn(&FetchContext<'_>) -> anyhow::Result<Facts>,
}

impl Source for AttributeSource {
    fn names(&self) -> Vec<&'static str> {
        self.names.into()
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        (self.ask)(context)
    }
}

impl Facts {
    /// Notes an attribute, if there is one.
    pub fn set(&mut self, name: impl Into<String>, value: Option<impl AsRef<str>>) {
        let value = value.as_ref().map(|value| value.as_ref().trim());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.attributes.insert(name.into(), value.into());
        }
    }

    /// Notes a numbered series of attributes, the first as `NAME_0`.
    pub fn set_all<T: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for (number, value) in values.into_iter().enumerate() {
            self.set(format!("{name}_{number}"), Some(value));
        }
    }

    /// Notes the name of the machine, if there is one.
    pub fn name(&mut self, hostname: Option<impl AsRef<str>>) {
        let hostname = hostname.as_ref().map(|name| name.as_ref().trim());
        let hostname = hostname.filter(|name| !name.is_empty());
        self.hostname = hostname.map(String::from);
    }

    /// Notes the keys in a text, a line each. Empty lines and comments are none.
    pub fn add_keys(&mut self, lines: &str) {
        for key in lines.lines().map(str::trim) {
            let is_key = !key.is_empty() && !key.starts_with('#');
            if is_key && !self.ssh_keys.iter().any(|known| known == key) {
                self.ssh_keys.push(key.into());
            }
        }
    }

    /// For programs.
    pub fn to_json(&self, platform: &str) -> Value {
        json!({
            "version": VERSION,
            "platform": platform,
            "hostname": self.hostname,
            "sshKeys": self.ssh_keys,
            "attributes": self.attributes,
        })
    }

    /// Attributes for `EnvironmentFile=` of a unit, which a shell reads as well.
    pub fn to_env(&self) -> String {
        let pairs = self.attributes.iter();
        let lines =
            pairs.map(|(name, value)| format!("{PREFIX}{}\n", env::assignment(name, value)));
        lines.collect()
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let value = env::printable(value, |_| false);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        if let Some(hostname) = &self.hostname {
            line("hostname", hostname);
        }
        for key in &self.ssh_keys {
            line("ssh key", key);
        }
        for (name, value) in &self.attributes {
            line(name, value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::PLATFORMS;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.name(Some(" web-1\n"));
        facts.add_keys("ssh-ed25519 AAAA a@b\r\n\n# nobody\nssh-rsa BBBB\nssh-ed25519 AAAA a@b\n");
        facts.set("AWS_INSTANCE_ID", Some("i-1"));
        facts.set("AWS_REGION", None::<&str>);
        facts.set("AWS_IPV6", Some(" \n"));
        facts.set_all("AKAMAI_SHARED_IPV4", ["192.0.2.1/32", "192.0.2.2/32"]);
        facts
    }

    #[test]
    fn what_is_empty_or_said_twice_is_left_out() {
        let facts = facts();
        assert_eq!(facts.hostname.as_deref(), Some("web-1"));
        assert_eq!(facts.ssh_keys, ["ssh-ed25519 AAAA a@b", "ssh-rsa BBBB"]);
        let names: Vec<&str> = facts.attributes.keys().map(String::as_str).collect();
        let want = [
            "AKAMAI_SHARED_IPV4_0",
            "AKAMAI_SHARED_IPV4_1",
            "AWS_INSTANCE_ID",
        ];
        assert_eq!(names, want);
        let mut none = Facts::default();
        none.name(Some(" "));
        assert_eq!(none, Facts::default());
    }

    #[test]
    fn three_forms() {
        let facts = facts();
        let json = facts.to_json("aws");
        assert_eq!(json["version"], 1);
        assert_eq!(json["platform"], "aws");
        assert_eq!(json["hostname"], "web-1");
        assert_eq!(json["sshKeys"][1], "ssh-rsa BBBB");
        assert_eq!(json["attributes"]["AWS_INSTANCE_ID"], "i-1");
        assert!(Facts::default().to_json("aws")["hostname"].is_null());
        let env = "AFTERBURN_AKAMAI_SHARED_IPV4_0=192.0.2.1/32\n\
                   AFTERBURN_AKAMAI_SHARED_IPV4_1=192.0.2.2/32\n\
                   AFTERBURN_AWS_INSTANCE_ID=i-1\n";
        assert_eq!(facts.to_env(), env);
        let text = facts.to_text();
        assert!(text.starts_with("hostname: web-1\nssh key: ssh-ed25519 AAAA a@b\n"));
        assert!(text.ends_with("\nAWS_INSTANCE_ID: i-1\n"), "{text}");
    }

    #[test]
    fn people_see_no_control_characters() {
        let mut facts = Facts::default();
        facts.set("X_LABEL", Some("a\n\u{1b}[2Jb"));
        assert_eq!(facts.to_text(), "X_LABEL: a\u{fffd}\u{fffd}[2Jb\n");
    }

    #[test]
    fn names_are_those_of_variables_and_said_once() {
        for platform in PLATFORMS {
            let Some(source) = platform.facts_source() else {
                continue;
            };
            let mut names = source.names();
            for name in &names {
                let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(is_plain), "{}: {name}", platform.id());
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", platform.id());
        }
    }
}
