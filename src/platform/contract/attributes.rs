//! Instance metadata: host name, SSH keys, and attributes such as addresses.

use super::context::FetchContext;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;

/// Instance metadata of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Host name.
    pub hostname: Option<String>,
    /// Authorized SSH keys in the format of `authorized_keys`, without duplicates.
    pub ssh_keys: Vec<String>,
    /// All other attributes by name, e.g. `AWS_INSTANCE_ID`. Values are trimmed and never empty.
    pub values: BTreeMap<String, String>,
    /// Values of the metadata document by path, on platforms that have one. They are never printed, since they may
    /// include a password.
    pub meta_data: BTreeMap<String, String>,
    /// User data from the operator of the platform. It is never printed, since it may contain secrets.
    pub vendor_data: Option<Vec<u8>>,
}

impl Attributes {
    /// Sets an attribute, unless the value is missing or blank.
    pub fn set(&mut self, name: impl Into<String>, value: Option<impl AsRef<str>>) {
        let value = value.as_ref().map(|value| value.as_ref().trim());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.values.insert(name.into(), value.into());
        }
    }

    /// Sets a numbered series of attributes, the first as `NAME_0`.
    pub fn set_all<T: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for (number, value) in values.into_iter().enumerate() {
            self.set(format!("{name}_{number}"), Some(value));
        }
    }

    /// Sets the host name; a missing or blank one removes it.
    pub fn set_hostname(&mut self, hostname: Option<impl AsRef<str>>) {
        let hostname = hostname.as_ref().map(|name| name.as_ref().trim());
        let hostname = hostname.filter(|name| !name.is_empty());
        self.hostname = hostname.map(String::from);
    }

    /// Adds SSH keys, one per line. Empty lines, comments and known keys are skipped.
    pub fn add_keys(&mut self, lines: &str) {
        self.add_all_keys([lines]);
    }

    /// Like [`Attributes::add_keys`], for several texts. Adding many keys one by one would take time in proportion to
    /// the square of their number.
    pub fn add_all_keys<'k>(&mut self, texts: impl IntoIterator<Item = &'k str>) {
        let mut known: HashSet<String> = self.ssh_keys.iter().cloned().collect();
        for key in texts.into_iter().flat_map(str::lines).map(str::trim) {
            let is_key = !key.is_empty() && !key.starts_with('#');
            if is_key && known.insert(key.into()) {
                self.ssh_keys.push(key.into());
            }
        }
    }
}

/// The platform answered, but has no metadata about the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDescription(pub String);

impl NoDescription {
    /// True if it is among the causes of `error`.
    pub fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<NoDescription>())
    }
}

/// A source of attributes.
pub trait AttributeSource: Sync + Debug {
    /// Names of all attributes that it may return; for a numbered series, that of the first, which ends in `_0`.
    fn names(&self) -> Vec<&'static str>;

    /// Fetches the attributes. Those that the machine does not have are omitted.
    ///
    /// # Errors
    /// If the platform does not answer, or a document does not have the expected structure. The message names the
    /// document and quotes nothing.
    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_duplicate_values_are_skipped() {
        let mut attributes = Attributes::default();
        attributes.set_hostname(Some(" web-1\n"));
        attributes
            .add_keys("ssh-ed25519 AAAA a@b\r\n\n# nobody\nssh-rsa BBBB\nssh-ed25519 AAAA a@b\n");
        attributes.set("AWS_INSTANCE_ID", Some("i-1"));
        attributes.set("AWS_REGION", None::<&str>);
        attributes.set("AWS_IPV6", Some(" \n"));
        attributes.set_all("AKAMAI_SHARED_IPV4", ["192.0.2.1/32", "192.0.2.2/32"]);
        assert_eq!(attributes.hostname.as_deref(), Some("web-1"));
        assert_eq!(
            attributes.ssh_keys,
            ["ssh-ed25519 AAAA a@b", "ssh-rsa BBBB"]
        );
        let names: Vec<&str> = attributes.values.keys().map(String::as_str).collect();
        let want = [
            "AKAMAI_SHARED_IPV4_0",
            "AKAMAI_SHARED_IPV4_1",
            "AWS_INSTANCE_ID",
        ];
        assert_eq!(names, want);
        let mut none = Attributes::default();
        none.set_hostname(Some(" "));
        assert_eq!(none, Attributes::default());
    }
}
