//! FAT and the file systems whose boot sectors look like it.

use super::{Block, ProbedDevice, Superblock, kind};
use std::io;

pub(super) fn exfat(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(0, 512)? else {
        return Ok(None);
    };
    if !block.is(3, b"EXFAT   ") || !block.is(510, b"\x55\xaa") {
        return Ok(None);
    }
    Ok(Some(Superblock {
        label: exfat_label(device, &block)?,
        uuid: Some(serial(block.array(100))),
        ..kind("exfat")
    }))
}

/// The volume label entry of the root directory, searched in its first cluster.
fn exfat_label(device: &mut ProbedDevice, boot: &Block) -> io::Result<Option<String>> {
    let (sector_log, cluster_log) = (u32::from(boot.u8(108)), u32::from(boot.u8(109)));
    if !(9..=12).contains(&sector_log) || cluster_log > 25 - sector_log {
        return Ok(None);
    }
    let cluster = u64::from(boot.le32(96)).saturating_sub(2);
    let sector = u64::from(boot.le32(88)) + (cluster << cluster_log);
    let Some(directory) = device.read(sector << sector_log, 4096)? else {
        return Ok(None);
    };
    Ok((0..4096)
        .step_by(32)
        .take_while(|at| directory.u8(*at) != 0)
        .find(|at| directory.u8(*at) == 0x83)
        .and_then(|at| {
            let units = usize::from(directory.u8(at + 1)).min(11);
            super::filesystems::utf16_text(directory.slice(at + 2, 2 * units))
        }))
}

pub(super) fn ntfs(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(block) = device.read(0, 512)? else {
        return Ok(None);
    };
    Ok(block.is(3, b"NTFS    ").then(|| Superblock {
        uuid: Some(format!("{:016X}", block.le64(72))),
        ..kind("ntfs")
    }))
}

/// FAT12, FAT16 and FAT32.
pub(super) fn vfat(device: &mut ProbedDevice) -> io::Result<Option<Superblock>> {
    let Some(boot) = device.read(0, 512)? else {
        return Ok(None);
    };
    let Some(layout) = FatLayout::of(&boot) else {
        return Ok(None);
    };
    let (serial_at, name_at) = match layout.root {
        Root::Cluster(_) => (67, 71),
        Root::Fixed { .. } => (39, 43),
    };
    let label = match layout.label_in_root(device)? {
        Some(label) => Some(label),
        None => boot.text(name_at, 11).filter(|name| name != "NO NAME"),
    };
    let first_entry = device.read(layout.fat_at, 1)?;
    Ok(Some(Superblock {
        label,
        uuid: Some(serial(boot.array(serial_at))).filter(|text| text != "0000-0000"),
        // mkfs.fat writes the boot sector before the FAT, whose first byte repeats the media descriptor.
        incomplete: first_entry.is_none_or(|fat| fat.u8(0) != boot.u8(21)),
        ..kind("vfat")
    }))
}

/// Where the parts of a FAT file system are, in bytes.
struct FatLayout {
    fat_at: u64,
    fat_bytes: u64,
    data_at: u64,
    cluster_bytes: u64,
    root: Root,
}

enum Root {
    /// FAT12 and FAT16.
    Fixed { at: u64, entries: u16 },
    /// FAT32.
    Cluster(u32),
}

impl FatLayout {
    /// The checks of libblkid, as far as they distinguish FAT from other boot sectors.
    fn of(boot: &Block) -> Option<Self> {
        let sector = u64::from(boot.le16(11));
        let per_cluster = boot.u8(13);
        let (reserved, fats, media) = (boot.le16(14), boot.u8(16), boot.u8(21));
        let named = boot.is(82, b"FAT32   ")
            || [b"FAT12   ", b"FAT16   ", b"FAT     "]
                .iter()
                .any(|name| boot.is(54, *name))
            || boot.is(54, b"MSDOS")
            || boot.is(82, b"MSWIN");
        let bootable = matches!(boot.u8(0), 0xEB | 0xE9) && boot.is(510, b"\x55\xaa");
        let plausible = matches!(sector, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved != 0
            && matches!(fats, 1 | 2)
            && (media >= 0xF8 || media == 0xF0);
        let total = match boot.le16(19) {
            0 => boot.le32(32),
            small => u32::from(small),
        };
        if !(named || bootable) || !plausible || total == 0 || sector == 0 {
            return None;
        }
        Some(Self::locate(boot, sector, u64::from(per_cluster)))
    }
    fn locate(boot: &Block, sector: u64, per_cluster: u64) -> Self {
        let fat_sectors = match boot.le16(22) {
            0 => u64::from(boot.le32(36)),
            small => u64::from(small),
        };
        let fat_at = u64::from(boot.le16(14)) * sector;
        let root_at = fat_at + fat_sectors * sector * u64::from(boot.u8(16));
        let entries = boot.le16(17);
        let root = if boot.le16(22) == 0 {
            Root::Cluster(boot.le32(44))
        } else {
            Root::Fixed {
                at: root_at,
                entries,
            }
        };
        Self {
            fat_at,
            fat_bytes: fat_sectors * sector,
            data_at: root_at + (u64::from(entries) * 32).div_ceil(sector) * sector,
            cluster_bytes: per_cluster * sector,
            root,
        }
    }
    /// The volume label entry of the root directory.
    fn label_in_root(&self, device: &mut ProbedDevice) -> io::Result<Option<String>> {
        match self.root {
            Root::Fixed { at, entries } => {
                let directory = device.read(at, usize::from(entries) * 32)?;
                Ok(directory.and_then(|d| label_entry(&d)))
            }
            Root::Cluster(first) => self.label_in_clusters(device, first),
        }
    }
    fn label_in_clusters(
        &self,
        device: &mut ProbedDevice,
        first: u32,
    ) -> io::Result<Option<String>> {
        let mut cluster = first & 0x0FFF_FFFF;
        // Bounded, since the chain may be a loop.
        for _ in 0..64 {
            if !(2..0x0FFF_FFF0).contains(&cluster) {
                return Ok(None);
            }
            let at = self.data_at + u64::from(cluster - 2) * self.cluster_bytes;
            let Some(directory) = device.read(at, self.cluster_bytes as usize)? else {
                return Ok(None);
            };
            if let Some(label) = label_entry(&directory) {
                return Ok(Some(label));
            }
            let link = u64::from(cluster) * 4;
            if link >= self.fat_bytes {
                return Ok(None);
            }
            let next = device.read(self.fat_at + link, 4)?;
            cluster = next.map_or(0, |n| n.le32(0)) & 0x0FFF_FFFF;
        }
        Ok(None)
    }
}

fn label_entry(directory: &Block) -> Option<String> {
    (0..directory.0.len())
        .step_by(32)
        .take_while(|at| directory.u8(*at) != 0)
        .find(|at| directory.u8(*at) != 0xE5 && directory.u8(*at + 11) & 0x1F == 0x08)
        .and_then(|at| directory.text(at, 11))
}

fn serial(bytes: [u8; 4]) -> String {
    let [a, b, c, d] = bytes;
    format!("{d:02X}{c:02X}-{b:02X}{a:02X}")
}
