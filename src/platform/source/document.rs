//! User data in a document of a metadata service: how it is requested and decoded, and what it means if it is missing.

use super::encoding;
use crate::fetch::{FetchError, Method, Request, Route, Service};
use crate::platform::contract::{
    About, Answer, AttributeSource, FetchContext, Network, Platform, TestLevel,
};
use anyhow::Context;

/// Describes the time limit for fetches in tables.
pub(crate) const TIMEOUT_TEXT: &str = "2 min for each document (`--fetch-timeout`)";

/// A document of a metadata service.
#[derive(Debug)]
pub(crate) struct ServiceDocument {
    pub url: &'static str,
    /// Headers that are added to ours or replace them. They are not secret.
    pub headers: &'static [(&'static str, &'static str)],
    /// Method of the request.
    pub method: Method,
    /// Additional statuses that are worth a retry.
    pub retry_statuses: &'static [u16],
    /// Source port that the service requires.
    pub port: SourcePort,
    /// What status 404 means.
    pub missing: Missing,
    /// How the config is encoded.
    pub encoding: ConfigEncoding,
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
    /// base64.
    Base64,
    /// base64; the decoded data may be gzip.
    Base64Gzip,
}

impl ServiceDocument {
    /// A document that is fetched with an ordinary request.
    pub(crate) const fn at(url: &'static str) -> Self {
        ServiceDocument {
            url,
            headers: &[],
            method: Method::Get,
            retry_statuses: &[],
            port: SourcePort::Any,
            missing: Missing::NoConfig,
            encoding: ConfigEncoding::Plain,
        }
    }

    pub(crate) fn request(&self) -> Request {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Request {
            url: self.url.into(),
            headers: self.headers.iter().map(header).collect(),
            service: Service {
                method: self.method,
                retry_statuses: self.retry_statuses,
                route: match self.port {
                    SourcePort::Any => Route::Default,
                    SourcePort::Privileged => Route::PrivilegedPort,
                },
            },
            ..Request::default()
        }
    }

    /// Fetches and decodes the document.
    ///
    /// # Errors
    /// If it may contain a config, but cannot be fetched or decoded.
    pub(crate) fn answer(&self, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
        self.answer_to(&self.request(), context)
    }

    /// Fetches and decodes the document with an extended request, e.g. with a token.
    ///
    /// # Errors
    /// See [`ServiceDocument::answer`].
    pub(crate) fn answer_to(
        &self,
        request: &Request,
        context: &FetchContext<'_>,
    ) -> anyhow::Result<Answer> {
        let fetched = context.fetcher.fetch_to_vec(request, context.events);
        match Answer::fetched(self.url, fetched.map(|(text, _)| text)) {
            Ok(Answer::Config { name, text }) => self.decode(name, text),
            Err(error) if self.missing == Missing::NoConfig && is_not_found(&error) => {
                context.log.info(format_args!("no config at {}", self.url));
                Ok(Answer::Empty)
            }
            other => other,
        }
    }

    /// Fetches and decodes the document with a token in this header, if the service has tokens. A rejected token is
    /// replaced once, since it may expire while an unreliable service is retried.
    ///
    /// # Errors
    /// See [`ServiceDocument::answer`]; also if `token` fails.
    pub(crate) fn answer_with_token(
        &self,
        header: &str,
        token: impl Fn() -> anyhow::Result<Option<String>>,
        context: &FetchContext<'_>,
    ) -> anyhow::Result<Answer> {
        if context.fetcher.is_offline() {
            let url = self.url.into();
            let needs_network = FetchError::NeedsNetwork { url };
            return Answer::fetched(self.url, Err(needs_network));
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

    /// Decodes a non-empty body.
    ///
    /// # Errors
    /// If it does not have the expected encoding.
    pub(crate) fn decode(&self, name: String, body: Vec<u8>) -> anyhow::Result<Answer> {
        let text = self.encoding.decode(body);
        let text = text.with_context(|| format!("the user data of {}", self.url))?;
        Ok(Answer::of(name, text))
    }

    /// Describes the request in one line.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} {}", self.method.name(), self.url);
        for (name, value) in self.headers {
            text += &format!(" with {name}: {value}");
        }
        if self.port == SourcePort::Privileged {
            text += " from a source port below 1023";
        }
        if self.encoding != ConfigEncoding::Plain {
            text += "; base64";
        }
        if self.encoding == ConfigEncoding::Base64Gzip {
            text += ", maybe of gzip";
        }
        text
    }

    /// Describes the answers that mean that there is no config, for tables.
    pub(crate) fn no_config(&self) -> &'static str {
        match self.missing {
            Missing::NoConfig => "status 404 or 204, or an empty body",
            Missing::Failure => "status 204, or an empty body; 404 ends the boot",
        }
    }
}

impl ConfigEncoding {
    fn decode(self, text: Vec<u8>) -> anyhow::Result<Vec<u8>> {
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

/// A platform whose config is a document of a metadata service.
#[derive(Debug)]
pub(crate) struct DocumentPlatform {
    pub id: &'static str,
    /// Where the config is, as a line of Markdown.
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
            requests: &[],
            no_config: self.document.no_config(),
            waits: TIMEOUT_TEXT,
            network: Network::Needed,
            modules: &[],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
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
    fn user_data_is_decoded() {
        use base64::Engine as _;
        let packed = crate::text::gzip(b"{}");
        let packed = base64::engine::general_purpose::STANDARD.encode(packed);
        let decode = |encoding: ConfigEncoding, text: &str| encoding.decode(text.into()).ok();
        assert_eq!(decode(ConfigEncoding::Plain, "{}"), Some(b"{}".into()));
        assert_eq!(decode(ConfigEncoding::Base64, "e30="), Some(b"{}".into()));
        assert_eq!(decode(ConfigEncoding::Base64, "{}"), None);
        assert_eq!(
            decode(ConfigEncoding::Base64Gzip, "e30="),
            Some(b"{}".into())
        );
        assert_eq!(
            decode(ConfigEncoding::Base64Gzip, &packed),
            Some(b"{}".into())
        );
        assert_eq!(
            decode(ConfigEncoding::Base64Gzip, "H4sIAA=="),
            None,
            "broken gzip"
        );
    }
}
