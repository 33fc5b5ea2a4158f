//! Directories that nodes are made in, kept open: thousands of files may lie in a few of them.
//!
//! A handle leads to the directory that the kernel found inside the target when it was opened. Operations that mount,
//! move or remove directories may make that another one, so nothing is kept from before such an operation ends.

use crate::host::TargetRoot;
use crate::plan::OpKind;
use foldhash::HashMap;
use nix::sys::resource::{Resource, getrlimit};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handles kept at a time, where the process may have that many.
const MAX_HANDLES: usize = 256;
/// The part of its descriptors that a process may spend on handles: operations under way need the rest.
const DESCRIPTOR_SHARE: u64 = 8;

/// Handles of directories by their paths in the target.
#[derive(Debug)]
pub struct Directories(Mutex<HandleCache>);

#[derive(Debug, Default)]
struct HandleCache {
    /// So many handles at most.
    limit: usize,
    handles: HashMap<String, Arc<OwnedFd>>,
    /// Operations under way that may change where paths lead.
    changing: usize,
    /// Such operations that ended.
    changed: usize,
}

impl HandleCache {
    fn keep(&mut self, path: &str, handle: &Arc<OwnedFd>) {
        if self.handles.len() >= self.limit {
            self.handles.clear();
        }
        self.handles.insert(path.to_owned(), Arc::clone(handle));
    }
}

impl Default for Directories {
    fn default() -> Self {
        let share = descriptor_limit() / DESCRIPTOR_SHARE;
        let limit = usize::try_from(share).map_or(MAX_HANDLES, |share| share.min(MAX_HANDLES));
        Self(Mutex::new(HandleCache {
            limit,
            ..HandleCache::default()
        }))
    }
}

/// Descriptors that this process may have open.
fn descriptor_limit() -> u64 {
    // If the limit is unknown, hardly any handle is kept.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

impl Directories {
    /// [`TargetRoot::open_parent`], opened at most once in a while.
    pub(super) fn parent<'p>(
        &self,
        root: &TargetRoot,
        path: &'p str,
    ) -> nix::Result<(Arc<OwnedFd>, &'p str)> {
        let (above, name) = TargetRoot::split(path);
        let changed = {
            let known = self.lock();
            if let Some(handle) = known.handles.get(above) {
                return Ok((Arc::clone(handle), name));
            }
            known.changed
        };
        let (handle, name) = root.open_parent(path)?;
        let handle = Arc::new(handle);
        let mut known = self.lock();
        if known.changing == 0 && known.changed == changed {
            known.keep(above, &handle);
        }
        Ok((handle, name))
    }

    /// Runs an operation. Nothing is kept while it may change where paths lead.
    pub(super) fn around<T>(&self, kind: &OpKind, run: impl FnOnce() -> T) -> T {
        if keeps_directories(kind) {
            return run();
        }
        {
            let mut known = self.lock();
            known.changing += 1;
            known.handles.clear();
        }
        let result = run();
        let mut known = self.lock();
        known.changing -= 1;
        known.changed += 1;
        result
    }

    fn lock(&self) -> MutexGuard<'_, HandleCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for acts that make nodes, and put none in the place of a directory.
fn keeps_directories(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::AlreadyRight(_)
            | OpKind::Skipped(_)
            | OpKind::Directory(_)
            | OpKind::File(_)
            | OpKind::Symlink(_)
            | OpKind::HardLink(_)
            | OpKind::NoteFiles(_)
            | OpKind::ForgetFiles(_)
            | OpKind::Sync(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::op::{MountPoint, Remove};
    use std::fs;

    #[test]
    fn what_may_have_moved_is_opened_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = TargetRoot::new(directory.path());
        let known = Directories::default();
        let open = || known.parent(&root, "/a/b").expect("opened").0;
        let first = open();
        assert!(Arc::ptr_eq(&first, &open()), "the same directory");
        let sync = OpKind::Sync(MountPoint { point: "/".into() });
        known.around(&sync, || assert!(Arc::ptr_eq(&first, &open())));
        let path = "/a".to_owned();
        known.around(&OpKind::Remove(Remove { path }), || {
            assert!(!Arc::ptr_eq(&first, &open()), "not kept");
            fs::remove_dir(directory.path().join("a")).expect("removed");
        });
        let again = open();
        assert!(directory.path().join("a").is_dir());
        assert!(!Arc::ptr_eq(&first, &again));
        assert!(Arc::ptr_eq(&again, &open()));
    }

    #[test]
    fn not_all_are_kept() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = TargetRoot::new(directory.path());
        let known = Directories::default();
        let limit = known.lock().limit;
        assert!((2..=MAX_HANDLES).contains(&limit), "{limit}");
        for number in 0..limit + 2 {
            let path = format!("/d{number}/x");
            known.parent(&root, &path).expect("opened");
        }
        assert_eq!(known.lock().handles.len(), 2);
    }
}
