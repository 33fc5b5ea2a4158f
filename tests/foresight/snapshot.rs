//! Everything that is visible in a directory: names, permissions, times, contents.

use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// A description of each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Takes a snapshot of a directory and everything below it, without following links.
    pub fn of(top: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut todo = vec![top.to_path_buf()];
        while let Some(path) = todo.pop() {
            let name = path
                .strip_prefix(top)
                .unwrap_or(&path)
                .display()
                .to_string();
            let Ok(metadata) = path.symlink_metadata() else {
                found.insert(name, "unreadable".into());
                continue;
            };
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                todo.extend(entries.map(|entry| entry.path()));
            }
            found.insert(format!("/{name}"), line(&path, &metadata));
        }
        Self(found)
    }

    /// The differences of a later snapshot.
    pub fn difference(&self, later: &Self) -> Option<String> {
        let mut lines = Vec::new();
        for (name, before) in &self.0 {
            match later.0.get(name) {
                None => lines.push(format!("- {name:?} {before}")),
                Some(after) if after != before => {
                    lines.push(format!("~ {name:?} {before}\n      now {after}"));
                }
                Some(_) => {}
            }
        }
        let new = later
            .0
            .iter()
            .filter(|(name, _)| !self.0.contains_key(*name));
        lines.extend(new.map(|(name, after)| format!("+ {name:?} {after}")));
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// A line for each node.
    pub fn listing(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(name, line)| format!("  {name:?} {line}\n"));
        lines.collect()
    }
}

fn line(path: &Path, metadata: &fs::Metadata) -> String {
    let kind = metadata.file_type();
    let (word, content) = if kind.is_symlink() {
        let target = fs::read_link(path).map(|target| format!("-> {}", target.display()));
        ("link", target)
    } else if kind.is_dir() {
        ("directory", Ok(String::new()))
    } else if kind.is_file() {
        ("file", digest(path))
    } else if kind.is_fifo() {
        ("fifo", Ok(String::new()))
    } else {
        ("special", Ok(format!("device {:x}", metadata.rdev())))
    };
    let content = content.unwrap_or_else(|error| error.to_string());
    format!(
        "{word} {:04o} {}:{} {content} [links {} inode {} changed {}.{:09} modified {}.{:09}]",
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid(),
        metadata.nlink(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// The content if it is short; otherwise a digest of what is not a hole, with its offsets.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes <= 120 {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        return Ok(format!("{:?}", String::from_utf8_lossy(&content)));
    }
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 16];
    let mut at = 0;
    while at < bytes {
        let Ok(data) = lseek(&file, at as i64, Whence::SeekData) else {
            break;
        };
        // Whole blocks, so that a hole that was written with zeros is not a difference.
        at = data as u64 & !0xFFFF;
        file.seek(SeekFrom::Start(at))?;
        let length = file.read(&mut block)?;
        if length == 0 {
            break;
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            hasher.update(at.to_le_bytes());
            hasher.update(&block[..length]);
        }
        at += length as u64;
    }
    let digest: String = hasher
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("{bytes} bytes, {digest}"))
}
