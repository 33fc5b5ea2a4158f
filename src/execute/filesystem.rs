//! Makes file systems and erases signatures: looks again, erases, makes, looks at the result.

use super::{Context, Done};
use crate::disk::superblock::{
    self, LUKS_BINARY_BYTES, LUKS_SECOND_COPIES, LUKS_SECOND_MAGIC, Superblock,
};
use crate::host::Command;
use crate::host::command::without_starting;
use crate::host::devices::{DeviceAccess, DeviceHandle};
use crate::plan::filesystems::canonical_uuid;
use crate::plan::op::{Expected, MakeFilesystem, WipeDevice};
use anyhow::{Context as _, bail};
use nix::libc::O_EXCL;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Bytes at each end of a device in which all known signatures lie.
const EDGE_BYTES: u64 = 1024 * 1024;

/// Makes a file system or swap area.
///
/// # Errors
/// The device holds something the plan did not see, the program fails, or the result is not what was
/// asked for.
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
/// The device holds something the plan did not see, or cannot be written.
pub fn wipe_device(act: &WipeDevice, context: &Context) -> anyhow::Result<Done> {
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let name = act.device.to_string();
    erase(&device, &name, &act.expected)?;
    let left = sync_and_probe(device.path(), &name)?;
    if let Some(what) = left.describe() {
        bail!("{name} still shows {what} after its signatures were erased");
    }
    Ok(Done::default())
}

/// Erases all signatures of a device that holds what the plan saw.
pub(super) fn erase(device: &DeviceHandle, name: &str, expected: &Expected) -> anyhow::Result<()> {
    without_starting(|| {
        let (mut file, _) = open_expected(device.path(), name, expected)?;
        erase_signatures(&mut file, name)
    })
}

/// Opens a device for this use only, once it holds what the plan saw there.
///
/// # Errors
/// It is in use, or holds something else.
pub(super) fn open_expected(
    path: &Path,
    name: &str,
    expected: &Expected,
) -> anyhow::Result<(File, Superblock)> {
    let mut file = open_alone(path)
        .with_context(|| format!("cannot open {name} for writing (is it in use?)"))?;
    let found = superblock::probe(&mut file).with_context(|| format!("cannot look at {name}"))?;
    check_unchanged(name, expected, &found)?;
    Ok((file, found))
}

/// Erases every signature anybody looks for, durably.
///
/// # Errors
/// The device cannot be written.
pub(super) fn erase_signatures(file: &mut File, name: &str) -> anyhow::Result<()> {
    erase_edges(file)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot erase the signatures of {name}"))
}

/// Opened for this use only: fails while the device is mounted or held.
fn open_alone(path: &Path) -> io::Result<File> {
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

/// Zeroes both ends. Blocks that are zero already are not written, so that a sparse image stays so.
fn erase_edges(device: &mut (impl Read + Write + Seek)) -> io::Result<()> {
    let bytes = device.seek(SeekFrom::End(0))?;
    let head = EDGE_BYTES.min(bytes);
    let tail = bytes.saturating_sub(EDGE_BYTES).max(head);
    erase_far_copies(device, bytes)?;
    erase_range(device, 0, head)?;
    erase_range(device, tail, bytes)
}

/// Copies of superblocks far from both ends, erased where they are.
struct BackupSuperblock {
    at: u64,
    magic_at: u64,
    magic: &'static [u8],
    bytes: u64,
}

/// The second header of an encrypted volume brings the volume back. Copies of btrfs are looked for by tools
/// that rescue file systems, which would bring back one that is gone.
fn far_copies() -> impl Iterator<Item = BackupSuperblock> {
    let luks = LUKS_SECOND_COPIES.iter().map(|at| BackupSuperblock {
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

/// Zeroes what lies from one byte up to another. Blocks that are zero already are not written.
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
    superblock::probe(&mut file).with_context(|| format!("cannot look at {name}"))
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
        for (expected, found, may) in cases {
            let verdict = check_unchanged("/dev/vda1", &expected, &found);
            assert_eq!(verdict.is_ok(), may, "{expected:?}, {found:?}");
            if let Err(error) = verdict {
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
            let left = device.get_ref().iter().filter(|b| **b == 7).count();
            assert_eq!(left, kept, "{bytes} bytes");
        }
    }

    #[test]
    fn a_result_other_than_asked_for_is_an_error() {
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
        let mut made = found(Some("vfat"), false);
        made.label = Some("EFI".into());
        made.uuid = Some("A1B2-C3D4".into());
        verify(&act, &made).expect("as asked for");
        made.label = Some("EF".into());
        let error = verify(&act, &made).expect_err("label").to_string();
        assert!(
            error.contains("mkfs.fat left an unexpected result on /dev/x"),
            "{error}"
        );
    }
}
