//! Fetching from real sockets: servers that answer wrongly, late, partly or not at all.
//!
//! Time limits are short to keep the tests fast; nothing asserts how long something took.

mod bodies;
mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod data;
mod families;
mod hostile;
mod http2;
mod limits;
mod memory;
mod network;
mod openssl;
mod proxies;
mod redirects;
mod references;
mod resume;
mod tftp;
mod tinyproxy;
mod tls;
mod zones;

use kindling::fetch::{Compression, FetchError, FetchSummary, Fetcher, Request, Settings, Silent};
use std::time::Duration;

/// Long enough for a few attempts on a busy machine.
const TOTAL: Duration = Duration::from_secs(3);

/// Limits that also apply to configs without any: a failing test must end.
fn settings() -> Settings {
    Settings::with_fallback_total(Some(Duration::from_secs(60)))
}

fn impatient() -> Settings {
    Settings::with_fallback_total(Some(TOTAL))
}

fn fetcher() -> Fetcher {
    Fetcher::new(settings())
}

fn get(url: impl Into<String>) -> Result<Vec<u8>, FetchError> {
    fetch(&Request::get(url)).map(|(bytes, _)| bytes)
}

fn fetch(request: &Request) -> Result<(Vec<u8>, FetchSummary), FetchError> {
    fetcher().fetch_to_vec(request, &Silent)
}

fn gzip(url: impl Into<String>) -> Request {
    Request {
        compression: Compression::Gzip,
        ..Request::get(url)
    }
}

/// Asserts that `result` is an error and that its text has all `fragments`.
#[track_caller]
fn assert_fails<T: std::fmt::Debug, E: std::fmt::Display>(
    result: Result<T, E>,
    fragments: &[&str],
) -> String {
    let text = match result {
        Ok(value) => panic!("succeeded with {value:?}, expected {fragments:?}"),
        Err(error) => error.to_string(),
    };
    for fragment in fragments {
        assert!(text.contains(fragment), "{fragment:?} is not in {text:?}");
    }
    text
}
