//! Creates file systems and erases signatures: checks the device again, erases, creates, verifies the result.

use super::{Context, Done};
use crate::disk::superblock::{
    self, LUKS_BINARY_BYTES, LUKS_SECOND_COPY_OFFSETS, LUKS_SECOND_MAGIC, Superblock,
};
use crate::host::Command;
use crate::host::command::without_spawning;
use crate::host::devices::{DeviceAccess, DeviceHandle};
use crate::plan::filesystems::canonical_uuid;
use crate::plan::op::{Expected, MakeFilesystem, WipeDevice};
use anyhow::{Context as _, bail};
use nix::libc::O_EXCL;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Bytes at each end of a device that contain all known signatures.
const EDGE_BYTES: u64 = 1024 * 1024;

/// Creates a file system or swap area.
///
/// # Errors
/// If the device contains something that was not there when the plan was made, the program fails, or the result is not
/// as requested.
pub fn make_filesystem(act: &MakeFilesystem, context: &Context) -> anyhow::Result<Done> {
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let name = act.device.to_string();
    erase(&device, &name, &act.expected)?;
    Command::new(&act.program)
        .args(act.arguments.iter())
        .arg(device.path().display().to_string())
        .run()?;
    verify(act, &sync_and_probe(device.path(), &name)?)?;
    Ok(Done::default())
}

/// Erases all signatures.
///
/// # Errors
/// If the device contains something that was not there when the plan was made, or cannot be written.
pub fn wipe_device(act: &WipeDevice, context: &Context) -> anyhow::Result<Done> {
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let name = act.device.to_string();
    erase(&device, &name, &act.expected)?;
    let remaining = sync_and_probe(device.path(), &name)?;
    if let Some(what) = remaining.describe() {
        bail!("{name} still shows {what} after its signatures were erased");
    }
    Ok(Done::default())
}

/// Erases all signatures of a device if its contents are those that the plan expects.
pub(super) fn erase(device: &DeviceHandle, name: &str, expected: &Expected) -> anyhow::Result<()> {
    without_spawning(|| {
        let (mut file, _) = open_expected(device.path(), name, expected)?;
        erase_signatures(&mut file, name)
    })
}

/// Opens a device exclusively if its contents are those that the plan expects.
///
/// # Errors
/// If it is in use, or contains something else.
pub(super) fn open_expected(
    path: &Path,
    name: &str,
    expected: &Expected,
) -> anyhow::Result<(File, Superblock)> {
    let mut file = open_exclusively(path)
        .with_context(|| format!("cannot open {name} for writing (is it in use?)"))?;
    let found = superblock::probe(&mut file).with_context(|| format!("cannot examine {name}"))?;
    check_unchanged(name, expected, &found)?;
    Ok((file, found))
}

/// Erases every signature that any program probes for, durably.
///
/// # Errors
/// If the device cannot be written.
pub(super) fn erase_signatures(file: &mut File, name: &str) -> anyhow::Result<()> {
    erase_edges(file)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot erase the signatures of {name}"))
}

/// Opens a device exclusively: fails while it is mounted or otherwise held.
fn open_exclusively(path: &Path) -> io::Result<File> {
    let is_device = path.metadata()?.file_type().is_block_device();
    File::options()
        .read(true)
        .write(true)
        .custom_flags(if is_device { O_EXCL } else { 0 })
        .open(path)
}

fn check_unchanged(name: &str, expected: &Expected, found: &Superblock) -> anyhow::Result<()> {
    let is_expected = match expected {
        Expected::Anything => true,
        Expected::Blank | Expected::Unseen => found.kind.is_none() || found.incomplete,
        Expected::Kind(kind) => found.kind.as_ref() == Some(kind),
    };
    match is_expected {
        true => Ok(()),
        false => bail!(
            "{name} holds {}, which was not there when the plan was made; nothing was erased, plan \
             again",
            found.describe().unwrap_or_else(|| "nothing".into())
        ),
    }
}

/// Zeroes both ends. Blocks that are already zero are not written, so that a sparse image stays sparse.
fn erase_edges(device: &mut (impl Read + Write + Seek)) -> io::Result<()> {
    let bytes = device.seek(SeekFrom::End(0))?;
    let head = EDGE_BYTES.min(bytes);
    let tail = bytes.saturating_sub(EDGE_BYTES).max(head);
    erase_far_copies(device, bytes)?;
    erase_range(device, 0, head)?;
    erase_range(device, tail, bytes)
}

/// A copy of a superblock far from both ends.
struct BackupSuperblock {
    at: u64,
    magic_at: u64,
    magic: &'static [u8],
    bytes: u64,
}

/// Copies that must be erased as well: a second LUKS header would bring the volume back, and tools that rescue btrfs
/// search for its copies, so that they could bring back the erased file system.
fn far_copies() -> impl Iterator<Item = BackupSuperblock> {
    let luks = LUKS_SECOND_COPY_OFFSETS.iter().map(|at| BackupSuperblock {
        at: *at,
        magic_at: 0,
        magic: LUKS_SECOND_MAGIC,
        bytes: LUKS_BINARY_BYTES as u64,
    });
    let btrfs = [64 << 20, 256 << 30].map(|at| BackupSuperblock {
        at,
        magic_at: 64,
        magic: b"_BHRfS_M",
        bytes: 4096,
    });
    luks.chain(btrfs).filter(|copy| copy.at >= EDGE_BYTES)
}

fn erase_far_copies(device: &mut (impl Read + Write + Seek), bytes: u64) -> io::Result<()> {
    for copy in far_copies().filter(|copy| copy.at + copy.bytes <= bytes) {
        let mut magic = vec![0; copy.magic.len()];
        device.seek(SeekFrom::Start(copy.at + copy.magic_at))?;
        device.read_exact(&mut magic)?;
        if magic == copy.magic {
            erase_range(device, copy.at, copy.at + copy.bytes)?;
        }
    }
    Ok(())
}

/// Zeroes a range of bytes. Blocks that are already zero are not written.
pub(super) fn erase_range(
    device: &mut (impl Read + Write + Seek),
    from: u64,
    to: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = from;
    while at < to {
        let length = buffer
            .len()
            .min(usize::try_from(to - at).unwrap_or(usize::MAX));
        let block = &mut buffer[..length];
        device.seek(SeekFrom::Start(at))?;
        device.read_exact(block)?;
        if block.iter().any(|byte| *byte != 0) {
            block.fill(0);
            device.seek(SeekFrom::Start(at))?;
            device.write_all(block)?;
        }
        at += length as u64;
    }
    Ok(())
}

fn sync_and_probe(path: &Path, name: &str) -> anyhow::Result<Superblock> {
    let mut file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    file.sync_all()
        .with_context(|| format!("cannot make {name} durable"))?;
    superblock::probe(&mut file).with_context(|| format!("cannot examine {name}"))
}

fn verify(act: &MakeFilesystem, found: &Superblock) -> anyhow::Result<()> {
    let uuid = |text: &str| canonical_uuid(&act.format, text);
    let kind_fits = found.kind.as_deref() == Some(act.format.as_str()) && !found.incomplete;
    let label = found.label.as_deref().unwrap_or("");
    let label_fits = act.label.as_ref().is_none_or(|wanted| wanted == label);
    let found_uuid = found.uuid.as_deref().unwrap_or("");
    let uuid_fits = act
        .uuid
        .as_ref()
        .is_none_or(|u| uuid(u) == uuid(found_uuid));
    match kind_fits && label_fits && uuid_fits {
        true => Ok(()),
        false => bail!(
            "{} left an unexpected result on {}: {} with UUID {found_uuid:?} instead of {} {:?} \
             with UUID {:?}",
            act.program,
            act.device,
            found.describe().unwrap_or_else(|| "nothing known".into()),
            act.format,
            act.label.as_deref().unwrap_or(""),
            act.uuid.as_deref().unwrap_or("any"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn found(kind: Option<&str>, incomplete: bool) -> Superblock {
        Superblock {
            kind: kind.map(String::from),
            incomplete,
            ..Superblock::default()
        }
    }

    #[test]
    fn only_what_the_plan_saw_is_erased() {
        let ext4 = || Expected::Kind("ext4".into());
        let cases = [
            (Expected::Blank, found(None, false), true),
            (Expected::Blank, found(Some("xfs"), true), true),
            (Expected::Blank, found(Some("xfs"), false), false),
            (ext4(), found(Some("ext4"), false), true),
            (ext4(), found(Some("xfs"), false), false),
            (ext4(), found(None, false), false),
            (Expected::Anything, found(Some("xfs"), false), true),
        ];
        for (expected, found, is_allowed) in cases {
            let result = check_unchanged("/dev/vda1", &expected, &found);
            assert_eq!(result.is_ok(), is_allowed, "{expected:?}, {found:?}");
            if let Err(error) = result {
                let text = error.to_string();
                assert!(text.contains("nothing was erased, plan again"), "{text}");
            }
        }
    }

    #[test]
    fn both_ends_are_zeroed_and_the_middle_stays() {
        for (bytes, kept) in [(3 << 20, 1 << 20), (2 << 20, 0), (4096, 0), (0, 0)] {
            let mut device = Cursor::new(vec![7; bytes]);
            erase_edges(&mut device).expect("erased");
            let remaining = device.get_ref().iter().filter(|b| **b == 7).count();
            assert_eq!(remaining, kept, "{bytes} bytes");
        }
    }

    #[test]
    fn a_result_other_than_requested_is_an_error() {
        let act = MakeFilesystem {
            device: crate::disk::DeviceRef::Path {
                path: "/dev/x".into(),
            },
            format: "vfat".into(),
            label: Some("EFI".into()),
            uuid: Some("a1b2c3d4".into()),
            program: "mkfs.fat".into(),
            options: Vec::new(),
            arguments: Vec::new(),
            expected: Expected::Blank,
        };
        let mut created = found(Some("vfat"), false);
        created.label = Some("EFI".into());
        created.uuid = Some("A1B2-C3D4".into());
        verify(&act, &created).expect("as requested");
        created.label = Some("EF".into());
        let error = verify(&act, &created).expect_err("label").to_string();
        assert!(
            error.contains("mkfs.fat left an unexpected result on /dev/x"),
            "{error}"
        );
    }
}
