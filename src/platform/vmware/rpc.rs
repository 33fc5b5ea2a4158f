//! Remote procedure calls to VMware: a text there, a text back, each call by a channel of its own.
//!
//! A channel moves bytes four at a time in registers, or, where the hypervisor offers that, all at once. When the machine
//! is moved to another host meanwhile (a checkpoint), the transfer begins again.

use super::backdoor::{Hypervisor, Registers};
use anyhow::{bail, ensure};

/// Command of all messages, in the lower half of `ecx`; the upper half says which.
const MESSAGE: u32 = 0x1e;
/// "RPCI", as the hypervisor reads it.
const PROTOCOL: u32 = 0x4943_5052;
/// Asks for cookies, without which anybody could use the channel. Old hosts do not know it.
const WITH_COOKIE: u32 = 0x8000_0000;
/// Both as an argument of bulk transfers and as their success.
const BULK: u32 = 0x0001_0000;

// The upper half of `ecx` or, in bulk transfers, of `ebx`.
const SUCCESS: u32 = 0x0001;
const HAS_REPLY: u32 = 0x0002;
const CHECKPOINT: u32 = 0x0010;
const OFFERS_BULK: u32 = 0x0080;

/// Kinds of a reply, in the upper half of `edx`.
const SIZE: u32 = 1;
const PAYLOAD: u32 = 2;

/// A machine is not moved so often.
const MAX_CHECKPOINTS: u32 = 100;
/// No host keeps longer values; what says so is not a host.
const MAX_BYTES: usize = 64 << 20;

/// A kind of message.
#[derive(Debug, Clone, Copy)]
enum Step {
    Open = 0,
    SendSize = 1,
    SendPayload = 2,
    ReceiveSize = 3,
    ReceivePayload = 4,
    ReceiveStatus = 5,
    Close = 6,
}

impl Step {
    /// What it does, for messages.
    fn name(self) -> &'static str {
        match self {
            Step::Open => "open a channel",
            Step::SendSize => "tell the length of a request",
            Step::SendPayload => "send a request",
            Step::ReceiveSize => "ask for the length of a reply",
            Step::ReceivePayload => "receive a reply",
            Step::ReceiveStatus => "end a reply",
            Step::Close => "close a channel",
        }
    }
}

/// What the hypervisor says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It did what was asked for; the result.
    Done(Vec<u8>),
    /// It did not; why, in its words.
    Refused(Vec<u8>),
}

/// Sends a request and gives the reply.
///
/// # Errors
/// The hypervisor does not follow the protocol. The request is not part of the message.
pub fn ask(hypervisor: &mut impl Hypervisor, request: &[u8]) -> anyhow::Result<Reply> {
    let mut channel = Channel::open(hypervisor)?;
    let reply = channel.exchange(request);
    // What was said counts, however it ends.
    let closed = channel.message(Step::Close, 0);
    let reply = reply?;
    succeeded(closed, Step::Close)?;
    match reply.as_deref() {
        Some([b'1', b' ', result @ ..]) => Ok(Reply::Done(result.into())),
        Some([b'0', b' ', reason @ ..]) => Ok(Reply::Refused(reason.into())),
        Some(_) => bail!("the hypervisor gave a reply that says neither yes nor no"),
        None => bail!("the hypervisor gave no reply"),
    }
}

/// A channel under way.
struct Channel<'a, H> {
    hypervisor: &'a mut H,
    /// Upper half of `edx`.
    id: u32,
    cookie_high: u32,
    cookie_low: u32,
}

/// What a message left: the status, and the registers.
#[derive(Clone, Copy)]
struct MessageResult {
    status: u32,
    registers: Registers,
}

impl MessageResult {
    fn has(self, flag: u32) -> bool {
        self.status & flag != 0
    }
}

/// How a transfer went.
enum Transfer {
    /// All is there.
    Whole,
    /// The machine was moved; from the start.
    Again,
}

impl<'a, H: Hypervisor> Channel<'a, H> {
    fn open(hypervisor: &'a mut H) -> anyhow::Result<Self> {
        let mut channel = Channel {
            hypervisor,
            id: 0,
            cookie_high: 0,
            cookie_low: 0,
        };
        let mut after = channel.message(Step::Open, PROTOCOL | WITH_COOKIE);
        if !after.has(SUCCESS) {
            after = channel.message(Step::Open, PROTOCOL);
        }
        let Registers { edx, esi, edi, .. } = succeeded(after, Step::Open)?.registers;
        channel.id = edx & 0xffff_0000;
        channel.cookie_high = esi;
        channel.cookie_low = edi;
        Ok(channel)
    }

    fn message(&mut self, step: Step, ebx: u32) -> MessageResult {
        let registers = self.hypervisor.call(Registers {
            ebx,
            ecx: (step as u32) << 16 | MESSAGE,
            edx: self.id,
            esi: self.cookie_high,
            edi: self.cookie_low,
            ..Registers::default()
        });
        MessageResult {
            status: registers.ecx >> 16,
            registers,
        }
    }

    fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let length = u32::try_from(request.len());
        let length = length.map_err(|_| anyhow::anyhow!("the request is longer than 4 GiB"))?;
        repeat(|| self.send(request, length))?;
        let mut reply = None;
        repeat(|| self.receive(&mut reply))?;
        Ok(reply)
    }

    fn send(&mut self, request: &[u8], length: u32) -> anyhow::Result<Transfer> {
        let after = succeeded(self.message(Step::SendSize, length), Step::SendSize)?;
        if length == 0 {
            return Ok(Transfer::Whole);
        }
        if after.has(OFFERS_BULK) {
            let registers = Registers {
                ebx: BULK,
                edx: self.id,
                edi: self.cookie_low,
                ebp: self.cookie_high,
                ..Registers::default()
            };
            let status = self.hypervisor.send(request, registers).ebx >> 16;
            return moved(status, Step::SendPayload);
        }
        for word in request.chunks(4) {
            let mut bytes = [0; 4];
            bytes[..word.len()].copy_from_slice(word);
            let after = self.message(Step::SendPayload, u32::from_le_bytes(bytes));
            if let Transfer::Again = moved(after.status, Step::SendPayload)? {
                return Ok(Transfer::Again);
            }
        }
        Ok(Transfer::Whole)
    }

    fn receive(&mut self, reply: &mut Option<Vec<u8>>) -> anyhow::Result<Transfer> {
        let after = succeeded(self.message(Step::ReceiveSize, 0), Step::ReceiveSize)?;
        if !after.has(HAS_REPLY) {
            return Ok(Transfer::Whole);
        }
        let Registers { ebx, edx, .. } = after.registers;
        ensure!(
            edx >> 16 == SIZE,
            "the hypervisor told no length of its reply"
        );
        let size = usize::try_from(ebx).unwrap_or(usize::MAX);
        ensure!(
            size <= MAX_BYTES,
            "the hypervisor announced a reply of {size} bytes; {MAX_BYTES} is the limit"
        );
        let mut text = vec![0; size];
        let moved = match size {
            0 => Transfer::Whole,
            _ if after.has(OFFERS_BULK) => self.receive_bulk(&mut text)?,
            _ => self.receive_words(&mut text)?,
        };
        if let Transfer::Again = moved {
            return Ok(Transfer::Again);
        }
        *reply = Some(text);
        // The reply is here; that the hypervisor does not like its end changes nothing.
        self.message(Step::ReceiveStatus, SUCCESS);
        Ok(Transfer::Whole)
    }

    fn receive_bulk(&mut self, text: &mut [u8]) -> anyhow::Result<Transfer> {
        let registers = Registers {
            ebx: BULK,
            edx: self.id,
            esi: self.cookie_high,
            ebp: self.cookie_low,
            ..Registers::default()
        };
        let status = self.hypervisor.receive(text, registers).ebx >> 16;
        let result = moved(status, Step::ReceivePayload);
        if result.is_err() {
            // So that it does not keep the reply for the next who asks.
            self.message(Step::ReceivePayload, 0);
        }
        result
    }

    fn receive_words(&mut self, text: &mut [u8]) -> anyhow::Result<Transfer> {
        for word in text.chunks_mut(4) {
            let after = self.message(Step::ReceivePayload, SUCCESS);
            if let Transfer::Again = moved(after.status, Step::ReceivePayload)? {
                return Ok(Transfer::Again);
            }
            let Registers { ebx, edx, .. } = after.registers;
            ensure!(
                edx >> 16 == PAYLOAD,
                "the hypervisor gave something else than its reply"
            );
            let length = word.len();
            word.copy_from_slice(&ebx.to_le_bytes()[..length]);
        }
        Ok(Transfer::Whole)
    }
}

fn repeat(mut transfer: impl FnMut() -> anyhow::Result<Transfer>) -> anyhow::Result<()> {
    for _ in 0..=MAX_CHECKPOINTS {
        if let Transfer::Whole = transfer()? {
            return Ok(());
        }
    }
    bail!("the hypervisor had a checkpoint {MAX_CHECKPOINTS} times in a row")
}

fn succeeded(after: MessageResult, step: Step) -> anyhow::Result<MessageResult> {
    let (name, status) = (step.name(), after.status);
    ensure!(
        after.has(SUCCESS),
        "cannot {name}: the hypervisor gave status {status:#06x}"
    );
    Ok(after)
}

fn moved(status: u32, step: Step) -> anyhow::Result<Transfer> {
    if status & SUCCESS != 0 {
        return Ok(Transfer::Whole);
    }
    if status & CHECKPOINT != 0 {
        return Ok(Transfer::Again);
    }
    let name = step.name();
    bail!("cannot {name}: the hypervisor gave status {status:#06x}")
}

#[cfg(test)]
mod tests {
    use super::super::fake_hypervisor::Peer;
    use super::*;

    fn done(text: &str) -> Reply {
        Reply::Done(text.into())
    }

    /// What the peer answers to `info-get guestinfo.x`.
    fn get(peer: &mut Peer) -> Result<Reply, String> {
        ask(peer, b"info-get guestinfo.x").map_err(|error| error.to_string())
    }

    #[test]
    fn texts_of_every_length_by_both_ways() {
        for bulk in [false, true] {
            for length in 0..9 {
                let value = "12345678"[..length].to_owned();
                let mut peer = Peer::with(&[("guestinfo.x", &value)]);
                peer.offers_bulk = bulk;
                assert_eq!(get(&mut peer), Ok(done(&value)), "{length} {bulk}");
                let set = format!("info-set guestinfo.y {value}");
                assert_eq!(ask(&mut peer, set.as_bytes()).expect("set"), done(""));
                assert_eq!(peer.value("guestinfo.y"), Some(&*value), "{length} {bulk}");
                assert_eq!(peer.open_channels(), 0);
            }
        }
    }

    #[test]
    fn a_checkpoint_begins_the_transfer_anew() {
        for bulk in [false, true] {
            let mut peer = Peer::with(&[("guestinfo.x", "a longer value")]);
            peer.offers_bulk = bulk;
            peer.checkpoints = 3;
            assert_eq!(get(&mut peer), Ok(done("a longer value")), "{bulk}");
            assert_eq!(peer.checkpoints, 0);
            peer.checkpoints = u32::MAX;
            let error = get(&mut peer).expect_err("for ever");
            assert_eq!(error, "the hypervisor had a checkpoint 100 times in a row");
        }
    }

    #[test]
    fn old_hosts_have_no_cookies() {
        let mut peer = Peer::with(&[("guestinfo.x", "v")]);
        peer.knows_cookies = false;
        assert_eq!(get(&mut peer), Ok(done("v")));
    }

    #[test]
    fn a_refusal_is_no_error() {
        let mut peer = Peer::with(&[]);
        assert_eq!(get(&mut peer), Ok(Reply::Refused("No value found".into())));
    }

    /// What makes a hypervisor answer wrongly.
    type Change = fn(&mut Peer);

    #[test]
    fn what_does_not_follow_the_protocol_is_an_error() {
        let cases: [(Change, &str); 5] = [
            (
                |peer| peer.raw_reply = Some(b"2 x".into()),
                "neither yes nor no",
            ),
            (
                |peer| peer.raw_reply = Some(b"1".into()),
                "neither yes nor no",
            ),
            (|peer| peer.is_silent = true, "gave no reply"),
            (
                |peer| peer.announces = Some(u32::MAX),
                "announced a reply of 4294967295 bytes",
            ),
            (
                |peer| peer.is_closed = true,
                "cannot open a channel: the hypervisor gave status 0x0000",
            ),
        ];
        for (change, want) in cases {
            let mut peer = Peer::with(&[("guestinfo.x", "v")]);
            change(&mut peer);
            let error = get(&mut peer).expect_err(want);
            assert!(error.contains(want), "{error}");
            assert_eq!(peer.open_channels(), 0, "{want}");
        }
    }
}
