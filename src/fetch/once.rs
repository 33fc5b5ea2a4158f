//! Single exchanges: one question, one answer, no second attempt.

use super::fetcher::BUFFER_LIMIT_BYTES;
use super::http::{Question, Reply, Transport, ask};
use super::pipeline::{self, BoundedVec};
use super::{Compression, FetchError, FetchEvents, Fetcher, Request};
use reqwest::Method;
use reqwest::header::CONTENT_ENCODING;
use std::io::Cursor;
use std::time::Duration;

/// What a document of the hypervisor is called by HTTP, which wants a name.
const HYPERVISOR: &str = "http://d/";

impl Fetcher {
    /// The document that the hypervisor serves at a port of VSOCK, by HTTP, whatever status it has.
    ///
    /// # Errors
    /// There is no answer, within `limit` all in all.
    pub fn hypervisor_document(
        &self,
        port: u32,
        accept: &str,
        limit: Duration,
        events: &dyn FetchEvents,
    ) -> Result<Vec<u8>, FetchError> {
        let headers = [("accept", accept)];
        let question = Question {
            way: Transport::Hypervisor { port },
            most_bytes: BUFFER_LIMIT_BYTES,
            ..Question::get(HYPERVISOR, limit).with(&headers)
        };
        let url = format!("vsock://2:{port}/");
        let reply = ask(self.http(), &question).map_err(|cause| FetchError::Route {
            url: url.clone(),
            cause,
        })?;
        unpacked(url, reply, events)
    }

    /// Posts a JSON text; gives the status. Certificates are those of the settings, proxies too.
    ///
    /// # Errors
    /// There is no answer, within `limit` all in all; or this fetcher is offline.
    pub fn post_json(&self, url: &str, body: String, limit: Duration) -> Result<u16, FetchError> {
        let request = Request::get(url);
        if self.is_offline() {
            let url = request.shown_url();
            return Err(FetchError::NeedsNetwork { url });
        }
        let question = Question {
            method: Method::POST,
            body: body.into_bytes(),
            ..Question::get(url, limit).with(&[("content-type", "application/json")])
        };
        let reply = ask(self.http(), &question);
        let reply = reply.map_err(|cause| FetchError::Route {
            url: request.shown_url(),
            cause,
        })?;
        Ok(reply.status.as_u16())
    }
}

/// The body as it was before the server packed it, which it was not asked to.
fn unpacked(url: String, reply: Reply, events: &dyn FetchEvents) -> Result<Vec<u8>, FetchError> {
    let packed = reply.headers.get(CONTENT_ENCODING);
    if packed.is_none_or(|coding| coding != "gzip") {
        return Ok(reply.body);
    }
    let request = Request {
        url,
        compression: Compression::Gzip,
        ..Request::default()
    };
    let mut sink = BoundedVec {
        bytes: Vec::new(),
        limit_bytes: BUFFER_LIMIT_BYTES,
    };
    pipeline::copy(
        &request,
        Box::new(Cursor::new(reply.body)),
        &mut sink,
        events,
    )?;
    Ok(sink.bytes)
}
