//! Remote procedure calls to VMware: a request and a reply as text, with a channel for each call.
//!
//! A channel transfers four bytes at a time in registers or, if the hypervisor supports it, everything in bulk. If the
//! machine is migrated to another host during a transfer (a checkpoint), the transfer is repeated.

use super::backdoor::{Hypervisor, Registers};
use anyhow::{bail, ensure};

/// Command of all messages, in the lower half of `ecx`; the upper half is the kind of message.
const MESSAGE: u32 = 0x1e;
/// "RPCI" in the byte order of the hypervisor.
const PROTOCOL: u32 = 0x4943_5052;
/// Flag that requests cookies, which protect the channel from other processes. Old hosts do not support it.
const WITH_COOKIE: u32 = 0x8000_0000;
/// Argument of bulk transfers, and also their success status.
const BULK: u32 = 0x0001_0000;

// Status flags in the upper half of `ecx` or, in bulk transfers, of `ebx`.
const SUCCESS: u32 = 0x0001;
const HAS_REPLY: u32 = 0x0002;
const CHECKPOINT: u32 = 0x0010;
const OFFERS_BULK: u32 = 0x0080;

/// Kinds of a reply, in the upper half of `edx`.
const SIZE: u32 = 1;
const PAYLOAD: u32 = 2;

/// Maximum number of repetitions after migrations.
const MAX_CHECKPOINTS: u32 = 100;
/// Maximum size of a reply; no host stores longer values.
const MAX_BYTES: usize = 64 << 20;

/// A kind of message.
#[derive(Debug, Clone, Copy)]
enum RpcStep {
    Open = 0,
    SendSize = 1,
    SendPayload = 2,
    ReceiveSize = 3,
    ReceivePayload = 4,
    ReceiveStatus = 5,
    Close = 6,
}

impl RpcStep {
    /// Name in error messages.
    fn name(self) -> &'static str {
        match self {
            RpcStep::Open => "open a channel",
            RpcStep::SendSize => "send the length of a request",
            RpcStep::SendPayload => "send a request",
            RpcStep::ReceiveSize => "ask for the length of a reply",
            RpcStep::ReceivePayload => "receive a reply",
            RpcStep::ReceiveStatus => "end a reply",
            RpcStep::Close => "close a channel",
        }
    }
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RpcReply {
    /// Success, with the result.
    Done(Vec<u8>),
    /// Refusal, with the reason of the hypervisor.
    Refused(Vec<u8>),
}

/// Sends a request and returns the reply.
///
/// # Errors
/// If the hypervisor does not follow the protocol. The message does not quote the request.
pub(super) fn call(hypervisor: &mut impl Hypervisor, request: &[u8]) -> anyhow::Result<RpcReply> {
    let mut channel = Channel::open(hypervisor)?;
    let reply = channel.exchange(request);
    // The reply counts, even if the channel cannot be closed.
    let closed = channel.message(RpcStep::Close, 0);
    let reply = reply?;
    check_success(closed, RpcStep::Close)?;
    match reply.as_deref() {
        Some([b'1', b' ', result @ ..]) => Ok(RpcReply::Done(result.into())),
        Some([b'0', b' ', reason @ ..]) => Ok(RpcReply::Refused(reason.into())),
        Some(_) => bail!("the reply of the hypervisor has no status"),
        None => bail!("the hypervisor gave no reply"),
    }
}

/// An open channel.
struct Channel<'a, H> {
    hypervisor: &'a mut H,
    /// Upper half of `edx`.
    id: u32,
    cookie_high: u32,
    cookie_low: u32,
}

/// The result of a message: the status, and the registers.
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

/// The result of a transfer.
enum TransferResult {
    /// The transfer is complete.
    Complete,
    /// The machine was migrated; the transfer must be repeated.
    Repeat,
}

impl<'a, H: Hypervisor> Channel<'a, H> {
    fn open(hypervisor: &'a mut H) -> anyhow::Result<Self> {
        let mut channel = Channel {
            hypervisor,
            id: 0,
            cookie_high: 0,
            cookie_low: 0,
        };
        let mut after = channel.message(RpcStep::Open, PROTOCOL | WITH_COOKIE);
        if !after.has(SUCCESS) {
            after = channel.message(RpcStep::Open, PROTOCOL);
        }
        let Registers { edx, esi, edi, .. } = check_success(after, RpcStep::Open)?.registers;
        channel.id = edx & 0xffff_0000;
        channel.cookie_high = esi;
        channel.cookie_low = edi;
        Ok(channel)
    }

    fn message(&mut self, step: RpcStep, ebx: u32) -> MessageResult {
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

    fn send(&mut self, request: &[u8], length: u32) -> anyhow::Result<TransferResult> {
        let after = check_success(self.message(RpcStep::SendSize, length), RpcStep::SendSize)?;
        if length == 0 {
            return Ok(TransferResult::Complete);
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
            return transfer_result(status, RpcStep::SendPayload);
        }
        for word in request.chunks(4) {
            let mut bytes = [0; 4];
            bytes[..word.len()].copy_from_slice(word);
            let after = self.message(RpcStep::SendPayload, u32::from_le_bytes(bytes));
            if let TransferResult::Repeat = transfer_result(after.status, RpcStep::SendPayload)? {
                return Ok(TransferResult::Repeat);
            }
        }
        Ok(TransferResult::Complete)
    }

    fn receive(&mut self, reply: &mut Option<Vec<u8>>) -> anyhow::Result<TransferResult> {
        let after = check_success(self.message(RpcStep::ReceiveSize, 0), RpcStep::ReceiveSize)?;
        if !after.has(HAS_REPLY) {
            return Ok(TransferResult::Complete);
        }
        let Registers { ebx, edx, .. } = after.registers;
        ensure!(
            edx >> 16 == SIZE,
            "the hypervisor did not return a reply length"
        );
        let size = usize::try_from(ebx).unwrap_or(usize::MAX);
        ensure!(
            size <= MAX_BYTES,
            "the hypervisor announced a reply of {size} bytes; {MAX_BYTES} is the limit"
        );
        let mut text = vec![0; size];
        let transferred = match size {
            0 => TransferResult::Complete,
            _ if after.has(OFFERS_BULK) => self.receive_bulk(&mut text)?,
            _ => self.receive_words(&mut text)?,
        };
        if let TransferResult::Repeat = transferred {
            return Ok(TransferResult::Repeat);
        }
        *reply = Some(text);
        // The reply is complete, regardless of the status of this step.
        self.message(RpcStep::ReceiveStatus, SUCCESS);
        Ok(TransferResult::Complete)
    }

    fn receive_bulk(&mut self, text: &mut [u8]) -> anyhow::Result<TransferResult> {
        let registers = Registers {
            ebx: BULK,
            edx: self.id,
            esi: self.cookie_high,
            ebp: self.cookie_low,
            ..Registers::default()
        };
        let status = self.hypervisor.receive(text, registers).ebx >> 16;
        let result = transfer_result(status, RpcStep::ReceivePayload);
        if result.is_err() {
            // Otherwise the hypervisor keeps the reply for the next request.
            self.message(RpcStep::ReceivePayload, 0);
        }
        result
    }

    fn receive_words(&mut self, text: &mut [u8]) -> anyhow::Result<TransferResult> {
        for word in text.chunks_mut(4) {
            let after = self.message(RpcStep::ReceivePayload, SUCCESS);
            if let TransferResult::Repeat = transfer_result(after.status, RpcStep::ReceivePayload)?
            {
                return Ok(TransferResult::Repeat);
            }
            let Registers { ebx, edx, .. } = after.registers;
            ensure!(
                edx >> 16 == PAYLOAD,
                "the hypervisor gave something else than its reply"
            );
            let length = word.len();
            word.copy_from_slice(&ebx.to_le_bytes()[..length]);
        }
        Ok(TransferResult::Complete)
    }
}

fn repeat(mut transfer: impl FnMut() -> anyhow::Result<TransferResult>) -> anyhow::Result<()> {
    for _ in 0..=MAX_CHECKPOINTS {
        if let TransferResult::Complete = transfer()? {
            return Ok(());
        }
    }
    bail!("the hypervisor had a checkpoint {MAX_CHECKPOINTS} times in a row")
}

fn check_success(after: MessageResult, step: RpcStep) -> anyhow::Result<MessageResult> {
    let (name, status) = (step.name(), after.status);
    ensure!(
        after.has(SUCCESS),
        "cannot {name}: the hypervisor gave status {status:#06x}"
    );
    Ok(after)
}

fn transfer_result(status: u32, step: RpcStep) -> anyhow::Result<TransferResult> {
    if status & SUCCESS != 0 {
        return Ok(TransferResult::Complete);
    }
    if status & CHECKPOINT != 0 {
        return Ok(TransferResult::Repeat);
    }
    let name = step.name();
    bail!("cannot {name}: the hypervisor gave status {status:#06x}")
}

#[cfg(test)]
mod tests {
    use super::super::fake_hypervisor::FakeHypervisor;
    use super::*;

    fn done(text: &str) -> RpcReply {
        RpcReply::Done(text.into())
    }

    /// The peer's reply to `info-get guestinfo.x`.
    fn get(peer: &mut FakeHypervisor) -> Result<RpcReply, String> {
        call(peer, b"info-get guestinfo.x").map_err(|error| error.to_string())
    }

    #[test]
    fn texts_of_every_length_in_words_and_in_bulk() {
        for bulk in [false, true] {
            for length in 0..9 {
                let value = "12345678"[..length].to_owned();
                let mut peer = FakeHypervisor::with(&[("guestinfo.x", &value)]);
                peer.offers_bulk = bulk;
                assert_eq!(get(&mut peer), Ok(done(&value)), "{length} {bulk}");
                let set = format!("info-set guestinfo.y {value}");
                assert_eq!(call(&mut peer, set.as_bytes()).expect("set"), done(""));
                assert_eq!(peer.value("guestinfo.y"), Some(&*value), "{length} {bulk}");
                assert_eq!(peer.open_channels(), 0);
            }
        }
    }

    #[test]
    fn a_checkpoint_restarts_the_transfer() {
        for bulk in [false, true] {
            let mut peer = FakeHypervisor::with(&[("guestinfo.x", "a longer value")]);
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
        let mut peer = FakeHypervisor::with(&[("guestinfo.x", "v")]);
        peer.knows_cookies = false;
        assert_eq!(get(&mut peer), Ok(done("v")));
    }

    #[test]
    fn a_refusal_is_not_an_error() {
        let mut peer = FakeHypervisor::with(&[]);
        assert_eq!(
            get(&mut peer),
            Ok(RpcReply::Refused("No value found".into()))
        );
    }

    /// Makes a hypervisor misbehave.
    type HypervisorFault = fn(&mut FakeHypervisor);

    #[test]
    fn protocol_violations_are_errors() {
        let cases: [(HypervisorFault, &str); 5] = [
            (|peer| peer.raw_reply = Some(b"2 x".into()), "has no status"),
            (|peer| peer.raw_reply = Some(b"1".into()), "has no status"),
            (|peer| peer.is_silent = true, "gave no reply"),
            (
                |peer| peer.announced_length = Some(u32::MAX),
                "announced a reply of 4294967295 bytes",
            ),
            (
                |peer| peer.is_closed = true,
                "cannot open a channel: the hypervisor gave status 0x0000",
            ),
        ];
        for (change, want) in cases {
            let mut peer = FakeHypervisor::with(&[("guestinfo.x", "v")]);
            change(&mut peer);
            let error = get(&mut peer).expect_err(want);
            assert!(error.contains(want), "{error}");
            assert_eq!(peer.open_channels(), 0, "{want}");
        }
    }
}
