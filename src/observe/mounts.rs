//! Mounts in the target tree, and where the mount points of a config are.

use super::options::ObserveOptions;
use super::tree::TreeObserver;
use crate::facts::root::MountFacts;
use crate::host::TargetRoot;
use crate::host::mountinfo::{self, MountEntry};
use crate::paths::{ResolveError, child};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a mount point is in the tree as it is mounted now; file systems at `options.blank_mounts` count as
/// mounted and empty.
///
/// # Errors
/// If something on the way cannot be inspected. A path that cannot be resolved is a result.
pub fn resolve_point(
    root: &TargetRoot,
    options: &ObserveOptions,
    point: &str,
) -> anyhow::Result<Result<String, ResolveError>> {
    TreeObserver::new(root, options).directory(point)
}

/// File systems mounted at the root of the target and below it. Without `/proc` none are known.
pub(super) fn observe(root: &TargetRoot) -> BTreeMap<String, MountFacts> {
    let Ok(path) = root.path().canonicalize() else {
        return BTreeMap::new();
    };
    // Without a list of mounts, as in a plain chroot, problems show only when something is written.
    of_root(&mountinfo::read().unwrap_or_default(), &path)
}

fn of_root(mounts: &[MountEntry], root: &Path) -> BTreeMap<String, MountFacts> {
    let mut found = BTreeMap::new();
    let mut holder = 0;
    for mount in mounts {
        let facts = MountFacts {
            read_only: mount.read_only,
        };
        let point = Path::new(&mount.point);
        if let Ok(below) = point.strip_prefix(root) {
            // A later mount at the same point hides an earlier one.
            found.insert(child("/", &below.to_string_lossy()), facts);
        } else if root.starts_with(point) && point.components().count() >= holder {
            holder = point.components().count();
            found.insert("/".into(), facts);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_holds_the_root_and_others_are_named_inside_it() {
        let mount = |point: &str, read_only| MountEntry {
            device: "7:0".into(),
            point: point.into(),
            source: "/dev/loop0".into(),
            read_only,
        };
        let mounts = [
            mount("/", false),
            mount("/srv", true),
            mount("/srv/tree/usr", true),
            mount("/srv/tree2", false),
            mount("/srv/tree/var/lib", false),
        ];
        let found = of_root(&mounts, Path::new("/srv/tree"));
        let found: Vec<_> = found
            .iter()
            .map(|(p, m)| (p.as_str(), m.read_only))
            .collect();
        assert_eq!(found, [("/", true), ("/usr", true), ("/var/lib", false)]);
        let at_root = of_root(&mounts, Path::new("/"));
        assert_eq!(at_root.get("/"), Some(&MountFacts { read_only: false }));
        assert_eq!(at_root.len(), 5);
    }
}
