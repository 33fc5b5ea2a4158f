//! The HTTP clients of one set of settings, and the thread-shared engine that drives them.

use super::attempt_error::{AttemptError, FailedAttempt};
use super::clock::SystemClock;
use super::connecting::{ExchangeProgress, Watch};
use super::crypto;
use super::direct::{self, DirectRequest, Transport};
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

/// 30 s for TCP and 10 s for TLS; the client has one limit for both.
const CONNECT: Duration = Duration::from_secs(40);
/// How long to wait before looking whether the answer is still wanted.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// A server that vanished in the middle of a body is missed after a minute, not after the kernel's two hours.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// The file with the certificates that are trusted instead of those of the system, as OpenSSL names it.
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";
/// The bundles of distributions have a quarter of a mebibyte.
const MAX_ROOTS_BYTES: u64 = 16 << 20;
/// What is offered to a server over TLS, best first. Without TLS it is always HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// HTTP with one set of settings.
#[derive(Debug, Default)]
pub(in crate::fetch) struct Http {
    settings: Settings,
    shared: Arc<SharedClient>,
    /// Without any roots: loading those of the system takes longer than most fetches.
    plain: Lazy<Client>,
    tls: Lazy<Client>,
}

/// What does not depend on settings.
#[derive(Debug, Default)]
struct SharedClient {
    engine: Lazy<Arc<ConnectionDriver>>,
    system_roots: OnceLock<Vec<CertificateDer<'static>>>,
    /// Redirects from places with TLS to places without.
    downgrades: Mutex<BTreeSet<(String, String)>>,
}

/// Drives connections while some thread waits for one; there is no thread of its own.
#[derive(Debug)]
pub(super) struct ConnectionDriver(Option<Runtime>);

/// Made at most once, unless making it fails.
#[derive(Debug)]
struct Lazy<T>(Mutex<Option<T>>);

/// One request on its way.
pub(super) struct Outgoing<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub way: &'a Transport,
    pub deadline: Option<Instant>,
    /// Says when to stop.
    pub events: &'a dyn FetchEvents,
}

/// Response headers, and what drives the body that follows them.
pub(super) struct ResponseHead {
    pub response: Response,
    pub engine: Arc<ConnectionDriver>,
}

/// The engine is being dropped; never seen while somebody holds it.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client is shut down")]
pub(super) struct ShutDown;

impl Outgoing<'_> {
    /// Servers may refuse what should have a body and does not say that it has none (411 Length Required). The
    /// client says so of bodies only that are there.
    fn say_if_nothing_is_sent_along(&mut self) {
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

    /// Notes a redirect from a place with TLS to one without; true if it is the first of this kind.
    pub(super) fn note_downgrade(&self, from: &str, to: &str) -> bool {
        self.downgrades_noted().insert((from.into(), to.into()))
    }

    /// The redirects from places with TLS to places without, so far.
    pub(in crate::fetch) fn downgrades(&self) -> Vec<(String, String)> {
        self.downgrades_noted().iter().cloned().collect()
    }

    fn downgrades_noted(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        let noted = self.shared.downgrades.lock();
        noted.unwrap_or_else(PoisonError::into_inner)
    }

    /// When a fetch that begins now must end.
    pub(in crate::fetch) fn deadline(&self) -> Option<Instant> {
        self.settings.total.map(|total| Instant::now() + total)
    }

    /// Sends a request and waits for the response headers. Follows nothing.
    pub(super) fn send(&self, mut outgoing: Outgoing<'_>) -> Result<ResponseHead, AttemptError> {
        outgoing.say_if_nothing_is_sent_along();
        let engine = self
            .shared
            .engine
            .get(|| ConnectionDriver::new().map(Arc::new))?;
        let (events, total) = (outgoing.events, outgoing.deadline);
        let outcome = match outgoing.way {
            Transport::Usual => {
                let (url, method) = (outgoing.url, outgoing.method.clone());
                let request = self.request(outgoing)?;
                let (shown, method) = (shown_url(url.as_str()), method.to_string());
                let failed = |error: reqwest::Error| transport(&error, method, shown);
                let sending = async { request.send().await.map_err(failed) };
                engine.run(self.exchange(sending, total, events))
            }
            way => {
                let direct = DirectRequest {
                    tls: match outgoing.url.scheme() {
                        "https" => {
                            Some(Arc::new(self.tls_config(self.trusted(), &PROTOCOLS[1..])?))
                        }
                        _ => None,
                    },
                    way,
                    method: outgoing.method,
                    url: outgoing.url,
                    headers: outgoing.headers,
                };
                engine.run(self.exchange(direct::exchange(direct), total, events))
            }
        };
        let response = outcome.map_err(|gone| client_error(&gone))??;
        Ok(ResponseHead { response, engine })
    }

    fn request(&self, outgoing: Outgoing<'_>) -> Result<RequestBuilder, AttemptError> {
        let tls = outgoing.url.scheme() == "https" || self.settings.proxies.http_by_tls();
        let client = if tls {
            self.tls.get(|| self.client(self.trusted()))?
        } else {
            self.plain.get(|| self.client(Vec::new()))?
        };
        // The URL comes first: user info in it becomes a header, which the others may replace.
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
                .fold(now + CANCEL_CHECK, Instant::min);
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

    /// TLS with these certificates trusted, offering these protocols.
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
                https: url.scheme() == "https",
                host: url.host_str()?,
                port: url.port_or_known_default()?,
            };
            proxies.choose(target).map(String::from)
        };
        Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Switches off what the environment says, too.
            .no_proxy()
            .proxy(Proxy::custom(choose))
            .connect_timeout(CONNECT)
            .tcp_keepalive(TCP_KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(KEEPALIVE_RETRIES)
            .connector_layer(Watch)
            .build()
            .map_err(|e| client_error(&e))
    }

    /// System roots and those of the settings.
    fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let system = self.shared.system_roots.get_or_init(system_roots);
        let trusted = system.iter().chain(&self.settings.extra_roots);
        trusted.cloned().collect()
    }
}

/// Certificates that the system trusts. What [`ROOTS_VARIABLE`] names may be the pipe of a shell, or anything: it is neither
/// waited for nor read without end.
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

    /// Runs `future`, and with it whatever else is going on, until it is done.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, ShutDown> {
        self.0
            .as_ref()
            .map(|runtime| runtime.block_on(future))
            .ok_or(ShutDown)
    }
}

impl Drop for ConnectionDriver {
    /// Does not wait for names that are still being looked up.
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

fn transport(error: &reqwest::Error, method: String, url: String) -> AttemptError {
    let cause = cause(error);
    match trust::final_problem(error) {
        Some(problem) => AttemptError::Fatal(FetchError::Tls {
            method,
            url,
            cause,
            remedy: problem.remedy,
        }),
        None => {
            let remedy = trust::clock_remedy(error).or_else(|| proxy_remedy(error));
            AttemptError::Transport(FailedAttempt::new(cause, failure(error)).with_remedy(remedy))
        }
    }
}

/// What to do about a proxy that wants to know who asks. The type of that error is private to the connector, so its text
/// has to do.
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

/// What to make of a request without an answer. A server that ends connections that stand has too many of them.
fn failure(error: &reqwest::Error) -> AttemptFailure {
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => AttemptFailure::Silent(CONNECT),
        (true, false) => AttemptFailure::Unreachable,
        (false, _) => AttemptFailure::Refused { not_before: None },
    }
}

fn client_error(error: &dyn Error) -> AttemptError {
    AttemptError::Fatal(FetchError::Client(error.to_string()))
}

/// The reasons below the client's own text, which only says that sending failed and names the URL.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        let text = trust::in_words_of(source).unwrap_or_else(|| source.to_string());
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
