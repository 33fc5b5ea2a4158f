//! Azure blobs, which have https URLs: a machine in Azure first requests them with its managed identity.

use super::Stores;
use super::metadata::MetadataClient;
use crate::config::url;
use crate::fetch::byte_stream::ByteStream;
use crate::fetch::http::{self, Delivered, Headers, Http, RequestSpec, RetryPolicy, Transport};
use crate::fetch::pipeline::BodyError;
use crate::fetch::{Cloud, FetchError, FetchEvent, FetchEvents, Request};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use std::io::{self, Read};
use std::time::Duration;

const DOMAIN: &str = ".blob.core.windows.net";
/// Version of the store's API; tokens need at least 2017-11-09.
const VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-ms-version"),
    HeaderValue::from_static("2020-10-02"),
);

/// The URL of the blob, if the identity of this machine may grant access to it. A query may contain a signature that
/// grants access, or name a version: such requests are sent unchanged.
pub(in crate::fetch) fn blob(stores: &Stores, request: &Request) -> Option<Url> {
    if stores.cloud != Cloud::Azure {
        return None;
    }
    let parsed = url::parse(&request.url).ok()?;
    let authority = parsed.authority?;
    let bare = authority.userinfo.is_none() && authority.port.is_none() && parsed.query.is_none();
    let segments = parsed.path.trim_matches('/').split('/');
    let is_blob = parsed.scheme == "https"
        && bare
        && authority.host.ends_with(DOMAIN)
        && segments.clone().count() == 2
        && segments.clone().all(|segment| !segment.is_empty());
    let path = segments.collect::<Vec<_>>().join("/");
    let url = is_blob.then(|| Url::parse(&format!("https://{}/{path}", authority.host)));
    url?.ok()
}

/// Opens a blob with the identity of this machine; if that fails, now or later, requests it anonymously.
pub(in crate::fetch) fn open<'a>(
    stores: &'a Stores,
    http: &'a Http,
    blob: Url,
    request: &'a Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let anonymous = AnonymousFetch {
        http,
        request,
        events,
    };
    match authenticated(stores, http, blob, request, events) {
        Ok(opened) => Ok(ByteStream {
            attempts: opened.attempts,
            length_bytes: opened.length_bytes,
            body: Box::new(FallbackBody {
                body: opened.body,
                delivered: Delivered::default(),
                anonymous: Some(anonymous),
            }),
        }),
        Err(cancelled @ FetchError::Cancelled { .. }) => Err(cancelled),
        Err(error) => anonymous.open_instead(&error.to_string()),
    }
}

fn authenticated<'a>(
    stores: &Stores,
    http: &'a Http,
    blob: Url,
    request: &Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let shown = request.shown_url();
    let metadata = MetadataClient {
        http: &stores.metadata,
        events,
    };
    let no_token = |cause| FetchError::Token {
        store: "Azure",
        url: shown.clone(),
        cause,
    };
    let token = stores.identity.authorization(metadata).map_err(no_token)?;
    let mut value =
        HeaderValue::try_from(token).map_err(|_| no_token("the token cannot be sent".into()))?;
    value.set_sensitive(true);
    let mut headers = http::redirected_headers(&http.settings().user_agent);
    headers.extend([(AUTHORIZATION, value), VERSION]);
    let spec = RequestSpec {
        transport: Transport::Default,
        url: blob,
        shown,
        method: Method::GET,
        headers: Headers::Fixed(headers),
        policy: RetryPolicy::Azure,
        has_digest: request.digest.is_some(),
        deadline: http.deadline(),
    };
    http::open_spec(http, spec, events)
}

/// The same request without the identity of this machine.
struct AnonymousFetch<'a> {
    http: &'a Http,
    request: &'a Request,
    events: &'a dyn FetchEvents,
}

impl<'a> AnonymousFetch<'a> {
    fn open_instead(&self, cause: &str) -> Result<ByteStream<'a>, FetchError> {
        self.events.event(FetchEvent::Retry {
            method: "GET",
            url: &self.request.shown_url(),
            cause: &format!("with the identity of this machine: {cause}"),
            pause: Duration::ZERO,
        });
        http::open(self.http, self.request, self.events)
    }
}

/// A body that falls back to an anonymous request when it breaks for good.
struct FallbackBody<'a> {
    body: Box<dyn Read + 'a>,
    delivered: Delivered,
    anonymous: Option<AnonymousFetch<'a>>,
}

impl FallbackBody<'_> {
    fn fall_back(&mut self, error: BodyError) -> io::Result<()> {
        let anonymous = match (&error, self.anonymous.take()) {
            (BodyError::Cancelled, _) | (_, None) => return Err(error.into()),
            (_, Some(anonymous)) => anonymous,
        };
        let opened = anonymous.open_instead(&error.to_string());
        let mut opened = opened.map_err(|error| BodyError::Broken(error.to_string()))?;
        self.delivered.skip(&mut *opened.body)?;
        self.body = opened.body;
        Ok(())
    }
}

impl Read for FallbackBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.body.read(buffer) {
                Ok(read) => {
                    self.delivered.add(&buffer[..read]);
                    return Ok(read);
                }
                Err(error) => self.fall_back(error.downcast::<BodyError>()?)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_blobs() {
        let at = |cloud, url: &str| {
            let stores = Stores::of(cloud, "x");
            blob(&stores, &Request::get(url)).map(String::from)
        };
        let address = "https://acct.blob.core.windows.net/c/b";
        let blobs = [address, "https://acct.blob.core.windows.net//c/b/"];
        for url in blobs {
            assert_eq!(at(Cloud::Azure, url).as_deref(), Some(address), "{url}");
            assert_eq!(at(Cloud::Aws, url), None, "{url}");
            assert_eq!(at(Cloud::Other, url), None, "{url}");
        }
        let others = [
            "http://acct.blob.core.windows.net/c/b",
            "https://acct.blob.core.windows.net:443/c/b",
            "https://u:p@acct.blob.core.windows.net/c/b",
            "https://acct.blob.core.windows.net/c/b?sv=2020&sig=x",
            "https://acct.blob.core.windows.net/c/b?",
            "https://acct.blob.core.windows.net/c/d/b",
            "https://acct.blob.core.windows.net/c",
            "https://acct.blob.core.windows.net.evil.test/c/b",
            "https://blob.core.windows.net.test/c/b",
        ];
        for url in others {
            assert_eq!(at(Cloud::Azure, url), None, "{url}");
        }
    }
}
