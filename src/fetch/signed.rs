//! Fetches configs and verifies that they are trusted.
//!
//! The signature of `URL` is at `URL.sig` or `URL.asc`, with the query of `URL`: this is where Matchbox serves it, and
//! how `gpg` and `ssh-keygen` name it. It covers the bytes as the server has them, before decompression.

use super::fetcher::MAX_BUFFER_BYTES;
use super::pipeline::{self, BoundedVec};
use super::retry::{AttemptFailure, Retry};
use super::{Compression, FetchError, FetchEvent, FetchEvents, Fetcher, Request, Scheme, pause};
use crate::signature::{SignatureError, Untrusted, Verified, envelope};
use std::io::Cursor;
use std::time::Duration;

/// Appended to the path of a config to get that of its signature.
const SIGNATURE_SUFFIXES: [&str; 2] = [".sig", ".asc"];
/// Appended to the path of a config to get that of the key that the kernel command line names.
const KEY_SUFFIX: &str = ".key";
/// Maximum size of a signature.
const MAX_SIGNATURE_BYTES: u64 = 64 << 10;
/// Maximum size of a key.
const MAX_KEY_BYTES: u64 = 4 << 20;
/// Config and signature are two requests: if one of them changed in between, both are fetched again.
const MAX_ATTEMPTS: u32 = 4;
/// Maximum of the first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The role of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRole {
    /// The config that a run starts from.
    First,
    /// A config that a verified config refers to.
    Referenced,
}

impl Fetcher {
    /// Fetches a config into memory, and verifies it if verification is on.
    ///
    /// # Errors
    /// If it cannot be fetched, or is not trusted ([`FetchError::Untrusted`]).
    pub fn fetch_config(
        &self,
        request: &Request,
        role: ConfigRole,
        events: &dyn FetchEvents,
    ) -> Result<Vec<u8>, FetchError> {
        if !self.trust().is_on() {
            return Ok(self.fetch_to_vec(request, events)?.0);
        }
        let fetch = VerifiedFetch {
            fetcher: self,
            request,
            events,
            scheme: request.scheme()?,
        };
        let (text, verified) = match fetch.implied_trust(role) {
            Some(verified) => (self.fetch_to_vec(request, events)?.0, verified),
            None => fetch.run(role)?,
        };
        events.event(FetchEvent::Trusted {
            url: &request.shown_url(),
            verified: &verified,
        });
        Ok(text)
    }
}

/// The fetch of a config that has to be trusted.
struct VerifiedFetch<'a> {
    fetcher: &'a Fetcher,
    request: &'a Request,
    events: &'a dyn FetchEvents,
    scheme: Scheme,
}

impl VerifiedFetch<'_> {
    /// Trust that follows from a verified config: it has the digest of the config it refers to, which every fetch
    /// checks, or embeds it.
    fn implied_trust(&self, role: ConfigRole) -> Option<Verified> {
        match (role, self.scheme) {
            (ConfigRole::First, _) => None,
            (ConfigRole::Referenced, Scheme::Data) => Some(Verified::Embedded),
            (ConfigRole::Referenced, _) => self.request.digest.map(|_| Verified::Pinned),
        }
    }

    fn run(&self, role: ConfigRole) -> Result<(Vec<u8>, Verified), FetchError> {
        let mut attempts = 1;
        let mut retry = Retry::new(FIRST_PAUSE);
        loop {
            let raw = self.fetch_raw()?;
            match self.verify(&raw, role) {
                Ok((config, verified)) => return Ok((self.decompress(config)?, verified)),
                Err(ConfigRefusal::Fetch(error)) => return Err(error),
                Err(ConfigRefusal::Untrusted(Untrusted::Signature(
                    SignatureError::OtherBytes(_),
                ))) if attempts < MAX_ATTEMPTS && self.is_remote() => {
                    attempts += 1;
                    let failure = AttemptFailure::Refused { not_before: None };
                    let slept = pause::sleep(self.events, retry.pause(failure, None));
                    let url = || self.request.shown_url();
                    slept.map_err(|_| FetchError::Cancelled { url: url() })?;
                }
                Err(ConfigRefusal::Untrusted(cause)) => return Err(self.untrusted(cause)),
            }
        }
    }

    fn is_remote(&self) -> bool {
        !matches!(self.scheme, Scheme::Data | Scheme::Empty | Scheme::Oem)
    }

    fn untrusted(&self, cause: Untrusted) -> FetchError {
        FetchError::Untrusted {
            url: self.request.shown_url(),
            cause,
        }
    }

    /// The bytes as the server has them.
    fn fetch_raw(&self) -> Result<Vec<u8>, FetchError> {
        // S3 does not support compression: let the fetch report that.
        let compression = match self.scheme {
            Scheme::S3 | Scheme::Arn => self.request.compression,
            _ => Compression::None,
        };
        let request = Request {
            compression,
            digest: None,
            ..self.request.clone()
        };
        Ok(self.fetcher.fetch_to_vec(&request, self.events)?.0)
    }

    fn verify<'b>(
        &self,
        raw: &'b [u8],
        role: ConfigRole,
    ) -> Result<(&'b [u8], Verified), ConfigRefusal> {
        let trust = self.fetcher.trust();
        if role == ConfigRole::First
            && let Some(pinned) = trust.check_pin(raw)?
        {
            return Ok((raw, pinned));
        }
        if !trust.has_keys() {
            return Err(Untrusted::NotPinned.into());
        }
        let (config, signature) = match envelope::open(raw) {
            Some((config, signature)) => (config, signature.to_vec()),
            None => (raw, self.fetch_signature()?),
        };
        if trust.needs_found_key() {
            self.fetch_key()?;
        }
        Ok((config, trust.verify(config, &signature)?))
    }

    /// Fetches the detached signature of the config.
    fn fetch_signature(&self) -> Result<Vec<u8>, ConfigRefusal> {
        if self.scheme == Scheme::Data {
            return Err(
                Untrusted::Missing("none follows it; append an armoured one".into()).into(),
            );
        }
        let mut missing = Vec::new();
        for suffix in SIGNATURE_SUFFIXES {
            match self.fetch_sibling(suffix, MAX_SIGNATURE_BYTES) {
                Ok(signature) => return Ok(signature),
                Err(error) if is_absent(&error) => missing.push(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Untrusted::Missing(missing.join("; ")).into())
    }

    /// Fetches the key that is next to the config. If there is none, another key may match.
    fn fetch_key(&self) -> Result<(), ConfigRefusal> {
        if self.scheme == Scheme::Data {
            return Ok(());
        }
        match self.fetch_sibling(KEY_SUFFIX, MAX_KEY_BYTES) {
            Ok(bytes) => {
                let place = super::shown_url(&self.sibling_url(KEY_SUFFIX));
                Ok(self.fetcher.trust().add_found_keys(&place, &bytes)?)
            }
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn fetch_sibling(&self, suffix: &str, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let request = Request {
            url: self.sibling_url(suffix),
            headers: self.request.headers.clone(),
            ..Request::default()
        };
        let fetched = self
            .fetcher
            .fetch_bounded(&request, limit_bytes, self.events);
        Ok(fetched?.0)
    }

    /// Inserts the suffix between the path and the query. For S3 the query is dropped: it names a version of the
    /// config, which is not a version of the other object.
    fn sibling_url(&self, suffix: &str) -> String {
        let url = self.request.url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // A suffix appended to the host would name another host.
        let is_bare = path
            .split_once("://")
            .is_some_and(|(_, rest)| !rest.contains('/'));
        let path = if is_bare { &format!("{path}/") } else { path };
        match query.is_empty() || matches!(self.scheme, Scheme::S3 | Scheme::Arn) {
            true => format!("{path}{suffix}"),
            false => format!("{path}{suffix}?{query}"),
        }
    }

    fn decompress(&self, config: &[u8]) -> Result<Vec<u8>, FetchError> {
        let mut sink = BoundedVec {
            bytes: Vec::new(),
            limit_bytes: MAX_BUFFER_BYTES,
        };
        pipeline::copy(
            self.request,
            Box::new(Cursor::new(config)),
            &mut sink,
            self.events,
        )?;
        Ok(sink.bytes)
    }
}

/// True if a server does not have the file, or refuses to send it.
fn is_absent(error: &FetchError) -> bool {
    match error {
        FetchError::NotFound { .. }
        | FetchError::Status { .. }
        | FetchError::Tftp { .. }
        | FetchError::OemFile { .. } => true,
        FetchError::Object { cause, .. } => is_absent(cause),
        _ => false,
    }
}

/// Why a config could not be fetched or verified.
enum ConfigRefusal {
    Fetch(FetchError),
    Untrusted(Untrusted),
}

impl From<FetchError> for ConfigRefusal {
    fn from(error: FetchError) -> Self {
        ConfigRefusal::Fetch(error)
    }
}

impl From<Untrusted> for ConfigRefusal {
    fn from(cause: Untrusted) -> Self {
        ConfigRefusal::Untrusted(cause)
    }
}
