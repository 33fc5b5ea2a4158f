//! `s3:` and `arn:` URLs: objects of Amazon S3.

use super::metadata::MetadataClient;
use super::object::{Bucket, Object};
use super::region::{BucketLocation, Clock, USUAL};
use super::sigv4::{self, Credentials};
use super::{Stores, endpoint};
use crate::fetch::byte_stream::ByteStream;
use crate::fetch::http::{self, Headers, Http, RequestSpec, RetryPolicy, Transport};
use crate::fetch::{Cloud, Compression, FetchError, FetchEvents, Request, Scheme};
use reqwest::Method;
use std::time::Instant;

/// Opens the object that `request` means.
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

/// `error`, if it is of the network or the store, in the form that names the object of an `s3:` or `arn:` request.
pub(in crate::fetch) fn named(scheme: Scheme, request: &Request, error: FetchError) -> FetchError {
    let of_transport = matches!(
        error,
        FetchError::Status { .. }
            | FetchError::OutOfTime { .. }
            | FetchError::Body { .. }
            | FetchError::Bucket { .. }
    );
    // The host of any other URL reads like a bucket, too.
    if !of_transport || !matches!(scheme, Scheme::S3 | Scheme::Arn) {
        return error;
    }
    match Object::of(scheme, request) {
        Ok(object) => of_object(&object, error, None),
        _ => error,
    }
}

fn of_object(object: &Object, cause: FetchError, authenticated: Option<String>) -> FetchError {
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
            // Objects that everybody may read can be had all the same.
            Err(why) => self.get(None).map_err(|cause| match cause {
                FetchError::Cancelled { .. } | FetchError::InvalidUrl { .. } => cause,
                cause => of_object(&self.object, cause, Some(why)),
            }),
        }
    }

    /// What opens the store; none on machines that have no such thing.
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
        let BucketLocation { region, clock } = self.place()?;
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
                Headers::Made(Box::new(move || {
                    let mut headers = common.clone();
                    let signed =
                        sigv4::sign(&Method::GET, &url, &region, &credentials, clock.now());
                    headers.extend(signed);
                    headers
                }))
            }
        };
        let order = RequestSpec {
            way: Transport::Usual,
            shown: crate::fetch::shown_url(url.as_str()),
            url,
            method: Method::GET,
            headers,
            policy: RetryPolicy::S3,
            has_digest: self.request.digest.is_some(),
            deadline: self.deadline,
        };
        http::open_order(self.http, order, self.events)
    }

    fn place(&self) -> Result<BucketLocation, FetchError> {
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

    /// The region of this machine, where most of what it wants is likely to be.
    fn own_region(&self) -> String {
        let known = match self.stores.cloud {
            Cloud::Aws => self.stores.role.region(self.metadata()).ok(),
            _ => None,
        };
        known
            .filter(|region| super::object::is_label(region))
            .unwrap_or_else(|| USUAL.into())
    }
}
