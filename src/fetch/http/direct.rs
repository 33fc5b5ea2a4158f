//! Connections that the client cannot make: from a certain port, by a certain interface, to the hypervisor.

use super::client::AttemptError;
use super::connecting;
use crate::fetch::{FetchError, Route};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, VsockAddr};
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Response, Url};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// As for any connection.
const CONNECT: Duration = Duration::from_secs(40);
/// The highest port that is looked for; what is above it belongs to services that bind ports themselves.
const HIGHEST_PORT: u16 = 1022;
/// Looks for a free port end here: then something else is wrong.
const MOST_LOOKS: u32 = 4096;

/// How the first hop of a fetch is made.
#[derive(Debug)]
pub(in crate::fetch) enum Way {
    /// By the client.
    Usual,
    /// From a privileged port.
    Port(Mutex<Port>),
    /// By the interface with this index.
    Interface(u32),
    /// To a port of the hypervisor, whatever the URL says.
    Hypervisor {
        /// Port of VSOCK.
        port: u32,
    },
}

/// A port of ours.
#[derive(Debug)]
pub(in crate::fetch) struct Port {
    number: u16,
    /// Moves the bytes of the last connection from it.
    last: Option<JoinHandle<()>>,
}

/// One request over such a connection.
pub(super) struct Errand<'a> {
    pub way: &'a Way,
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
}

impl Way {
    /// The way of a route to `url`.
    pub(super) fn of(route: &Route, url: &Url) -> Result<Self, FetchError> {
        let failed = |cause: String| FetchError::Route {
            url: url.to_string(),
            cause,
        };
        Ok(match route {
            Route::Usual => Way::Usual,
            Route::PrivilegedPort => Way::Port(Mutex::new(Port {
                number: free_port(url).map_err(failed)?,
                last: None,
            })),
            Route::Interface(name) => {
                let index = nix::net::if_::if_nametoindex(name.as_str());
                let index = index.map_err(|error| failed(format!("interface {name}: {error}")))?;
                Way::Interface(index)
            }
        })
    }
}

impl Port {
    fn of(own: &Mutex<Port>) -> MutexGuard<'_, Port> {
        own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A privileged port that nobody uses in the family of the URL's host.
fn free_port(url: &Url) -> Result<u16, String> {
    let wildcard = wildcard(address(url));
    let mut last = String::new();
    for _ in 0..MOST_LOOKS {
        let port = fastrand::u16(1..=HIGHEST_PORT);
        match TcpListener::bind((wildcard, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err("it answers only root, or who has CAP_NET_BIND_SERVICE".into());
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(format!("no port from 1 to {HIGHEST_PORT} is free: {last}"))
}

/// All addresses of ours in the family of a host.
fn wildcard(host: Option<IpAddr>) -> IpAddr {
    match host {
        Some(IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Sends a request and waits for the response headers.
pub(super) async fn exchange(errand: Errand<'_>) -> Result<Response, AttemptError> {
    let transport = |error: io::Error| AttemptError::Transport(error.to_string());
    match errand.way {
        Way::Usual | Way::Port(_) | Way::Interface(_) => {
            let connecting = connecting::note(connect(errand.way, errand.url));
            let stream = timeout(CONNECT, connecting).await;
            let stream = stream.map_err(|_| transport(ErrorKind::TimedOut.into()))?;
            talk(stream.map_err(transport)?, errand).await
        }
        Way::Hypervisor { port } => {
            let stream = hypervisor(*port).map_err(transport)?;
            talk(stream, errand).await
        }
    }
}

async fn connect(way: &Way, url: &Url) -> io::Result<tokio::net::TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    let host = address(url).ok_or_else(|| io::Error::other("its host is no address"))?;
    let socket = match host {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Way::Port(own) = way {
        let wildcard = wildcard(Some(host));
        // The kernel refuses the same connection twice: that of the attempt before must have gone, and without
        // lingering.
        let last = Port::of(own).last.take();
        if let Some(last) = last {
            last.abort();
            let _ = last.await;
        }
        socket.set_zero_linger()?;
        socket.set_reuseaddr(true)?;
        let mut own = Port::of(own);
        if socket.bind((wildcard, own.number).into()).is_err() {
            own.number = free_port(url).map_err(io::Error::other)?;
            socket.bind((wildcard, own.number).into())?;
        }
    }
    let to = match (host, way) {
        (IpAddr::V6(host), Way::Interface(index)) => {
            SocketAddrV6::new(host, port, 0, *index).into()
        }
        _ => SocketAddr::new(host, port),
    };
    let connected = socket.connect(to).await;
    if let (Err(error), Way::Port(own)) = (&connected, way)
        && matches!(
            error.kind(),
            ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
        )
    {
        // Somebody else lingers on it; the next attempt has another one.
        let another = free_port(url).map_err(io::Error::other)?;
        Port::of(own).number = another;
    }
    connected
}

/// A connection to the hypervisor. Nothing is far away here: it stands, or is refused, at once.
fn hypervisor(port: u32) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Vsock, SockType::Stream, flags, None)?;
    let host = VsockAddr::new(nix::libc::VMADDR_CID_HOST, port);
    socket::connect(socket.as_raw_fd(), &host)?;
    let stream = std::os::unix::net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    // Reading and writing do not care which family a stream is of.
    UnixStream::from_std(stream)
}

async fn talk<S>(stream: S, errand: Errand<'_>) -> Result<Response, AttemptError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let transport = |error: hyper::Error| AttemptError::Transport(in_words(&error));
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(transport)?;
    // It moves bytes while the body is read, and ends with the body; what went wrong is seen there.
    let moving = tokio::spawn(async move {
        let _ = connection.await;
    });
    if let Way::Port(own) = errand.way {
        Port::of(own).last = Some(moving);
    }
    let request = request(errand)?;
    let response = sender.send_request(request).await.map_err(transport)?;
    Ok(Response::from(response.map(Body::wrap)))
}

fn request(errand: Errand<'_>) -> Result<hyper::Request<Body>, AttemptError> {
    let unusable = |cause: String| AttemptError::Fatal(FetchError::Client(cause));
    let mut request = hyper::Request::new(Body::from(""));
    let url = errand.url;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    *request.uri_mut() = target
        .parse()
        .map_err(|_| unusable(format!("{url} has no path to ask for")))?;
    *request.method_mut() = errand.method;
    *request.headers_mut() = errand.headers;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let host = HeaderValue::from_str(&host).map_err(|_| unusable(format!("{url} has no host")))?;
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

fn in_words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn ports_are_those_of_root() {
        match free_port(&url("http://127.0.0.1/")) {
            Ok(port) => assert!((1..=HIGHEST_PORT).contains(&port), "{port}"),
            Err(cause) => assert!(cause.contains("only root"), "{cause}"),
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(
            address(&url("http://169.254.42.42/x")),
            Some([169, 254, 42, 42].into())
        );
        let six = address(&url("http://[fe80::a9fe:a9fe]/x"));
        assert_eq!(six, Some("fe80::a9fe:a9fe".parse().expect("one")));
        assert_eq!(address(&url("http://host/x")), None);
    }

    #[test]
    fn interfaces_must_be_there() {
        let route = Route::Interface("no-such-if".into());
        let error = Way::of(&route, &url("http://[fe80::1]/")).expect_err("none");
        assert!(
            error.to_string().contains("interface no-such-if"),
            "{error}"
        );
    }
}
