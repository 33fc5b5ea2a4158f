//! Why a fetch failed.

use crate::config::data_url::DataUrlError;
use crate::config::digest::DigestError;
use crate::signature::Untrusted;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a fetch failed. URLs in here are shown URLs: no user info, no query values, no data.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The fetcher is offline.
    #[error("resource requires networking: cannot fetch {url} offline")]
    NeedsNetwork {
        /// The URL, without what may be secret in it.
        url: String,
    },
    /// Status 404.
    #[error("resource not found: {method} {url}: 404 Not Found")]
    NotFound {
        /// How it was asked for.
        method: String,
        /// The URL, without what may be secret in it.
        url: String,
    },
    /// Any other status that is neither success nor worth another attempt.
    #[error("failed to fetch resource: {method} {url}: {status}")]
    Status {
        /// How it was asked for.
        method: String,
        /// The URL, without what may be secret in it.
        url: String,
        /// The code, unless attempts failed in several ways.
        code: Option<u16>,
        /// Code and reason.
        status: String,
    },
    /// The total time limit is over, or will be before there can be another attempt.
    #[error("unable to fetch resource in time: {method} {url}: {}; last: {last}", given_up(.limit, *.is_over, *.attempts))]
    OutOfTime {
        /// How it was asked for.
        method: String,
        /// The URL, without what may be secret in it.
        url: String,
        /// The limit.
        limit: Duration,
        /// False if there was time left, but not enough for another attempt.
        is_over: bool,
        /// Attempts made.
        attempts: u32,
        /// How the last one went.
        last: String,
        /// What to do about that, where it says more than that nothing came of it.
        remedy: Option<&'static str>,
    },
    /// There will never be a connection by TLS: another attempt would end in the same way.
    #[error("failed to fetch resource: {method} {url}: {cause}")]
    Tls {
        /// The request method.
        method: String,
        /// The URL, without secrets.
        url: String,
        /// The cause.
        cause: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// [`super::FetchEvents::cancelled`] said so.
    #[error("fetching {url} was cancelled")]
    Cancelled {
        /// The URL, without what may be secret in it.
        url: String,
    },
    /// A scheme no file of this module fetches.
    #[error("unsupported source scheme {scheme:?}: cannot fetch {url}")]
    UnsupportedScheme {
        /// The scheme, lower case.
        scheme: String,
        /// The URL, without what may be secret in it.
        url: String,
    },
    /// A text that no request can be made of.
    #[error("unable to parse url {url:?}: {cause}")]
    InvalidUrl {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: String,
    },
    /// A header without value, or one that cannot be sent.
    #[error("unable to parse HTTP header {name:?} for {url}: {cause}")]
    InvalidHeader {
        /// The URL, without what may be secret in it.
        url: String,
        /// The header. Its value may be secret.
        name: String,
        /// The cause.
        cause: &'static str,
    },
    /// A file of the vendor that is not there, or cannot be read.
    #[error("failed to fetch resource: {url}: cannot open {}: {cause}", .path.display())]
    OemFile {
        /// The URL, without what may be secret in it.
        url: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// An object of S3 cannot be had.
    #[error("error fetching object {key:?} from bucket {bucket:?}: {}", object_cause(.cause, .authenticated.as_deref()))]
    Object {
        /// Its name.
        key: String,
        /// Where.
        bucket: String,
        /// The cause.
        cause: Box<FetchError>,
        /// Why it was asked for anonymously, on a machine that should have had a role.
        authenticated: Option<String>,
    },
    /// A bucket that is not there, or says nothing of its region.
    #[error("{cause}")]
    Bucket {
        /// Which, and what is wrong.
        cause: String,
    },
    /// The cloud gives this machine no token for its store.
    #[error("fetching {store} auth token: {cause}: cannot fetch {url}")]
    Token {
        /// Of which store.
        store: &'static str,
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: String,
    },
    /// Objects of S3 are taken as they are.
    #[error("compression is not supported with that scheme: {url}")]
    CompressedObject {
        /// The URL, without what may be secret in it.
        url: String,
    },
    /// Neither `gzip` nor nothing.
    #[error("invalid compression method {method:?} for {url}")]
    InvalidCompression {
        /// The URL, without what may be secret in it.
        url: String,
        /// The method asked for.
        method: String,
    },
    /// The expected digest is not a digest.
    #[error("{cause}: cannot verify {url}")]
    InvalidDigest {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: DigestError,
    },
    /// Other bytes than expected.
    #[error("hash verification failed (calculated {calculated} but expected {expected}) for {url}")]
    HashMismatch {
        /// The URL, without what may be secret in it.
        url: String,
        /// Digest of what came, lower-case hex.
        calculated: String,
        /// Digest asked for, lower-case hex.
        expected: String,
    },
    /// A malformed `data:` URL.
    #[error("malformed data URL: {0}")]
    DataUrl(DataUrlError),
    /// Not gzip, or broken, or followed by garbage.
    #[error("cannot decompress {url}: {cause}")]
    Gzip {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: io::Error,
    },
    /// A transfer by TFTP did not begin.
    #[error("failed to fetch resource: {url}: {cause}")]
    Tftp {
        /// The URL, without what may be secret in it.
        url: String,
        /// What the server said, or that it did not.
        cause: String,
    },
    /// The body ended early.
    #[error("{url} was cut off: {cause}")]
    Body {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: String,
    },
    /// Too much for memory.
    #[error("{url} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The URL, without what may be secret in it.
        url: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// The destination failed, e.g. no space left.
    #[error("cannot write what came from {url}: {cause}")]
    Sink {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: io::Error,
    },
    /// A bundle of certificate authorities that cannot be used.
    #[error("unable to decode PEM block: certificate authorities from {url}: {cause}")]
    Certificates {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: String,
    },
    /// A config from somebody who is not trusted.
    #[error("config {url} is not trusted: {cause}")]
    Untrusted {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: Untrusted,
    },
    /// There is no way to a service.
    #[error("cannot reach {url}: {cause}")]
    Route {
        /// The URL, without what may be secret in it.
        url: String,
        /// The cause.
        cause: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
}

// Not `#[from]`: the message says the cause already, and as a source it would be said twice.
impl From<DataUrlError> for FetchError {
    fn from(error: DataUrlError) -> Self {
        FetchError::DataUrl(error)
    }
}

/// What to do about a proxy that requires authentication.
pub(super) const PROXY_ACCOUNT: &str =
    "give user and password in the proxy's URL in ignition.proxy";

impl FetchError {
    /// True if a server gave this status, and it was final.
    pub fn has_status(&self, code: u16) -> bool {
        matches!(self, FetchError::Status { code: Some(status), .. } if *status == code)
    }

    /// What its reader can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            FetchError::NeedsNetwork { .. } => "run without --offline, or embed it as a data: URL",
            FetchError::NotFound { .. } => "check the URL",
            FetchError::Status { .. } if self.has_status(407) => PROXY_ACCOUNT,
            FetchError::Status { .. } => "check the URL, and the headers it needs",
            FetchError::OutOfTime { remedy, .. } => remedy
                .unwrap_or("check that the server answers, or raise ignition.timeouts.httpTotal"),
            FetchError::Tls { remedy, .. } => remedy,
            FetchError::OemFile { .. } => "check the path; only Flatcar has an OEM partition",
            FetchError::InvalidUrl { .. } => "correct the URL",
            FetchError::UnsupportedScheme { .. } => "use http, https, tftp, s3, arn, gs or data",
            FetchError::Tftp { .. } => {
                "check that the server has the file, and that UDP from it gets through: it answers from a port of its own"
            }
            FetchError::Object { cause, .. } => return object_remedy(cause),
            FetchError::Bucket { .. } => "check the name of the bucket",
            FetchError::Token { .. } => {
                "check the service account of the machine, and that it may read from the store"
            }
            FetchError::CompressedObject { .. } => {
                "remove compression, or fetch the object from an https URL"
            }
            FetchError::InvalidHeader { .. } => "give the header a name and a value",
            FetchError::HashMismatch { .. } => {
                "check the file; the hash is that of the decompressed bytes"
            }
            FetchError::Gzip { .. } => "check that the file is gzip, or remove compression",
            FetchError::Body { .. } => "check the server, then try again",
            FetchError::Sink { .. } => {
                "check the free space and the permissions of the destination"
            }
            FetchError::Untrusted { .. } => {
                "sign it with a trusted key, or give its digest where it is referenced; check with `kindling verify`"
            }
            FetchError::Certificates { .. } => "use a bundle of PEM certificates",
            _ => return None,
        })
    }

    /// True if nothing but the missing network is wrong.
    pub fn needs_network(&self) -> bool {
        matches!(self, FetchError::NeedsNetwork { .. })
    }
}

fn given_up(limit: &Duration, is_over: bool, attempts: u32) -> String {
    let limit = limit.as_secs_f32();
    match is_over {
        true => format!("gave up after {limit} s and {attempts} attempt(s)"),
        false => format!(
            "gave up after {attempts} attempt(s), since the limit of {limit} s leaves no time for another"
        ),
    }
}

fn object_cause(cause: &FetchError, authenticated: Option<&str>) -> String {
    match authenticated {
        None => cause.to_string(),
        Some(why) => format!("anonymously: {cause}; the authenticated fetch also failed: {why}"),
    }
}

fn object_remedy(cause: &FetchError) -> Option<&'static str> {
    match cause {
        FetchError::Status { .. } => Some(
            "check bucket and key, and that the role of the machine, or the public, may read the object",
        ),
        other => other.remedy(),
    }
}
