//! Loop devices over parts of image files.

use super::sys::{self, LOOP_AUTOCLEAR, LOOP_READ_ONLY, LoopConfig};
use anyhow::{Context, bail};
use nix::errno::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The device that allocates loop devices.
pub const CONTROL: &str = "/dev/loop-control";
/// Another process may take the free device that we were given; this is enough for many concurrent ones.
const ATTEMPTS: u32 = 64;

/// A part of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRange {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Logical sector size, in bytes.
    pub sector_bytes: u32,
}

/// An attached loop device. The kernel detaches it when its last user is gone: this value, a mount, or a process that
/// was killed.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// Attaches a part of `image`.
    ///
    /// # Errors
    /// If no loop device can be allocated or configured.
    pub fn attach(image: &File, part: ImageRange, writable: bool) -> anyhow::Result<Self> {
        let read_only = if writable { 0 } else { LOOP_READ_ONLY };
        let flags = LOOP_AUTOCLEAR | read_only;
        let config = LoopConfig::new(image, part.offset, part.bytes, part.sector_bytes, flags);
        let control = open(Path::new(CONTROL), true)
            .context("no loop devices (is the kernel module `loop` loaded, and are you root?)")?;
        for attempt in 0..ATTEMPTS {
            let number = sys::loop_free(&control).context("cannot get a free loop device")?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path, writable)?;
            match sys::loop_configure(&device, &config) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        _open: device,
                    });
                }
                Err(Errno::EBUSY) => sleep(Duration::from_millis(u64::from(attempt))),
                Err(error) => bail!("cannot attach {}: {error}", path.display()),
            }
        }
        bail!("no loop device stayed free long enough")
    }

    /// Path of the device node.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path, writable: bool) -> anyhow::Result<File> {
    File::options()
        .read(true)
        .write(writable)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}
