//! The KVP device of the kernel: a program registers and receives the messages of the host.

use super::message::{self, KvpMessage, MESSAGE_BYTES, Pair};
use anyhow::{Context, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use std::os::fd::AsFd;

/// Number of pools.
pub(super) const POOL_COUNT: usize = 5;
/// After this time without a message the host has sent all pairs.
const QUIET_TIMEOUT_MS: u16 = 1000;
/// Maximum number of messages; a host has a few dozen pairs.
const MAX_MESSAGES: usize = 100_000;

/// Pairs of every pool, in the order they were received.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pools(pub [Vec<Pair>; POOL_COUNT]);

/// Registers and receives all pairs.
///
/// # Errors
/// If the kernel does not follow the protocol.
pub(super) fn read_all(device: &impl AsFd) -> anyhow::Result<Pools> {
    let mut pools = Pools::default();
    send(device, &message::register()).context("cannot register")?;
    for _ in 0..MAX_MESSAGES {
        if !is_ready(device)? {
            return Ok(pools);
        }
        let Some(bytes) = receive(device)? else {
            continue;
        };
        match message::read(&bytes) {
            KvpMessage::Registered => {}
            KvpMessage::Set { pool, pair } => {
                if let Some(pairs) = pools.0.get_mut(usize::from(pool)) {
                    pairs.push(pair);
                }
                send(device, &message::reply(true))?;
            }
            KvpMessage::Other => send(device, &message::reply(false))?,
        }
    }
    bail!("the host sent {MAX_MESSAGES} messages and more")
}

/// Waits for a message; false if none comes.
fn is_ready(device: &impl AsFd) -> anyhow::Result<bool> {
    loop {
        let mut polled = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::from(QUIET_TIMEOUT_MS)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for a message"),
        }
    }
}

/// Reads one message; `None` if there is none.
fn receive(device: &impl AsFd) -> anyhow::Result<Option<[u8; MESSAGE_BYTES]>> {
    let mut bytes = [0; MESSAGE_BYTES];
    match read(device, &mut bytes) {
        Ok(length) => {
            ensure!(
                length == MESSAGE_BYTES,
                "a message had {length} of {MESSAGE_BYTES} bytes"
            );
            Ok(Some(bytes))
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(error) => Err(error).context("cannot read a message"),
    }
}

fn send(device: &impl AsFd, bytes: &[u8]) -> anyhow::Result<()> {
    let length = write(device, bytes).context("cannot send a message")?;
    ensure!(
        length == bytes.len(),
        "only {length} of {MESSAGE_BYTES} bytes of a message were taken"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::message::testing::set;
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::os::fd::OwnedFd;
    use std::thread;

    /// A socket that preserves message boundaries, as the device does; the other end plays the kernel.
    fn sockets() -> (OwnedFd, OwnedFd) {
        let kind = SockType::SeqPacket;
        socketpair(AddressFamily::Unix, kind, None, SockFlag::empty()).expect("sockets")
    }

    fn take(kernel: &OwnedFd) -> Vec<u8> {
        let mut bytes = vec![0; MESSAGE_BYTES + 1];
        let length = read(kernel, &mut bytes).expect("a message");
        bytes.truncate(length);
        bytes
    }

    fn pair(key: &str, value: &str) -> Pair {
        let (key, value) = (key.into(), value.into());
        Pair { key, value }
    }

    #[test]
    fn pairs_are_read_until_the_host_is_silent() {
        let (ours, kernel) = sockets();
        let kernel_thread = thread::spawn(move || {
            assert_eq!(take(&kernel), message::register());
            write(&kernel, &message::register()).expect("sent");
            let mut delete = set(0, "a", "");
            delete[0] = 2;
            let messages = [
                (set(0, "ignition.config", "{}"), true),
                (delete, false),
                (set(4, "b", "v"), true),
                (set(9, "no such pool", "v"), true),
            ];
            for (message, succeeded) in messages {
                write(&kernel, &message).expect("sent");
                assert_eq!(take(&kernel), message::reply(succeeded));
            }
            kernel
        });
        let pools = read_all(&ours).expect("read");
        // The kernel's end stays open until here, as that of a device does.
        kernel_thread.join().expect("it was understood");
        let mut want = Pools::default();
        want.0[0].push(pair("ignition.config", "{}"));
        want.0[4].push(pair("b", "v"));
        assert_eq!(pools, want);
    }

    #[test]
    fn a_silent_host_has_no_pairs() {
        let (ours, _kernel) = sockets();
        assert_eq!(read_all(&ours).expect("read"), Pools::default());
    }

    #[test]
    fn short_messages_are_errors() {
        let (ours, kernel) = sockets();
        write(&kernel, &[100; 16]).expect("sent");
        let error = format!("{:#}", read_all(&ours).expect_err("short"));
        assert!(error.contains("a message had 16 of 7432 bytes"), "{error}");
    }
}
