//! User data in one document of a metadata service: how it is requested, decoded, and what its absence means.

use super::encoding;
use crate::fetch::{FetchError, Method, Request, Route, Service};
use crate::platform::contract::{
    About, Answer, AttributeSource, FetchContext, Network, Platform, TestLevel,
};
use anyhow::Context;

/// The time limit of fetches in tables.
pub(crate) const TIMEOUT_TEXT: &str = "2 min for each document (`--fetch-timeout`)";

/// One document of a service.
#[derive(Debug)]
pub(crate) struct ServiceDocument {
    pub url: &'static str,
    /// Headers that are added to ours or replace them. None is secret.
    pub headers: &'static [(&'static str, &'static str)],
    /// Method of the request.
    pub method: Method,
    /// Statuses that are retried, besides those that are for every server.
    pub again: &'static [u16],
    /// Source port that the service requires.
    pub port: SourcePort,
    /// What status 404 means.
    pub missing: Missing,
    /// How the config is encoded.
    pub packing: ConfigEncoding,
}

/// Source port of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourcePort {
    /// Any port.
    Any,
    /// A port that only root can bind.
    Privileged,
}

/// What status 404 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The machine has no config, which is not an error.
    NoConfig,
    /// An error: the service has the document on every machine.
    Failure,
}

/// How a config is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigEncoding {
    Plain,
    /// In base64.
    Base64,
    /// In base64; what that decodes to may be gzip.
    Base64Gzip,
}

impl ServiceDocument {
    /// A document for which an ordinary request is enough.
    pub(crate) const fn at(url: &'static str) -> Self {
        ServiceDocument {
            url,
            headers: &[],
            method: Method::Get,
            again: &[],
            port: SourcePort::Any,
            missing: Missing::NoConfig,
            packing: ConfigEncoding::Plain,
        }
    }

    pub(crate) fn request(&self) -> Request {
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

    /// Fetches and decodes it.
    ///
    /// # Errors
    /// There may be a config in it, but it cannot be fetched or decoded.
    pub(crate) fn answer(&self, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
        self.answer_to(&self.request(), context)
    }

    /// Fetches and decodes it with a request that was extended, e.g. by a token.
    ///
    /// # Errors
    /// As [`ServiceDocument::answer`].
    pub(crate) fn answer_to(
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

    /// Fetches and decodes it with a token in this header, if the service has tokens. A token that is rejected is replaced
    /// once, since it may expire while an unreliable service is retried.
    ///
    /// # Errors
    /// As [`ServiceDocument::answer`], and those of `token`.
    pub(crate) fn answer_with_token(
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

    /// Decodes a body that is not empty.
    ///
    /// # Errors
    /// It is not encoded as it should be.
    pub(crate) fn unpack(&self, name: String, body: Vec<u8>) -> anyhow::Result<Answer> {
        let text = self.packing.unpack(body);
        let text = text.with_context(|| format!("the user data of {}", self.url))?;
        Ok(Answer::of(name, text))
    }

    /// The request, in a line.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} {}", self.method.name(), self.url);
        for (name, value) in self.headers {
            text += &format!(" with {name}: {value}");
        }
        if self.port == SourcePort::Privileged {
            text += " from a source port below 1023";
        }
        if self.packing != ConfigEncoding::Plain {
            text += "; base64";
        }
        if self.packing == ConfigEncoding::Base64Gzip {
            text += ", maybe of gzip";
        }
        text
    }

    /// Answers that mean that there is no config, for tables.
    pub(crate) fn no_config(&self) -> &'static str {
        match self.missing {
            Missing::NoConfig => "status 404 or 204, or an empty body",
            Missing::Failure => "status 204, or an empty body; 404 ends the boot",
        }
    }
}

impl ConfigEncoding {
    fn unpack(self, text: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        match self {
            ConfigEncoding::Plain => Ok(text),
            ConfigEncoding::Base64 => encoding::base64(&text),
            ConfigEncoding::Base64Gzip => {
                let bytes = encoding::base64(&text)?;
                match bytes.starts_with(&encoding::GZIP_MAGIC) {
                    true => encoding::gunzip(&bytes),
                    false => Ok(bytes),
                }
            }
        }
    }
}

/// True if the service answered with status 404.
fn is_not_found(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref();
    matches!(cause, Some(FetchError::NotFound { .. }))
}

/// True if the service rejected the token.
fn is_unauthorized(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<FetchError>();
    cause.is_some_and(|cause| cause.has_status(401))
}

/// A platform whose config is one document of a service.
#[derive(Debug)]
pub(crate) struct DocumentPlatform {
    pub id: &'static str,
    /// Where the config is, in a line of Markdown.
    pub source: &'static str,
    /// The document with the config.
    pub document: ServiceDocument,
    /// The source of its attributes.
    pub attributes: &'static dyn AttributeSource,
}

impl Platform for DocumentPlatform {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> About {
        About {
            source: self.source,
            asks: &[],
            no_config: self.document.no_config(),
            waits: TIMEOUT_TEXT,
            network: Network::Needed,
            modules: &[],
            tested: TestLevel::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        vec![self.document.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        self.document.answer(context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(self.attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_is_unpacked() {
        use base64::Engine as _;
        let packed = crate::text::gzip(b"{}");
        let packed = base64::engine::general_purpose::STANDARD.encode(packed);
        let unpack = |packing: ConfigEncoding, text: &str| packing.unpack(text.into()).ok();
        assert_eq!(unpack(ConfigEncoding::Plain, "{}"), Some(b"{}".into()));
        assert_eq!(unpack(ConfigEncoding::Base64, "e30="), Some(b"{}".into()));
        assert_eq!(unpack(ConfigEncoding::Base64, "{}"), None);
        assert_eq!(
            unpack(ConfigEncoding::Base64Gzip, "e30="),
            Some(b"{}".into())
        );
        assert_eq!(
            unpack(ConfigEncoding::Base64Gzip, &packed),
            Some(b"{}".into())
        );
        assert_eq!(
            unpack(ConfigEncoding::Base64Gzip, "H4sIAA=="),
            None,
            "broken gzip"
        );
    }
}
