//! Platform `gcp` (Google Compute Engine): attribute `user-data` of the instance. The service is reached by its IP
//! address, so no DNS is needed.
//!
//! Attributes: a tree, except for keys, which are in four places with different precedence.

use crate::log::Log;
use crate::platform::attributes::service::MetadataService;
use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::contract::{AttributeSource, Attributes, FetchContext};
use crate::platform::source::document::{DocumentPlatform, ServiceDocument};

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "gcp",
    source: "attribute `user-data` of the instance, from the metadata service",
    document: ServiceDocument {
        headers: &[("Metadata-Flavor", "Google")],
        ..ServiceDocument::at(
            "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data",
        )
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: GcpAttributes = GcpAttributes;

static TREE: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/computeMetadata/v1/",
    headers: &[("Metadata-Flavor", "Google")],
    hostname: Some("instance/hostname"),
    keys: KeysAt::Elsewhere,
    values: &[
        ("GCP_HOSTNAME", "instance/hostname"),
        (
            "GCP_IP_EXTERNAL_0",
            "instance/network-interfaces/0/access-configs/0/external-ip",
        ),
        ("GCP_IP_LOCAL_0", "instance/network-interfaces/0/ip"),
        ("GCP_MACHINE_TYPE", "instance/machine-type"),
    ],
};
/// The oldest place: if it has keys, the others are ignored.
const EXCLUSIVE_KEYS: &str = "instance/attributes/sshKeys";
const INSTANCE_KEYS: &str = "instance/attributes/ssh-keys";
const BLOCK_PROJECT_KEYS: &str = "instance/attributes/block-project-ssh-keys";
const PROJECT_KEYS: [&str; 2] = ["project/attributes/sshKeys", "project/attributes/ssh-keys"];

/// The tree and the keys.
#[derive(Debug)]
struct GcpAttributes;

impl AttributeSource for GcpAttributes {
    fn names(&self) -> Vec<&'static str> {
        TREE.names()
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        let service = TREE.service(context);
        let mut attributes = TREE.gather(&service)?;
        for (path, lines) in keys(&service)? {
            add_keys(&lines, &mut attributes, context.log, path);
        }
        Ok(attributes)
    }
}

/// Lists of keys and their paths.
type KeyLists = Vec<(&'static str, String)>;

fn keys(service: &MetadataService<'_>) -> anyhow::Result<KeyLists> {
    let at = |path: &'static str| -> anyhow::Result<_> {
        Ok(service.text(path)?.map(|lines| (path, lines)))
    };
    if let Some(only) = at(EXCLUSIVE_KEYS)? {
        return Ok(vec![only]);
    }
    let mut found = KeyLists::from_iter(at(INSTANCE_KEYS)?);
    let blocked = service.text(BLOCK_PROJECT_KEYS)?.unwrap_or_default();
    if !blocked.eq_ignore_ascii_case("true") {
        for path in PROJECT_KEYS {
            found.extend(at(path)?);
        }
    }
    Ok(found)
}

/// Adds lines of the form `USER:KEY`. Others are skipped with one warning, so that a mistake does not cost all keys.
fn add_keys(lines: &str, attributes: &mut Attributes, log: &Log, path: &str) {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut skipped = 0;
    let keys = lines.filter_map(|line| match line.split_once(':') {
        Some((user, key)) if !user.contains(char::is_whitespace) => Some(key),
        _ => {
            skipped += 1;
            None
        }
    });
    attributes.add_all_keys(keys);
    if skipped > 0 {
        log.warning(format_args!(
            "lines of {path} that are not USER:KEY were left out: {skipped}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;

    #[test]
    fn users_are_removed_from_keys() {
        let (sink, log) = Sink::memory();
        let mut attributes = Attributes::default();
        let lines = "ann:ssh-rsa A ann@h\n\nbob:ssh-ed25519 B google-ssh {\"userName\":\"b@h\"}\nssh-rsa C a:b\nann:ssh-rsa A ann@h\n";
        add_keys(lines, &mut attributes, &Log::new(sink), "the list");
        let want = [
            "ssh-rsa A ann@h",
            "ssh-ed25519 B google-ssh {\"userName\":\"b@h\"}",
        ];
        assert_eq!(attributes.ssh_keys, want);
        let log = log.lock().expect("one thread").clone();
        assert!(
            log.contains("lines of the list that are not USER:KEY were left out: 1"),
            "{log}"
        );
        assert!(!log.contains("ssh-rsa"), "{log}");
    }
}
