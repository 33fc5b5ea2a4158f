//! Looks up the region of an Amazon S3 bucket.

use super::endpoint;
use super::object::is_label;
use crate::fetch::http::{self, Headers, Http, RequestSpec, RetryPolicy, Transport};
use crate::fetch::{FetchError, FetchEvents};
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Method, StatusCode};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The region to query if there is no better one.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

/// A larger error of our clock is corrected for signatures, which are valid for fifteen minutes.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(240);

/// Cache of bucket locations.
#[derive(Debug, Default)]
pub(super) struct Regions(Mutex<HashMap<String, BucketLocation>>);

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketLocation {
    pub region: String,
    /// The error of our clock.
    pub clock: Clock,
}

/// The error of our clock, relative to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Clock {
    /// Close enough.
    #[default]
    Right,
    /// Behind by this much.
    Slow(Duration),
    /// Ahead by this much.
    Fast(Duration),
}

impl Clock {
    fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = text.and_then(|text| httpdate::parse_http_date(text).ok()) else {
            return Clock::Right;
        };
        match theirs.duration_since(now) {
            Ok(behind) if behind > MAX_CLOCK_SKEW => Clock::Slow(behind),
            Err(ahead) if ahead.duration() > MAX_CLOCK_SKEW => Clock::Fast(ahead.duration()),
            _ => Clock::Right,
        }
    }

    /// The current time of the service.
    pub(super) fn now(self) -> SystemTime {
        let ours = SystemTime::now();
        match self {
            Clock::Right => ours,
            Clock::Slow(behind) => ours + behind,
            Clock::Fast(ahead) => ours - ahead,
        }
    }
}

impl Regions {
    /// Returns the location of bucket `name`. `hint` is a region to query in.
    pub(super) fn find(
        &self,
        name: &str,
        hint: &str,
        http: &Http,
        deadline: Option<Instant>,
        events: &dyn FetchEvents,
    ) -> Result<BucketLocation, FetchError> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(name) {
            return Ok(known.clone());
        }
        let location = discover(name, hint, http, deadline, events)?;
        lock().insert(name.into(), location.clone());
        Ok(location)
    }
}

fn discover(
    name: &str,
    hint: &str,
    http: &Http,
    deadline: Option<Instant>,
    events: &dyn FetchEvents,
) -> Result<BucketLocation, FetchError> {
    let refused = |cause: String| FetchError::Bucket { cause };
    let undetermined = |why: &str| {
        refused(format!(
            "couldn't determine the region for bucket {name:?}: {why}"
        ))
    };
    let url = endpoint::of_bucket(name, hint)
        .ok_or_else(|| undetermined("its name is not valid in a URL"))?;
    let spec = RequestSpec {
        transport: Transport::Default,
        shown: url.to_string(),
        url,
        method: Method::HEAD,
        headers: Headers::Fixed(http::redirected_headers(&http.settings().user_agent)),
        policy: RetryPolicy::S3Bucket,
        has_digest: false,
        deadline,
    };
    let (status, headers) = http::head(http, spec, events)?;
    let region = headers.get(RetryPolicy::BUCKET_REGION);
    match region.and_then(|region| region.to_str().ok()) {
        Some(region) if is_label(region) => Ok(BucketLocation {
            region: region.into(),
            clock: Clock::of(&headers, SystemTime::now()),
        }),
        Some(_) => Err(undetermined("the server named an invalid region")),
        None if status == StatusCode::NOT_FOUND => {
            Err(refused(format!("could not find bucket {name:?}")))
        }
        None => Err(undetermined(&format!(
            "the server answered {status}, and no region"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn clocks() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let of = |date: &'static str| {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
            Clock::of(&headers, now)
        };
        assert_eq!(of("Fri, 24 May 2013 00:03:00 GMT"), Clock::Right);
        assert_eq!(of("once upon a time"), Clock::Right);
        let hour = Duration::from_secs(3600);
        assert_eq!(of("Fri, 24 May 2013 01:00:00 GMT"), Clock::Slow(hour));
        assert_eq!(of("Thu, 23 May 2013 23:00:00 GMT"), Clock::Fast(hour));
        assert_eq!(Clock::of(&HeaderMap::new(), now), Clock::Right);
    }
}
