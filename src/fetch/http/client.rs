//! The HTTP clients of one set of settings, and the runtime, shared between threads, that drives their connections.

use super::attempt_error::{AttemptError, FailedAttempt};
use super::clock::SystemClock;
use super::connecting::{ExchangeProgress, WatchLayer};
use super::crypto;
use super::direct::{self, DirectRequest, Transport};
use super::names::ThreadResolver;
use super::trust::{self, ServerVerifier};
use crate::fetch::error::PROXY_ACCOUNT;
use crate::fetch::proxy::ProxyTarget;
use crate::fetch::retry::AttemptFailure;
use crate::fetch::{FetchError, FetchEvents, Settings, shown_url};
use crate::input;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Proxy, RequestBuilder, Response, Url};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout_at;

/// 30 s for TCP and 10 s for TLS; the client has a single limit for both.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(40);
/// How often to check whether the fetch was cancelled while waiting for a response.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(100);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// A server that vanishes in the middle of a body is detected after a minute, not after the kernel's two hours.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// OpenSSL's environment variable for the file with certificates that are trusted instead of those of the system.
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";
/// Far more than the bundles of distributions, which have a quarter of a mebibyte.
const MAX_ROOTS_BYTES: u64 = 16 << 20;
/// Protocols offered with ALPN, in order of preference. Without TLS, HTTP/1.1 is used.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// HTTP clients with one set of settings.
#[derive(Debug, Default)]
pub(in crate::fetch) struct Http {
    settings: Settings,
    shared: Arc<SharedClient>,
    /// Has no roots: loading those of the system takes longer than most fetches.
    plain: Lazy<Client>,
    tls: Lazy<Client>,
}

/// Everything that does not depend on the settings.
#[derive(Debug, Default)]
struct SharedClient {
    driver: Lazy<Arc<ConnectionDriver>>,
    system_roots: OnceLock<Vec<CertificateDer<'static>>>,
    /// Redirects from https URLs to http URLs.
    downgrades: Mutex<BTreeSet<(String, String)>>,
}

/// Drives connections while any thread waits for one; it has no thread of its own.
#[derive(Debug)]
pub(super) struct ConnectionDriver(Option<Runtime>);

/// Initialized at most once, unless the initialization fails.
#[derive(Debug)]
struct Lazy<T>(Mutex<Option<T>>);

/// One request to be sent.
pub(super) struct Outgoing<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub transport: &'a Transport,
    pub deadline: Option<Instant>,
    /// Decides about cancellation.
    pub events: &'a dyn FetchEvents,
}

/// A response whose body is yet to be read, and the driver for that.
pub(super) struct ResponseHead {
    pub response: Response,
    pub driver: Arc<ConnectionDriver>,
}

/// The driver is being dropped; does not happen while anything holds a reference.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client is shut down")]
pub(super) struct ShutDown;

impl Outgoing<'_> {
    /// Servers may refuse `PUT` and `POST` requests without a `Content-Length` (411 Length Required), which the client
    /// sends only for bodies that are not empty.
    fn set_length_of_empty_body(&mut self) {
        if self.body.is_empty() && matches!(self.method, Method::PUT | Method::POST) {
            self.headers
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
}

impl Http {
    pub(in crate::fetch) fn new(settings: Settings) -> Self {
        Http {
            settings,
            ..Http::default()
        }
    }

    pub(in crate::fetch) fn with_settings(&self, settings: Settings) -> Self {
        Http {
            settings,
            shared: Arc::clone(&self.shared),
            ..Http::default()
        }
    }

    pub(in crate::fetch) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Records a redirect from an https URL to an http URL; true if it is new.
    pub(super) fn record_downgrade(&self, from: &str, to: &str) -> bool {
        self.lock_downgrades().insert((from.into(), to.into()))
    }

    /// The redirects from https URLs to http URLs so far.
    pub(in crate::fetch) fn downgrades(&self) -> Vec<(String, String)> {
        self.lock_downgrades().iter().cloned().collect()
    }

    fn lock_downgrades(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        let downgrades = self.shared.downgrades.lock();
        downgrades.unwrap_or_else(PoisonError::into_inner)
    }

    /// Deadline for a fetch that starts now.
    pub(in crate::fetch) fn deadline(&self) -> Option<Instant> {
        self.settings.total.map(|total| Instant::now() + total)
    }

    /// Sends a request and waits for the response headers. Does not follow redirects.
    pub(super) fn send(&self, mut outgoing: Outgoing<'_>) -> Result<ResponseHead, AttemptError> {
        outgoing.set_length_of_empty_body();
        let driver = self
            .shared
            .driver
            .get(|| ConnectionDriver::new().map(Arc::new))?;
        let (events, total) = (outgoing.events, outgoing.deadline);
        let outcome = match outgoing.transport {
            Transport::Default => {
                let (url, method) = (outgoing.url, outgoing.method.clone());
                let request = self.request(outgoing)?;
                let (shown, method) = (shown_url(url.as_str()), method.to_string());
                let failed = |error: reqwest::Error| transport_error(&error, method, shown);
                let sending = async { request.send().await.map_err(failed) };
                driver.run(self.exchange(sending, total, events))
            }
            transport => {
                let direct = DirectRequest {
                    tls: match outgoing.url.scheme() {
                        "https" => {
                            Some(Arc::new(self.tls_config(self.trusted(), &PROTOCOLS[1..])?))
                        }
                        _ => None,
                    },
                    transport,
                    method: outgoing.method,
                    url: outgoing.url,
                    headers: outgoing.headers,
                };
                driver.run(self.exchange(direct::exchange(direct), total, events))
            }
        };
        let response = outcome.map_err(|shut_down| client_error(&shut_down))??;
        Ok(ResponseHead { response, driver })
    }

    fn request(&self, outgoing: Outgoing<'_>) -> Result<RequestBuilder, AttemptError> {
        let tls = outgoing.url.scheme() == "https" || self.settings.proxies.http_proxy_uses_tls();
        let client = if tls {
            self.tls.get(|| self.client(self.trusted()))?
        } else {
            self.plain.get(|| self.client(Vec::new()))?
        };
        // The URL is set first: its user info becomes a header, which the other headers may replace.
        let request = client.request(outgoing.method, outgoing.url.clone());
        let request = request.headers(outgoing.headers);
        Ok(match outgoing.body.is_empty() {
            true => request,
            false => request.body(outgoing.body),
        })
    }

    async fn exchange(
        &self,
        sending: impl Future<Output = Result<Response, AttemptError>>,
        total: Option<Instant>,
        events: &dyn FetchEvents,
    ) -> Result<Response, AttemptError> {
        let progress = ExchangeProgress::new();
        let mut exchange = pin!(Arc::clone(&progress).watch(sending));
        loop {
            let now = Instant::now();
            let headers = self
                .settings
                .response_headers
                .map(|l| progress.deadline(l, now));
            let next = headers
                .into_iter()
                .chain(total)
                .fold(now + CANCEL_CHECK_INTERVAL, Instant::min);
            if let Ok(outcome) = timeout_at(next.into(), exchange.as_mut()).await {
                return outcome;
            }
            if events.cancelled() {
                return Err(AttemptError::Cancelled);
            }
            let now = Instant::now();
            if total.is_some_and(|t| t <= now) {
                return Err(AttemptError::OutOfTime);
            }
            if let Some(limit) = self.settings.response_headers
                && progress.deadline(limit, now) <= now
            {
                let cause = format!("no response headers within {} s", limit.as_secs_f32());
                let failure = AttemptFailure::Silent(limit);
                return Err(AttemptError::transport(cause, failure));
            }
        }
    }

    /// Configures TLS to trust these certificates and to offer these protocols.
    fn tls_config(
        &self,
        trusted: Vec<CertificateDer<'static>>,
        protocols: &[&[u8]],
    ) -> Result<ClientConfig, AttemptError> {
        let provider = crypto::provider();
        let trust = ServerVerifier::new(trusted, Arc::clone(&provider));
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| client_error(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        tls.time_provider = Arc::new(SystemClock);
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(tls)
    }

    fn client(&self, trusted: Vec<CertificateDer<'static>>) -> Result<Client, AttemptError> {
        let tls = self.tls_config(trusted, &PROTOCOLS)?;
        let proxies = self.settings.proxies.clone();
        let choose = move |url: &Url| {
            let target = ProxyTarget {
                is_https: url.scheme() == "https",
                host: url.host_str()?,
                port: url.port_or_known_default()?,
            };
            proxies.choose(target).map(String::from)
        };
        Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Also ignores the proxies from the environment.
            .no_proxy()
            .proxy(Proxy::custom(choose))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(TCP_KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(KEEPALIVE_RETRIES)
            .dns_resolver(ThreadResolver)
            .connector_layer(WatchLayer)
            .build()
            .map_err(|e| client_error(&e))
    }

    /// The roots of the system and of the settings.
    fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let system = self.shared.system_roots.get_or_init(system_roots);
        let trusted = system.iter().chain(&self.settings.extra_roots);
        trusted.cloned().collect()
    }
}

/// Certificates that the system trusts. [`ROOTS_VARIABLE`] may name a pipe from a shell, or any other file: reading it
/// neither blocks nor is unlimited.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let is_special = |path: &PathBuf| {
        let about = path.metadata();
        about.is_ok_and(|about| !about.is_file() && !about.is_dir())
    };
    let named = std::env::var_os(ROOTS_VARIABLE).map(PathBuf::from);
    match named.filter(is_special) {
        None => rustls_native_certs::load_native_certs().certs,
        Some(path) => {
            let bundle = input::read(&path, MAX_ROOTS_BYTES).unwrap_or_default();
            CertificateDer::pem_slice_iter(&bundle).flatten().collect()
        }
    }
}

impl ConnectionDriver {
    fn new() -> Result<Self, AttemptError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime
            .map(|r| ConnectionDriver(Some(r)))
            .map_err(|e| client_error(&e))
    }

    /// Runs `future` to completion, along with all other connections.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, ShutDown> {
        self.0
            .as_ref()
            .map(|runtime| runtime.block_on(future))
            .ok_or(ShutDown)
    }
}

impl Drop for ConnectionDriver {
    /// Does not wait for pending name lookups.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Lazy(Mutex::new(None))
    }
}

impl<T: Clone> Lazy<T> {
    fn get(&self, make: impl FnOnce() -> Result<T, AttemptError>) -> Result<T, AttemptError> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*made {
            return Ok(value.clone());
        }
        let value = make()?;
        Ok(made.insert(value).clone())
    }
}

fn transport_error(error: &reqwest::Error, method: String, url: String) -> AttemptError {
    let cause = cause(error);
    match trust::final_problem(error) {
        Some(problem) => AttemptError::Fatal(FetchError::Tls {
            method,
            url,
            cause,
            remedy: problem.remedy,
        }),
        // The request cannot be built, e.g. since the URL is too long: a retry would not help.
        None if error.is_builder() => AttemptError::Fatal(FetchError::InvalidUrl {
            url,
            cause: format!("no request can be made of it, it may be too long: {cause}"),
        }),
        None => {
            let remedy = trust::clock_remedy(error).or_else(|| proxy_remedy(error));
            AttemptError::Transport(
                FailedAttempt::new(cause, classify_failure(error)).with_remedy(remedy),
            )
        }
    }
}

/// Remedy for a proxy that requires authentication. The type of that error is private to the connector, so its text
/// is compared.
fn proxy_remedy(error: &reqwest::Error) -> Option<&'static str> {
    let mut next = error.source();
    while let Some(source) = next {
        if source.to_string().ends_with("proxy authorization required") {
            return Some(PROXY_ACCOUNT);
        }
        next = source.source();
    }
    None
}

/// Classifies a request without a response. A server that closes established connections has too many of them.
fn classify_failure(error: &reqwest::Error) -> AttemptFailure {
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => AttemptFailure::Silent(CONNECT_TIMEOUT),
        (true, false) => AttemptFailure::Unreachable,
        (false, _) => AttemptFailure::Refused { not_before: None },
    }
}

fn client_error(error: &dyn Error) -> AttemptError {
    AttemptError::Fatal(FetchError::Client(error.to_string()))
}

/// The causes of the client's error, whose own text only says that sending failed and names the URL.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        let text = trust::describe_error(source).unwrap_or_else(|| source.to_string());
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = source.source();
    }
    if texts.is_empty() {
        "the request failed".into()
    } else {
        texts.join(": ")
    }
}
