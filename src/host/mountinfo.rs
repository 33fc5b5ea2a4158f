//! The mounts that this process sees (`/proc/self/mountinfo`, proc(5)).

use anyhow::Context;
use std::fs;

const FILE: &str = "/proc/self/mountinfo";

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Major and minor number of its device, e.g. `7:1`; an anonymous one for file systems on several devices.
    pub device: String,
    /// The mount point.
    pub point: String,
    /// What was mounted, as specified in the call of mount(2).
    pub source: String,
    /// The mount or its file system is read-only.
    pub read_only: bool,
}

/// All mounts, in the order they were mounted.
///
/// # Errors
/// If the file cannot be read.
pub fn read() -> anyhow::Result<Vec<MountEntry>> {
    let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    Ok(text.lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<MountEntry> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(2);
    let (device, _, point) = (fields.next()?, fields.next()?, fields.next()?);
    let options = fields.next().unwrap_or_default();
    let mut right = right.split(' ').skip(1);
    let source = right.next()?;
    let all = options
        .split(',')
        .chain(right.next().unwrap_or_default().split(','));
    Some(MountEntry {
        device: device.into(),
        point: unescape(point),
        source: unescape(source),
        read_only: all.into_iter().any(|option| option == "ro"),
    })
}

/// Replaces the octal escapes of the kernel, e.g. `\040` for a space.
pub fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = &tail[if code.is_some() { 3 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_their_spaces() {
        let line =
            r"36 25 7:1 / /srv/two\040words rw,relatime shared:1 master:2 - ext4 /dev/root rw";
        let MountEntry {
            device,
            point,
            source,
            read_only,
        } = parse(line).expect("a mount");
        assert_eq!(
            (&*device, &*point, &*source),
            ("7:1", "/srv/two words", "/dev/root")
        );
        assert!(!read_only);
        for line in [
            line.replace("rw,relatime", "ro,relatime"),
            line.replace("root rw", "root ro"),
        ] {
            assert!(parse(&line).expect("a mount").read_only, "{line}");
        }
        assert_eq!(parse("nonsense"), None);
    }
}
