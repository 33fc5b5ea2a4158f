//! The fetcher: one per set of settings, cheap to clone, shared between threads.

use super::byte_stream::ByteStream;
use super::events;
use super::http::{self, Http};
use super::pipeline::{self, BoundedVec};
use super::store::{self, Stores};
use super::{
    Cloud, Compression, FetchError, FetchEvent, FetchEvents, OEM_DIR, Request, Scheme, Settings,
    authorities, oem, tftp,
};
use crate::config::model::Resource;
use crate::config::{Config, data_url};
use crate::signature::Trust;
use std::collections::HashMap;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum size of what is fetched into memory.
pub const MAX_BUFFER_BYTES: u64 = 256 << 20;

/// Maximum size of all bundles of certificate authorities together. Those of distributions have a quarter of a mebibyte.
const MAX_BUNDLES_BYTES: u64 = 32 << 20;

/// The result of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchSummary {
    /// Number of decompressed bytes.
    pub bytes: u64,
    /// Number of requests made; 1 for resources that need no network.
    pub attempts: u32,
}

/// Fetches resources.
#[derive(Debug, Clone)]
pub struct Fetcher {
    access: NetworkAccess,
    oem_dir: Arc<Path>,
    http: Arc<Http>,
    stores: Arc<Stores>,
    bundles: Arc<Bundles>,
    trust: Arc<Trust>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum NetworkAccess {
    #[default]
    Online,
    Offline,
}

/// Certificate authority `index` of a config cannot be fetched or used.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct CertificateError {
    /// Index in `ignition.security.tls.certificateAuthorities`.
    pub index: usize,
    /// The cause.
    pub error: FetchError,
}

/// Cache of bundles. The digest is not part of the key: of two entries with the same source but different digests,
/// both must be checked.
#[derive(Debug, Default)]
struct Bundles(Mutex<HashMap<BundleKey, Arc<[u8]>>>);

type BundleKey = (String, bool, Vec<(String, String)>);

impl Default for Fetcher {
    fn default() -> Self {
        Fetcher {
            access: NetworkAccess::default(),
            oem_dir: Path::new(OEM_DIR).into(),
            http: Arc::default(),
            stores: Arc::default(),
            bundles: Arc::default(),
            trust: Arc::default(),
        }
    }
}

impl Fetcher {
    /// Makes a fetcher. Nothing is opened or read before it is needed.
    pub fn new(settings: Settings) -> Self {
        Fetcher {
            http: Arc::new(Http::new(settings)),
            ..Fetcher::default()
        }
    }

    /// The same fetcher without a network: requests that need one fail with [`FetchError::NeedsNetwork`] before
    /// anything is sent.
    pub fn offline(self) -> Self {
        Fetcher {
            access: NetworkAccess::Offline,
            ..self
        }
    }

    /// True if requests that need a network are refused.
    pub fn is_offline(&self) -> bool {
        self.access == NetworkAccess::Offline
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The same fetcher with `dir` as the root of `oem:` URLs.
    pub fn with_oem_dir(self, dir: &Path) -> Self {
        Fetcher {
            oem_dir: dir.into(),
            ..self
        }
    }

    /// The same fetcher, accepting only configs that `trust` accepts.
    pub fn with_trust(self, trust: Trust) -> Self {
        Fetcher {
            trust: Arc::new(trust),
            ..self
        }
    }

    /// The same fetcher on a machine in `cloud`: requests to its object stores use the identity of the machine.
    pub fn in_cloud(self, cloud: Cloud) -> Self {
        Fetcher {
            stores: Arc::new(Stores::of(cloud, &self.settings().user_agent)),
            ..self
        }
    }

    /// Which configs are trusted.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A fetcher with other settings that shares everything that does not depend on them.
    pub fn with_settings(&self, settings: Settings) -> Self {
        if settings == *self.settings() {
            return self.clone();
        }
        Fetcher {
            http: Arc::new(self.http.with_settings(settings)),
            ..self.clone()
        }
    }

    /// The current settings.
    pub fn settings(&self) -> &Settings {
        self.http.settings()
    }

    /// URLs with TLS that redirected to URLs without, and a message about each. Fetchers that differ only in their
    /// settings share this list.
    pub fn downgrades(&self) -> Vec<(String, String)> {
        let describe = |(from, to): (String, String)| (from, events::downgrade_text(&to));
        self.http.downgrades().into_iter().map(describe).collect()
    }

    /// A fetcher configured as `config` requests: with its time limits, proxies and certificate authorities. These are
    /// fetched here, with the new limits and proxies but the old certificates.
    pub fn configured(
        &self,
        config: &Config,
        events: &dyn FetchEvents,
    ) -> Result<Fetcher, CertificateError> {
        let mut settings = Settings::of(config, self.settings().fallback_total);
        settings.user_agent = self.settings().user_agent.clone();
        let listed = &config.ignition.security.tls.certificate_authorities;
        if !listed.is_empty() {
            let extra_roots = self.settings().extra_roots.clone();
            let old = self.with_settings(Settings {
                extra_roots,
                ..settings.clone()
            });
            for (index, resource) in listed.iter().enumerate() {
                let roots = old.authorities(resource, events);
                settings
                    .extra_roots
                    .extend(roots.map_err(|error| CertificateError { index, error })?);
            }
        }
        Ok(self.with_settings(settings))
    }

    fn authorities(
        &self,
        resource: &Resource,
        events: &dyn FetchEvents,
    ) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, FetchError> {
        let request = Request::of(resource)?;
        let bundle = self.bundle(&request, events)?;
        let unusable = |cause| FetchError::Certificates {
            url: request.shown_url(),
            cause,
        };
        authorities::parse(&bundle).map_err(unusable)
    }

    /// The bytes of a bundle of certificate authorities, decompressed and verified. Each bundle is fetched once.
    pub fn bundle(
        &self,
        request: &Request,
        events: &dyn FetchEvents,
    ) -> Result<Arc<[u8]>, FetchError> {
        let is_compressed = request.compression != super::Compression::None;
        let key = (request.url.clone(), is_compressed, request.headers.clone());
        let known = self.bundles.lock().get(&key).cloned();
        if let Some(bundle) = known {
            return pipeline::verify(request, &bundle).map(|()| bundle);
        }
        let (bundle, _) = self.fetch_bounded(request, MAX_BUNDLES_BYTES, events)?;
        let bundle: Arc<[u8]> = bundle.into();
        let mut bundles = self.bundles.lock();
        let others = bundles.values().map(|bundle| bundle.len() as u64);
        if others.fold(bundle.len() as u64, u64::saturating_add) > MAX_BUNDLES_BYTES {
            return Err(FetchError::TooManyAuthorities {
                url: request.shown_url(),
                limit_bytes: MAX_BUNDLES_BYTES,
            });
        }
        bundles.insert(key, Arc::clone(&bundle));
        Ok(bundle)
    }

    /// Fetches into `sink`, decompressed and verified, in bounded memory. After an error `sink` may hold a part of the
    /// data, which the caller must discard.
    pub fn fetch(
        &self,
        request: &Request,
        sink: &mut dyn Write,
        events: &dyn FetchEvents,
    ) -> Result<FetchSummary, FetchError> {
        let scheme = self.permitted_scheme(request)?;
        if scheme == Scheme::Empty {
            return Ok(FetchSummary {
                bytes: 0,
                attempts: 1,
            });
        }
        // Avoids the buffer of a stream: a config may have thousands of small bodies.
        if scheme == Scheme::Data && request.compression == Compression::None {
            let body = data_url::decode(&request.url)?;
            let bytes = pipeline::write(request, &body, sink, events)?;
            return Ok(FetchSummary { bytes, attempts: 1 });
        }
        let ByteStream {
            body,
            length_bytes,
            attempts,
        } = self.open(scheme, request, events)?;
        if let (Some(bytes), Compression::None) = (length_bytes, request.compression) {
            events.event(FetchEvent::Announced { bytes });
        }
        let bytes = pipeline::copy(request, body, sink, events)
            .map_err(|error| store::s3::with_object(scheme, request, error))?;
        Ok(FetchSummary { bytes, attempts })
    }

    /// Fetches a resource of a config into `sink`; returns the number of bytes written.
    pub fn copy(
        &self,
        resource: &Resource,
        sink: &mut dyn Write,
        events: &dyn FetchEvents,
    ) -> Result<u64, FetchError> {
        let request = Request::of(resource)?;
        Ok(self.fetch(&request, sink, events)?.bytes)
    }

    /// Fetches into memory, at most [`MAX_BUFFER_BYTES`].
    pub fn fetch_to_vec(
        &self,
        request: &Request,
        events: &dyn FetchEvents,
    ) -> Result<(Vec<u8>, FetchSummary), FetchError> {
        self.fetch_bounded(request, MAX_BUFFER_BYTES, events)
    }

    /// Fetches into memory, at most `limit_bytes`.
    pub fn fetch_bounded(
        &self,
        request: &Request,
        limit_bytes: u64,
        events: &dyn FetchEvents,
    ) -> Result<(Vec<u8>, FetchSummary), FetchError> {
        let mut sink = BoundedVec {
            bytes: Vec::new(),
            limit_bytes,
        };
        match self.fetch(request, &mut sink, events) {
            Ok(fetched) => Ok((sink.bytes, fetched)),
            Err(FetchError::Sink { url, cause }) if cause.kind() == io::ErrorKind::FileTooLarge => {
                Err(FetchError::TooLarge { url, limit_bytes })
            }
            Err(other) => Err(other),
        }
    }

    /// The scheme, if this fetcher may use it. Offline, unsupported schemes count as needing a network: a machine that
    /// has one reports them as unsupported.
    fn permitted_scheme(&self, request: &Request) -> Result<Scheme, FetchError> {
        let scheme = request.scheme();
        let is_local = matches!(&scheme, Ok(s) if !s.needs_network());
        let is_invalid = !matches!(&scheme, Err(FetchError::UnsupportedScheme { .. }) | Ok(_));
        if self.access == NetworkAccess::Offline && !is_local && !is_invalid {
            return Err(FetchError::NeedsNetwork {
                url: request.shown_url(),
            });
        }
        scheme
    }

    /// The single dispatch point for schemes.
    fn open<'a>(
        &'a self,
        scheme: Scheme,
        request: &'a Request,
        events: &'a dyn FetchEvents,
    ) -> Result<ByteStream<'a>, FetchError> {
        match scheme {
            Scheme::Empty => Ok(ByteStream {
                body: Box::new(io::empty()),
                length_bytes: Some(0),
                attempts: 1,
            }),
            Scheme::Data => {
                let bytes = data_url::decode(&request.url)?;
                Ok(ByteStream {
                    length_bytes: Some(bytes.len() as u64),
                    body: Box::new(Cursor::new(bytes)),
                    attempts: 1,
                })
            }
            Scheme::Oem => oem::open(&self.oem_dir, request),
            Scheme::Http | Scheme::Https => match store::azure::blob(&self.stores, request) {
                Some(blob) => store::azure::open(&self.stores, &self.http, blob, request, events),
                None => http::open(&self.http, request, events),
            },
            Scheme::S3 | Scheme::Arn => {
                let opened = store::s3::open(&self.stores, &self.http, scheme, request, events);
                opened.map_err(|error| store::s3::with_object(scheme, request, error))
            }
            Scheme::Gs => store::gs::open(&self.stores, &self.http, request, events),
            Scheme::Tftp => tftp::open(request, self.settings().interactive_total(), events),
        }
    }
}

impl Bundles {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BundleKey, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
