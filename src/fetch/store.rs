//! Cloud object stores: Amazon S3, Google Cloud Storage, Azure Blob Storage.
//!
//! One file per store, and one per service that provides the identity of this machine. The identity comes only from the
//! cloud it runs in, never from environment variables or files, and is requested when something needs it.

pub(super) mod azure;
mod endpoint;
mod google;
pub(super) mod gs;
mod identity;
mod metadata;
mod object;
mod region;
mod role;
pub(super) mod s3;
mod sigv4;
mod ttl_cache;

use super::http::Http;
use super::{Cloud, Settings};
use google::Google;
use identity::ManagedIdentity;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use region::Regions;
use role::InstanceRole;
use std::sync::Arc;

/// Bytes of a path segment that stay as they are: the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same for paths.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// State of the stores and the identity of this machine; shared by all settings.
#[derive(Debug, Default)]
pub(super) struct Stores {
    cloud: Cloud,
    /// Client for metadata services: without proxies, and without the time limits of a config.
    metadata: Arc<Http>,
    role: InstanceRole,
    regions: Regions,
    google: Google,
    identity: ManagedIdentity,
}

impl Stores {
    /// The stores for a machine in `cloud`.
    pub(super) fn of(cloud: Cloud, user_agent: &str) -> Self {
        Stores {
            cloud,
            metadata: Arc::new(Http::new(Settings {
                user_agent: user_agent.into(),
                ..Settings::default()
            })),
            ..Stores::default()
        }
    }
}
