//! Members of Linux RAID arrays: what their superblocks record about the array and their role in it.
//!
//! Layouts are those of the kernel's `linux/raid/md_p.h`. A superblock with a wrong checksum still marks the device as
//! a member, but its contents are ignored.

use super::{Block, ProbedDevice, Superblock, kind, uuid_text};
use std::fmt;
use std::io;

/// Type name of members in blkid.
pub const MEMBER: &str = "linux_raid_member";

const MAGIC: u32 = 0xA92B_4EFC;
const SECTOR: u64 = 512;
/// Maximum number of devices in the 4 KiB of a version 1 superblock.
const MAX_DEVICES_1: usize = 1920;
/// Maximum number of devices in a version 0.90 superblock.
const MAX_DEVICES_0: usize = 27;

/// A member of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaidMember {
    /// Version of the superblock.
    pub metadata: MetadataVersion,
    /// Name with the host it belongs to (`any:data`); 0.90 has none.
    pub name: Option<String>,
    /// Level.
    pub level: Level,
    /// Level-specific arrangement of data and parity.
    pub layout: u32,
    /// Chunk size in bytes; 0 for levels without chunks.
    pub chunk_bytes: u64,
    /// Number of devices of the array, without spares.
    pub devices: u32,
    /// Bytes of each device that the array uses; 0 if it uses all of each device.
    pub used_bytes: u64,
    /// Byte offset of the array's data on this member.
    pub data_offset: u64,
    /// The role of this member in the array.
    pub role: MemberRole,
    /// It does not have all of its data yet.
    pub is_rebuilding: bool,
    /// Event count of the last change; it no longer changes on members that have left the array.
    pub events: u64,
    /// Data and redundancy agree: nothing was being written, and the first resync is over.
    pub is_clean: bool,
    /// The array is being reshaped, or has features that are not described here.
    pub is_special: bool,
    /// Roles that had a working device when this was written.
    pub working: Vec<u32>,
}

/// Version of a superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataVersion {
    /// 0.90, at the end.
    V0_90,
    /// 1.0, at the end.
    V1_0,
    /// 1.1, at the start.
    V1_1,
    /// 1.2, 4 KiB from the start.
    V1_2,
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetadataVersion::V0_90 => "0.90",
            MetadataVersion::V1_0 => "1.0",
            MetadataVersion::V1_1 => "1.1",
            MetadataVersion::V1_2 => "1.2",
        })
    }
}

/// Level of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One device after the other.
    Linear,
    /// Stripes.
    Raid0,
    /// Mirrors.
    Raid1,
    /// Stripes, parity on the last device.
    Raid4,
    /// Stripes, rotating parity.
    Raid5,
    /// Stripes, two rotating parities.
    Raid6,
    /// Striped mirrors.
    Raid10,
    /// Any other.
    Other(i32),
}

impl Level {
    fn of(number: u32) -> Self {
        match number.cast_signed() {
            -1 => Level::Linear,
            0 => Level::Raid0,
            1 => Level::Raid1,
            4 => Level::Raid4,
            5 => Level::Raid5,
            6 => Level::Raid6,
            10 => Level::Raid10,
            other => Level::Other(other),
        }
    }

    /// The level that a config requests, by any of its names.
    pub fn named(text: &str) -> Option<Self> {
        Some(match text {
            "linear" => Level::Linear,
            "raid0" | "0" | "stripe" => Level::Raid0,
            "raid1" | "1" | "mirror" => Level::Raid1,
            "raid4" | "4" => Level::Raid4,
            "raid5" | "5" => Level::Raid5,
            "raid6" | "6" => Level::Raid6,
            "raid10" | "10" => Level::Raid10,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Linear => f.write_str("linear"),
            Level::Raid0 => f.write_str("raid0"),
            Level::Raid1 => f.write_str("raid1"),
            Level::Raid4 => f.write_str("raid4"),
            Level::Raid5 => f.write_str("raid5"),
            Level::Raid6 => f.write_str("raid6"),
            Level::Raid10 => f.write_str("raid10"),
            Level::Other(number) => write!(f, "level {number}"),
        }
    }
}

/// The role of a member in its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRole {
    /// It holds the data of this role, counted from 0.
    Active(u32),
    /// It is ready to replace a failed member.
    Spare,
    /// It is faulty, or has a special role such as that of a journal.
    Other,
}

impl RaidMember {
    /// The name without the host it belongs to.
    pub fn short_name(&self) -> Option<&str> {
        let name = self.name.as_deref()?;
        Some(name.split_once(':').map_or(name, |(_, short)| short))
    }
}

/// Version 1.0 is near the end, 1.1 at the start, 1.2 4 KiB from the start, 0.90 in the last full 64 KiB.
pub(super) fn linux_raid(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let sectors = device.bytes / SECTOR;
    let v1_0 = sectors.checked_sub(16).map(|s| (s & !7) * SECTOR);
    let places = [
        (MetadataVersion::V1_0, v1_0),
        (MetadataVersion::V1_1, Some(0)),
        (MetadataVersion::V1_2, Some(4096)),
    ];
    for (metadata, offset) in places {
        let Some(offset) = offset else { continue };
        let Some(block) = device.read(offset, 256)? else {
            continue;
        };
        if block.le32(0) == MAGIC && block.le32(4) == 1 && block.le64(144) == offset / SECTOR {
            let devices = usize::try_from(block.le32(220)).unwrap_or(usize::MAX);
            let full = match devices <= MAX_DEVICES_1 {
                true => device.read(offset, 256 + 2 * devices)?,
                false => None,
            };
            return Ok(Some(Superblock {
                label: block.text(32, 32),
                uuid: block.uuid(16),
                raid: full
                    .and_then(|full| version_1(&full, metadata))
                    .map(Box::new),
                ..kind(MEMBER)
            }));
        }
    }
    linux_raid_0_90(device)
}

/// The checksum of both versions: the sum of 32-bit words with the carry added; the checksum itself counts as zero.
fn checksum(block: &Block, bytes: usize, checksum_at: usize) -> u32 {
    let words = (0..bytes / 4)
        .map(|i| 4 * i)
        .filter(|at| *at != checksum_at);
    let sum: u64 = words.map(|at| u64::from(block.le32(at))).sum();
    // An odd number of roles leaves half a word.
    let rest = if bytes % 4 == 2 {
        block.le16(bytes - 2)
    } else {
        0
    };
    let sum = sum + u64::from(rest);
    ((sum & 0xFFFF_FFFF) + (sum >> 32)) as u32
}

const RECOVERY_OFFSET: u32 = 2;
/// Features that do not affect where data is stored: bitmap, recovery, bad blocks, and the flag of a defined raid0
/// layout.
const PLAIN_FEATURES: u32 = 1 | RECOVERY_OFFSET | 8 | 4096;

fn version_1(block: &Block, metadata: MetadataVersion) -> Option<RaidMember> {
    let count = block.le32(220) as usize;
    if checksum(block, 256 + 2 * count, 216) != block.le32(216) {
        return None;
    }
    let features = block.le32(8);
    let devices = block.le32(92);
    if devices as usize > MAX_DEVICES_1 {
        return None;
    }
    let roles: Vec<u16> = (0..count).map(|i| block.le16(256 + 2 * i)).collect();
    let role = match roles.get(block.le32(160) as usize) {
        Some(0xFFFF) => MemberRole::Spare,
        Some(role) if u32::from(*role) < devices => MemberRole::Active((*role).into()),
        _ => MemberRole::Other,
    };
    Some(RaidMember {
        metadata,
        name: block.text(32, 32),
        level: Level::of(block.le32(72)),
        layout: block.le32(76),
        chunk_bytes: u64::from(block.le32(88)) * SECTOR,
        devices,
        used_bytes: block.le64(80).checked_mul(SECTOR)?,
        data_offset: block.le64(128).checked_mul(SECTOR)?,
        role,
        is_rebuilding: features & RECOVERY_OFFSET != 0,
        events: block.le64(200),
        is_clean: block.le64(208) == u64::MAX,
        is_special: features & !PLAIN_FEATURES != 0,
        working: working(roles.into_iter().map(u32::from), devices),
    })
}

fn working(roles: impl Iterator<Item = u32>, devices: u32) -> Vec<u32> {
    let mut working: Vec<u32> = roles.filter(|role| *role < devices).collect();
    working.sort_unstable();
    working.dedup();
    working
}

fn linux_raid_0_90(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(offset) = (device.bytes & !0xFFFF).checked_sub(0x10000) else {
        return Ok(None);
    };
    let Some(mut block) = device.read(offset, 4096)? else {
        return Ok(None);
    };
    let is_big_endian = block.be32(0) == MAGIC;
    if is_big_endian {
        for word in block.0.as_chunks_mut::<4>().0 {
            word.reverse();
        }
    }
    if block.le32(0) != MAGIC || block.le32(4) != 0 {
        return Ok(None);
    }
    let mut uuid = [0; 16];
    for (group, at) in uuid.chunks_exact_mut(4).zip([20, 52, 56, 60]) {
        group.copy_from_slice(&block.le32(at).to_be_bytes());
    }
    Ok(Some(Superblock {
        uuid: uuid_text(uuid),
        raid: version_0_90(&block, is_big_endian).map(Box::new),
        ..kind(MEMBER)
    }))
}

/// Version 0.90 has the byte order of the machine that wrote it. The words of `block` are little-endian; if they were
/// big-endian, the two halves of a number of 64 bits are in the other order.
fn version_0_90(block: &Block, was_big_endian: bool) -> Option<RaidMember> {
    const CLEAN: u32 = 1;
    const FAULTY: u32 = 1;
    const IN_SYNC: u32 = 1 << 2;
    const THIS_DEVICE: usize = 992;
    let word = |at: usize| block.le32(4 * at);
    if checksum(block, 4096, 4 * 38) != word(38) || word(2) != 90 {
        return None;
    }
    let devices = word(10);
    if devices as usize > MAX_DEVICES_0 {
        return None;
    }
    let place = |at: usize| (word(at + 3), word(at + 4));
    let this_device = place(THIS_DEVICE);
    let places = (0..MAX_DEVICES_0).map(|i| place(128 + 32 * i));
    let (events_low, events_high) = if was_big_endian { (40, 39) } else { (39, 40) };
    let role = match this_device {
        (_, state) if state & FAULTY != 0 => MemberRole::Other,
        (role, state) if state & IN_SYNC != 0 && role < devices => MemberRole::Active(role),
        _ => MemberRole::Spare,
    };
    Some(RaidMember {
        metadata: MetadataVersion::V0_90,
        name: None,
        level: Level::of(word(7)),
        layout: word(64),
        chunk_bytes: u64::from(word(65)),
        devices,
        used_bytes: u64::from(word(8)) * 1024,
        data_offset: 0,
        role,
        is_rebuilding: false,
        events: u64::from(word(events_high)) << 32 | u64::from(word(events_low)),
        is_clean: word(33) & CLEAN != 0,
        is_special: false,
        working: working(
            places
                .filter(|(_, state)| state & IN_SYNC != 0 && state & FAULTY == 0)
                .map(|(role, _)| role),
            devices,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;
    use std::io::Cursor;

    const BYTES: usize = 1 << 20;

    /// A superblock of version 1.2 on a device of 1 MiB; `change` is applied before the checksum is computed.
    fn member(mut change: impl FnMut(&mut [u8])) -> Vec<u8> {
        let mut device = vec![0; BYTES];
        let block = &mut device[4096..8192];
        block[..4].copy_from_slice(&MAGIC.to_le_bytes());
        block[4] = 1;
        block[16..32].fill(0x11);
        block[32..40].copy_from_slice(b"any:data");
        block[72] = 5;
        block[80..88].copy_from_slice(&1000_u64.to_le_bytes());
        block[88..92].copy_from_slice(&1024_u32.to_le_bytes());
        block[92] = 3;
        block[128..136].copy_from_slice(&2048_u64.to_le_bytes());
        block[144..152].copy_from_slice(&8_u64.to_le_bytes());
        block[160] = 1;
        block[200] = 17;
        block[208..216].fill(0xFF);
        block[220] = 5;
        for (i, role) in [0_u16, 2, 0xFFFF, 0xFFFE, 1].iter().enumerate() {
            block[256 + 2 * i..258 + 2 * i].copy_from_slice(&role.to_le_bytes());
        }
        change(block);
        let count = u32::from_le_bytes(block[220..224].try_into().expect("four")) as usize;
        let sum = checksum(&Block(block.to_vec()), 256 + 2 * count.min(1920), 216);
        block[216..220].copy_from_slice(&sum.to_le_bytes());
        device
    }

    fn read(device: Vec<u8>) -> Superblock {
        probe(&mut Cursor::new(device)).expect("readable")
    }

    #[test]
    fn a_member_describes_its_array() {
        let found = read(member(|_| ()));
        assert_eq!(found.label.as_deref(), Some("any:data"));
        let raid = found.raid.expect("sound");
        let expected = RaidMember {
            metadata: MetadataVersion::V1_2,
            name: Some("any:data".into()),
            level: Level::Raid5,
            layout: 0,
            chunk_bytes: 512 << 10,
            devices: 3,
            used_bytes: 1000 * 512,
            data_offset: 1 << 20,
            role: MemberRole::Active(2),
            is_rebuilding: false,
            events: 17,
            is_clean: true,
            is_special: false,
            working: vec![0, 1, 2],
        };
        assert_eq!(*raid, expected);
        assert_eq!(raid.short_name(), Some("data"));
    }

    #[test]
    fn roles_and_states() {
        let role = |number: u8| {
            read(member(|block| block[160] = number))
                .raid
                .expect("sound")
                .role
        };
        assert_eq!(role(0), MemberRole::Active(0));
        assert_eq!(role(2), MemberRole::Spare);
        assert_eq!(role(3), MemberRole::Other);
        assert_eq!(role(200), MemberRole::Other);
        let rebuilding = read(member(|block| block[8] = 2)).raid.expect("sound");
        assert!(rebuilding.is_rebuilding && !rebuilding.is_special);
        let reshaping = read(member(|block| block[8] = 4)).raid.expect("sound");
        assert!(reshaping.is_special);
        let dirty = read(member(|block| block[208..216].fill(0)))
            .raid
            .expect("sound");
        assert!(!dirty.is_clean);
    }

    /// A superblock of version 0.90 in the byte order of `bytes_of`.
    fn old_member(bytes_of: fn(u32) -> [u8; 4], events: [u32; 2]) -> Vec<u8> {
        let mut words = [0_u32; 1024];
        let (this_device, second_device) = (992, 128 + 32);
        words[..3].copy_from_slice(&[MAGIC, 0, 90]);
        (words[5], words[13], words[14], words[15]) = (0x0123_4567, 0x89AB_CDEF, 0xDEAD, 0xBEEF);
        (words[7], words[8], words[10]) = (1, 448, 2);
        (words[33], words[39], words[40]) = (1, events[0], events[1]);
        for at in [this_device, second_device] {
            words[at + 3..at + 5].copy_from_slice(&[1, 6]);
        }
        let sum = words.iter().map(|word| u64::from(*word)).sum::<u64>();
        words[38] = ((sum & 0xFFFF_FFFF) + (sum >> 32)) as u32;
        let mut device = vec![0; BYTES];
        device[BYTES - 0x10000..][..4096].copy_from_slice(&words.map(bytes_of).concat());
        device
    }

    #[test]
    fn version_0_90_is_read_in_both_byte_orders() {
        let little = read(old_member(u32::to_le_bytes, [7, 1]));
        let big = read(old_member(u32::to_be_bytes, [1, 7]));
        assert_eq!(big, little);
        let uuid = "01234567-89ab-cdef-0000-dead0000beef";
        assert_eq!(big.uuid.as_deref(), Some(uuid));
        let raid = big.raid.expect("sound");
        assert_eq!(raid.role, MemberRole::Active(1));
        assert_eq!((raid.events, raid.working), (7 | 1 << 32, vec![1]));
    }

    #[test]
    fn a_damaged_superblock_gives_a_member_without_details() {
        let mut torn = member(|_| ());
        torn[4096 + 92] ^= 1;
        let huge = member(|block| block[220..224].fill(0xFF));
        let overflow = member(|block| block[128..136].fill(0xFF));
        for device in [torn, huge, overflow] {
            let found = read(device);
            assert_eq!(found.kind.as_deref(), Some(MEMBER));
            assert_eq!(found.raid, None);
        }
    }

    #[test]
    fn random_superblocks_are_read_without_harm() {
        let mut seed: u64 = 7;
        for _ in 0..2000 {
            let device = member(|block| {
                for _ in 0..6 {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let at = 8 + (seed >> 33) as usize % 250;
                    if !(144..152).contains(&at) {
                        block[at] = (seed >> 20) as u8;
                    }
                }
            });
            read(device);
        }
    }

    #[test]
    fn version_0_90_is_read_too() {
        let mut device = vec![0; BYTES];
        let block = &mut device[BYTES - 65536..][..4096];
        let mut set = |at: usize, value: u32| {
            block[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
        };
        for (at, value) in [
            (0, MAGIC),
            (2, 90),
            (5, 0x1111_1111),
            (7, 1),
            (8, 900),
            (10, 2),
            (33, 1),
            (39, 9),
        ] {
            set(at, value);
        }
        // Two devices in sync, this is the second.
        for (at, role) in [(128, 0), (160, 1), (992, 1)] {
            set(at + 3, role);
            set(at + 4, 0b110);
        }
        let sum = checksum(&Block(block.to_vec()), 4096, 152);
        block[152..156].copy_from_slice(&sum.to_le_bytes());
        let found = read(device);
        assert_eq!(
            found.uuid.as_deref(),
            Some("11111111-0000-0000-0000-000000000000")
        );
        let raid = found.raid.expect("sound");
        assert_eq!(
            (raid.level, raid.devices, raid.role),
            (Level::Raid1, 2, MemberRole::Active(1))
        );
        assert_eq!(
            (raid.events, raid.is_clean, raid.used_bytes),
            (9, true, 900 << 10)
        );
        assert_eq!(raid.working, [0, 1]);
        assert_eq!(raid.short_name(), None);
    }
}
