//! `gs:` URLs: objects of Google Cloud Storage.

use super::{SEGMENT, Stores};
use crate::config::url;
use crate::fetch::byte_stream::ByteStream;
use crate::fetch::http::{self, Http};
use crate::fetch::{FetchError, FetchEvents, Request};
use percent_encoding::{percent_encode, utf8_percent_encode};

/// Opens the requested object, with a token if this machine is in Google Cloud.
pub(in crate::fetch) fn open<'a>(
    stores: &'a Stores,
    http: &'a Http,
    request: &Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let url = object_url(request)?;
    let token = stores.google.authorization(&stores.metadata, events);
    let token = token.map_err(|cause| FetchError::Token {
        store: "GCS",
        url: request.shown_url(),
        cause,
    })?;
    let object = Request {
        url,
        headers: token
            .map(|token| ("authorization".into(), token))
            .into_iter()
            .collect(),
        ..request.clone()
    };
    http::open(http, &object, events)
}

/// The URL of the object. Its entire name is one path segment.
fn object_url(request: &Request) -> Result<String, FetchError> {
    let invalid = |cause: &str| request.invalid(cause.into());
    let url = url::parse(&request.url).map_err(|error| invalid(&error.to_string()))?;
    let bucket = url.authority.filter(|authority| {
        !authority.host.is_empty() && authority.userinfo.is_none() && authority.port.is_none()
    });
    let bucket = bucket.ok_or_else(|| invalid("it names no bucket"))?.host;
    let path = url::percent_decode(&url.path);
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    let name = &path[slashes..];
    if name.is_empty() {
        return Err(invalid("it names a bucket, but no object in it"));
    }
    if [b".".as_slice(), b".."].contains(&name) || [".", ".."].contains(&bucket.as_str()) {
        return Err(invalid("no object can have this name"));
    }
    let bucket = utf8_percent_encode(&bucket, SEGMENT);
    let name = percent_encode(name, SEGMENT);
    Ok(format!(
        "https://storage.googleapis.com/storage/v1/b/{bucket}/o/{name}?alt=media"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment() {
        let cases = [
            ("gs://b/o", "b/o/o"),
            ("gs://b.c/d/e%2Ff g", "b.c/o/d%2Fe%2Ff%20g"),
            (
                "gs://b//a/../%C3%A4+?generation=3",
                "b/o/a%2F..%2F%C3%A4%2B",
            ),
        ];
        for (url, expected) in cases {
            let expected =
                format!("https://storage.googleapis.com/storage/v1/b/{expected}?alt=media");
            assert_eq!(object_url(&Request::get(url)).ok(), Some(expected), "{url}");
        }
        for url in [
            "gs:b/o",
            "gs:///o",
            "gs://b",
            "gs://b//",
            "gs://b/..",
            "gs://u@b/o",
        ] {
            assert!(object_url(&Request::get(url)).is_err(), "{url}");
        }
    }
}
