//! Configs that are only taken from those who are trusted.
//!
//! The signature of `URL` is at `URL.sig` or `URL.asc`, with the query of `URL`: where Matchbox serves it, and what
//! `gpg` and `ssh-keygen` call it. It is over the bytes as the server has them, before anything is unpacked.

use super::fetcher::BUFFER_LIMIT_BYTES;
use super::pipeline::{self, BoundedVec};
use super::retry::{AttemptFailure, Retry};
use super::{Compression, FetchError, FetchEvent, FetchEvents, Fetcher, Request, Scheme, pause};
use crate::signature::{SignatureError, Untrusted, Verified, envelope};
use std::io::Cursor;
use std::time::Duration;

/// What is behind the path of a config for its signature.
const SIGNATURE_SUFFIXES: [&str; 2] = [".sig", ".asc"];
/// What is behind the path of a config for the key that the kernel command line names.
const KEY_SUFFIX: &str = ".key";
/// The most a signature may hold, and the most a key.
const SIGNATURE_LIMIT_BYTES: u64 = 64 << 10;
const KEY_LIMIT_BYTES: u64 = 4 << 20;
/// Config and signature are two requests: when something was changed in between, both are asked for again.
const MAX_TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Which config of a run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRole {
    /// The one everything starts from.
    First,
    /// One that a verified config asks for.
    Referenced,
}

impl Fetcher {
    /// Fetches a config into memory. Without somebody who is trusted, that is all.
    ///
    /// # Errors
    /// It cannot be had, or it is not one to take ([`FetchError::Untrusted`]).
    pub fn fetch_config(
        &self,
        request: &Request,
        part: ConfigRole,
        events: &dyn FetchEvents,
    ) -> Result<Vec<u8>, FetchError> {
        if !self.trust().is_on() {
            return Ok(self.fetch_to_vec(request, events)?.0);
        }
        let signing = Signing {
            fetcher: self,
            request,
            events,
            scheme: request.scheme()?,
        };
        let (text, verified) = match signing.vouched_for(part) {
            Some(verified) => (self.fetch_to_vec(request, events)?.0, verified),
            None => signing.run(part)?,
        };
        events.event(FetchEvent::Trusted {
            url: &request.shown_url(),
            verified: &verified,
        });
        Ok(text)
    }
}

/// A config that has to be signed.
struct Signing<'a> {
    fetcher: &'a Fetcher,
    request: &'a Request,
    events: &'a dyn FetchEvents,
    scheme: Scheme,
}

impl Signing<'_> {
    /// What a verified config says about one it asks for: its digest, which every fetch compares, or all of it.
    fn vouched_for(&self, part: ConfigRole) -> Option<Verified> {
        match (part, self.scheme) {
            (ConfigRole::First, _) => None,
            (ConfigRole::Referenced, Scheme::Data) => Some(Verified::Inside),
            (ConfigRole::Referenced, _) => self.request.digest.map(|_| Verified::Pinned),
        }
    }

    fn run(&self, part: ConfigRole) -> Result<(Vec<u8>, Verified), FetchError> {
        let mut tries = 1;
        let mut retry = Retry::new(PAUSE);
        loop {
            let raw = self.raw()?;
            match self.judge(&raw, part) {
                Ok((config, verified)) => return Ok((self.unpacked(config)?, verified)),
                Err(ConfigRefusal::Fetch(error)) => return Err(error),
                Err(ConfigRefusal::Untrusted(Untrusted::Signature(
                    SignatureError::OtherBytes(_),
                ))) if tries < MAX_TRIES && self.is_far() => {
                    tries += 1;
                    let other = AttemptFailure::Refused { not_before: None };
                    let slept = pause::sleep(self.events, retry.pause(other, None));
                    let url = || self.request.shown_url();
                    slept.map_err(|_| FetchError::Cancelled { url: url() })?;
                }
                Err(ConfigRefusal::Untrusted(cause)) => return Err(self.untrusted(cause)),
            }
        }
    }

    fn is_far(&self) -> bool {
        !matches!(self.scheme, Scheme::Data | Scheme::Empty | Scheme::Oem)
    }

    fn untrusted(&self, cause: Untrusted) -> FetchError {
        FetchError::Untrusted {
            url: self.request.shown_url(),
            cause,
        }
    }

    /// The bytes as the server has them.
    fn raw(&self) -> Result<Vec<u8>, FetchError> {
        // Where compression is refused, it is refused by the fetch.
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

    fn judge<'b>(
        &self,
        raw: &'b [u8],
        part: ConfigRole,
    ) -> Result<(&'b [u8], Verified), ConfigRefusal> {
        let trust = self.fetcher.trust();
        if part == ConfigRole::First
            && let Some(pinned) = trust.check_pin(raw)?
        {
            return Ok((raw, pinned));
        }
        if !trust.has_keys() {
            return Err(Untrusted::NotPinned.into());
        }
        let (config, signature) = match envelope::open(raw) {
            Some((config, signature)) => (config, signature.to_vec()),
            None => (raw, self.signature()?),
        };
        if trust.lacks_named_key() {
            self.find_key()?;
        }
        Ok((config, trust.verify(config, &signature)?))
    }

    /// The signature beside the config.
    fn signature(&self) -> Result<Vec<u8>, ConfigRefusal> {
        if self.scheme == Scheme::Data {
            return Err(
                Untrusted::Missing("none follows it; append an armoured one".into()).into(),
            );
        }
        let mut missing = Vec::new();
        for suffix in SIGNATURE_SUFFIXES {
            match self.beside(suffix, SIGNATURE_LIMIT_BYTES) {
                Ok(signature) => return Ok(signature),
                Err(error) if says_no(&error) => missing.push(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Untrusted::Missing(missing.join("; ")).into())
    }

    /// The key beside the config. If there is none, other keys may do.
    fn find_key(&self) -> Result<(), ConfigRefusal> {
        if self.scheme == Scheme::Data {
            return Ok(());
        }
        match self.beside(KEY_SUFFIX, KEY_LIMIT_BYTES) {
            Ok(bytes) => {
                let place = super::shown_url(&self.url_of(KEY_SUFFIX));
                Ok(self.fetcher.trust().add_found(&place, &bytes)?)
            }
            Err(error) if says_no(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn beside(&self, suffix: &str, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let request = Request {
            url: self.url_of(suffix),
            headers: self.request.headers.clone(),
            ..Request::default()
        };
        let fetched = self
            .fetcher
            .fetch_bounded(&request, limit_bytes, self.events);
        Ok(fetched?.0)
    }

    /// The suffix goes behind the path, before the query. A version of an object in a store is none of its neighbour.
    fn url_of(&self, suffix: &str) -> String {
        let url = self.request.url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // A suffix to a host would be another host.
        let is_bare = path
            .split_once("://")
            .is_some_and(|(_, rest)| !rest.contains('/'));
        let path = if is_bare { &format!("{path}/") } else { path };
        match query.is_empty() || matches!(self.scheme, Scheme::S3 | Scheme::Arn) {
            true => format!("{path}{suffix}"),
            false => format!("{path}{suffix}?{query}"),
        }
    }

    fn unpacked(&self, config: &[u8]) -> Result<Vec<u8>, FetchError> {
        let mut sink = BoundedVec {
            bytes: Vec::new(),
            limit_bytes: BUFFER_LIMIT_BYTES,
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

/// True if a server has no such thing, or does not give it.
fn says_no(error: &FetchError) -> bool {
    match error {
        FetchError::NotFound { .. }
        | FetchError::Status { .. }
        | FetchError::Tftp { .. }
        | FetchError::OemFile { .. } => true,
        FetchError::Object { cause, .. } => says_no(cause),
        _ => false,
    }
}

/// Why a config is not there.
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
