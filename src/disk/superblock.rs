//! What is on a device: file systems, swap, encrypted volumes, RAID and LVM members, identified by their superblocks
//! and named as in blkid.
//!
//! The probing order follows libblkid: containers first, and after a RAID or encryption superblock nothing else is
//! probed for, since any further signature belongs to its contents.

pub mod raid;

mod containers;
mod fat;
mod filesystems;
mod luks;
mod others;

pub use luks::{
    BINARY_BYTES as LUKS_BINARY_BYTES, LuksHeader, SECOND_COPY_OFFSETS as LUKS_SECOND_COPY_OFFSETS,
    SECOND_MAGIC as LUKS_SECOND_MAGIC,
};

use std::io::{self, Read, Seek, SeekFrom};

/// What a superblock probe found on a device; all empty when blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superblock {
    /// blkid type name (`ext4`, `xfs`, `btrfs`, `vfat`, `swap`, `crypto_LUKS`, `linux_raid_member`, ...).
    pub kind: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// UUID as blkid prints it.
    pub uuid: Option<String>,
    /// More signatures found at the same time, by type name.
    pub also: Vec<String>,
    /// The file system was not unmounted cleanly: its journal needs replay.
    pub needs_recovery: bool,
    /// Its creation was interrupted: it holds no data and cannot be mounted.
    pub incomplete: bool,
    /// The header of an encrypted volume.
    pub luks: Option<LuksHeader>,
    /// The contents of the superblock of a RAID member, if its checksum is right.
    pub raid: Option<Box<raid::RaidMember>>,
}

impl Superblock {
    /// A description, e.g. `xfs "data"`, including older signatures that are still present.
    pub fn describe(&self) -> Option<String> {
        let kind = self.kind.as_deref()?;
        let mut text = match &self.label {
            Some(label) => format!("{kind} {label:?}"),
            None => kind.to_owned(),
        };
        if !self.also.is_empty() {
            text.push_str(&format!(" (and {})", self.also.join(", ")));
        }
        Some(text)
    }
}

/// Probes a device of any size. Only I/O failures are errors; the contents are never trusted.
pub fn probe(device: &mut (impl Read + Seek)) -> io::Result<Superblock> {
    let mut device = ProbedDevice::new(device)?;
    let mut found: Option<Superblock> = None;
    for (prober, role) in PROBERS {
        let Some(hit) = prober(&mut device)? else {
            continue;
        };
        match &mut found {
            None => found = Some(hit),
            Some(first) => first.also.extend(hit.kind),
        }
        if *role == SuperblockRole::Container {
            break;
        }
    }
    Ok(found.unwrap_or_default())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SuperblockRole {
    /// Its contents may look like anything.
    Container,
    FileSystem,
}

type Prober = fn(&mut ProbedDevice) -> io::Result<Option<Superblock>>;

const PROBERS: &[(Prober, SuperblockRole)] = &[
    (raid::linux_raid, SuperblockRole::Container),
    (containers::lvm2, SuperblockRole::Container),
    (luks::luks, SuperblockRole::Container),
    (containers::bcache, SuperblockRole::Container),
    (others::containers, SuperblockRole::Container),
    (containers::zfs, SuperblockRole::FileSystem),
    (fat::exfat, SuperblockRole::FileSystem),
    (fat::ntfs, SuperblockRole::FileSystem),
    (fat::vfat, SuperblockRole::FileSystem),
    (containers::swap, SuperblockRole::FileSystem),
    (filesystems::xfs, SuperblockRole::FileSystem),
    (filesystems::ext, SuperblockRole::FileSystem),
    (filesystems::btrfs, SuperblockRole::FileSystem),
    (filesystems::f2fs, SuperblockRole::FileSystem),
    (filesystems::erofs, SuperblockRole::FileSystem),
    (filesystems::squashfs, SuperblockRole::FileSystem),
    (filesystems::iso9660, SuperblockRole::FileSystem),
    (others::filesystems, SuperblockRole::FileSystem),
];

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// A device being probed.
struct ProbedDevice<'a> {
    source: &'a mut dyn ReadSeek,
    bytes: u64,
}

impl<'a> ProbedDevice<'a> {
    fn new(source: &'a mut dyn ReadSeek) -> io::Result<Self> {
        let bytes = source.seek(SeekFrom::End(0))?;
        Ok(Self { source, bytes })
    }
    /// `length` bytes at `offset`; `None` if the device ends before.
    fn read(&mut self, offset: u64, length: usize) -> io::Result<Option<Block>> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.bytes => {}
            _ => return Ok(None),
        }
        let mut buffer = vec![0; length];
        self.source.seek(SeekFrom::Start(offset))?;
        self.source.read_exact(&mut buffer)?;
        Ok(Some(Block(buffer)))
    }
}

/// Bytes of a superblock; reading beyond them gives zeros.
struct Block(Vec<u8>);

impl Block {
    fn slice(&self, at: usize, length: usize) -> &[u8] {
        self.0.get(at..at.saturating_add(length)).unwrap_or(&[])
    }
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.slice(at, N).try_into().unwrap_or([0; N])
    }
    fn is(&self, at: usize, magic: &[u8]) -> bool {
        self.slice(at, magic.len()) == magic
    }
    fn u8(&self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }
    fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }
    fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }
    fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }
    fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }
    fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }
    fn le64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
    /// Text up to the first NUL without trailing white space, `None` when empty.
    fn text(&self, at: usize, length: usize) -> Option<String> {
        let bytes = self.slice(at, length);
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]);
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.to_owned())
    }
    /// A UUID in the usual notation, `None` when all zero.
    fn uuid(&self, at: usize) -> Option<String> {
        uuid_text(self.array(at))
    }
}

fn uuid_text(bytes: [u8; 16]) -> Option<String> {
    let text = crate::disk::gpt::Guid(bytes).to_string();
    (bytes != [0; 16]).then(|| text.to_lowercase())
}

/// A superblock of which only the kind is known.
fn kind(name: &str) -> Superblock {
    Superblock {
        kind: Some(name.into()),
        ..Superblock::default()
    }
}
