//! fw_cfg through sysfs.

use crate::fetch::MAX_BUFFER_BYTES;
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Size of a key in bytes; `None` if the key does not exist.
pub(super) fn size(firmware: &Path, key: &str) -> anyhow::Result<Option<usize>> {
    let path = file(firmware, key, "size");
    let shown = path.display();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("cannot read {shown}"))?,
    };
    let text = text.trim();
    let bytes: u64 = text
        .parse()
        .with_context(|| format!("{shown}: {text:?} is not a number"))?;
    if bytes > MAX_BUFFER_BYTES {
        bail!("fw_cfg {key} has {bytes} bytes; a config cannot be larger than {MAX_BUFFER_BYTES}");
    }
    usize::try_from(bytes)
        .map(Some)
        .with_context(|| format!("{shown}: {bytes} bytes"))
}

/// Reads a key that has `bytes` bytes, and reports the bytes read so far to `progress`.
///
/// The kernel starts from the first byte again for each read, so reads are as large as it allows (a page) and as few
/// as possible: the buffer has one extra byte, so that the last read also detects excess data.
pub(super) fn read(
    firmware: &Path,
    key: &str,
    bytes: usize,
    progress: &mut dyn FnMut(usize),
) -> anyhow::Result<Vec<u8>> {
    let path = file(firmware, key, "raw");
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(&path).with_context(context)?;
    let mut text = vec![0; bytes + 1];
    let mut done = 0;
    while done < bytes {
        let count = file.read(&mut text[done..]).with_context(context)?;
        if count == 0 {
            bail!("fw_cfg {key} ends after {done} of {bytes} bytes");
        }
        done += count;
        progress(done);
    }
    if done > bytes {
        bail!("fw_cfg {key} has more than the {bytes} bytes it should have");
    }
    text.truncate(bytes);
    Ok(text)
}

fn file(firmware: &Path, key: &str, name: &str) -> PathBuf {
    firmware.join("by_name").join(key).join(name)
}
