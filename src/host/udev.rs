//! udev, where it runs: keeping it away from disks that are being changed, and waiting until it has processed changes.
//!
//! It creates the links below `/dev/disk/` that others need, but it also interferes: when somebody closes a disk that
//! was open for writing, it makes the kernel read the partition table again, which removes all idle partitions for a
//! moment.

use anyhow::{Context, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt::RcvBuf,
};
use nix::sys::stat::{major, minor};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Its control socket: without it there is nobody to wait for.
const CONTROL: &str = "/run/udev/control";

/// The multicast group of events that udev has processed (the kernel's own are group 1).
const PROCESSED_EVENTS: u32 = 2;

/// How long udev may take. Its own limit for one event is 180 s; `udevadm settle` waits for 120 s.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How long to wait for a lock of another program. The locks are advisory: one that is never released must not stop a
/// boot.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Receive buffer for events that arrive while we are busy, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// What udev may do with a disk while it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// It may probe the disk, but not have its table read again, for which it takes an exclusive lock.
    AllowProbing,
    /// It may do nothing. Events wait, and udev retries every 200 ms, so this may cost that much time.
    DenyProbing,
}

/// A BSD lock on a whole disk, as systemd documents it for programs that change one. It is released with the value or
/// the process.
#[derive(Debug)]
pub struct DiskLock {
    lock: Option<Flock<File>>,
}

impl DiskLock {
    /// Locks a whole disk by its node.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn take(node: &Path, mode: LockMode) -> anyhow::Result<Self> {
        let mut file =
            File::open(node).with_context(|| format!("cannot open {}", node.display()))?;
        let kind = match mode {
            LockMode::AllowProbing => FlockArg::LockSharedNonblock,
            LockMode::DenyProbing => FlockArg::LockExclusiveNonblock,
        };
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match Flock::lock(file, kind) {
                Ok(lock) => return Ok(Self { lock: Some(lock) }),
                Err((returned, _)) if Instant::now() < deadline => file = returned,
                Err(_) => return Ok(Self { lock: None }),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets udev probe the disk.
    ///
    /// # Errors
    /// If the lock cannot be changed, which the kernel never refuses.
    pub fn allow_probing(&self) -> nix::Result<()> {
        let lock = self.lock.as_ref();
        lock.map_or(Ok(()), |lock| lock.relock(FlockArg::LockShared))
    }
}

/// Makes udev probe devices again and waits until it has, which also means that it has processed all earlier events of
/// these devices, their partitions and their disks.
///
/// # Errors
/// If udev cannot be triggered, or takes too long; the message names the devices.
pub fn settle(nodes: &[PathBuf]) -> anyhow::Result<()> {
    if nodes.is_empty() || !Path::new(CONTROL).exists() {
        return Ok(());
    }
    let deadline = Instant::now() + TIMEOUT;
    let mut waiting = nodes.to_vec();
    while !waiting.is_empty() {
        // Events may be lost if there are more than fit into the buffer; then the remaining devices are triggered
        // again.
        let events = Events::listen().context("cannot listen to udev")?;
        waiting = events.await_all(&waiting, deadline)?;
    }
    Ok(())
}

/// Receives the events that udev has processed.
struct Events(OwnedFd);

impl Events {
    fn listen() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let kind = SockProtocol::NetlinkKObjectUEvent;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, kind)?;
        setsockopt(&socket, RcvBuf, &BUFFER_BYTES)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, PROCESSED_EVENTS))?;
        Ok(Self(socket))
    }

    /// Triggers one event for each device and waits for them. Returns the devices still missing when events were lost.
    fn await_all(&self, nodes: &[PathBuf], deadline: Instant) -> anyhow::Result<Vec<PathBuf>> {
        let mut waiting = Vec::new();
        for node in nodes {
            waiting.push((node.clone(), trigger(node)?));
        }
        let mut buffer = vec![0; 64 * 1024];
        while !waiting.is_empty() {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => waiting.retain(|(_, mark)| !has_mark(&buffer[..length], mark)),
                Err(Errno::EAGAIN | Errno::EINTR) => self.pause(&waiting, deadline)?,
                Err(Errno::ENOBUFS) => break,
                Err(error) => return Err(error).context("cannot hear udev"),
            }
        }
        Ok(waiting.into_iter().map(|(node, _)| node).collect())
    }

    fn pause(&self, waiting: &[(PathBuf, String)], deadline: Instant) -> anyhow::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let names: Vec<String> = waiting
                .iter()
                .map(|(node, _)| node.display().to_string())
                .collect();
            bail!(
                "udev did not finish processing {} within {} s; is udevd running, or does a rule hang?",
                names.join(", "),
                TIMEOUT.as_secs()
            );
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("cannot wait for udev"),
        }
    }
}

/// True if a message of udev is about the event that we marked: its properties are `NAME=value`, each terminated by a
/// zero byte.
fn has_mark(message: &[u8], mark: &str) -> bool {
    let property = format!("SYNTH_UUID={mark}");
    message
        .split(|byte| *byte == 0)
        .any(|field| field.ends_with(property.as_bytes()))
}

/// Triggers a change event for a device; returns the mark that identifies the event.
fn trigger(node: &Path) -> anyhow::Result<String> {
    let act = || format!("cannot have udev examine {}", node.display());
    let mark = fs::read_to_string("/proc/sys/kernel/random/uuid").with_context(act)?;
    let mark = mark.trim().to_owned();
    ensure!(!mark.is_empty(), "{}: no random UUID", act());
    let device = fs::metadata(node).with_context(act)?.rdev();
    let uevent = format!("/sys/dev/block/{}:{}/uevent", major(device), minor(device));
    match fs::write(&uevent, format!("change {mark}")) {
        Ok(()) => Ok(mark),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{}: the kernel has no {uevent}", act())
        }
        Err(error) => Err(error).with_context(act),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_recognized_by_its_mark() {
        let message = b"libudev\0\xfe\xed\xca\xfeACTION=change\0SYNTH_UUID=1b4e-28ba\0SEQNUM=7\0";
        assert!(has_mark(message, "1b4e-28ba"));
        assert!(!has_mark(message, "1b4e-28b"));
        assert!(!has_mark(message, "e-28ba-7"));
        assert!(!has_mark(b"", "1b4e-28ba"));
    }

    #[test]
    fn a_shared_lock_excludes_an_exclusive_one() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let first = DiskLock::take(file.path(), LockMode::AllowProbing).expect("locked");
        let second = DiskLock::take(file.path(), LockMode::AllowProbing).expect("locked as well");
        let open = || File::open(file.path()).expect("it is there");
        let exclusive = || Flock::lock(open(), FlockArg::LockExclusiveNonblock).is_ok();
        assert!(!exclusive());
        drop((first, second));
        assert!(exclusive());
    }
}
