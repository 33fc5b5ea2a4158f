//! Reads the records of files that an earlier run did not finish.

use crate::facts::unfinished::{self, MAX_BYTES};
use crate::host::TargetRoot;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// The records at the candidate places, each with its files.
///
/// # Errors
/// A record is there and cannot be read.
pub(super) fn observe(
    root: &TargetRoot,
    candidates: &BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, BTreeSet<Arc<str>>>> {
    let mut found = BTreeMap::new();
    for path in candidates {
        let files = read(root, path).with_context(|| format!("cannot read {path}"))?;
        found.extend(files.map(|files| (path.clone(), files)));
    }
    Ok(found)
}

/// `None` unless there is a regular file. One that does not belong to root was not written by a run.
fn read(root: &TargetRoot, path: &str) -> anyhow::Result<Option<BTreeSet<Arc<str>>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match root.open_at(path, flags, Mode::empty()) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => return Ok(None),
        other => std::fs::File::from(other?),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != uzers::get_effective_uid() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(Some(unfinished::files(&text)))
}
