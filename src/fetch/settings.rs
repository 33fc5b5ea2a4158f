//! Transport settings: time limits, proxies, trusted certificates.

use super::Proxies;
use crate::config::Config;
use rustls::pki_types::CertificateDer;
use std::time::Duration;

/// The version of Ignition whose behaviour is implemented.
macro_rules! ignition_version {
    () => {
        "2.27.0"
    };
}

/// Our `User-Agent`. Servers that recognize Ignition by it must recognize us as well.
pub const USER_AGENT: &str = concat!(
    "Ignition/",
    ignition_version!(),
    " kindling/",
    env!("CARGO_PKG_VERSION")
);

/// What `ignition`, `ignition-apply` and so on print as their version, in the form scripts expect: a word and a
/// version.
pub const VERSION_TEXT: &str = concat!(
    "Ignition ",
    ignition_version!(),
    "+kindling-",
    env!("CARGO_PKG_VERSION")
);

/// Total time limit per fetch for interactive commands, if a config sets none.
pub const INTERACTIVE_TOTAL_TIMEOUT: Duration = Duration::from_secs(120);

const RESPONSE_HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer limits, of more than a century, count as none: a point in time that far in the future cannot be represented.
const MAX_LIMIT_SECONDS: u64 = 1 << 32;

/// Transport settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Time limit for response headers, per attempt and redirect, from the moment the connection is established.
    /// None: no limit.
    pub response_headers: Option<Duration>,
    /// Time limit per fetch: all attempts, pauses and the body. None: no limit.
    pub total: Option<Duration>,
    /// The value of `total` for a config that does not set it.
    pub fallback_total: Option<Duration>,
    /// Proxies.
    pub proxies: Proxies,
    /// Certificates trusted in addition to the roots of the system.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// `User-Agent` header.
    pub user_agent: String,
}

impl Default for Settings {
    /// A limit of 10 s for headers, no total limit, no proxies, only the roots of the system.
    fn default() -> Self {
        Settings {
            response_headers: Some(RESPONSE_HEADERS_TIMEOUT),
            total: None,
            fallback_total: None,
            proxies: Proxies::default(),
            extra_roots: Vec::new(),
            user_agent: USER_AGENT.into(),
        }
    }
}

impl Settings {
    /// Settings for an interactive command.
    pub fn interactive() -> Self {
        Settings::with_fallback_total(Some(INTERACTIVE_TOTAL_TIMEOUT))
    }

    /// The total limit for TFTP: in interactive commands the same as for HTTP, otherwise none.
    pub(super) fn interactive_total(&self) -> Option<Duration> {
        self.fallback_total.and(self.total)
    }

    /// Default settings with a total limit that applies if a config sets none.
    pub fn with_fallback_total(total: Option<Duration>) -> Self {
        Settings {
            total,
            fallback_total: total,
            ..Settings::default()
        }
    }

    /// The settings that `config` requests, but without its certificate authorities: those must be fetched (see
    /// [`super::Fetcher::configured`]). Limits of 0 s mean no limit.
    pub fn of(config: &Config, fallback_total: Option<Duration>) -> Self {
        let timeouts = &config.ignition.timeouts;
        Settings {
            response_headers: limit(
                timeouts.http_response_headers,
                Some(RESPONSE_HEADERS_TIMEOUT),
            ),
            total: limit(timeouts.http_total, fallback_total),
            fallback_total,
            proxies: Proxies::of(&config.ignition.proxy),
            ..Settings::default()
        }
    }
}

fn limit(seconds: Option<i64>, default: Option<Duration>) -> Option<Duration> {
    match seconds {
        None => default,
        // Negative numbers pass validation; they mean "no limit", like 0.
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .filter(|s| (1..=MAX_LIMIT_SECONDS).contains(s))
            .map(Duration::from_secs),
    }
}
