//! Formats attributes for output. Metadata and vendor data are not included.

use super::env;
use crate::platform::contract::Attributes;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Prefix of names in an environment file. Services written for Afterburn expect it.
pub(super) const PREFIX: &str = "AFTERBURN_";
/// Version of the JSON format, printed as `version`.
const VERSION: u32 = 1;

impl Attributes {
    /// The output of `kindling metadata --json`.
    pub fn to_json(&self, platform: &str) -> Value {
        json!({
            "version": VERSION,
            "platform": platform,
            "hostname": self.hostname,
            "sshKeys": self.ssh_keys,
            "attributes": self.values,
        })
    }

    /// The output of `kindling metadata --env`, for `EnvironmentFile=` of a unit or for a shell.
    pub fn to_env(&self) -> String {
        let pairs = self.values.iter();
        let lines =
            pairs.map(|(name, value)| format!("{PREFIX}{}\n", env::assignment(name, value)));
        lines.collect()
    }

    /// Human-readable output, one line each.
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
        for (name, value) in &self.values {
            line(name, value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        let mut attributes = Attributes::default();
        attributes.set_hostname(Some(" web-1\n"));
        attributes
            .add_keys("ssh-ed25519 AAAA a@b\r\n\n# nobody\nssh-rsa BBBB\nssh-ed25519 AAAA a@b\n");
        attributes.set("AWS_INSTANCE_ID", Some("i-1"));
        attributes.set("AWS_REGION", None::<&str>);
        attributes.set("AWS_IPV6", Some(" \n"));
        attributes.set_all("AKAMAI_SHARED_IPV4", ["192.0.2.1/32", "192.0.2.2/32"]);
        attributes
    }

    #[test]
    fn three_formats() {
        let attributes = attributes();
        let json = attributes.to_json("aws");
        assert_eq!(json["version"], 1);
        assert_eq!(json["platform"], "aws");
        assert_eq!(json["hostname"], "web-1");
        assert_eq!(json["sshKeys"][1], "ssh-rsa BBBB");
        assert_eq!(json["attributes"]["AWS_INSTANCE_ID"], "i-1");
        assert!(Attributes::default().to_json("aws")["hostname"].is_null());
        let env = "AFTERBURN_AKAMAI_SHARED_IPV4_0=192.0.2.1/32\n\
                   AFTERBURN_AKAMAI_SHARED_IPV4_1=192.0.2.2/32\n\
                   AFTERBURN_AWS_INSTANCE_ID=i-1\n";
        assert_eq!(attributes.to_env(), env);
        let text = attributes.to_text();
        assert!(text.starts_with("hostname: web-1\nssh key: ssh-ed25519 AAAA a@b\n"));
        assert!(text.ends_with("\nAWS_INSTANCE_ID: i-1\n"), "{text}");
    }

    #[test]
    fn text_output_has_no_control_characters() {
        let mut attributes = Attributes::default();
        attributes.set("X_LABEL", Some("a\n\u{1b}[2Jb"));
        assert_eq!(attributes.to_text(), "X_LABEL: a\u{fffd}\u{fffd}[2Jb\n");
    }
}
