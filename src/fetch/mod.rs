//! Fetches the contents of URLs.
//!
//! # How a fetch runs
//! 1. [`Request`]: what to fetch. Everything that can be validated without a network is validated here.
//! 2. [`Scheme`]: a closed set with one dispatch point (`fetcher::open`), one file per scheme. It
//!    returns a stream of bytes.
//! 3. `pipeline`: decompresses the stream, then hashes and writes it in one pass, so the digest is always that of
//!    the decompressed bytes and memory stays bounded.
//!
//! It does not interpret the bytes: [`crate::acquire`] follows the references of configs.

pub mod authorities;
mod byte_stream;
mod cloud;
mod error;
mod events;
mod fetcher;
mod http;
mod oem;
mod once;
mod pause;
mod pipeline;
mod proxy;
mod request;
pub mod retry;
mod scheme;
mod service;
mod settings;
mod shown;
mod signed;
mod store;
pub mod tftp;

pub use cloud::Cloud;
pub use error::FetchError;
pub use events::{FetchEvent, FetchEvents, Silent};
pub use fetcher::{CertificateError, FetchSummary, Fetcher, MAX_BUFFER_BYTES};
pub use oem::OEM_DIR;
pub use pause::{Cancelled, sleep_unless};
pub use proxy::Proxies;
pub use request::{Compression, Request};
pub use scheme::Scheme;
pub use service::{Method, Route, Service};
pub use settings::{INTERACTIVE_TOTAL_TIMEOUT, Settings, USER_AGENT, VERSION_TEXT};
pub use shown::shown_url;
pub use signed::ConfigRole;
