//! Reads the records of files that an earlier run did not finish.

use crate::facts::RootFacts;
use crate::facts::unfinished::{self, MAX_BYTES};
use crate::host::TargetRoot;
use crate::host::regular::is_own;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

/// Adds the records at the candidate paths, each with its files, and the paths that something else occupies.
///
/// # Errors
/// If a record exists but cannot be read.
pub(super) fn observe(
    root: &TargetRoot,
    candidates: BTreeSet<String>,
    facts: &mut RootFacts,
) -> anyhow::Result<()> {
    for path in candidates {
        let found = read(root, &path).with_context(|| format!("cannot read {path}"))?;
        match found {
            Record::None => {}
            Record::Files(files) => _ = facts.unfinished.insert(path, files),
            Record::Foreign => _ = facts.foreign_records.insert(path),
        }
    }
    Ok(())
}

/// What is at the path of a record.
#[derive(Debug, PartialEq, Eq)]
enum Record {
    None,
    Files(BTreeSet<Arc<str>>),
    /// Something that a run of this user did not write.
    Foreign,
}

fn read(root: &TargetRoot, path: &str) -> anyhow::Result<Record> {
    let access = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
    let opened = match root.open_file(path, access) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Record::None),
        other => other?,
    };
    match opened {
        Some((file, stat)) if is_own(&file, &stat) => {
            let mut text = Vec::new();
            file.take(MAX_BYTES).read_to_end(&mut text)?;
            Ok(Record::Files(unfinished::files(&text)))
        }
        _ => Ok(Record::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_that_a_run_could_have_created_are_records() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let line = unfinished::line(&BTreeSet::from(["/a".into()])).expect("a line");
        for name in ["own", "linked"] {
            fs::write(path(name), &line).expect("a file");
        }
        fs::hard_link(path("linked"), path("hard")).expect("a second name");
        symlink("own", path("link")).expect("a link");
        fs::create_dir(path("directory")).expect("a directory");
        let pipe = nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU);
        pipe.expect("a pipe");
        let root = TargetRoot::new(directory.path());
        for (name, want) in [
            ("own", Record::Files(BTreeSet::from(["/a".into()]))),
            ("linked", Record::Foreign),
            ("hard", Record::Foreign),
            ("link", Record::Foreign),
            ("directory", Record::Foreign),
            ("pipe", Record::Foreign),
            ("absent", Record::None),
            ("own/below", Record::None),
        ] {
            let found = read(&root, &format!("/{name}")).expect("looked at");
            assert_eq!(found, want, "{name}");
        }
    }
}
