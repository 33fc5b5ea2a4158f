//! What is in a tree, to compare it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Every node below a directory: type, mode, owner, and target or content. Times are left out.
pub fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|e| panic!("read {}: {e}", directory.display()))
        {
            let path = entry.expect("a directory entry").path();
            let meta = fs::symlink_metadata(&path).expect("lstat");
            let owner = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
            let content = if meta.is_symlink() {
                fs::read_link(&path)
                    .expect("readlink")
                    .display()
                    .to_string()
            } else if meta.is_dir() {
                todo.push(path.clone());
                String::new()
            } else {
                content(&path)
            };
            let relative = path
                .strip_prefix(root)
                .expect("below the root")
                .display()
                .to_string();
            found.insert(relative, format!("{owner} {content}"));
        }
    }
    found
}

/// Files up to this size are compared, and shown, as they are; larger ones by digest.
const SHOWN_BYTES: usize = 512;

/// Content of a file; the day of the last password change in shadow files counts as any day.
fn content(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    if path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().trim_end_matches('-') == "shadow")
    {
        let text = String::from_utf8_lossy(&bytes);
        return text.lines().map(without_day).collect::<Vec<_>>().join("\n");
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= SHOWN_BYTES => text,
        Ok(text) => digest(text.as_bytes()),
        Err(error) => digest(error.as_bytes()),
    }
}

/// By the hash of the standard library, which is optimised in a build for tests as well.
fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x} of {} bytes", hasher.finish(), bytes.len())
}

fn without_day(line: &str) -> String {
    let fields: Vec<&str> = line
        .split(':')
        .enumerate()
        .map(|(n, f)| if n == 2 { "DAY" } else { f })
        .collect();
    fields.join(":")
}
