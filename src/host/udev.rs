//! udev, where it runs: keeping it from what is being changed, and waiting until it knows what changed.
//!
//! It makes the links below `/dev/disk/` that others look for, and it gets in the way: when somebody closes
//! a disk that was open for writing, it has the kernel read the partition table again, which takes away
//! every idle partition for a moment.

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

/// The multicast group of events that udev is done with (the kernel's own are group 1).
const DONE_WITH: u32 = 2;

/// How long udev may take. Its own limit for one event is 180 s; `udevadm settle` waits for 120 s.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How long a lock of another program is waited for. The locks are a courtesy among programs: one that is
/// never given back must not stop a boot.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Room for events that arrive while we look elsewhere.
const BUFFER_BYTES: usize = 1 << 20;

/// What udev may do with a disk while it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Look at it, but not have its table read again: it does that only under an exclusive lock.
    MayLook,
    /// Nothing at all. Events wait, and udev tries again every 200 ms, so this costs that time.
    KeepsAway,
}

/// A BSD lock on a whole disk, in the way that systemd documents for programs that change one. It ends with
/// the value or the process.
#[derive(Debug)]
pub struct DiskLock {
    lock: Option<Flock<File>>,
}

impl DiskLock {
    /// Locks a whole disk by its node.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn take(node: &Path, hold: Hold) -> anyhow::Result<Self> {
        let mut file =
            File::open(node).with_context(|| format!("cannot open {}", node.display()))?;
        let kind = match hold {
            Hold::MayLook => FlockArg::LockSharedNonblock,
            Hold::KeepsAway => FlockArg::LockExclusiveNonblock,
        };
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match Flock::lock(file, kind) {
                Ok(lock) => return Ok(Self { lock: Some(lock) }),
                Err((back, _)) if Instant::now() < deadline => file = back,
                Err(_) => return Ok(Self { lock: None }),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets udev look at the disk.
    ///
    /// # Errors
    /// The lock cannot be changed, which the kernel never refuses.
    pub fn let_look(&self) -> nix::Result<()> {
        let lock = self.lock.as_ref();
        lock.map_or(Ok(()), |lock| lock.relock(FlockArg::LockShared))
    }
}

/// Has udev look at devices again and waits until it has, and with that until it is done with everything that
/// happened to them, to their partitions and to their disks before.
///
/// # Errors
/// udev cannot be told, or takes too long; the devices are named.
pub fn settle(nodes: &[PathBuf]) -> anyhow::Result<()> {
    if nodes.is_empty() || !Path::new(CONTROL).exists() {
        return Ok(());
    }
    let deadline = Instant::now() + TIMEOUT;
    let mut waiting = nodes.to_vec();
    while !waiting.is_empty() {
        // Events may be lost when there are more than the socket holds; then all is asked again.
        let events = Events::listen().context("cannot listen to udev")?;
        waiting = events.await_all(&waiting, deadline)?;
    }
    Ok(())
}

/// Hears of the events that udev is done with.
struct Events(OwnedFd);

impl Events {
    fn listen() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let kind = SockProtocol::NetlinkKObjectUEvent;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, kind)?;
        setsockopt(&socket, RcvBuf, &BUFFER_BYTES)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, DONE_WITH))?;
        Ok(Self(socket))
    }

    /// Makes one event for each device and waits for them. Those still waited for when events were lost.
    fn await_all(&self, nodes: &[PathBuf], deadline: Instant) -> anyhow::Result<Vec<PathBuf>> {
        let mut waiting = Vec::new();
        for node in nodes {
            waiting.push((node.clone(), trigger(node)?));
        }
        let mut buffer = vec![0; 64 * 1024];
        while !waiting.is_empty() {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => waiting.retain(|(_, mark)| !is_of(&buffer[..length], mark)),
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

/// True if a message of udev is about the event we marked: its properties are `NAME=value`, each ended by
/// a zero byte.
fn is_of(message: &[u8], mark: &str) -> bool {
    let property = format!("SYNTH_UUID={mark}");
    message
        .split(|byte| *byte == 0)
        .any(|field| field.ends_with(property.as_bytes()))
}

/// Makes a change event for a device; its mark comes back with it.
fn trigger(node: &Path) -> anyhow::Result<String> {
    let act = || format!("cannot have udev look at {}", node.display());
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
    fn an_event_is_known_by_its_mark() {
        let message = b"libudev\0\xfe\xed\xca\xfeACTION=change\0SYNTH_UUID=1b4e-28ba\0SEQNUM=7\0";
        assert!(is_of(message, "1b4e-28ba"));
        assert!(!is_of(message, "1b4e-28b"));
        assert!(!is_of(message, "e-28ba-7"));
        assert!(!is_of(b"", "1b4e-28ba"));
    }

    #[test]
    fn a_shared_lock_keeps_an_exclusive_one_out() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let first = DiskLock::take(file.path(), Hold::MayLook).expect("locked");
        let second = DiskLock::take(file.path(), Hold::MayLook).expect("locked as well");
        let open = || File::open(file.path()).expect("it is there");
        let exclusive = || Flock::lock(open(), FlockArg::LockExclusiveNonblock).is_ok();
        assert!(!exclusive());
        drop((first, second));
        assert!(exclusive());
    }
}
