//! One transfer: block by block, each of which is acknowledged.

use super::packet::{self, DEFAULT_BLOCK_BYTES, HEADER_BYTES, MAX_BLOCK_BYTES, TftpPacket};
use crate::fetch::pause::{self, Cancelled};
use crate::fetch::pipeline::BodyError;
use crate::fetch::retry::{AttemptFailure, Retry};
use crate::fetch::{FetchEvent, FetchEvents};
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Timeout for receiving one packet. Unexpected packets do not extend it.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of times one packet is sent.
const MAX_SENDS: u32 = 6;
/// How many of the requests include options: a server that does not support them may not answer at all.
const SENDS_WITH_OPTIONS: u32 = 2;
/// Maximum pause before a packet is sent for the second time, so that many machines do not stay synchronized.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often to check whether the fetch was cancelled.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Minimum time between two acknowledgments of the same block. Servers resend after a second or more.
const MIN_RESEND_INTERVAL: Duration = Duration::from_millis(900);
/// Block size that fits into an Ethernet frame with IPv4 or IPv6 headers, with space left for a tunnel.
const BLOCK_BYTES: usize = 1428;

/// Why a transfer could not be started.
#[derive(Debug)]
pub(super) enum StartError {
    /// The server sent an error.
    Error { code: u16, message: String },
    /// No server answered.
    Silent { sends: u32, last: Option<String> },
    /// The fetch was cancelled.
    Cancelled,
}

/// How long a fetch may take, and when that time is up.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    limit: Duration,
    end: Instant,
}

impl TimeLimit {
    /// Starts the time limit.
    pub(super) fn from_now(limit: Duration) -> Self {
        let end = Instant::now() + limit;
        TimeLimit { limit, end }
    }
}

/// A transfer in progress, as a stream of the file's bytes.
pub(super) struct Transfer<'a> {
    socket: UdpSocket,
    /// The server's address and its port for this transfer.
    peer: SocketAddr,
    events: &'a dyn FetchEvents,
    /// The redacted URL.
    url: String,
    /// The last packet sent; resent if the server does not answer.
    last_sent: Vec<u8>,
    last_sent_at: Instant,
    /// The last packet received.
    buffer: Box<[u8]>,
    /// The part of it that has not been read yet.
    unread: std::ops::Range<usize>,
    block_bytes: usize,
    announced_bytes: Option<u64>,
    /// Number of the last block.
    block: u16,
    received_bytes: u64,
    is_over: bool,
    limit: Option<TimeLimit>,
}

/// The first answer of a server.
struct FirstAnswer {
    peer: SocketAddr,
    options: packet::TransferOptions,
    /// Length of the packet with the first block in the buffer; none if the server sent options.
    first_block: Option<usize>,
}

impl<'a> Transfer<'a> {
    /// Requests the file `name` from all of `servers` in turn until one answers.
    pub(super) fn begin(
        servers: &[SocketAddr],
        name: &[u8],
        url: String,
        events: &'a dyn FetchEvents,
    ) -> Result<Self, StartError> {
        let mut sockets: Vec<Option<UdpSocket>> = servers.iter().map(|_| None).collect();
        let mut buffer = vec![0; HEADER_BYTES + MAX_BLOCK_BYTES].into_boxed_slice();
        let mut last = None;
        let mut with_options = true;
        let mut send = 0;
        let mut retry = Retry::new(FIRST_PAUSE);
        while send < MAX_SENDS {
            let turn = send as usize % servers.len();
            let server = servers[turn];
            if send > 0 {
                pause(&mut retry, events, &url, last.as_deref())
                    .map_err(|_| StartError::Cancelled)?;
            }
            send += 1;
            with_options &= send <= SENDS_WITH_OPTIONS;
            let answer = send_request(&mut sockets[turn], server, name, with_options)
                .map_err(|error| ReceiveError::Socket(error.to_string()))
                .and_then(|socket| wait_for_answer(socket, server, &mut buffer, events));
            match answer {
                Ok(answer) => {
                    let Some(socket) = sockets[turn].take() else {
                        break;
                    };
                    return Ok(Self::start(socket, answer, buffer, url, events));
                }
                // The next request is sent at once, without options.
                Err(ReceiveError::Refused {
                    code: packet::OPTIONS_REFUSED,
                    ..
                }) if with_options => {
                    with_options = false;
                    send -= 1;
                }
                Err(ReceiveError::Refused { code, message }) => {
                    return Err(StartError::Error { code, message });
                }
                Err(ReceiveError::Cancelled) => return Err(StartError::Cancelled),
                Err(ReceiveError::TimedOut) => last = None,
                Err(ReceiveError::Socket(cause)) => last = Some(cause),
            }
        }
        Err(StartError::Silent { sends: send, last })
    }

    fn start(
        socket: UdpSocket,
        answer: FirstAnswer,
        buffer: Box<[u8]>,
        url: String,
        events: &'a dyn FetchEvents,
    ) -> Self {
        let mut transfer = Transfer {
            socket,
            peer: answer.peer,
            events,
            url,
            last_sent: Vec::new(),
            last_sent_at: Instant::now(),
            buffer,
            unread: 0..0,
            block_bytes: answer.options.block_bytes.unwrap_or(DEFAULT_BLOCK_BYTES),
            announced_bytes: answer.options.file_bytes,
            block: 0,
            received_bytes: 0,
            is_over: false,
            limit: None,
        };
        match answer.first_block {
            Some(length) => transfer.accept(length),
            None => transfer.acknowledge(),
        }
        transfer
    }

    /// Sets a time limit for the whole transfer.
    pub(super) fn within(mut self, limit: Option<TimeLimit>) -> Self {
        self.limit = limit;
        self
    }

    /// The next block in the buffer. `length` includes the header.
    fn accept(&mut self, length: usize) {
        self.block = self.block.wrapping_add(1);
        self.unread = HEADER_BYTES..length;
        self.received_bytes += self.unread.len() as u64;
        self.is_over = self.unread.len() < self.block_bytes;
        self.acknowledge();
    }

    /// Sent at once, so that the server sends the next block while this one is written.
    fn acknowledge(&mut self) {
        self.last_sent = packet::acknowledgment(self.block);
        self.resend();
    }

    /// A packet that cannot be sent counts as lost.
    fn resend(&mut self) {
        self.last_sent_at = Instant::now();
        let _ = self.socket.send_to(&self.last_sent, self.peer);
    }

    /// Waits for the next block, and resends the acknowledgment if there is no answer.
    fn next_block(&mut self) -> Result<(), BodyError> {
        let mut retry = Retry::new(FIRST_PAUSE);
        for send in 0..MAX_SENDS {
            self.check_time()?;
            if send > 0 {
                let slept = pause(&mut retry, self.events, &self.url, None);
                slept.map_err(|_| BodyError::Cancelled)?;
                self.resend();
            }
            match self.wait_for_block() {
                Ok(length) => {
                    self.accept(length);
                    return Ok(());
                }
                Err(ReceiveError::Cancelled) => return Err(BodyError::Cancelled),
                Err(ReceiveError::Refused { code, message }) => {
                    self.is_over = true;
                    return Err(BodyError::Broken(describe_error(code, &message)));
                }
                Err(ReceiveError::TimedOut | ReceiveError::Socket(_)) => {}
            }
        }
        Err(BodyError::Broken(format!(
            "the server stopped answering after {} bytes; block {} was requested {MAX_SENDS} times",
            self.received_bytes,
            self.block.wrapping_add(1)
        )))
    }

    /// Receives the next block, and returns the length of its packet.
    fn wait_for_block(&mut self) -> Result<usize, ReceiveError> {
        let end = Instant::now() + RECEIVE_TIMEOUT;
        loop {
            let (length, from) = receive(&self.socket, &mut self.buffer, end, self.events)?;
            if from != self.peer {
                reject(&self.socket, self.peer, from);
                continue;
            }
            match packet::parse(&self.buffer[..length]) {
                Some(TftpPacket::Data { block, bytes })
                    if block == self.block.wrapping_add(1) && bytes.len() <= self.block_bytes =>
                {
                    return Ok(length);
                }
                Some(TftpPacket::Error { code, message }) => {
                    return Err(ReceiveError::Refused { code, message });
                }
                Some(TftpPacket::Data { block, .. }) if block == self.block => self.resend_if_due(),
                Some(TftpPacket::Options(_)) if self.received_bytes == 0 => self.resend_if_due(),
                // Not a packet for this transfer.
                _ => {}
            }
        }
    }

    /// The server resent its last packet, so it did not get our acknowledgment. It is not acknowledged every time: some
    /// servers answer every duplicate, and then all following packets would be sent twice.
    fn resend_if_due(&mut self) {
        if self.last_sent_at.elapsed() >= MIN_RESEND_INTERVAL {
            self.resend();
        }
    }

    /// The file size in bytes that the server announced.
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
    /// Without an error packet, the server would wait and keep resending its last block.
    fn drop(&mut self) {
        if !self.is_over {
            let abort = packet::error(0, "no longer wanted");
            let _ = self.socket.send_to(&abort, self.peer);
        }
    }
}

/// Why no packet was received.
enum ReceiveError {
    TimedOut,
    Cancelled,
    Refused { code: u16, message: String },
    Socket(String),
}

/// Sends a request to a server, always from the same port, so that a late answer to an earlier one is accepted.
fn send_request<'s>(
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

/// Waits for the first answer of a server. Its source port is that of the transfer.
fn wait_for_answer(
    socket: &UdpSocket,
    server: SocketAddr,
    buffer: &mut [u8],
    events: &dyn FetchEvents,
) -> Result<FirstAnswer, ReceiveError> {
    let end = Instant::now() + RECEIVE_TIMEOUT;
    loop {
        let (length, peer) = receive(socket, buffer, end, events)?;
        if peer.ip() != server.ip() {
            continue;
        }
        let answer = |options, first_block| FirstAnswer {
            peer,
            options,
            first_block,
        };
        match packet::parse(&buffer[..length]) {
            Some(TftpPacket::Data { block: 1, bytes }) if bytes.len() <= DEFAULT_BLOCK_BYTES => {
                return Ok(answer(packet::TransferOptions::default(), Some(length)));
            }
            Some(TftpPacket::Options(options)) => return Ok(answer(options, None)),
            Some(TftpPacket::Error { code, message }) => {
                return Err(ReceiveError::Refused { code, message });
            }
            _ => {}
        }
    }
}

/// Receives the next packet before `end`. Returns its length and its source address.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    end: Instant,
    events: &dyn FetchEvents,
) -> Result<(usize, SocketAddr), ReceiveError> {
    loop {
        if events.cancelled() {
            return Err(ReceiveError::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ReceiveError::TimedOut);
        }
        let wait = left.min(CANCEL_CHECK_INTERVAL);
        let received = socket
            .set_read_timeout(Some(wait))
            .and_then(|()| socket.recv_from(buffer));
        match received {
            Ok(received) => return Ok(received),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(ReceiveError::Socket(error.to_string())),
            },
        }
    }
}

/// Ends another transfer from the same server, which is due to a duplicate request. Packets from other addresses are
/// ignored.
fn reject(socket: &UdpSocket, peer: SocketAddr, from: SocketAddr) {
    if from.ip() == peer.ip() {
        let unknown = packet::error(packet::UNKNOWN_TRANSFER, "unknown transfer");
        let _ = socket.send_to(&unknown, from);
    }
}

/// Reports the retry, and sleeps before a packet is resent.
///
/// # Errors
/// If the fetch was cancelled.
fn pause(
    retry: &mut Retry,
    events: &dyn FetchEvents,
    url: &str,
    cause: Option<&str>,
) -> Result<(), Cancelled> {
    // A lost packet is more likely than an overloaded server, and there are few attempts.
    let pause = retry.pause(AttemptFailure::Unreachable, None);
    let silent = format!("no answer for {} s", RECEIVE_TIMEOUT.as_secs());
    let cause = cause.unwrap_or(&silent);
    events.event(FetchEvent::Retry {
        method: super::GET,
        url,
        cause,
        pause,
    });
    pause::sleep(events, pause)
}

/// Formats an error packet in the usual form.
pub(super) fn describe_error(code: u16, message: &str) -> String {
    format!("code: {code}, message: {message}")
}
