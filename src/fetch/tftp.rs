//! TFTP: `tftp://host[:port]/path`.
//!
//! Implemented here: none of the TFTP clients on crates.io is both blocking and behaves as network boot servers expect
//! regarding retries, transfer ports and block numbers.
//!
//! Differences from Ignition, all of them improvements: options (RFC 2348 and 2349) are requested, but not required; an
//! IPv6 address needs no port; a file name that is too long is refused.

pub mod packet;
mod transfer;

use super::byte_stream::ByteStream;
use super::retry::{AttemptFailure, Retry};
use super::{FetchError, FetchEvent, FetchEvents, Request, pause};
use crate::config::url;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use transfer::{StartError, TimeLimit, Transfer};

const PORT: u16 = 69;
/// The method in events, which is the same for all schemes.
const GET: &str = "GET";
/// How long to retry name lookups: as long as requests to a silent server.
const NAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum of the first pause between name lookups.
const NAME_PAUSE: Duration = Duration::from_secs(1);
/// How often to check whether the fetch was cancelled.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// A file on a server.
struct TftpFile {
    host: String,
    port: u16,
    /// With the leading slash, as Ignition sends it.
    name: Vec<u8>,
}

/// Requests the file and waits for the transfer to begin. The transfer fails when it takes longer than `limit`, even if
/// the server keeps sending blocks.
pub(super) fn open<'a>(
    request: &'a Request,
    limit: Option<Duration>,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let target = target(request)?;
    let limit = limit.map(TimeLimit::from_now);
    let url = request.shown_url();
    events.event(FetchEvent::Attempt {
        method: GET,
        url: &url,
        number: 1,
    });
    let servers = resolve(&target, &url, events)?;
    let started = Transfer::begin(&servers, &target.name, url.clone(), events);
    match started {
        Ok(transfer) => Ok(ByteStream {
            length_bytes: transfer.announced_bytes(),
            body: Box::new(transfer.within(limit)),
            attempts: 1,
        }),
        Err(StartError::Cancelled) => Err(FetchError::Cancelled { url }),
        Err(StartError::Error { code, message }) => {
            let cause = transfer::describe_error(code, &message);
            Err(FetchError::Tftp { url, cause })
        }
        Err(StartError::Silent { sends, last }) => {
            let last = last
                .map(|cause| format!("; last: {cause}"))
                .unwrap_or_default();
            let cause = format!("no server answered, {sends} requests were sent{last}");
            Err(FetchError::Tftp { url, cause })
        }
    }
}

fn target(request: &Request) -> Result<TftpFile, FetchError> {
    let invalid = |cause: &str| request.invalid(cause.into());
    let url = url::parse(&request.url).map_err(|error| invalid(&error.to_string()))?;
    let authority = url.authority.filter(|authority| !authority.host.is_empty());
    let authority = authority.ok_or_else(|| invalid("it has no host"))?;
    let port = match authority.port.as_deref() {
        None | Some("") => PORT,
        Some(digits) => digits.parse().map_err(|_| invalid("invalid port"))?,
    };
    let name = url::percent_decode(&url.path);
    if matches!(name.as_slice(), b"" | b"/") {
        return Err(invalid("it names no file"));
    }
    if name.contains(&0) {
        return Err(invalid("a file name in TFTP cannot hold NUL"));
    }
    if name.len() > packet::MAX_NAME_BYTES {
        return Err(invalid(
            "its path is longer than the 504 bytes TFTP has room for",
        ));
    }
    let host = authority.host.trim_start_matches('[').trim_end_matches(']');
    let host = String::from_utf8(url::percent_decode(host))
        .map_err(|_| invalid("its host is not valid UTF-8"))?;
    Ok(TftpFile { host, port, name })
}

/// Looks up the addresses of the server. Retries, since a booting machine may not have a name server yet.
fn resolve(
    target: &TftpFile,
    url: &str,
    events: &dyn FetchEvents,
) -> Result<Vec<SocketAddr>, FetchError> {
    let start = Instant::now();
    let mut retry = Retry::new(NAME_PAUSE);
    loop {
        let found =
            look_up(target, events).ok_or_else(|| FetchError::Cancelled { url: url.into() })?;
        let cause = match found {
            Ok(servers) if !servers.is_empty() => return Ok(servers),
            Ok(_) => "it has no address".into(),
            Err(cause) => cause,
        };
        let cause = format!("cannot find the address of {:?}: {cause}", target.host);
        if start.elapsed() >= NAME_TIMEOUT {
            return Err(FetchError::Tftp {
                url: url.into(),
                cause,
            });
        }
        let pause = retry.pause(AttemptFailure::Unreachable, None);
        events.event(FetchEvent::Retry {
            method: GET,
            url,
            cause: &cause,
            pause,
        });
        pause::sleep(events, pause).map_err(|_| FetchError::Cancelled { url: url.into() })?;
    }
}

/// Looks up the name in a separate thread: the system call may take long, and cannot be cancelled. None if the fetch
/// was cancelled.
fn look_up(target: &TftpFile, events: &dyn FetchEvents) -> Option<Result<Vec<SocketAddr>, String>> {
    let (sender, answer) = mpsc::channel();
    let (host, port) = (target.host.clone(), target.port);
    let spawned = std::thread::Builder::new()
        .name("tftp-name".into())
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found
                .map(Iterator::collect)
                .map_err(|error| error.to_string());
            // The receiver is gone if the fetch was cancelled.
            let _ = sender.send(found);
        });
    if let Err(error) = spawned {
        return Some(Err(error.to_string()));
    }
    loop {
        match answer.recv_timeout(CANCEL_CHECK_INTERVAL) {
            Ok(found) => return Some(found),
            Err(mpsc::RecvTimeoutError::Timeout) if events.cancelled() => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Some(Err("the look-up ended without an answer".into()));
            }
        }
    }
}
