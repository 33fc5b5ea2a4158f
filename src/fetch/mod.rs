//! Bytes from URLs.
//!
//! # How a fetch runs
//! 1. [`Request`]: what to get. Everything that can be judged without a network is judged here.
//! 2. [`Scheme`]: a closed set with one dispatch point (`fetcher::open`), one file per scheme. It
//!    gives a stream of bytes.
//! 3. `pipeline`: stream, gunzip, then hash and sink at once, so the digest is always that of the
//!    decompressed bytes and memory stays bounded.
//!
//! What the bytes mean is not its matter: [`crate::acquire`] follows the references of configs.

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
pub use fetcher::{BUFFER_LIMIT_BYTES, CertificateError, FetchSummary, Fetcher};
pub use oem::OEM_DIR;
pub use pause::{Cancelled, sleep_unless};
pub use proxy::Proxies;
pub use request::{Compression, Request};
pub use scheme::Scheme;
pub use service::{Method, Route, Service};
pub use settings::{DESK_TOTAL, Settings, USER_AGENT, VERSION_TEXT};
pub use shown::shown_url;
pub use signed::ConfigRole;
