//! Documents of metadata services: where they are, what is sent along, what their absence means.

use super::{About, Answer, FetchContext, Network, Platform, Tested, encoding, facts};
use crate::fetch::{FetchError, Method, Request, Route, Service};
use anyhow::Context;

/// The time limit that holds until a config says otherwise.
pub const TIMEOUT: &str = "2 min for each document (`--fetch-timeout`)";

/// One document of a service.
#[derive(Debug)]
pub struct Document {
    /// Where.
    pub url: &'static str,
    /// Sent besides ours, or instead of them. None is secret.
    pub headers: &'static [(&'static str, &'static str)],
    /// What is done to it.
    pub method: Method,
    /// Statuses that are worth another attempt, besides those of any server.
    pub again: &'static [u16],
    /// From which port the service wants to be asked.
    pub port: SourcePort,
    /// What status 404 means.
    pub missing: Missing,
    /// How the config is packed in it.
    pub packing: Packing,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePort {
    /// From any port.
    Any,
    /// From one that only root has.
    Privileged,
}

/// What status 404 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The machine has no config.
    NoConfig,
    /// Something is wrong: the service always has the document.
    Failure,
}

/// How a config is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not.
    Plain,
    /// By base64.
    Base64,
    /// By base64, and in that maybe by gzip.
    Base64Gzip,
}

impl Document {
    /// A document that is had with an ordinary request.
    pub const fn at(url: &'static str) -> Self {
        Document {
            url,
            headers: &[],
            method: Method::Get,
            again: &[],
            port: SourcePort::Any,
            missing: Missing::NoConfig,
            packing: Packing::Plain,
        }
    }

    /// The request for it.
    pub fn request(&self) -> Request {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Request {
            url: self.url.into(),
            headers: self.headers.iter().map(header).collect(),
            service: Service {
                method: self.method,
                again: self.again,
                route: match self.port {
                    SourcePort::Any => Route::Usual,
                    SourcePort::Privileged => Route::PrivilegedPort,
                },
            },
            ..Request::default()
        }
    }

    /// Asks for it.
    ///
    /// # Errors
    /// There may be a config in it, but it cannot be had.
    pub fn answer(&self, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
        self.answer_to(&self.request(), context)
    }

    /// Asks for it with a request that has more than the document says, e.g. a token.
    ///
    /// # Errors
    /// As [`Document::answer`].
    pub fn answer_to(
        &self,
        request: &Request,
        context: &FetchContext<'_>,
    ) -> anyhow::Result<Answer> {
        let fetched = context.fetcher.fetch_to_vec(request, context.events);
        match Answer::fetched(self.url, fetched.map(|(text, _)| text)) {
            Ok(Answer::Config { name, text }) => self.unpack(name, text),
            Err(error) if self.missing == Missing::NoConfig && is_not_found(&error) => {
                context.log.info(format_args!("no config at {}", self.url));
                Ok(Answer::Empty)
            }
            other => other,
        }
    }

    /// Asks for it with a token in this header, if the service has tokens. One that it does not take is replaced once:
    /// while a service falters, time goes by, and the time of a token is short.
    ///
    /// # Errors
    /// As [`Document::answer`], and those of `token`.
    pub fn answer_with_token(
        &self,
        header: &str,
        token: impl Fn() -> anyhow::Result<Option<String>>,
        context: &FetchContext<'_>,
    ) -> anyhow::Result<Answer> {
        if context.fetcher.is_offline() {
            let url = self.url.into();
            let needed = FetchError::NeedsNetwork { url };
            return Answer::fetched(self.url, Err(needed));
        }
        let request = |token: Option<String>| {
            let mut request = self.request();
            let header = token.map(|token| (header.to_owned(), token));
            request.headers.extend(header);
            request
        };
        match self.answer_to(&request(token()?), context) {
            Err(error) if is_unauthorized(&error) => {
                context
                    .log
                    .info("the service did not take the token (401); getting another one");
                self.answer_to(&request(token()?), context)
            }
            other => other,
        }
    }

    /// The config in a body that is not empty.
    ///
    /// # Errors
    /// It is not packed as it should be.
    pub fn unpack(&self, name: String, body: Vec<u8>) -> anyhow::Result<Answer> {
        let text = self.packing.unpack(body);
        let text = text.with_context(|| format!("the user data of {}", self.url))?;
        Ok(Answer::of(name, text))
    }

    /// What is asked, in a line.
    pub fn describe(&self) -> String {
        let mut text = format!("{} {}", self.method.name(), self.url);
        for (name, value) in self.headers {
            text += &format!(" with {name}: {value}");
        }
        if self.port == SourcePort::Privileged {
            text += " from a source port below 1023";
        }
        if self.packing != Packing::Plain {
            text += "; base64";
        }
        if self.packing == Packing::Base64Gzip {
            text += ", maybe of gzip";
        }
        text
    }

    /// What means that there is no config.
    pub fn no_config(&self) -> &'static str {
        match self.missing {
            Missing::NoConfig => "status 404 or 204, or an empty body",
            Missing::Failure => "status 204, or an empty body; 404 ends the boot",
        }
    }
}

impl Packing {
    fn unpack(self, text: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        match self {
            Packing::Plain => Ok(text),
            Packing::Base64 => encoding::base64(&text),
            Packing::Base64Gzip => {
                let bytes = encoding::base64(&text)?;
                match bytes.starts_with(&encoding::GZIP_MAGIC) {
                    true => encoding::gunzip(&bytes),
                    false => Ok(bytes),
                }
            }
        }
    }
}

/// True if a service has said that it has no such document.
fn is_not_found(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref();
    matches!(cause, Some(FetchError::NotFound { .. }))
}

/// True if a service does not know, or no longer, who asks.
fn is_unauthorized(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<FetchError>();
    cause.is_some_and(|cause| cause.has_status(401))
}

/// A platform whose config is one document of a service.
#[derive(Debug)]
pub struct Plain {
    /// Its name.
    pub id: &'static str,
    /// Where the config is, in a line of Markdown.
    pub source: &'static str,
    /// The document.
    pub document: Document,
    /// Where facts come from.
    pub facts: &'static dyn facts::Source,
}

impl Platform for Plain {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> About {
        About {
            source: self.source,
            asks: &[],
            no_config: self.document.no_config(),
            patience: TIMEOUT,
            network: Network::Needed,
            modules: &[],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        vec![self.document.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        self.document.answer(context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(self.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_is_unpacked() {
        use base64::Engine as _;
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"{}").expect("memory");
        let packed = encoder.finish().expect("memory");
        let packed = base64::engine::general_purpose::STANDARD.encode(packed);
        let unpack = |packing: Packing, text: &str| packing.unpack(text.into()).ok();
        assert_eq!(unpack(Packing::Plain, "{}"), Some(b"{}".into()));
        assert_eq!(unpack(Packing::Base64, "e30="), Some(b"{}".into()));
        assert_eq!(unpack(Packing::Base64, "{}"), None);
        assert_eq!(unpack(Packing::Base64Gzip, "e30="), Some(b"{}".into()));
        assert_eq!(unpack(Packing::Base64Gzip, &packed), Some(b"{}".into()));
        assert_eq!(unpack(Packing::Base64Gzip, "H4sIAA=="), None, "broken gzip");
    }
}
