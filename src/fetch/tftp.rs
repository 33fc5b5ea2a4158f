//! TFTP: `tftp://host[:port]/path`.
//!
//! By hand: of the libraries on crates.io that read files none both blocks and lets its retries, its transfer ports
//! and its block numbers be those that servers for network boots are used to.
//!
//! Differences to the reference, all of them for the better: options are asked for (RFC 2348 and 2349), and done
//! without where a server does not know them; an IPv6 address needs no port; a name that is too long is refused.

pub mod packet;
mod transfer;

use super::byte_stream::ByteStream;
use super::retry::{AttemptFailure, Retry};
use super::{FetchError, FetchEvent, FetchEvents, Request, pause};
use crate::config::url;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use transfer::{TimeLimit, Transfer, TransferRefusal};

const PORT: u16 = 69;
/// As its steps are told, whatever the scheme.
const GET: &str = "GET";
/// How long a name may stay without an address: as long as a server may stay silent.
const NAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks for an address, at first.
const NAME_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait before looking whether the fetch was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(250);

/// Where a file is.
struct TftpFile {
    host: String,
    port: u16,
    /// With its leading slash, as servers have always got it.
    name: Vec<u8>,
}

/// Asks for the file of a request. A server that sends a block now and then is left when `limit` is over.
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
    let begun = Transfer::begin(&servers, &target.name, url.clone(), events);
    match begun {
        Ok(transfer) => Ok(ByteStream {
            length_bytes: transfer.announced_bytes(),
            body: Box::new(transfer.within(limit)),
            attempts: 1,
        }),
        Err(TransferRefusal::Cancelled) => Err(FetchError::Cancelled { url }),
        Err(TransferRefusal::Error { code, message }) => {
            let cause = transfer::in_words(code, &message);
            Err(FetchError::Tftp { url, cause })
        }
        Err(TransferRefusal::Silent { sends, last }) => {
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

/// Addresses of the server. A machine that boots may know its name server a little later.
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

/// Asks the system, in a thread of its own: it may take its time, and cannot be told to stop. None if the fetch was
/// cancelled.
fn look_up(target: &TftpFile, events: &dyn FetchEvents) -> Option<Result<Vec<SocketAddr>, String>> {
    let (sender, answer) = mpsc::channel();
    let (host, port) = (target.host.clone(), target.port);
    let asking = std::thread::Builder::new()
        .name("tftp-name".into())
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found
                .map(Iterator::collect)
                .map_err(|error| error.to_string());
            // Nobody listens any more if the fetch was cancelled.
            let _ = sender.send(found);
        });
    if let Err(error) = asking {
        return Some(Err(error.to_string()));
    }
    loop {
        match answer.recv_timeout(CANCEL_CHECK) {
            Ok(found) => return Some(found),
            Err(mpsc::RecvTimeoutError::Timeout) if events.cancelled() => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Some(Err("the look-up ended without an answer".into()));
            }
        }
    }
}
