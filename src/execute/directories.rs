//! Directories in which nodes are created are kept open: a few of them may contain thousands of files.
//!
//! A handle refers to the directory that the kernel found inside the target when it was opened. After an operation that
//! mounts, moves or removes directories the path may lead to another one, so no handle is kept across such operations.

use crate::host::TargetRoot;
use crate::plan::OpKind;
use foldhash::HashMap;
use nix::sys::resource::{Resource, getrlimit};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of handles that are kept, if the process may have that many.
const MAX_HANDLES: usize = 256;
/// The handles may take one of this many parts of the process's descriptors: running operations need the rest.
const DESCRIPTOR_SHARE: u64 = 8;

/// Handles of directories by their paths in the target.
#[derive(Debug)]
pub struct Directories(Mutex<HandleCache>);

#[derive(Debug, Default)]
struct HandleCache {
    /// Maximum number of handles.
    limit: usize,
    handles: HashMap<String, Arc<OwnedFd>>,
    /// Running operations that may change where paths lead.
    running_changes: usize,
    /// Such operations that have ended.
    finished_changes: usize,
}

impl HandleCache {
    fn insert(&mut self, path: &str, handle: &Arc<OwnedFd>) {
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

/// Number of descriptors that this process may have open.
fn descriptor_limit() -> u64 {
    // If the limit is unknown, at most one handle is kept.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

impl Directories {
    /// [`TargetRoot::open_parent`], with handles that are kept.
    pub(super) fn parent<'p>(
        &self,
        root: &TargetRoot,
        path: &'p str,
    ) -> nix::Result<(Arc<OwnedFd>, &'p str)> {
        let (parent, name) = TargetRoot::split(path);
        let finished_changes = {
            let cache = self.lock();
            if let Some(handle) = cache.handles.get(parent) {
                return Ok((Arc::clone(handle), name));
            }
            cache.finished_changes
        };
        let (handle, name) = root.open_parent(path)?;
        let handle = Arc::new(handle);
        let mut cache = self.lock();
        if cache.running_changes == 0 && cache.finished_changes == finished_changes {
            cache.insert(parent, &handle);
        }
        Ok((handle, name))
    }

    /// Runs an operation. No handle is kept while it may change where paths lead.
    pub(super) fn run<T>(&self, kind: &OpKind, operation: impl FnOnce() -> T) -> T {
        if keeps_directories(kind) {
            return operation();
        }
        {
            let mut cache = self.lock();
            cache.running_changes += 1;
            cache.handles.clear();
        }
        let result = operation();
        let mut cache = self.lock();
        cache.running_changes -= 1;
        cache.finished_changes += 1;
        result
    }

    fn lock(&self) -> MutexGuard<'_, HandleCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for operations that create nodes without replacing a directory.
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
    fn directories_that_may_have_moved_are_opened_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = TargetRoot::new(directory.path());
        let cache = Directories::default();
        let open = || cache.parent(&root, "/a/b").expect("opened").0;
        let first = open();
        assert!(Arc::ptr_eq(&first, &open()), "the same directory");
        let sync = OpKind::Sync(MountPoint { point: "/".into() });
        cache.run(&sync, || assert!(Arc::ptr_eq(&first, &open())));
        let path = "/a".to_owned();
        cache.run(&OpKind::Remove(Remove { path }), || {
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
        let cache = Directories::default();
        let limit = cache.lock().limit;
        assert!((2..=MAX_HANDLES).contains(&limit), "{limit}");
        for number in 0..limit + 2 {
            let path = format!("/d{number}/x");
            cache.parent(&root, &path).expect("opened");
        }
        assert_eq!(cache.lock().handles.len(), 2);
    }
}
