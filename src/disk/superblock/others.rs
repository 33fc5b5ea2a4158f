//! Formats that are never created or mounted here, recognized by their magic bytes only, so that a device that contains
//! one is not taken for blank.

use super::{ProbedDevice, Superblock, kind};
use std::io;

/// A format by its magic bytes: its name in blkid, their offset, and the bytes.
type Magic = (&'static str, u64, &'static [u8]);

/// Whole-device containers with their magic at the start.
const CONTAINERS: &[Magic] = &[
    ("BitLocker", 3, b"-FVE-FS-"),
    ("stratis", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("ceph_bluestore", 0, b"bluestore block device"),
    ("vdo", 0, b"dmvdo001"),
    ("DM_verity_hash", 0, b"verity\0\0"),
    ("DM_integrity", 0, b"integrt\0"),
];

const FILE_SYSTEMS: &[Magic] = &[
    ("apfs", 32, b"NXSB"),
    ("bcachefs", 4096 + 24, BCACHEFS),
    ("ReFS", 3, b"ReFS\0\0\0\0"),
    ("jfs", 32 * 1024, b"JFS1"),
    ("reiserfs", 64 * 1024 + 52, b"ReIsErFs"),
    ("reiserfs", 64 * 1024 + 52, b"ReIsEr2Fs"),
    ("reiserfs", 64 * 1024 + 52, b"ReIsEr3Fs"),
    ("reiserfs", 8 * 1024 + 52, b"ReIsErFs"),
    ("reiser4", 64 * 1024, b"ReIsEr4"),
    ("gfs2", 64 * 1024, b"\x01\x16\x19\x70"),
    ("ocfs2", 1024, b"OCFSV2"),
    ("ocfs2", 2 * 1024, b"OCFSV2"),
    ("ocfs2", 4 * 1024, b"OCFSV2"),
    ("ocfs2", 8 * 1024, b"OCFSV2"),
    ("hfsplus", 1024, b"H+\0\x04"),
    ("hfsplus", 1024, b"HX\0\x05"),
    ("cramfs", 0, b"\x45\x3d\xcd\x28"),
    ("romfs", 0, b"-rom1fs-"),
    ("zonefs", 0, b"SFOZ"),
];

const BCACHEFS: &[u8] = b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";

/// Volumes of other systems and of other RAID software, whose magic may be at the end.
pub(super) fn containers(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    if let Some(found) = first_match(device, CONTAINERS)? {
        return Ok(Some(found));
    }
    let last = device.bytes / 512 * 512;
    let at_end: [Magic; 2] = [
        ("ddf_raid_member", 512, b"\xDE\x11\xDE\x11"),
        ("isw_raid_member", 1024, b"Intel Raid ISM Cfg Sig. "),
    ];
    for (name, before_end, magic) in at_end {
        if let Some(at) = last.checked_sub(before_end)
            && has_magic(device, at, magic)?
        {
            return Ok(Some(kind(name)));
        }
    }
    Ok(None)
}

/// File systems this program has no other use for.
pub(super) fn filesystems(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    if let Some(found) = first_match(device, FILE_SYSTEMS)? {
        return Ok(Some(found));
    }
    match udf(device)? {
        Some(found) => Ok(Some(found)),
        None => minix(device),
    }
}

fn first_match(device: &mut ProbedDevice, all: &[Magic]) -> io::Result<Option<Superblock>> {
    for (name, at, magic) in all {
        if has_magic(device, *at, magic)? {
            return Ok(Some(kind(name)));
        }
    }
    Ok(None)
}

fn has_magic(device: &mut ProbedDevice, at: u64, magic: &[u8]) -> io::Result<bool> {
    let found = device.read(at, magic.len())?;
    Ok(found.is_some_and(|block| block.is(0, magic)))
}

/// UDF: its descriptor follows the one that begins the sequence, in units of 2048 bytes or more.
fn udf(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    for step in [2048_u64, 4096] {
        let start = 32 * 1024;
        if !has_magic(device, start + 1, b"BEA01")? {
            continue;
        }
        for block in 1..16 {
            let at = start + block * step + 1;
            if has_magic(device, at, b"NSR02")? || has_magic(device, at, b"NSR03")? {
                return Ok(Some(kind("udf")));
            }
        }
    }
    Ok(None)
}

/// Minix, versions 1 to 3. Two bytes are a weak magic, so the counts next to it must be plausible.
fn minix(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(1024, 32)? else {
        return Ok(None);
    };
    let old = matches!(block.le16(16), 0x137F | 0x138F | 0x2468 | 0x2478);
    let new = block.le16(24) == 0x4D5A;
    let maps = if new { 6 } else { 4 };
    let counts = [0, maps, maps + 2, maps + 4].map(|at| block.le16(at));
    Ok(((old || new) && !counts.contains(&0)).then(|| kind("minix")))
}
