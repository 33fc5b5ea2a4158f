//! Superblocks of Linux file systems.

use super::{ProbedDevice, Superblock, kind};
use std::io;

pub(super) fn xfs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(0, 512)? else {
        return Ok(None);
    };
    let (block_log, sector_log) = (block.u8(120), block.u8(121));
    let plausible = (9..=16).contains(&block_log)
        && (9..=15).contains(&sector_log)
        && block.be16(102).checked_shr(u32::from(sector_log)) == Some(1)
        && block.array::<4>(88) != [0; 4];
    if !block.is(0, b"XFSB") || !plausible {
        return Ok(None);
    }
    Ok(Some(Superblock {
        label: block.text(108, 12),
        uuid: block.uuid(32),
        incomplete: block.u8(126) != 0,
        ..kind("xfs")
    }))
}

/// The features that ext2 and ext3 may use; any other makes it ext4.
const EXT3_INCOMPAT: u32 = 0x2 | EXT_RECOVER | 0x10;
const EXT_RECOVER: u32 = 0x4;
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
const EXT_HAS_JOURNAL: u32 = 0x4;
const EXT_JOURNAL_DEVICE: u32 = 0x8;

/// ext2, ext3, ext4 and external journals.
pub(super) fn ext(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(1024, 1024)? else {
        return Ok(None);
    };
    if block.le16(56) != 0xEF53 || block.le32(0) == 0 && block.le32(4) == 0 || block.le32(24) > 6 {
        return Ok(None);
    }
    let (compat, incompat, ro_compat) = (block.le32(92), block.le32(96), block.le32(100));
    let name = if incompat & EXT_JOURNAL_DEVICE != 0 {
        "jbd"
    } else if incompat & !EXT3_INCOMPAT != 0 || ro_compat & !EXT3_RO_COMPAT != 0 {
        "ext4"
    } else if compat & EXT_HAS_JOURNAL != 0 {
        "ext3"
    } else {
        "ext2"
    };
    Ok(Some(Superblock {
        label: block.text(120, 16),
        uuid: block.uuid(104),
        needs_recovery: incompat & EXT_RECOVER != 0,
        ..kind(name)
    }))
}

pub(super) fn btrfs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(64 * 1024, 4096)? else {
        return Ok(None);
    };
    Ok(block.is(64, b"_BHRfS_M").then(|| Superblock {
        label: block.text(299, 256),
        uuid: block.uuid(32),
        ..kind("btrfs")
    }))
}

/// F2FS.
pub(super) fn f2fs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(1024, 3072)? else {
        return Ok(None);
    };
    Ok((block.le32(0) == 0xF2F5_2010).then(|| Superblock {
        label: utf16_text(block.slice(124, 1024)),
        uuid: block.uuid(108),
        ..kind("f2fs")
    }))
}

pub(super) fn erofs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(1024, 128)? else {
        return Ok(None);
    };
    Ok((block.le32(0) == 0xE0F5_E1E2).then(|| Superblock {
        label: block.text(64, 16),
        uuid: block.uuid(48),
        ..kind("erofs")
    }))
}

/// squashfs 4; older versions have a name of their own.
pub(super) fn squashfs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(0, 96)? else {
        return Ok(None);
    };
    Ok(block.is(0, b"hsqs").then(|| {
        kind(if block.le16(28) >= 4 {
            "squashfs"
        } else {
            "squashfs3"
        })
    }))
}

/// ISO 9660; its UUID is the date of the last change.
pub(super) fn iso9660(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(32768, 2048)? else {
        return Ok(None);
    };
    if !block.is(1, b"CD001") || block.u8(0) != 1 {
        return Ok(None);
    }
    Ok(Some(Superblock {
        label: block.text(40, 32),
        uuid: iso_date(block.slice(830, 16)).or_else(|| iso_date(block.slice(813, 16))),
        ..kind("iso9660")
    }))
}

/// Digits `YYYYMMDDhhmmsscc` with dashes; `None` when unset.
fn iso_date(digits: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(digits).ok()?;
    let set = text.len() == 16
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b != b'0');
    let cuts = [0, 4, 6, 8, 10, 12, 14, 16];
    set.then(|| {
        let groups: Vec<&str> = cuts.windows(2).map(|c| &text[c[0]..c[1]]).collect();
        groups.join("-")
    })
}

pub(super) fn utf16_text(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    (!units.is_empty()).then(|| String::from_utf16_lossy(&units))
}
