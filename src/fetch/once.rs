//! Single requests, without retries.

use super::fetcher::MAX_BUFFER_BYTES;
use super::http::{OneShotRequest, OneShotResponse, Transport, send_once};
use super::pipeline::{self, BoundedVec};
use super::{Compression, FetchError, FetchEvents, Fetcher, Request};
use reqwest::Method;
use reqwest::header::CONTENT_ENCODING;
use std::io::Cursor;
use std::time::Duration;

/// URL for requests to the hypervisor: HTTP requires a host name, but it does not matter.
const HYPERVISOR: &str = "http://d/";

impl Fetcher {
    /// Fetches the document that the hypervisor serves over HTTP on a VSOCK port, whatever its status.
    ///
    /// # Errors
    /// If there is no response within `timeout`, which covers the whole exchange.
    pub fn hypervisor_document(
        &self,
        port: u32,
        accept: &str,
        timeout: Duration,
        events: &dyn FetchEvents,
    ) -> Result<Vec<u8>, FetchError> {
        let headers = [("accept", accept)];
        let one_shot = OneShotRequest {
            transport: Transport::Hypervisor { port },
            max_bytes: MAX_BUFFER_BYTES,
            ..OneShotRequest::get(HYPERVISOR, timeout).with_headers(&headers)
        };
        let url = format!("vsock://2:{port}/");
        let response = send_once(self.http(), &one_shot).map_err(|cause| FetchError::Route {
            url: url.clone(),
            cause,
        })?;
        decompressed_body(url, response, events)
    }

    /// Posts JSON and returns the status code. Uses the certificates and proxies of the settings.
    ///
    /// # Errors
    /// If there is no response within `timeout`, which covers the whole exchange, or if this fetcher is offline.
    pub fn post_json(&self, url: &str, body: String, timeout: Duration) -> Result<u16, FetchError> {
        let request = Request::get(url);
        if self.is_offline() {
            let url = request.shown_url();
            return Err(FetchError::NeedsNetwork { url });
        }
        let one_shot = OneShotRequest {
            method: Method::POST,
            body: body.into_bytes(),
            ..OneShotRequest::get(url, timeout)
                .with_headers(&[("content-type", "application/json")])
        };
        let response = send_once(self.http(), &one_shot);
        let response = response.map_err(|cause| FetchError::Route {
            url: request.shown_url(),
            cause,
        })?;
        Ok(response.status.as_u16())
    }
}

/// The decompressed body: the server may compress it without being asked to.
fn decompressed_body(
    url: String,
    response: OneShotResponse,
    events: &dyn FetchEvents,
) -> Result<Vec<u8>, FetchError> {
    let encoding = response.headers.get(CONTENT_ENCODING);
    if encoding.is_none_or(|encoding| encoding != "gzip") {
        return Ok(response.body);
    }
    let request = Request {
        url,
        compression: Compression::Gzip,
        ..Request::default()
    };
    let mut sink = BoundedVec {
        bytes: Vec::new(),
        limit_bytes: MAX_BUFFER_BYTES,
    };
    pipeline::copy(
        &request,
        Box::new(Cursor::new(response.body)),
        &mut sink,
        events,
    )?;
    Ok(sink.bytes)
}
