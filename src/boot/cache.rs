//! The config cache: the rendered user config, for later stages and for scripts of the distribution. A file next to it
//! has the origins, so that later stages can report where something was requested.

use super::paths;
use crate::config::{self, Document, Origins, read_stored};
use crate::fetch::MAX_BUFFER_BYTES;
use crate::input;
use crate::output::{self, WriteOptions};
use crate::text::hex;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Mode of a new cache: readable by its group as well.
const MODE: u32 = 0o640;

/// The origins of one cached text.
#[derive(Serialize, Deserialize)]
struct StoredOrigins {
    /// Digest of the cached text they belong to.
    sha256: String,
    origins: Origins,
}

/// Writes the cache atomically, and the origins next to it.
///
/// # Errors
/// If the cache cannot be written; its directory must exist. Missing origins only make later messages less helpful and
/// leave new parent directories to root, so errors of writing them are ignored.
pub(crate) fn write(path: &Path, document: &Document) -> anyhow::Result<()> {
    let act = || format!("cannot write config cache {}", path.display());
    let text = document.to_json().with_context(act)?;
    let mode = fs::metadata(path)
        .ok()
        .filter(fs::Metadata::is_file)
        .map_or(MODE & !umask(), |present| present.permissions().mode());
    put(path, &text, mode).with_context(act)?;
    if !path.is_file() {
        // Nothing can be read back from a device or a pipe.
        return Ok(());
    }
    let stored = StoredOrigins {
        sha256: digest(&text),
        origins: document.origins(),
    };
    if let Ok(text) = serde_json::to_vec(&stored) {
        let _ = put(&paths::origins_of(path), &text, output::PRIVATE);
    }
    Ok(())
}

/// Reads the cache. It was validated before it was written, and is not validated again.
///
/// # Errors
/// If there is none, or it is damaged.
pub(crate) fn read(path: &Path) -> anyhow::Result<Document> {
    let text = input::read(path, MAX_BUFFER_BYTES).with_context(|| {
        format!(
            "cannot read config cache {}; did a fetch stage run?",
            path.display()
        )
    })?;
    let name = path.display().to_string();
    config::sharing(text, |text| {
        let document =
            read_stored(&name, text).with_context(|| format!("config cache {name} is damaged"))?;
        Ok(match origins(path, text) {
            Some(origins) => document.with_origins(origins),
            None => document,
        })
    })
}

/// The origins of exactly this text; `None` if a program of the distribution rewrote the cache.
fn origins(path: &Path, text: &[u8]) -> Option<Origins> {
    let stored = input::read(&paths::origins_of(path), MAX_BUFFER_BYTES).ok()?;
    let stored: StoredOrigins = serde_json::from_slice(&stored).ok()?;
    (stored.sha256 == digest(text)).then_some(stored.origins)
}

fn digest(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

fn put(path: &Path, text: &[u8], mode: u32) -> anyhow::Result<()> {
    let write_options = WriteOptions {
        mode,
        is_durable: true,
    };
    output::put(path, write_options, |file| Ok(file.write_all(text)?))
}

/// The umask of the process, read from procfs because umask(2) can only return it by changing it.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok())
        .unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JsonPath;

    #[test]
    fn origins_are_read_back_for_their_text_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cache.json");
        let text = br#"{"ignition": {"version": "3.4.0"},
 "storage": {"directories": [{"path": "/a"}]}}"#;
        let document = config::parse("a.ign", text).outcome.expect("valid");
        write(&path, &document).expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, MODE & !umask());
        let origin = |document: &Document| {
            let origin = document.origin(&JsonPath::new("$.storage.directories.0"));
            origin.expect("an origin").to_string()
        };
        let read_back = read(&path).expect("read");
        assert_eq!(origin(&read_back), "a.ign:2:31 ($.storage.directories.0)");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        write(&link, &document).expect("written");
        assert!(link.is_symlink() && !paths::origins_of(&link).exists());
        // Another program rewrites the cache: the origins no longer apply.
        let other = fs::read_to_string(&path).expect("text").replace("/a", "/b");
        fs::write(&path, other).expect("written");
        let read_back = read(&path).expect("read");
        assert!(origin(&read_back).starts_with(&path.display().to_string()));
    }
}
