//! Superblocks of other formats than file systems: LVM, bcache, ZFS members, swap.

use super::{ProbedDevice, Superblock, kind};
use std::io;

/// LVM2 physical volumes: the label is in one of the first four sectors.
pub(super) fn lvm2(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    for sector in 0..4 {
        let Some(block) = device.read(sector * 512, 512)? else {
            return Ok(None);
        };
        let is_label =
            block.is(0, b"LABELONE") && block.is(24, b"LVM2 001") && block.le64(8) == sector;
        if is_label {
            let id = block.text(block.le32(20) as usize, 32);
            return Ok(Some(Superblock {
                uuid: id.filter(|id| id.len() == 32 && id.is_ascii()).map(|id| {
                    let cuts = [0, 6, 10, 14, 18, 22, 26, 32];
                    let groups: Vec<&str> = cuts.windows(2).map(|c| &id[c[0]..c[1]]).collect();
                    groups.join("-")
                }),
                ..kind("LVM2_member")
            }));
        }
    }
    Ok(None)
}

/// bcache backing and cache devices.
pub(super) fn bcache(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    const MAGIC: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
    let Some(block) = device.read(4096, 256)? else {
        return Ok(None);
    };
    Ok(block.is(24, MAGIC).then(|| Superblock {
        uuid: block.uuid(40),
        ..kind("bcache")
    }))
}

/// Members of a ZFS pool: at least four uberblocks in the ring of the first label.
pub(super) fn zfs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    const MAGIC: u64 = 0x00BA_B10C;
    let Some(ring) = device.read(128 * 1024, 128 * 1024)? else {
        return Ok(None);
    };
    let uberblocks = (0..128)
        .map(|i| ring.le64(i * 1024))
        .filter(|magic| *magic == MAGIC || magic.swap_bytes() == MAGIC)
        .count();
    Ok((uberblocks >= 4).then(|| kind("zfs_member")))
}

/// Swap areas; the signature is at the end of the first page. The size of pages and the order of bytes are those of the
/// machine that created it.
pub(super) fn swap(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    for page in [4096_u64, 8192, 16384, 32768, 65536] {
        let Some(magic) = device.read(page - 10, 10)? else {
            return Ok(None);
        };
        if magic.is(0, b"SWAP-SPACE") {
            return Ok(Some(kind("swap")));
        }
        if magic.is(0, b"S1SUSPEND") || magic.is(0, b"S2SUSPEND") {
            return Ok(Some(kind("swsuspend")));
        }
        if magic.is(0, b"SWAPSPACE2")
            && let Some(header) = device.read(1024, 64)?
            && (header.le32(0) == 1 || header.be32(0) == 1)
            && header.le32(4) != 0
        {
            return Ok(Some(Superblock {
                label: header.text(28, 16),
                uuid: header.uuid(12),
                ..kind("swap")
            }));
        }
    }
    Ok(None)
}
