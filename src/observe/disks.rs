//! Inspects disks, images and other block devices. Everything is opened read-only.

mod holders;
mod mapping;
mod sizes;
mod spindles;
mod uses;

pub use sizes::sizes;

use crate::config::Config;
use crate::disk::DeviceRef;
use crate::disk::extent::Extent;
use crate::disk::{gpt, position, superblock};
use crate::facts::disks::GptHealth;
use crate::facts::disks::ImageFacts;
use crate::facts::{DeviceFacts, DiskFacts, TableFacts};
use crate::host::block::BlockDevice;
use crate::host::devices::{DeviceAccess, Image, drop_caches, present_disks};
use crate::host::{Devices, kernel_table, partition_maps, sys};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Facts by the name the config uses.
type Facts = (BTreeMap<String, DiskFacts>, BTreeMap<String, DeviceFacts>);

/// Inspects every disk that is bound or named in `storage.disks`, and every other existing device that the config
/// names.
///
/// # Errors
/// If a disk does not exist or cannot be read; the error names it and says what to do.
pub fn observe(config: &Config, devices: &Devices) -> anyhow::Result<Facts> {
    let mut disks = BTreeMap::new();
    for (name, image) in devices.images() {
        disks.insert(name.clone(), image_facts(image)?);
    }
    for disk in &config.storage.disks {
        if disks.contains_key(&disk.device) {
            continue;
        }
        if !devices.images().is_empty() {
            bail!(
                "disk {} of the config is bound to no image; add --image {}=FILE,size=SIZE",
                disk.device,
                disk.device
            );
        }
        disks.insert(disk.device.clone(), disk_facts(&disk.device, devices)?);
    }
    let others = if devices.images().is_empty() {
        other_devices(config, &disks)?
    } else {
        BTreeMap::new()
    };
    Ok((disks, others))
}

/// Probes for superblocks where new partitions will start, since old contents are still there.
///
/// # Errors
/// If a disk cannot be read; the error names it.
pub fn probe_leftovers(
    disks: &mut BTreeMap<String, DiskFacts>,
    places: &[(String, Extent)],
    devices: &Devices,
) -> anyhow::Result<()> {
    for (name, extent) in places {
        let Some(facts) = disks.get_mut(name) else {
            continue;
        };
        if facts
            .image
            .as_ref()
            .is_some_and(|i| i.present_bytes.is_none())
        {
            continue;
        }
        let context = || format!("cannot examine disk {name}");
        let disk = devices
            .disk(name, DeviceAccess::Read)
            .with_context(context)?;
        disk.drop_caches().with_context(context)?;
        let sector = u64::from(facts.sector_bytes);
        let end = disk.sectors.min(extent.end().saturating_add(1));
        let bytes = end.saturating_sub(extent.start).saturating_mul(sector);
        let mut part = FileSlice::new(&disk.file, extent.start.saturating_mul(sector), bytes);
        let found = superblock::probe(&mut part).with_context(context)?;
        facts.leftovers.insert(extent.start, found);
    }
    Ok(())
}

fn image_facts(image: &Image) -> anyhow::Result<DiskFacts> {
    let path = &image.path;
    let context = || format!("cannot examine image {}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return blank_image(image),
        Err(error) => return Err(error).with_context(context),
    };
    let present = file.metadata().with_context(context)?.len();
    let disk = Devices::with_images(BTreeMap::from([("".into(), image.clone())]))
        .disk("", DeviceAccess::Read)
        .with_context(context)?;
    let requested = image.bytes.unwrap_or(present).max(present);
    let sectors = requested / u64::from(disk.sector_bytes);
    let mut facts = read_content(&file, disk.sector_bytes, sectors).with_context(context)?;
    facts.image = Some(ImageFacts {
        path: path.clone(),
        present_bytes: Some(present),
        requested_bytes: requested,
    });
    Ok(facts)
}

/// Facts about an image that is still to be created, which is blank.
fn blank_image(image: &Image) -> anyhow::Result<DiskFacts> {
    let path = &image.path;
    let Some(requested) = image.bytes else {
        bail!(
            "image {} does not exist; add ,size=SIZE to create it",
            path.display()
        );
    };
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        bail!(
            "image {} cannot be created: there is no directory {}",
            path.display(),
            parent.display()
        );
    }
    let sector_bytes = image.sector_bytes.unwrap_or(512);
    Ok(DiskFacts {
        sector_bytes,
        sectors: requested / u64::from(sector_bytes),
        image: Some(ImageFacts {
            path: path.clone(),
            present_bytes: None,
            requested_bytes: requested,
        }),
        ..DiskFacts::default()
    })
}

fn disk_facts(name: &str, devices: &Devices) -> anyhow::Result<DiskFacts> {
    if !Path::new(name).exists() {
        bail!(
            "disk {name} of the config does not exist; this machine has: {}",
            present_disks()
        );
    }
    let disk = devices.disk(name, DeviceAccess::Read)?;
    let context = || format!("cannot examine disk {name}");
    disk.drop_caches().with_context(context)?;
    let mut facts =
        read_content(&disk.file, disk.sector_bytes, disk.sectors).with_context(context)?;
    let held = holders::of(&disk.path).with_context(context)?;
    facts.node = disk.path.display().to_string();
    facts.rotates = !spindles::of(&disk.path).is_empty();
    facts.links = links_to(&disk.path);
    facts.map = partition_maps::name_of(&disk.path);
    let device = BlockDevice::of_node(&disk.path);
    facts.read_only = device.attribute("ro").as_deref() == Some("1");
    facts.partition_of = disk_of_partition(&device);
    // Without dmsetup this is unknown; planning reports that it is needed if maps would change.
    facts.kernel_view = match facts.map {
        Some(_) => kernel_table::kernel_extents(&disk.path).ok(),
        None => Some(kernel_table::kernel_extents(&disk.path).with_context(context)?),
    };
    facts.held_by = held.disk;
    facts.partitions_held_by = held.partitions;
    Ok(facts)
}

/// Node of the disk that a partition belongs to.
fn disk_of_partition(device: &BlockDevice) -> Option<String> {
    let disk = device.disk_of_partition()?;
    Some(disk.node().display().to_string())
}

/// Persistent names of a whole disk, from which names of its partitions are derived.
fn links_to(node: &Path) -> Vec<String> {
    let mut links: Vec<String> = ["/dev/disk/by-id", "/dev/disk/by-path"]
        .iter()
        .flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|link| link.canonicalize().is_ok_and(|real| real == *node))
        .map(|link| link.display().to_string())
        .collect();
    links.sort();
    links
}

/// Reads the partition table and superblocks. The disk may be about to grow to `sectors`.
fn read_content(file: &File, sector_bytes: u32, sectors: u64) -> io::Result<DiskFacts> {
    let mut reader = file;
    let table = gpt::read(&mut reader, sector_bytes, sectors)?;
    let mut facts = DiskFacts {
        sector_bytes,
        sectors,
        ..DiskFacts::default()
    };
    // A sound table is newer than any superblock on the whole disk; for a damaged one that is not certain.
    let is_sound = matches!(&table, TableFacts::Gpt { health, .. } if *health == GptHealth::Sound);
    if !is_sound {
        facts.superblock = superblock::probe(&mut reader)?;
    }
    if let TableFacts::Gpt { table, .. } = &table {
        for (number, entry) in &table.entries {
            let sector = u64::from(sector_bytes);
            let mut part = FileSlice::new(
                file,
                entry.start.saturating_mul(sector),
                entry.sectors.saturating_mul(sector),
            );
            facts
                .partitions
                .insert(*number, superblock::probe(&mut part)?);
        }
    }
    facts.table = table;
    Ok(facts)
}

/// A part of a disk as a file of its own.
struct FileSlice<'a> {
    file: &'a File,
    start: u64,
    bytes: u64,
    position: u64,
}

impl<'a> FileSlice<'a> {
    fn new(file: &'a File, start: u64, bytes: u64) -> Self {
        Self {
            file,
            start,
            bytes,
            position: 0,
        }
    }
}

impl Read for FileSlice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let remaining =
            usize::try_from(self.bytes.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(remaining);
        let at = self.start.saturating_add(self.position);
        let count = std::os::unix::fs::FileExt::read_at(self.file, &mut buffer[..wanted], at)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FileSlice<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = position::after_seek(self.position, self.bytes, to)?;
        Ok(self.position)
    }
}

/// Devices named by file systems, volumes and arrays, as far as they exist.
fn other_devices(
    config: &Config,
    disks: &BTreeMap<String, DiskFacts>,
) -> anyhow::Result<BTreeMap<String, DeviceFacts>> {
    let storage = &config.storage;
    let filesystems = storage
        .filesystems
        .iter()
        .filter(|fs| fs.format.as_deref() != Some("virtiofs"));
    let names = filesystems
        .map(|fs| fs.device.clone())
        .chain(storage.luks.iter().filter_map(|luks| luks.device.clone()))
        .chain(
            storage
                .luks
                .iter()
                .map(|luks| format!("/dev/mapper/{}", luks.name)),
        )
        .chain(
            storage
                .raid
                .iter()
                .flat_map(|raid| raid.devices.iter().cloned()),
        )
        .chain(storage.raid.iter().map(|raid| array_path(&raid.name)));
    let mut facts = BTreeMap::new();
    for name in names.filter(|name| !disks.contains_key(name)) {
        if !name.is_empty() && Path::new(&name).exists() && !facts.contains_key(&name) {
            facts.insert(name.clone(), device_facts(&name)?);
        }
    }
    Ok(facts)
}

fn device_facts(name: &str) -> anyhow::Result<DeviceFacts> {
    let context = || format!("cannot examine device {name}");
    let mut file = File::open(name).with_context(context)?;
    drop_caches(&file).with_context(context)?;
    let bytes = sys::block_bytes(&file).with_context(context)?;
    let superblock = superblock::probe(&mut file).with_context(context)?;
    let node = Path::new(name).canonicalize().with_context(context)?;
    let disk = disk_of_partition(&BlockDevice::of_node(&node));
    let table = match (&superblock.kind, disk) {
        (None, None) => table_in(&mut file, bytes).with_context(context)?,
        _ => None,
    };
    let held_by = held_by(&node).with_context(context)?;
    Ok(DeviceFacts {
        exists: true,
        bytes,
        superblock,
        table,
        held_by,
        mapping: mapping::of(&node),
        node: node.display().to_string(),
        spindles: spindles::of(&node),
    })
}

/// Describes a partition table on a device that `storage.disks` does not name.
fn table_in(file: &mut File, bytes: u64) -> anyhow::Result<Option<String>> {
    let sector_bytes = sys::sector_bytes(file)?.max(512);
    let table = gpt::read(file, sector_bytes, bytes / u64::from(sector_bytes))?;
    Ok(match table {
        TableFacts::None => None,
        TableFacts::Gpt { table, .. } if table.entries.is_empty() => None,
        TableFacts::Gpt { table, .. } => {
            let numbers: Vec<String> = table.entries.keys().map(u32::to_string).collect();
            Some(format!("a GPT with partitions {}", numbers.join(", ")))
        }
        TableFacts::Foreign(kind) => Some(format!("a partition table of type {kind}")),
        TableFacts::Corrupt(_) => Some("a damaged GPT".into()),
    })
}

fn array_path(name: &str) -> String {
    let name = name.to_owned();
    DeviceRef::Array { name }.to_string()
}

/// What uses a device, given by its real node, or its partitions.
pub(super) fn held_by(node: &Path) -> anyhow::Result<Vec<String>> {
    let held = holders::of(node)?;
    let partitions = held.partitions.into_values().flatten();
    Ok(held.disk.into_iter().chain(partitions).collect())
}
