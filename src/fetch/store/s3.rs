//! `s3:` and `arn:` URLs: objects of Amazon S3.

use super::metadata::MetadataClient;
use super::object::{Bucket, Object};
use super::region::{BucketLocation, Clock, DEFAULT_REGION};
use super::sigv4::{self, Credentials};
use super::{Stores, endpoint};
use crate::fetch::byte_stream::ByteStream;
use crate::fetch::http::{self, Headers, Http, RequestSpec, RetryPolicy, Transport};
use crate::fetch::{Cloud, Compression, FetchError, FetchEvents, Request, Scheme};
use reqwest::Method;
use std::time::Instant;

/// Opens the requested object.
pub(in crate::fetch) fn open<'a>(
    stores: &'a Stores,
    http: &'a Http,
    scheme: Scheme,
    request: &Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    if request.compression != Compression::None {
        return Err(FetchError::CompressedObject {
            url: request.shown_url(),
        });
    }
    let download = Download {
        stores,
        http,
        request,
        events,
        object: Object::of(scheme, request)?,
        deadline: http.deadline(),
    };
    download.open()
}

/// Adds the object of an `s3:` or `arn:` request to `error`, if it is an error of the network or the store.
pub(in crate::fetch) fn with_object(
    scheme: Scheme,
    request: &Request,
    error: FetchError,
) -> FetchError {
    let is_transport_error = matches!(
        error,
        FetchError::Status { .. }
            | FetchError::OutOfTime { .. }
            | FetchError::Body { .. }
            | FetchError::Bucket { .. }
    );
    // The host of any other URL would parse as a bucket, too.
    if !is_transport_error || !matches!(scheme, Scheme::S3 | Scheme::Arn) {
        return error;
    }
    match Object::of(scheme, request) {
        Ok(object) => object_error(&object, error, None),
        _ => error,
    }
}

fn object_error(object: &Object, cause: FetchError, authenticated: Option<String>) -> FetchError {
    FetchError::Object {
        key: String::from_utf8_lossy(&object.key).into_owned(),
        bucket: object.bucket.shown().into(),
        cause: Box::new(cause),
        authenticated,
    }
}

struct Download<'a, 'r> {
    stores: &'a Stores,
    http: &'a Http,
    request: &'r Request,
    events: &'a dyn FetchEvents,
    object: Object,
    deadline: Option<Instant>,
}

impl<'a> Download<'a, '_> {
    fn open(&self) -> Result<ByteStream<'a>, FetchError> {
        match self.credentials() {
            Ok(credentials) => self.get(credentials),
            // Public objects can be fetched anyway.
            Err(why) => self.get(None).map_err(|cause| match cause {
                FetchError::Cancelled { .. } | FetchError::InvalidUrl { .. } => cause,
                cause => object_error(&self.object, cause, Some(why)),
            }),
        }
    }

    /// The credentials for the store; none on machines that have no role.
    fn credentials(&self) -> Result<Option<Credentials>, String> {
        match self.stores.cloud {
            Cloud::Aws => self.stores.role.credentials(self.metadata()).map(Some),
            _ => Ok(None),
        }
    }

    fn metadata(&self) -> MetadataClient<'_> {
        MetadataClient {
            http: &self.stores.metadata,
            events: self.events,
        }
    }

    fn get(&self, credentials: Option<Credentials>) -> Result<ByteStream<'a>, FetchError> {
        let BucketLocation { region, clock } = self.locate()?;
        let url = endpoint::of_object(&self.object, &region).ok_or_else(|| {
            let cause =
                "no URL can carry this key: `.` and `..` between slashes mean something else there";
            self.request.invalid(cause.into())
        })?;
        let common = http::redirected_headers(&self.http.settings().user_agent);
        let headers = match credentials {
            None => Headers::Fixed(common),
            Some(credentials) => {
                let url = url.clone();
                Headers::PerAttempt(Box::new(move || {
                    let mut headers = common.clone();
                    let signed =
                        sigv4::sign(&Method::GET, &url, &region, &credentials, clock.now());
                    headers.extend(signed);
                    headers
                }))
            }
        };
        let spec = RequestSpec {
            transport: Transport::Default,
            shown: crate::fetch::shown_url(url.as_str()),
            url,
            method: Method::GET,
            headers,
            policy: RetryPolicy::S3,
            has_digest: self.request.digest.is_some(),
            deadline: self.deadline,
        };
        http::open_spec(self.http, spec, self.events)
    }

    fn locate(&self) -> Result<BucketLocation, FetchError> {
        match &self.object.bucket {
            Bucket::AccessPoint { region, .. } => Ok(BucketLocation {
                region: region.clone(),
                clock: Clock::default(),
            }),
            Bucket::Named { name, hint } => {
                let hint = hint.map_or_else(|| self.own_region(), String::from);
                let regions = &self.stores.regions;
                regions.find(name, &hint, self.http, self.deadline, self.events)
            }
        }
    }

    /// The region of this machine: most of its objects are likely to be there.
    fn own_region(&self) -> String {
        let known = match self.stores.cloud {
            Cloud::Aws => self.stores.role.region(self.metadata()).ok(),
            _ => None,
        };
        known
            .filter(|region| super::object::is_label(region))
            .unwrap_or_else(|| DEFAULT_REGION.into())
    }
}
