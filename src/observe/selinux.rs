//! SELinux settings of the target root.

use crate::facts::root::SelinuxFacts;
use crate::host::TargetRoot;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

const CONFIG: &str = "/etc/selinux/config";

/// Reads `/etc/selinux/config` of the target and looks for the labels of its policy.
///
/// # Errors
/// If the file exists but cannot be read.
pub fn selinux(root: &TargetRoot) -> anyhow::Result<SelinuxFacts> {
    let text = root
        .read(CONFIG)
        .with_context(|| format!("cannot read {CONFIG} of the target"))?;
    let Some(text) = text else {
        return Ok(SelinuxFacts::default());
    };
    let mut facts = parse(&text);
    if let Some(policy) = &facts.policy {
        let path = format!("/etc/selinux/{policy}/contexts/files/file_contexts");
        let found = match root.open_at(&path, OFlag::O_PATH, Mode::empty()) {
            Ok(_) => true,
            Err(Errno::ENOENT | Errno::ENOTDIR) => false,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot examine {path} of the target"));
            }
        };
        facts.file_contexts = found.then_some(path);
    }
    Ok(facts)
}

/// The first line of each setting counts, as in the reference.
fn parse(text: &str) -> SelinuxFacts {
    let value = |key: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    SelinuxFacts {
        has_config: true,
        is_disabled: value("SELINUX")
            .is_some_and(|mode| mode.trim().eq_ignore_ascii_case("disabled")),
        policy: value("SELINUXTYPE")
            .map(str::trim)
            .filter(|p| !p.is_empty())
            .map(str::to_owned),
        file_contexts: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let facts =
            parse("# SELINUX=off\n SELINUX=enforcing\nSELINUXTYPE=targeted\nSELINUXTYPE=mls\n");
        assert!(!facts.is_disabled);
        assert_eq!(facts.policy.as_deref(), Some("targeted"));
        assert!(parse("SELINUX=disabled\n").is_disabled);
        assert_eq!(parse("SELINUXTYPE=\n").policy, None);
    }
}
