//! Who else uses an image file: locks that keep other processes away, and loop devices over it.

use super::devices::DeviceAccess;
use super::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};
use nix::libc;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// A run that just ended may still hold a lock or a loop device for a moment, as may a probe of udev.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// The same for a loop device that the kernel detaches with its last close and that is not mounted here: each process that
/// looks for loop devices opens it briefly, which takes longer on a busy machine.
const LEAVING_ATTEMPTS: u32 = 200;
/// Bytes that QEMU locks of an image: those from the first place on for what it does itself, those from the second on for
/// what it forbids others (`block/file-posix.c`). The second of each is for writing.
const QEMU_LOCKS: [i64; 2] = [100, 200];
const QEMU_LOCK_BYTES: i64 = 64;

/// An image file that other processes are kept away from while this value lives.
#[derive(Debug)]
pub struct HeldImage {
    /// The file, open for reading.
    pub file: File,
    _lock: Option<Flock<File>>,
}

/// Why an image file cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It is in use; says by what.
    #[error("{0}")]
    InUse(String),
    /// It cannot be opened or asked about.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl HeldImage {
    /// Opens an image file, and locks it: for reading together with others that read, for writing alone.
    ///
    /// # Errors
    /// It is in use, or cannot be opened.
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
            keep_qemu_away(&file);
        }
        Ok(Self { file, _lock: lock })
    }
}

fn in_use(by: impl Into<String>) -> HoldError {
    HoldError::InUse(by.into())
}

/// Opens without waiting for the other end, should the file have become a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// `None` if the file system has no locks.
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

/// Refuses a file that a loop device is over. One that only reads may be that of another plan in progress: then nobody can
/// lock the file alone.
fn check_loops(file: &File, lock: &Flock<File>, access: DeviceAccess) -> Result<(), HoldError> {
    let mut attempt = 1;
    while let Some(found) = loop_over(file)? {
        if access == DeviceAccess::Read && found.is_read_only && !is_only_holder(lock) {
            return Ok(());
        }
        let attempts = match found.is_leaving {
            true => LEAVING_ATTEMPTS,
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
    // Giving up the lock on failure is how flock(2) changes it: it is taken again in either case.
    let _ = lock.relock(FlockArg::LockShared);
    is_alone
}

/// A loop device over an image.
struct AttachedLoopDevice {
    path: PathBuf,
    is_read_only: bool,
    /// The kernel detaches it with its last close, and it is not mounted in the mount namespace of this process.
    is_leaving: bool,
}

/// The first loop device over a file, whatever its name is or was.
fn loop_over(file: &File) -> io::Result<Option<AttachedLoopDevice>> {
    let wanted = file.metadata()?;
    let Ok(blocks) = fs::read_dir("/sys/block") else {
        return Ok(None);
    };
    for block in blocks.flatten() {
        if !block.path().join("loop/backing_file").exists() {
            continue;
        }
        let path = Path::new("/dev").join(block.file_name());
        let Ok(device) = File::open(&path) else {
            continue;
        };
        let Ok(status) = sys::loop_status(&device) else {
            continue;
        };
        if (status.device, status.inode) == (wanted.dev(), wanted.ino()) {
            let is_read_only = status.flags & sys::LOOP_READ_ONLY != 0;
            let is_leaving = status.flags & sys::LOOP_AUTOCLEAR != 0 && !is_mounted(&path);
            return Ok(Some(AttachedLoopDevice {
                path,
                is_read_only,
                is_leaving,
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

fn range(kind: libc::c_int, start: i64, bytes: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: bytes,
        l_pid: 0,
    }
}

/// True if somebody has a lock that a running QEMU has. File systems without such locks have none.
fn is_locked_by_qemu(file: &File) -> bool {
    QEMU_LOCKS.iter().any(|start| {
        let mut asked = range(libc::F_WRLCK, *start, QEMU_LOCK_BYTES);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked)).is_ok()
            && libc::c_int::from(asked.l_type) != libc::F_UNLCK
    })
}

/// Says in QEMU's way that the file is written, and that others must not. Where there are no such locks QEMU has none to
/// ask for either.
fn keep_qemu_away(file: &File) {
    for start in QEMU_LOCKS {
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
    fn the_locks_of_qemu_count() {
        let image = image();
        let running = File::open(image.path()).expect("there");
        keep_qemu_away(&running);
        for access in [DeviceAccess::Read, DeviceAccess::Write] {
            let held = HeldImage::take(image.path(), access);
            assert!(matches!(held, Err(HoldError::InUse(_))), "{access:?}");
        }
        drop(running);
        HeldImage::take(image.path(), DeviceAccess::Write).expect("free again");
    }
}
