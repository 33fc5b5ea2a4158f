//! Block devices and the image files that represent them.

use super::loopdev::{ImageRange, LoopDevice};
use super::udev::{DiskLock, LockMode};
use super::{block, partition_maps, sys};
use crate::disk::DeviceRef;
use crate::disk::device::partition_path;
use crate::disk::extent::Extent;
use crate::disk::gpt::{self, TableFacts};
use anyhow::{Context, bail};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait for a device of this machine. udev takes well under a second; slow storage controllers need more.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a device is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAccess {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// An image file that represents a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Minimum size in bytes; `None` = as it is.
    pub bytes: Option<u64>,
    /// Logical sector size in bytes; `None` = as its table says, else 512.
    pub sector_bytes: Option<u32>,
}

/// Turns device references into something that a tool can open: the real node, or a loop device over the right part of
/// a bound image file.
#[derive(Debug, Default)]
pub struct Devices {
    images: BTreeMap<String, Image>,
    locks: Mutex<Vec<DiskLock>>,
}

/// A device that a tool can open while this value lives.
#[derive(Debug)]
pub struct DeviceHandle {
    path: PathBuf,
    _attached: Option<LoopDevice>,
}

impl DeviceHandle {
    /// The device node.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A whole disk, opened for its table.
#[derive(Debug)]
pub struct OpenDisk {
    /// The device node or image file.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Size in sectors.
    pub sectors: u64,
    /// True if it is an image file, which no kernel scans for partitions.
    pub is_image: bool,
}

/// Drops what the kernel has cached of a device. Writes to one of its partitions, or to a mapping over it, do not
/// update the cache of the device itself, which the kernel keeps while anything on the device is in use.
///
/// # Errors
/// If the device is gone.
pub fn drop_caches(device: &File) -> nix::Result<()> {
    posix_fadvise(device, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
}

impl OpenDisk {
    /// Drops what the kernel has cached of the disk ([`drop_caches`]).
    ///
    /// # Errors
    /// If the device is gone.
    pub fn drop_caches(&self) -> anyhow::Result<()> {
        drop_caches(&self.file)
            .with_context(|| format!("cannot read {} again", self.path.display()))
    }
}

impl Devices {
    /// Devices with these names of the config bound to image files.
    pub fn with_images(images: BTreeMap<String, Image>) -> Self {
        Self {
            images,
            ..Self::default()
        }
    }

    /// All bound images, by the name of the device in the config.
    pub fn images(&self) -> &BTreeMap<String, Image> {
        &self.images
    }

    /// Opens a device.
    ///
    /// # Errors
    /// If it does not exist (after waiting for it, unless it is an image), or cannot be opened.
    pub fn open(&self, device: &DeviceRef, access: DeviceAccess) -> anyhow::Result<DeviceHandle> {
        match device.disk() {
            Some(disk) if self.images.contains_key(disk) => {
                let disk = self.disk(disk, access)?;
                let attached = attach(&disk, device, access)
                    .with_context(|| format!("cannot open {device} in {}", disk.path.display()))?;
                Ok(DeviceHandle {
                    path: attached.path().into(),
                    _attached: Some(attached),
                })
            }
            _ if !self.images.is_empty() => {
                bail!("{device} is not bound to an image; use --image")
            }
            _ => Ok(DeviceHandle {
                path: wait_for(&node(device)?)?,
                _attached: None,
            }),
        }
    }

    /// Opens a part of a disk for reading, as if it already were a partition.
    ///
    /// # Errors
    /// If the disk cannot be opened, or has no such part.
    pub fn open_extent(&self, disk: &str, extent: Extent) -> anyhow::Result<DeviceHandle> {
        let disk = self.disk(disk, DeviceAccess::Read)?;
        let attached = attach_part(&disk, (extent.start, extent.sectors), DeviceAccess::Read)
            .with_context(|| format!("cannot open a part of {}", disk.path.display()))?;
        Ok(DeviceHandle {
            path: attached.path().into(),
            _attached: Some(attached),
        })
    }

    /// Locks a whole disk against udev until [`Devices::unlock`]. Images need no lock, since udev does not probe them.
    ///
    /// # Errors
    /// If it does not exist, or cannot be opened.
    pub fn lock(&self, disk: &str, mode: LockMode) -> anyhow::Result<()> {
        if !self.images.contains_key(disk) {
            let lock = DiskLock::take(&wait_for(Path::new(disk))?, mode)?;
            self.locks().push(lock);
        }
        Ok(())
    }

    /// Lets udev probe all locked disks.
    ///
    /// # Errors
    /// If a lock cannot be changed.
    pub fn allow_probing(&self) -> anyhow::Result<()> {
        for lock in self.locks().iter() {
            lock.allow_probing()
                .context("cannot give a disk back to udev")?;
        }
        Ok(())
    }

    /// Releases the locks on all disks.
    pub fn unlock(&self) {
        self.locks().clear();
    }

    fn locks(&self) -> MutexGuard<'_, Vec<DiskLock>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a whole disk.
    ///
    /// # Errors
    /// If it does not exist or cannot be opened; the message names the path.
    pub fn disk(&self, disk: &str, access: DeviceAccess) -> anyhow::Result<OpenDisk> {
        match self.images.get(disk) {
            Some(image) => open_image(image, access),
            None => open_disk(&wait_for(Path::new(disk))?, access),
        }
    }
}

fn open(path: &Path, access: DeviceAccess) -> anyhow::Result<File> {
    File::options()
        .read(true)
        .write(access == DeviceAccess::Write)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn open_image(image: &Image, access: DeviceAccess) -> anyhow::Result<OpenDisk> {
    let mut file = open(&image.path, access)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    let sector_bytes = image
        .sector_bytes
        .map_or_else(|| table_sector_bytes(&mut file), Ok)?;
    let sectors = bytes / u64::from(sector_bytes);
    Ok(OpenDisk {
        file,
        path: image.path.clone(),
        sector_bytes,
        sectors,
        is_image: true,
    })
}

/// The header of a GPT is in the second sector, so its offset shows the sector size.
fn table_sector_bytes(file: &mut File) -> std::io::Result<u32> {
    for sector_bytes in [512, 4096] {
        let mut signature = [0; 8];
        file.seek(SeekFrom::Start(u64::from(sector_bytes)))?;
        if file.read_exact(&mut signature).is_ok() && &signature == b"EFI PART" {
            return Ok(sector_bytes);
        }
    }
    Ok(512)
}

fn open_disk(path: &Path, access: DeviceAccess) -> anyhow::Result<OpenDisk> {
    let file = open(path, access)?;
    let act = || format!("cannot read the geometry of {}", path.display());
    let sector_bytes = sys::sector_bytes(&file).with_context(act)?;
    let sectors = sys::block_bytes(&file).with_context(act)? / u64::from(sector_bytes.max(1));
    Ok(OpenDisk {
        file,
        path: path.into(),
        sector_bytes,
        sectors,
        is_image: false,
    })
}

/// A loop device over a disk or one of its partitions, according to its current table.
fn attach(disk: &OpenDisk, device: &DeviceRef, access: DeviceAccess) -> anyhow::Result<LoopDevice> {
    let extent = match device {
        DeviceRef::Partition { number, .. } => {
            let table = gpt::read(&mut &disk.file, disk.sector_bytes, disk.sectors)?;
            let TableFacts::Gpt { table, .. } = table else {
                bail!("there is no partition table")
            };
            let entry = table.entries.get(number);
            let entry = entry.with_context(|| format!("the table has no partition {number}"))?;
            (entry.start, entry.sectors)
        }
        _ => (0, disk.sectors),
    };
    attach_part(disk, extent, access)
}

/// A loop device over a part of a disk, which is given by its first sector and number of sectors.
fn attach_part(
    disk: &OpenDisk,
    (start, sectors): (u64, u64),
    access: DeviceAccess,
) -> anyhow::Result<LoopDevice> {
    let sector = u64::from(disk.sector_bytes);
    let part = ImageRange {
        offset: start.saturating_mul(sector),
        bytes: sectors.saturating_mul(sector),
        sector_bytes: disk.sector_bytes,
    };
    LoopDevice::attach(&disk.file, part, access == DeviceAccess::Write)
}

/// The path of a device of this machine. A partition is named after its disk's real node, since udev removes and
/// recreates the links below `/dev/disk/` while a disk changes.
fn node(device: &DeviceRef) -> anyhow::Result<PathBuf> {
    match device {
        DeviceRef::Partition { disk, number } => {
            let disk = wait_for(Path::new(disk))?;
            match partition_maps::name_of(&disk) {
                Some(_) => wait_for_map(&disk, *number),
                None => Ok(partition_path(&disk.display().to_string(), *number).into()),
            }
        }
        other => Ok(other.to_string().into()),
    }
}

/// The map of a partition of a device-mapper disk.
fn wait_for_map(disk: &Path, number: u32) -> anyhow::Result<PathBuf> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(node) = partition_maps::node_of(disk, number)? {
            return Ok(node);
        }
        if Instant::now() >= deadline {
            bail!(
                "no map of partition {number} of {} appeared within {} s",
                disk.display(),
                TIMEOUT.as_secs()
            );
        }
        sleep(Duration::from_millis(100));
    }
}

/// Waits for a device node and resolves links to it.
fn wait_for(path: &Path) -> anyhow::Result<PathBuf> {
    let deadline = Instant::now() + TIMEOUT;
    let mut pause = Duration::from_millis(1);
    loop {
        match path.canonicalize() {
            Ok(real) => return Ok(real),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot look up {}", path.display()));
            }
            Err(_) if Instant::now() >= deadline => bail!(
                "device {} did not appear within {} s; this machine has: {}",
                path.display(),
                TIMEOUT.as_secs(),
                present_disks()
            ),
            Err(_) => sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Block devices of this machine, for messages.
pub fn present_disks() -> String {
    let devices = block::list().unwrap_or_default();
    let is_shown = |node: &String| !node.starts_with("/dev/loop") && !node.starts_with("/dev/ram");
    let nodes = devices
        .iter()
        .map(|device| device.node().display().to_string());
    let nodes: Vec<String> = nodes.filter(is_shown).collect();
    if nodes.is_empty() {
        "no disks".into()
    } else {
        nodes.join(", ")
    }
}
