//! One transfer: block by block, each acknowledged, each waited for.

use super::packet::{self, DEFAULT_BLOCK_BYTES, HEADER_BYTES, LARGEST_BLOCK_BYTES, TftpPacket};
use crate::fetch::pause::{self, Cancelled};
use crate::fetch::pipeline::BodyError;
use crate::fetch::retry::{AttemptFailure, Retry};
use crate::fetch::{FetchEvent, FetchEvents};
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Receive timeout for one packet. Unexpected packets do not extend it.
const WINDOW: Duration = Duration::from_secs(5);
/// How often one packet is sent at most.
const MAX_SENDS: u32 = 6;
/// Of a request, how often it asks for options: a server that cannot read them may say nothing at all.
const SENDS_WITH_OPTIONS: u32 = 2;
/// Before a packet is sent for the second time, up to this long is slept, so that many machines do not keep in step.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait before looking whether the fetch was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(250);
/// Between two answers to the same block. Servers repeat themselves after a second or more.
const REMINDER_PAUSE: Duration = Duration::from_millis(900);
/// Data of a block that fits Ethernet with the headers of IPv4 or IPv6, and room for a tunnel.
const BLOCK_BYTES: usize = 1428;

/// Why a transfer did not begin.
#[derive(Debug)]
pub(super) enum TransferRefusal {
    /// The server said no.
    Error { code: u16, message: String },
    /// Nobody answered.
    Silent { sends: u32, last: Option<String> },
    /// The fetch was cancelled.
    Cancelled,
}

/// How long a fetch may take, and when that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    limit: Duration,
    end: Instant,
}

impl TimeLimit {
    /// A limit that begins to run.
    pub(super) fn from_now(limit: Duration) -> Self {
        let end = Instant::now() + limit;
        TimeLimit { limit, end }
    }
}

/// A transfer that has begun, as a stream of the file's bytes.
pub(super) struct Transfer<'a> {
    socket: UdpSocket,
    /// Where the server sends from: its address, and the port of this transfer.
    peer: SocketAddr,
    events: &'a dyn FetchEvents,
    /// For messages.
    url: String,
    /// What the server waits for; sent again when it stays silent.
    last_sent: Vec<u8>,
    last_sent_at: Instant,
    /// The last packet that came.
    buffer: Box<[u8]>,
    /// The part of it that was not read yet.
    unread: std::ops::Range<usize>,
    block_bytes: usize,
    announced_bytes: Option<u64>,
    /// Number of the last block.
    block: u16,
    received_bytes: u64,
    is_over: bool,
    limit: Option<TimeLimit>,
}

/// What begins a transfer.
struct Begun {
    peer: SocketAddr,
    options: packet::TransferOptions,
    /// The first block, in the buffer, with its length; not there after options.
    first: Option<usize>,
}

impl<'a> Transfer<'a> {
    /// Asks all of `servers` in turn for the file `name` until one answers.
    pub(super) fn begin(
        servers: &[SocketAddr],
        name: &[u8],
        url: String,
        events: &'a dyn FetchEvents,
    ) -> Result<Self, TransferRefusal> {
        let mut sockets: Vec<Option<UdpSocket>> = servers.iter().map(|_| None).collect();
        let mut buffer = vec![0; HEADER_BYTES + LARGEST_BLOCK_BYTES].into_boxed_slice();
        let mut last = None;
        let mut with_options = true;
        let mut send = 0;
        let mut retry = Retry::new(FIRST_PAUSE);
        while send < MAX_SENDS {
            let turn = send as usize % servers.len();
            let server = servers[turn];
            if send > 0 {
                pause(&mut retry, events, &url, last.as_deref())
                    .map_err(|_| TransferRefusal::Cancelled)?;
            }
            send += 1;
            with_options &= send <= SENDS_WITH_OPTIONS;
            let asked = ask(&mut sockets[turn], server, name, with_options)
                .map_err(|error| WaitEnd::Socket(error.to_string()))
                .and_then(|socket| wait(socket, server, &mut buffer, events));
            match asked {
                Ok(begun) => {
                    let Some(socket) = sockets[turn].take() else {
                        break;
                    };
                    return Ok(Self::begun(socket, begun, buffer, url, events));
                }
                // The next request comes at once, without what this server cannot do with.
                Err(WaitEnd::Refused {
                    code: packet::OPTIONS_REFUSED,
                    ..
                }) if with_options => {
                    with_options = false;
                    send -= 1;
                }
                Err(WaitEnd::Refused { code, message }) => {
                    return Err(TransferRefusal::Error { code, message });
                }
                Err(WaitEnd::Cancelled) => return Err(TransferRefusal::Cancelled),
                Err(WaitEnd::TimeOut) => last = None,
                Err(WaitEnd::Socket(cause)) => last = Some(cause),
            }
        }
        Err(TransferRefusal::Silent { sends: send, last })
    }

    fn begun(
        socket: UdpSocket,
        begun: Begun,
        buffer: Box<[u8]>,
        url: String,
        events: &'a dyn FetchEvents,
    ) -> Self {
        let mut transfer = Transfer {
            socket,
            peer: begun.peer,
            events,
            url,
            last_sent: Vec::new(),
            last_sent_at: Instant::now(),
            buffer,
            unread: 0..0,
            block_bytes: begun.options.block_bytes.unwrap_or(DEFAULT_BLOCK_BYTES),
            announced_bytes: begun.options.file_bytes,
            block: 0,
            received_bytes: 0,
            is_over: false,
            limit: None,
        };
        match begun.first {
            Some(length) => transfer.accept(length),
            None => transfer.acknowledge(),
        }
        transfer
    }

    /// The same with a limit for all of it.
    pub(super) fn within(mut self, limit: Option<TimeLimit>) -> Self {
        self.limit = limit;
        self
    }

    /// The next block is in the buffer, so long with its header.
    fn accept(&mut self, length: usize) {
        self.block = self.block.wrapping_add(1);
        self.unread = HEADER_BYTES..length;
        self.received_bytes += self.unread.len() as u64;
        self.is_over = self.unread.len() < self.block_bytes;
        self.acknowledge();
    }

    /// At once, so that the next block is on its way while this one is written.
    fn acknowledge(&mut self) {
        self.last_sent = packet::acknowledgment(self.block);
        self.send_again();
    }

    /// What cannot be sent now counts as lost on the way.
    fn send_again(&mut self) {
        self.last_sent_at = Instant::now();
        let _ = self.socket.send_to(&self.last_sent, self.peer);
    }

    /// Waits for the next block, and reminds the server of it.
    fn next_block(&mut self) -> Result<(), BodyError> {
        let mut retry = Retry::new(FIRST_PAUSE);
        for send in 0..MAX_SENDS {
            self.check_time()?;
            if send > 0 {
                let slept = pause(&mut retry, self.events, &self.url, None);
                slept.map_err(|_| BodyError::Cancelled)?;
                self.send_again();
            }
            match self.wait_for_block() {
                Ok(length) => {
                    self.accept(length);
                    return Ok(());
                }
                Err(WaitEnd::Cancelled) => return Err(BodyError::Cancelled),
                Err(WaitEnd::Refused { code, message }) => {
                    self.is_over = true;
                    return Err(BodyError::Broken(in_words(code, &message)));
                }
                Err(WaitEnd::TimeOut | WaitEnd::Socket(_)) => {}
            }
        }
        Err(BodyError::Broken(format!(
            "the server stopped answering after {} bytes; block {} was requested {MAX_SENDS} times",
            self.received_bytes,
            self.block.wrapping_add(1)
        )))
    }

    /// Length of the packet with the next block.
    fn wait_for_block(&mut self) -> Result<usize, WaitEnd> {
        let end = Instant::now() + WINDOW;
        loop {
            let (length, from) = receive(&self.socket, &mut self.buffer, end, self.events)?;
            if from != self.peer {
                turn_away(&self.socket, self.peer, from);
                continue;
            }
            match packet::parse(&self.buffer[..length]) {
                Some(TftpPacket::Data { block, bytes })
                    if block == self.block.wrapping_add(1) && bytes.len() <= self.block_bytes =>
                {
                    return Ok(length);
                }
                Some(TftpPacket::Error { code, message }) => {
                    return Err(WaitEnd::Refused { code, message });
                }
                Some(TftpPacket::Data { block, .. }) if block == self.block => self.remind(),
                Some(TftpPacket::Options(_)) if self.received_bytes == 0 => self.remind(),
                // What no server of ours would send.
                _ => {}
            }
        }
    }

    /// The server sent the same once more, so it did not get our answer. It is not answered each time: some servers
    /// take every answer for one to their last block, and then all of them would go back and forth twice.
    fn remind(&mut self) {
        if self.last_sent_at.elapsed() >= REMINDER_PAUSE {
            self.send_again();
        }
    }

    /// How many bytes the server announced.
    pub(super) fn announced_bytes(&self) -> Option<u64> {
        self.announced_bytes
    }

    fn check_time(&self) -> Result<(), BodyError> {
        match self.limit {
            Some(TimeLimit { limit, end }) if end <= Instant::now() => Err(BodyError::OutOfTime {
                limit,
                attempts: 1,
                received_bytes: self.received_bytes,
            }),
            _ => Ok(()),
        }
    }

    fn check_length(&self) -> Result<(), BodyError> {
        match self.announced_bytes {
            Some(announced) if announced > self.received_bytes => Err(BodyError::Broken(format!(
                "the server announced {announced} bytes, {} came",
                self.received_bytes
            ))),
            _ => Ok(()),
        }
    }
}

impl Read for Transfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            if self.is_over {
                self.check_length()?;
                return Ok(0);
            }
            self.next_block()?;
        }
        let length = buffer.len().min(self.unread.len());
        let end = self.unread.start + length;
        buffer[..length].copy_from_slice(&self.buffer[self.unread.start..end]);
        self.unread.start = end;
        Ok(length)
    }
}

impl Drop for Transfer<'_> {
    /// A server that is not told waits, and sends its block again and again.
    fn drop(&mut self) {
        if !self.is_over {
            let farewell = packet::error(0, "no longer wanted");
            let _ = self.socket.send_to(&farewell, self.peer);
        }
    }
}

/// How waiting for a packet ended without it.
enum WaitEnd {
    TimeOut,
    Cancelled,
    Refused { code: u16, message: String },
    Socket(String),
}

/// Sends a request to a server, always from the same port: a slow answer to an earlier one is as good.
fn ask<'s>(
    socket: &'s mut Option<UdpSocket>,
    server: SocketAddr,
    name: &[u8],
    with_options: bool,
) -> io::Result<&'s UdpSocket> {
    if socket.is_none() {
        *socket = Some(match server {
            SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
        }?);
    }
    let Some(socket) = socket else {
        return Err(ErrorKind::NotConnected.into());
    };
    let request = packet::read_request(name, with_options.then_some(BLOCK_BYTES));
    socket.send_to(&request, server)?;
    Ok(socket)
}

/// Waits for what begins a transfer. The port it comes from is that of the transfer.
fn wait(
    socket: &UdpSocket,
    server: SocketAddr,
    buffer: &mut [u8],
    events: &dyn FetchEvents,
) -> Result<Begun, WaitEnd> {
    let end = Instant::now() + WINDOW;
    loop {
        let (length, peer) = receive(socket, buffer, end, events)?;
        if peer.ip() != server.ip() {
            continue;
        }
        let begun = |options, first| Begun {
            peer,
            options,
            first,
        };
        match packet::parse(&buffer[..length]) {
            Some(TftpPacket::Data { block: 1, bytes }) if bytes.len() <= DEFAULT_BLOCK_BYTES => {
                return Ok(begun(packet::TransferOptions::default(), Some(length)));
            }
            Some(TftpPacket::Options(options)) => return Ok(begun(options, None)),
            Some(TftpPacket::Error { code, message }) => {
                return Err(WaitEnd::Refused { code, message });
            }
            _ => {}
        }
    }
}

/// The next packet before `end`, and where it came from.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    end: Instant,
    events: &dyn FetchEvents,
) -> Result<(usize, SocketAddr), WaitEnd> {
    loop {
        if events.cancelled() {
            return Err(WaitEnd::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(WaitEnd::TimeOut);
        }
        let wait = left.min(CANCEL_CHECK);
        let received = socket
            .set_read_timeout(Some(wait))
            .and_then(|()| socket.recv_from(buffer));
        match received {
            Ok(received) => return Ok(received),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(WaitEnd::Socket(error.to_string())),
            },
        }
    }
}

/// Another transfer of the same server, from a request of ours that it took for lost, should not go on. Others are
/// not ours to answer.
fn turn_away(socket: &UdpSocket, peer: SocketAddr, from: SocketAddr) {
    if from.ip() == peer.ip() {
        let unknown = packet::error(packet::UNKNOWN_TRANSFER, "unknown transfer");
        let _ = socket.send_to(&unknown, from);
    }
}

/// Sleeps before a packet is sent again, and says so. The error: the fetch was cancelled.
fn pause(
    retry: &mut Retry,
    events: &dyn FetchEvents,
    url: &str,
    cause: Option<&str>,
) -> Result<(), Cancelled> {
    // A packet that was lost is more likely than a server with too many clients, and there are few attempts.
    let pause = retry.pause(AttemptFailure::Unreachable, None);
    let silent = format!("no answer for {} s", WINDOW.as_secs());
    let cause = cause.unwrap_or(&silent);
    events.event(FetchEvent::Retry {
        method: super::GET,
        url,
        cause,
        pause,
    });
    pause::sleep(events, pause)
}

/// Errors of servers, as everybody knows them.
pub(super) fn in_words(code: u16, message: &str) -> String {
    format!("code: {code}, message: {message}")
}
