//! Who else uses an image file: locks that exclude other processes, and loop devices over it.

use super::devices::DeviceAccess;
use super::range_lock::range;
use super::{block, sys};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};
use nix::libc;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// A run that has just ended may still hold a lock or a loop device for a moment, and so may a probe by udev.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// Attempts for a loop device that the kernel detaches with its last close and that is not mounted here: each process
/// that searches for loop devices opens it briefly, which takes longer on a busy machine.
const DETACHING_ATTEMPTS: u32 = 200;
/// Offsets of the two ranges that QEMU locks in an image: the first for what it does itself, the second for what it
/// denies to others (`block/file-posix.c`). The second byte of each range is for writing.
const QEMU_LOCK_OFFSETS: [i64; 2] = [100, 200];
const QEMU_LOCK_BYTES: i64 = 64;

/// An image file that is locked against other processes while this value lives.
#[derive(Debug)]
pub struct HeldImage {
    /// The file, open for reading.
    pub file: File,
    _lock: Option<Flock<File>>,
}

/// Why an image file cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It is in use; the text names by what.
    #[error("{0}")]
    InUse(String),
    /// It cannot be opened or examined.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl HeldImage {
    /// Opens an image file, and locks it: shared with other readers for reading, exclusively for writing.
    ///
    /// # Errors
    /// If it is in use, or cannot be opened.
    pub fn take(path: &Path, access: DeviceAccess) -> Result<Self, HoldError> {
        let file = open(path)?;
        if is_locked_by_qemu(&file) {
            return Err(in_use("a virtual machine or another program has locked it"));
        }
        let lock = lock(&file, access)?;
        if let Some(lock) = &lock {
            check_loops(&file, lock, access)?;
        }
        if access == DeviceAccess::Write {
            lock_against_qemu(&file);
        }
        Ok(Self { file, _lock: lock })
    }
}

fn in_use(by: impl Into<String>) -> HoldError {
    HoldError::InUse(by.into())
}

/// Opens without blocking, in case the file has become a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Locks the file; `None` if the file system has no locks.
fn lock(file: &File, access: DeviceAccess) -> Result<Option<Flock<File>>, HoldError> {
    let kind = match access {
        DeviceAccess::Read => FlockArg::LockSharedNonblock,
        DeviceAccess::Write => FlockArg::LockExclusiveNonblock,
    };
    let mut attempt = 1;
    loop {
        match Flock::lock(file.try_clone()?, kind) {
            Ok(lock) => return Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) if attempt < ATTEMPTS => sleep(PAUSE),
            Err((_, Errno::EWOULDBLOCK)) => return Err(in_use("another process has locked it")),
            Err((_, Errno::EOPNOTSUPP | Errno::ENOLCK | Errno::ENOSYS)) => return Ok(None),
            Err((_, error)) => return Err(io::Error::from(error).into()),
        }
        attempt += 1;
    }
}

/// Fails if a loop device is attached to the file. A read-only one may be that of another plan in progress, in which
/// case the file cannot be locked exclusively.
fn check_loops(file: &File, lock: &Flock<File>, access: DeviceAccess) -> Result<(), HoldError> {
    let mut attempt = 1;
    while let Some(found) = find_loop_device(file)? {
        if access == DeviceAccess::Read && found.is_read_only && !is_only_holder(lock) {
            return Ok(());
        }
        let attempts = match found.is_detaching {
            true => DETACHING_ATTEMPTS,
            false => ATTEMPTS,
        };
        if attempt >= attempts {
            return Err(in_use(format!(
                "{} is attached to it",
                found.path.display()
            )));
        }
        attempt += 1;
        sleep(PAUSE);
    }
    Ok(())
}

/// True if nobody else has locked the file.
fn is_only_holder(lock: &Flock<File>) -> bool {
    let is_alone = lock.relock(FlockArg::LockExclusiveNonblock).is_ok();
    // flock(2) may lose the lock if the change fails, so it is taken again in either case.
    let _ = lock.relock(FlockArg::LockShared);
    is_alone
}

/// A loop device over an image.
struct AttachedLoopDevice {
    path: PathBuf,
    is_read_only: bool,
    /// The kernel detaches it with its last close, and it is not mounted in the mount namespace of this process.
    is_detaching: bool,
}

/// The first loop device over a file, which is identified by its inode and not by its name.
fn find_loop_device(file: &File) -> io::Result<Option<AttachedLoopDevice>> {
    let image = file.metadata()?;
    let devices = block::list().unwrap_or_default();
    for device in devices
        .iter()
        .filter(|device| device.has("loop/backing_file"))
    {
        let path = device.node();
        let Ok(device) = File::open(&path) else {
            continue;
        };
        let Ok(status) = sys::loop_status(&device) else {
            continue;
        };
        if (status.device, status.inode) == (image.dev(), image.ino()) {
            let is_read_only = status.flags & sys::LOOP_READ_ONLY != 0;
            let is_detaching = status.flags & sys::LOOP_AUTOCLEAR != 0 && !is_mounted(&path);
            return Ok(Some(AttachedLoopDevice {
                path,
                is_read_only,
                is_detaching,
            }));
        }
    }
    Ok(None)
}

/// True if the device or one of its partitions is mounted in the mount namespace of this process.
fn is_mounted(device: &Path) -> bool {
    let device = device.to_string_lossy();
    let mounts = super::mountinfo::read().unwrap_or_default();
    mounts.iter().any(|mount| {
        let rest = mount.source.strip_prefix(&*device);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('p'))
    })
}

/// True if somebody holds a lock like that of a running QEMU. On file systems without such locks nobody does.
fn is_locked_by_qemu(file: &File) -> bool {
    QEMU_LOCK_OFFSETS.iter().any(|start| {
        let mut query = range(libc::F_WRLCK, *start, QEMU_LOCK_BYTES);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut query)).is_ok()
            && libc::c_int::from(query.l_type) != libc::F_UNLCK
    })
}

/// Takes the locks by which QEMU recognizes that the file is being written and that others must not write. If the file
/// system has no such locks, QEMU does not check them either.
fn lock_against_qemu(file: &File) {
    for start in QEMU_LOCK_OFFSETS {
        let _ = fcntl(
            file,
            FcntlArg::F_OFD_SETLK(&range(libc::F_RDLCK, start + 1, 1)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("room");
        file.as_file().set_len(1 << 20).expect("room");
        file
    }

    #[test]
    fn plans_share_an_image_and_runs_do_not() {
        let image = image();
        let take = |access| HeldImage::take(image.path(), access);
        let reader = take(DeviceAccess::Read).expect("free");
        let another = take(DeviceAccess::Read).expect("shared");
        assert!(matches!(
            take(DeviceAccess::Write),
            Err(HoldError::InUse(_))
        ));
        drop((reader, another));
        let _writer = take(DeviceAccess::Write).expect("free again");
        assert!(matches!(take(DeviceAccess::Read), Err(HoldError::InUse(_))));
    }

    #[test]
    fn locks_of_qemu_are_respected() {
        let image = image();
        let running = File::open(image.path()).expect("there");
        lock_against_qemu(&running);
        for access in [DeviceAccess::Read, DeviceAccess::Write] {
            let held = HeldImage::take(image.path(), access);
            assert!(matches!(held, Err(HoldError::InUse(_))), "{access:?}");
        }
        drop(running);
        HeldImage::take(image.path(), DeviceAccess::Write).expect("free again");
    }
}
