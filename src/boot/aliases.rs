//! Stable device names while disks change: links below `/run/ignition/dev_aliases`, which other programs of a
//! distribution may use. udev removes and recreates its own links meanwhile.

use crate::log::{Log, quoted};
use crate::output::make_directory_of_mode;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "/run/ignition/dev_aliases";

/// Links each device that exists. A missing device, or a link that cannot be created, is not a failure: kindling
/// itself does not use the links.
pub(super) fn link(names: &[String], log: &Log) {
    for name in names {
        match link_one(Path::new(DIRECTORY), name) {
            Ok(Some((alias, node))) => log.info(format_args!(
                "created device alias for {}: {} -> {}",
                quoted(name),
                quoted(&alias.to_string_lossy()),
                quoted(&node.to_string_lossy())
            )),
            Ok(None) => {}
            Err(error) => log.warning(format_args!(
                "cannot create the device alias of {}: {error}",
                quoted(name)
            )),
        }
    }
}

/// Creates the alias of one device; returns it and the device node, or `None` if the device does not exist or is
/// linked already.
fn link_one(directory: &Path, name: &str) -> io::Result<Option<(PathBuf, PathBuf)>> {
    let Ok(node) = Path::new(name).canonicalize() else {
        return Ok(None);
    };
    let clean = crate::paths::clean(name);
    let alias = directory.join(clean.trim_start_matches('/'));
    if fs::read_link(&alias).is_ok_and(|present| present == node) {
        return Ok(None);
    }
    make_directory_of_mode(&alias, 0o750)?;
    match fs::remove_file(&alias) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(&node, &alias)?;
    Ok(Some((alias, node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_point_to_the_real_node_and_are_updated() {
        let dir = tempfile::tempdir().expect("a directory");
        let device = dir.path().join("device");
        fs::write(&device, "").expect("a file");
        let name = dir.path().join("link").display().to_string();
        symlink(&device, &name).expect("a link");
        let aliases = dir.path().join("aliases");
        let (alias, node) = link_one(&aliases, &name).expect("made").expect("new");
        assert_eq!(node, device);
        assert_eq!(alias, aliases.join(name.trim_start_matches('/')));
        assert_eq!(link_one(&aliases, &name).expect("looked"), None);
        fs::remove_file(&name).expect("removed");
        assert_eq!(link_one(&aliases, &name).expect("looked"), None);
        symlink(dir.path(), &name).expect("a link");
        let (_, node) = link_one(&aliases, &name).expect("made").expect("changed");
        assert_eq!(node, dir.path());
    }
}
