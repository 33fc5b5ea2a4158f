//! Connections that the client cannot make: from a given port, through a given interface, or to the hypervisor.

use super::attempt_error::{AttemptError, FailedAttempt};
use super::{connecting, trust};
use crate::fetch::retry::AttemptFailure;
use crate::fetch::{FetchError, Route, shown_url};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, VsockAddr};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Response, Url};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Same as in the client.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(40);
/// The highest source port that is tried: higher ones may belong to services that bind ports themselves.
const MAX_PORT: u16 = 1022;
/// Maximum number of attempts to find a free port; if all of them fail, the cause is a different one.
const MAX_PORT_ATTEMPTS: u32 = 4096;

/// How the first hop of a fetch is made.
#[derive(Debug)]
pub(in crate::fetch) enum Transport {
    /// With the client.
    Default,
    /// From a privileged port.
    Port(Mutex<Port>),
    /// Through the interface with this index.
    Interface(u32),
    /// Through the interface that the URL names as the zone of its address; looked up for each attempt, as it may
    /// appear late.
    Zone(String),
    /// To a port of the hypervisor; the host in the URL is ignored.
    Hypervisor {
        /// VSOCK port.
        port: u32,
    },
}

/// A local source port.
#[derive(Debug)]
pub(in crate::fetch) struct Port {
    number: u16,
    /// The task that drives the last connection from this port.
    last: Option<JoinHandle<()>>,
}

/// A request over such a connection.
pub(super) struct DirectRequest<'a> {
    pub transport: &'a Transport,
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
    /// The TLS config; none for plain HTTP.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Transport {
    /// The transport for a route to `url`.
    pub(super) fn of(route: &Route, url: &Url) -> Result<Self, FetchError> {
        let failed = |cause: String| FetchError::Route {
            url: url.to_string(),
            cause,
        };
        Ok(match route {
            Route::Default => Transport::Default,
            Route::PrivilegedPort => Transport::Port(Mutex::new(Port {
                number: free_port(url).map_err(failed)?,
                last: None,
            })),
            Route::Interface(name) => {
                let index = nix::net::if_::if_nametoindex(name.as_str());
                let index = index.map_err(|error| failed(format!("interface {name}: {error}")))?;
                Transport::Interface(index)
            }
        })
    }
}

impl Transport {
    /// The transport for the URL that a request was redirected to.
    pub(super) fn after_redirect(&self, from: &Url, to: &Url, zone: Option<String>) -> Self {
        match (zone, self) {
            (Some(zone), _) => Transport::Zone(zone),
            // The same host is behind the same interface.
            (None, Transport::Zone(zone)) if from.host() == to.host() => {
                Transport::Zone(zone.clone())
            }
            _ => Transport::Default,
        }
    }
}

impl Port {
    fn lock(port: &Mutex<Port>) -> MutexGuard<'_, Port> {
        port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds a privileged port that is free in the address family of the URL's host.
fn free_port(url: &Url) -> Result<u16, String> {
    let wildcard = wildcard(address(url));
    let mut last = String::new();
    for _ in 0..MAX_PORT_ATTEMPTS {
        let port = fastrand::u16(1..=MAX_PORT);
        match TcpListener::bind((wildcard, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err("it answers only privileged source ports, which need root or CAP_NET_BIND_SERVICE".into());
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(format!("no port from 1 to {MAX_PORT} is free: {last}"))
}

/// The wildcard address in the address family of a host.
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
pub(super) async fn exchange(direct: DirectRequest<'_>) -> Result<Response, AttemptError> {
    let transport_error =
        |error: io::Error| AttemptError::transport(error.to_string(), AttemptFailure::Unreachable);
    match direct.transport {
        Transport::Default | Transport::Port(_) | Transport::Interface(_) | Transport::Zone(_) => {
            let connecting = connecting::track(open_stream(&direct));
            let stream = timeout(CONNECT_TIMEOUT, connecting).await;
            let timed_out = |_| {
                let cause = io::Error::from(ErrorKind::TimedOut).to_string();
                AttemptError::transport(cause, AttemptFailure::Silent(CONNECT_TIMEOUT))
            };
            let stream = stream.map_err(timed_out)?;
            match stream {
                Ok(Stream::Plain(stream)) => send_over(stream, direct).await,
                Ok(Stream::Tls(stream)) => send_over(*stream, direct).await,
                Err(error) => Err(connect_error(&error, &direct)),
            }
        }
        Transport::Hypervisor { port } => {
            let stream = connect_to_hypervisor(*port).map_err(transport_error)?;
            send_over(stream, direct).await
        }
    }
}

/// A connection to a server.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects, with TLS for an https URL.
async fn open_stream(direct: &DirectRequest<'_>) -> io::Result<Stream> {
    let stream = connect(direct.transport, direct.url).await?;
    let Some(tls) = &direct.tls else {
        return Ok(Stream::Plain(stream));
    };
    let name = match address(direct.url) {
        Some(address) => ServerName::from(address),
        None => return Err(io::Error::other("its host is not an address")),
    };
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Why there is no connection.
fn connect_error(error: &io::Error, direct: &DirectRequest<'_>) -> AttemptError {
    let cause = trust::describe_error(error).unwrap_or_else(|| error.to_string());
    match trust::final_problem(error) {
        Some(problem) => AttemptError::Fatal(FetchError::Tls {
            method: direct.method.to_string(),
            url: shown_url(direct.url.as_str()),
            cause,
            remedy: problem.remedy,
        }),
        None => {
            let failed = FailedAttempt::new(cause, AttemptFailure::Unreachable);
            AttemptError::Transport(failed.with_remedy(trust::clock_remedy(error)))
        }
    }
}

/// The index of the interface that a zone is the name or the index of.
fn zone_index(zone: &str) -> io::Result<u32> {
    let index = nix::net::if_::if_nametoindex(zone).ok();
    let index = index.or_else(|| zone.parse().ok());
    index.ok_or_else(|| {
        let cause = format!("there is no network interface {zone:?}");
        io::Error::new(ErrorKind::NotFound, cause)
    })
}

async fn connect(transport: &Transport, url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    let host = address(url).ok_or_else(|| io::Error::other("its host is not an address"))?;
    let socket = match host {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Transport::Port(source) = transport {
        let wildcard = wildcard(Some(host));
        // The kernel refuses a second connection with the same ports: that of the previous attempt must be closed
        // completely, without TIME_WAIT.
        let last = Port::lock(source).last.take();
        if let Some(last) = last {
            last.abort();
            let _ = last.await;
        }
        socket.set_zero_linger()?;
        socket.set_reuseaddr(true)?;
        let mut source = Port::lock(source);
        if socket.bind((wildcard, source.number).into()).is_err() {
            source.number = free_port(url).map_err(io::Error::other)?;
            socket.bind((wildcard, source.number).into())?;
        }
    }
    let to = match (host, transport) {
        (IpAddr::V6(host), Transport::Interface(index)) => {
            SocketAddrV6::new(host, port, 0, *index).into()
        }
        (IpAddr::V6(host), Transport::Zone(zone)) => {
            SocketAddrV6::new(host, port, 0, zone_index(zone)?).into()
        }
        _ => SocketAddr::new(host, port),
    };
    let connected = socket.connect(to).await;
    if let (Err(error), Transport::Port(source)) = (&connected, transport)
        && matches!(
            error.kind(),
            ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable
        )
    {
        // The port is still in use; the next attempt uses another one.
        let another = free_port(url).map_err(io::Error::other)?;
        Port::lock(source).number = another;
    }
    connected
}

/// Connects to the hypervisor. This does not block: the connection is established or refused at once.
fn connect_to_hypervisor(port: u32) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Vsock, SockType::Stream, flags, None)?;
    let host = VsockAddr::new(nix::libc::VMADDR_CID_HOST, port);
    socket::connect(socket.as_raw_fd(), &host)?;
    let stream = std::os::unix::net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    // The address family does not matter for reading and writing.
    UnixStream::from_std(stream)
}

async fn send_over<S>(stream: S, direct: DirectRequest<'_>) -> Result<Response, AttemptError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let transport_error = |error: hyper::Error| {
        AttemptError::transport(
            describe(&error),
            AttemptFailure::Refused { not_before: None },
        )
    };
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(transport_error)?;
    // Drives the connection while the body is read, and ends with it; errors show up when reading the body.
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    if let Transport::Port(source) = direct.transport {
        Port::lock(source).last = Some(driver);
    }
    let request = request(direct)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(transport_error)?;
    Ok(Response::from(response.map(Body::wrap)))
}

fn request(direct: DirectRequest<'_>) -> Result<hyper::Request<Body>, AttemptError> {
    let unusable = |cause: String| AttemptError::Fatal(FetchError::Client(cause));
    let mut request = hyper::Request::new(Body::from(""));
    let url = direct.url;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    *request.uri_mut() = target
        .parse()
        .map_err(|_| unusable(format!("{url} has no path to ask for")))?;
    *request.method_mut() = direct.method;
    *request.headers_mut() = direct.headers;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let host = HeaderValue::from_str(&host).map_err(|_| unusable(format!("{url} has no host")))?;
    request.headers_mut().insert(HOST, host);
    if !url.username().is_empty() || url.password().is_some() {
        let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let (user, password) = (text(url.username()), text(url.password().unwrap_or("")));
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let value = HeaderValue::from_str(&format!("Basic {encoded}"))
            .map_err(|_| unusable("user and password cannot be sent".into()))?;
        request.headers_mut().entry(AUTHORIZATION).or_insert(value);
    }
    Ok(request)
}

fn describe(error: &hyper::Error) -> String {
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
            Ok(port) => assert!((1..=MAX_PORT).contains(&port), "{port}"),
            Err(cause) => assert!(cause.contains("root or CAP_NET_BIND_SERVICE"), "{cause}"),
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
    fn interfaces_must_exist() {
        let route = Route::Interface("no-such-if".into());
        let error = Transport::of(&route, &url("http://[fe80::1]/")).expect_err("none");
        assert!(
            error.to_string().contains("interface no-such-if"),
            "{error}"
        );
    }
}
