//! Why a fetch failed.

use crate::config::data_url::DataUrlError;
use crate::config::digest::DigestError;
use crate::signature::Untrusted;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a fetch failed. URLs in here are redacted: they have no user info, query values or data.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The fetcher is offline.
    #[error("resource requires networking: cannot fetch {url} offline")]
    NeedsNetwork {
        /// The redacted URL.
        url: String,
    },
    /// Status 404.
    #[error("resource not found: {method} {url}: 404 Not Found")]
    NotFound {
        /// The request method.
        method: String,
        /// The redacted URL.
        url: String,
    },
    /// Any other status that is neither success nor worth a retry.
    #[error("failed to fetch resource: {method} {url}: {status}")]
    Status {
        /// The request method.
        method: String,
        /// The redacted URL.
        url: String,
        /// The status code; none if attempts failed in different ways.
        code: Option<u16>,
        /// Status code and reason.
        status: String,
    },
    /// The total time limit has expired, or would expire before another attempt.
    #[error("unable to fetch resource in time: {method} {url}: {}; last: {last}", gave_up_text(.limit, *.is_over, *.attempts))]
    OutOfTime {
        /// The request method.
        method: String,
        /// The redacted URL.
        url: String,
        /// The time limit.
        limit: Duration,
        /// False if there was time left, but not enough for another attempt.
        is_over: bool,
        /// Number of attempts made.
        attempts: u32,
        /// How the last attempt failed.
        last: String,
        /// What to do about it, if the last failure gives a hint.
        remedy: Option<&'static str>,
    },
    /// A TLS connection is impossible: another attempt would fail in the same way.
    #[error("failed to fetch resource: {method} {url}: {cause}")]
    Tls {
        /// The request method.
        method: String,
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// [`super::FetchEvents::cancelled`] returned true.
    #[error("fetching {url} was cancelled")]
    Cancelled {
        /// The redacted URL.
        url: String,
    },
    /// No module here can fetch this scheme.
    #[error("unsupported source scheme {scheme:?}: cannot fetch {url}")]
    UnsupportedScheme {
        /// The scheme, lower case.
        scheme: String,
        /// The redacted URL.
        url: String,
    },
    /// No request can be made for this URL.
    #[error("unable to parse url {url:?}: {cause}")]
    InvalidUrl {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
    },
    /// A header without a value, or one that cannot be sent.
    #[error("unable to parse HTTP header {name:?} for {url}: {cause}")]
    InvalidHeader {
        /// The redacted URL.
        url: String,
        /// Name of the header. Its value is left out, as it may be secret.
        name: String,
        /// The cause.
        cause: &'static str,
    },
    /// An OEM file that does not exist or cannot be read.
    #[error("failed to fetch resource: {url}: cannot open {}: {cause}", .path.display())]
    OemFile {
        /// The redacted URL.
        url: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// An S3 object cannot be fetched.
    #[error("error fetching object {key:?} from bucket {bucket:?}: {}", object_cause(.cause, .authenticated.as_deref()))]
    Object {
        /// Name of the object.
        key: String,
        /// The bucket, or the ARN of the access point.
        bucket: String,
        /// The cause.
        cause: Box<FetchError>,
        /// Why the request was anonymous, on a machine that should have a role.
        authenticated: Option<String>,
    },
    /// The bucket does not exist, or its region is unknown.
    #[error("{cause}")]
    Bucket {
        /// Names the bucket and the problem.
        cause: String,
    },
    /// The cloud does not issue this machine a token for its store.
    #[error("fetching {store} auth token: {cause}: cannot fetch {url}")]
    Token {
        /// Name of the store.
        store: &'static str,
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
    },
    /// S3 objects cannot be decompressed.
    #[error("compression is not supported with that scheme: {url}")]
    CompressedObject {
        /// The redacted URL.
        url: String,
    },
    /// A compression other than `gzip` or none.
    #[error("invalid compression method {method:?} for {url}")]
    InvalidCompression {
        /// The redacted URL.
        url: String,
        /// The requested method.
        method: String,
    },
    /// The expected digest is not a digest.
    #[error("{cause}: cannot verify {url}")]
    InvalidDigest {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: DigestError,
    },
    /// The bytes do not have the expected digest.
    #[error("hash verification failed (calculated {calculated} but expected {expected}) for {url}")]
    HashMismatch {
        /// The redacted URL.
        url: String,
        /// Digest of the received bytes, lower-case hex.
        calculated: String,
        /// Expected digest, lower-case hex.
        expected: String,
    },
    /// A malformed `data:` URL.
    #[error("malformed data URL: {0}")]
    DataUrl(DataUrlError),
    /// The data is not gzip, or corrupt, or followed by garbage.
    #[error("cannot decompress {url}: {cause}")]
    Gzip {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: io::Error,
    },
    /// A TFTP transfer could not be started.
    #[error("failed to fetch resource: {url}: {cause}")]
    Tftp {
        /// The redacted URL.
        url: String,
        /// The error that the server sent, or that there was no answer.
        cause: String,
    },
    /// The body ended early.
    #[error("{url} was cut off: {cause}")]
    Body {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
    },
    /// More bytes than may be held in memory.
    #[error("{url} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The redacted URL.
        url: String,
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// More certificate authorities than may be held in memory.
    #[error("with {url}, the certificate authorities have more than {limit_bytes} bytes together")]
    TooManyAuthorities {
        /// The redacted URL.
        url: String,
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// Writing to the destination failed, e.g. no space left.
    #[error("cannot write what came from {url}: {cause}")]
    Sink {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: io::Error,
    },
    /// A bundle of certificate authorities that cannot be used.
    #[error("unable to decode PEM block: certificate authorities from {url}: {cause}")]
    Certificates {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
    },
    /// A config that is not trusted.
    #[error("config {url} is not trusted: {cause}")]
    Untrusted {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: Untrusted,
    },
    /// A service cannot be reached.
    #[error("cannot reach {url}: {cause}")]
    Route {
        /// The redacted URL.
        url: String,
        /// The cause.
        cause: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
}

// Not `#[from]`: the message includes the cause already, and as a source it would be printed twice.
impl From<DataUrlError> for FetchError {
    fn from(error: DataUrlError) -> Self {
        FetchError::DataUrl(error)
    }
}

/// Remedy for a proxy that requires authentication.
pub(super) const PROXY_ACCOUNT: &str =
    "give user and password in the proxy's URL in ignition.proxy";

impl FetchError {
    /// True if the fetch failed with this final status.
    pub fn has_status(&self, code: u16) -> bool {
        matches!(self, FetchError::Status { code: Some(status), .. } if *status == code)
    }

    /// What the user can do about it.
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
            FetchError::TooManyAuthorities { .. } => "list only authorities that are needed",
            FetchError::Certificates { .. } => "use a bundle of PEM certificates",
            _ => return None,
        })
    }

    /// Its text with the remedy in parentheses.
    pub fn with_remedy(&self) -> String {
        match self.remedy() {
            Some(remedy) => format!("{self} ({remedy})"),
            None => self.to_string(),
        }
    }

    /// True if the only problem is the missing network.
    pub fn needs_network(&self) -> bool {
        matches!(self, FetchError::NeedsNetwork { .. })
    }
}

fn gave_up_text(limit: &Duration, is_over: bool, attempts: u32) -> String {
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
