//! What a platform tells a machine of itself besides its config: its name, SSH keys, attributes such as addresses.

use super::context::FetchContext;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What a machine is told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Host name.
    pub hostname: Option<String>,
    /// Authorized SSH keys in the form of `authorized_keys`, each once.
    pub ssh_keys: Vec<String>,
    /// All else by name, e.g. `AWS_INSTANCE_ID`. Values are those of the platform, trimmed, and never empty.
    pub values: BTreeMap<String, String>,
    /// Values of the meta-data document by their paths in it, on platforms that have one. They are never printed, since a
    /// password may be among them.
    pub meta_data: BTreeMap<String, String>,
    /// User data of the operator of the platform. It is never printed, since it may hold secrets.
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

    /// Adds the SSH keys in a text, one per line. Empty lines, comments and known keys are left out.
    pub fn add_keys(&mut self, lines: &str) {
        for key in lines.lines().map(str::trim) {
            let is_key = !key.is_empty() && !key.starts_with('#');
            if is_key && !self.ssh_keys.iter().any(|known| known == key) {
                self.ssh_keys.push(key.into());
            }
        }
    }
}

/// The platform answered, but has no document that describes the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDescription(pub String);

impl NoDescription {
    /// True if it is in the chain of causes of an error.
    pub fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<NoDescription>())
    }
}

/// A source of attributes.
pub trait AttributeSource: Sync + Debug {
    /// Names of all attributes that it may have; of a numbered series the first, which ends in `_0`.
    fn names(&self) -> Vec<&'static str>;

    /// Obtains the attributes. Those that the machine does not have are left out.
    ///
    /// # Errors
    /// The platform does not answer, or a document has another form. The message names the document and quotes nothing.
    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_said_twice_is_left_out() {
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
