//! Encrypted volumes: LUKS 1 and 2, as far as their headers can be read without a key.
//!
//! LUKS2 keeps two copies of its header. Each has a binary part of 4 KiB and JSON after it; a checksum over both and a
//! sequence number determine which copy is valid. The second copy directly follows the first, so its offset depends on
//! the header size, and one of a longer header may survive a new, shorter one.

use super::{Block, ProbedDevice, Superblock, kind};
use sha2::{Digest, Sha256};
use std::io;

/// Possible offsets of the second copy, in bytes: after a header of any valid size.
pub const SECOND_COPY_OFFSETS: [u64; 9] = [
    0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000,
];
/// Length of the binary part in bytes.
pub const BINARY_BYTES: usize = 4096;

const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
/// Magic of the second copy.
pub const SECOND_MAGIC: &[u8; 6] = b"SKUL\xba\xbe";
const CHECKSUM_AT: usize = 448;
const CHECKSUM_BYTES: usize = 64;

/// The header of an encrypted volume, apart from label and UUID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LuksHeader {
    /// 1 or 2.
    pub version: u16,
    /// What the volume belongs to, as its creator recorded it.
    pub subsystem: Option<String>,
    /// Flags for every activation, e.g. `allow-discards`.
    pub flags: Vec<String>,
    /// No copy of the header is intact.
    pub damaged: bool,
}

/// LUKS 1 and 2.
pub(super) fn luks(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let first = device.read(0, 512)?.filter(|block| block.is(0, MAGIC));
    let version = first.as_ref().map(|block| block.be16(6));
    match (first, version) {
        (Some(block), Some(1)) => Ok(Some(Superblock {
            uuid: block.text(168, 40),
            luks: Some(LuksHeader {
                version: 1,
                ..LuksHeader::default()
            }),
            ..kind("crypto_LUKS")
        })),
        (Some(_), Some(2)) => luks2(device, Some(0)),
        (Some(_), _) => Ok(None),
        (None, _) => luks2(device, None),
    }
}

/// One copy of a LUKS2 header.
struct HeaderCopy {
    binary: Block,
    /// The JSON, if the checksum is valid.
    json: Option<Vec<u8>>,
}

/// Like cryptsetup, uses the newer of two intact copies. A second one elsewhere only counts if the first is not intact,
/// since it may be left over from a longer header of an earlier volume.
fn luks2(device: &mut ProbedDevice, first: Option<u64>) -> io::Result<Option<Superblock>> {
    let first = match first {
        Some(at) => read_copy(device, at, MAGIC)?,
        None => None,
    };
    if let Some(first) = first.as_ref().filter(|first| first.json.is_some()) {
        let second = read_copy(device, first.binary.be64(8), SECOND_MAGIC)?;
        let second =
            second.filter(|copy| copy.json.is_some() && copy.sequence() > first.sequence());
        return Ok(Some(second.as_ref().unwrap_or(first).superblock()));
    }
    let mut damaged_copy = first;
    for at in SECOND_COPY_OFFSETS {
        match read_copy(device, at, SECOND_MAGIC)? {
            Some(second) if second.json.is_some() => return Ok(Some(second.superblock())),
            Some(second) => damaged_copy = damaged_copy.or(Some(second)),
            None => {}
        }
    }
    // Even a damaged copy shows that there was a volume.
    Ok(damaged_copy.map(|copy| copy.superblock()))
}

fn read_copy(device: &mut ProbedDevice, at: u64, magic: &[u8]) -> io::Result<Option<HeaderCopy>> {
    let Some(binary) = device.read(at, BINARY_BYTES)? else {
        // A device that is too short for the whole copy may still have its beginning.
        let start = device.read(at, 512)?.filter(|b| at == 0 && b.is(0, magic));
        return Ok(start.map(|binary| HeaderCopy { binary, json: None }));
    };
    if !binary.is(0, magic) || binary.be16(6) != 2 || (at != 0 && binary.be64(256) != at) {
        return Ok(None);
    }
    let json = read_json(device, at, &binary)?;
    Ok(Some(HeaderCopy { binary, json }))
}

/// The JSON after a binary part, if length and checksum are valid.
fn read_json(device: &mut ProbedDevice, at: u64, binary: &Block) -> io::Result<Option<Vec<u8>>> {
    let bytes = binary.be64(8);
    if !SECOND_COPY_OFFSETS.contains(&bytes) || binary.text(72, 32).as_deref() != Some("sha256") {
        return Ok(None);
    }
    let length = usize::try_from(bytes)
        .unwrap_or(0)
        .saturating_sub(BINARY_BYTES);
    let Some(Block(json)) = device.read(at + BINARY_BYTES as u64, length)? else {
        return Ok(None);
    };
    let mut hash = Sha256::new();
    hash.update(binary.slice(0, CHECKSUM_AT));
    hash.update([0; CHECKSUM_BYTES]);
    hash.update(binary.slice(
        CHECKSUM_AT + CHECKSUM_BYTES,
        BINARY_BYTES - CHECKSUM_AT - CHECKSUM_BYTES,
    ));
    hash.update(&json);
    let is_valid = hash.finalize().as_slice() == binary.slice(CHECKSUM_AT, 32);
    Ok(is_valid.then_some(json))
}

impl HeaderCopy {
    /// Incremented with every change.
    fn sequence(&self) -> u64 {
        self.binary.be64(16)
    }

    fn superblock(&self) -> Superblock {
        Superblock {
            label: self.binary.text(24, 48),
            uuid: self.binary.text(168, 40),
            luks: Some(LuksHeader {
                version: 2,
                subsystem: self.binary.text(208, 48),
                flags: self.json.as_deref().map(flags).unwrap_or_default(),
                damaged: self.json.is_none(),
            }),
            ..kind("crypto_LUKS")
        }
    }
}

/// `config.flags` of the JSON, which ends with a NUL.
fn flags(json: &[u8]) -> Vec<String> {
    let end = json.iter().position(|b| *b == 0).unwrap_or(json.len());
    let read: serde_json::Value = serde_json::from_slice(&json[..end]).unwrap_or_default();
    let flags = read["config"]["flags"].as_array().into_iter().flatten();
    flags
        .filter_map(|flag| flag.as_str().map(String::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;
    use std::io::Cursor;

    const HEADER: u64 = 0x4000;

    fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes one copy with its checksum.
    fn write(image: &mut [u8], at: u64, sequence: u64, label: &str, json: &str) {
        let start = usize::try_from(at).expect("small");
        let end = start + usize::try_from(HEADER).expect("small");
        let area = &mut image[start..end];
        area.fill(0);
        put(area, 0, if at == 0 { MAGIC } else { SECOND_MAGIC });
        put(area, 6, &2_u16.to_be_bytes());
        put(area, 8, &HEADER.to_be_bytes());
        put(area, 16, &sequence.to_be_bytes());
        put(area, 24, label.as_bytes());
        put(area, 72, b"sha256");
        put(area, 168, b"01234567-89ab-cdef-0123-456789abcdef");
        put(area, 208, b"mine");
        put(area, 256, &at.to_be_bytes());
        put(area, BINARY_BYTES, json.as_bytes());
        let sum = Sha256::digest(&*area);
        put(area, CHECKSUM_AT, &sum);
    }

    fn found(image: Vec<u8>) -> Superblock {
        probe(&mut Cursor::new(image)).expect("memory")
    }

    #[test]
    fn the_newest_intact_copy_is_used() {
        let flags = r#"{"config": {"flags": ["allow-discards"]}}"#;
        let mut image = vec![0; 1 << 20];
        write(&mut image, 0, 4, "old", "{}");
        write(&mut image, HEADER, 5, "new", flags);
        let superblock = found(image.clone());
        assert_eq!(superblock.label.as_deref(), Some("new"));
        let luks = superblock.luks.expect("a volume");
        assert_eq!((luks.version, luks.subsystem.as_deref()), (2, Some("mine")));
        assert_eq!(
            (luks.flags, luks.damaged),
            (vec!["allow-discards".into()], false)
        );

        // A copy that was only partly written does not count.
        image[usize::try_from(HEADER).expect("small") + 5000] = 1;
        assert_eq!(found(image.clone()).label.as_deref(), Some("old"));
        image[5000] = 1;
        let superblock = found(image);
        assert_eq!(superblock.label.as_deref(), Some("old"));
        assert!(superblock.luks.expect("a volume").damaged);
    }

    #[test]
    fn a_second_copy_of_an_earlier_volume_is_ignored() {
        let mut image = vec![0; 1 << 20];
        write(&mut image, 0, 3, "now", "{}");
        write(&mut image, HEADER, 3, "now", "{}");
        write(&mut image, 0x4_0000, 9, "earlier", "{}");
        assert_eq!(found(image.clone()).label.as_deref(), Some("now"));
        image[..2 * 0x4000].fill(0);
        assert_eq!(found(image).label.as_deref(), Some("earlier"));
    }

    #[test]
    fn a_second_copy_alone_is_a_volume() {
        let mut image = vec![0; 1 << 20];
        write(&mut image, HEADER, 5, "new", "{}");
        assert_eq!(found(image.clone()).kind.as_deref(), Some("crypto_LUKS"));
        // At another offset it is not a header.
        image.rotate_right(0x4000);
        assert_eq!(found(image).kind, None);
    }

    #[test]
    fn version_1_has_no_label() {
        let mut image = vec![0; 1 << 20];
        put(&mut image, 0, b"LUKS\xba\xbe\x00\x01");
        put(&mut image, 168, b"01234567-89ab-cdef-0123-456789abcdef");
        let superblock = found(image);
        assert_eq!(superblock.luks.map(|luks| luks.version), Some(1));
        assert_eq!(superblock.label, None);
        assert!(superblock.uuid.is_some());
    }
}
