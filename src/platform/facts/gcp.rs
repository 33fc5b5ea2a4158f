//! Facts of `gcp`: a tree, but for keys, which have grown in four places with rules between them.

use super::super::FetchContext;
use super::service::Service;
use super::tree::{KeysAt, Tree};
use super::{Facts, Source};
use crate::log::Log;

/// The source.
pub static SOURCE: Gcp = Gcp;

static TREE: Tree = Tree {
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
/// The old place: whoever fills it wants no others.
const ONLY: &str = "instance/attributes/sshKeys";
const INSTANCE: &str = "instance/attributes/ssh-keys";
const BLOCKED: &str = "instance/attributes/block-project-ssh-keys";
const PROJECT: [&str; 2] = ["project/attributes/sshKeys", "project/attributes/ssh-keys"];

/// A tree, and keys.
#[derive(Debug)]
pub struct Gcp;

impl Source for Gcp {
    fn names(&self) -> Vec<&'static str> {
        TREE.names()
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        let service = TREE.service(context);
        let mut facts = TREE.gather(&service)?;
        for (path, lines) in keys(&service)? {
            add_keys(&lines, &mut facts, context.log, path);
        }
        Ok(facts)
    }
}

/// Texts with keys, and where they were.
type Places = Vec<(&'static str, String)>;

fn keys(service: &Service<'_>) -> anyhow::Result<Places> {
    let at = |path: &'static str| -> anyhow::Result<_> {
        Ok(service.text(path)?.map(|lines| (path, lines)))
    };
    if let Some(only) = at(ONLY)? {
        return Ok(vec![only]);
    }
    let mut found = Places::from_iter(at(INSTANCE)?);
    let blocked = service.text(BLOCKED)?.unwrap_or_default();
    if !blocked.eq_ignore_ascii_case("true") {
        for path in PROJECT {
            found.extend(at(path)?);
        }
    }
    Ok(found)
}

/// Lines are `USER:KEY`. One that is not is somebody's mistake, which should not cost others their keys.
fn add_keys(lines: &str, facts: &mut Facts, log: &Log, path: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some((user, key)) if !user.contains(char::is_whitespace) => facts.add_keys(key),
            _ => log.warning(format_args!(
                "left out a line of {path} that is not USER:KEY"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;

    #[test]
    fn users_are_taken_from_keys() {
        let (sink, log) = Sink::memory();
        let mut facts = Facts::default();
        let lines = "ann:ssh-rsa A ann@h\n\nbob:ssh-ed25519 B google-ssh {\"userName\":\"b@h\"}\nssh-rsa C a:b\nann:ssh-rsa A ann@h\n";
        add_keys(lines, &mut facts, &Log::new(sink), "the list");
        let want = [
            "ssh-rsa A ann@h",
            "ssh-ed25519 B google-ssh {\"userName\":\"b@h\"}",
        ];
        assert_eq!(facts.ssh_keys, want);
        let log = log.lock().expect("one thread").clone();
        assert!(log.contains("left out a line of the list"), "{log}");
        assert!(!log.contains("ssh-rsa"), "{log}");
    }
}
