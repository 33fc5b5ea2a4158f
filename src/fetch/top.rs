//! The config everything starts from: a file, standard input or a URL.

use super::{
    BUFFER_LIMIT_BYTES, FetchError, FetchEvents, Fetcher, Part, Request, Scheme, shown_url,
};
use crate::config::url;
use crate::input;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

/// Where the first config is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// `-`
    StandardInput,
    /// A URL with a scheme we know. Not to be shown as it is.
    Url(String),
    /// Anything else.
    File(PathBuf),
}

/// The first config as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Name for origins and messages.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
}

/// Why the first config cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file, or standard input.
    #[error("cannot read the config {name}: {cause}")]
    Read {
        /// What.
        name: String,
        /// Why not.
        cause: io::Error,
    },
    /// A URL.
    #[error("cannot fetch the config: {error}{}", remedy(error))]
    Fetch {
        /// Why not.
        error: FetchError,
    },
}

// Not `#[from]`: the message says the cause already, and as a source it would be said twice.
impl From<FetchError> for LoadError {
    fn from(error: FetchError) -> Self {
        LoadError::Fetch { error }
    }
}

impl LoadError {
    /// True if a config is there, and is not one to take.
    pub fn is_untrusted(&self) -> bool {
        matches!(
            self,
            LoadError::Fetch {
                error: FetchError::Untrusted { .. }
            }
        )
    }
}

fn remedy(error: &FetchError) -> String {
    error
        .remedy()
        .map(|r| format!(" ({r})"))
        .unwrap_or_default()
}

impl Top {
    /// What an argument of the command line means.
    pub fn of(argument: &OsStr) -> Self {
        if argument == "-" {
            return Top::StandardInput;
        }
        let text = argument.to_str().unwrap_or_default();
        let scheme = url::parse(text).map(|u| u.scheme).unwrap_or_default();
        // Broken data URLs do not parse, and are still no file names.
        if Scheme::named(&scheme).is_some() || text.starts_with("data:") {
            return Top::Url(text.into());
        }
        Top::File(argument.into())
    }

    /// Name for origins and messages.
    pub fn name(&self) -> String {
        match self {
            Top::StandardInput => "<stdin>".into(),
            Top::Url(url) => shown_url(url),
            Top::File(path) => path.display().to_string(),
        }
    }
}

/// Reads the first config, at most [`BUFFER_LIMIT_BYTES`]. Files may be named relative to the
/// working directory.
pub fn load(top: &Top, fetcher: &Fetcher, events: &dyn FetchEvents) -> Result<Loaded, LoadError> {
    let name = top.name();
    let text = match top {
        Top::Url(url) => fetcher.fetch_config(&Request::get(url), Part::First, events)?,
        Top::StandardInput => read(&name, input::read_all(&mut io::stdin(), BUFFER_LIMIT_BYTES))?,
        Top::File(path) => read(&name, input::read(path, BUFFER_LIMIT_BYTES))?,
    };
    Ok(Loaded { name, text })
}

fn read(name: &str, read: io::Result<Vec<u8>>) -> Result<Vec<u8>, LoadError> {
    read.map_err(|cause| LoadError::Read {
        name: name.into(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let file = |p: &str| Top::File(p.into());
        let url = |u: &str| Top::Url(u.into());
        let cases = [
            ("-", Top::StandardInput),
            ("config.ign", file("config.ign")),
            ("./http:", file("./http:")),
            ("/a/b c", file("/a/b c")),
            ("a:b", file("a:b")),
            ("http://h/c", url("http://h/c")),
            ("HTTPS://h/c", url("HTTPS://h/c")),
            ("data:,%7B%7D", url("data:,%7B%7D")),
            ("data:,%zz#\n", url("data:,%zz#\n")),
            ("tftp://h/c", url("tftp://h/c")),
        ];
        for (argument, top) in cases {
            assert_eq!(Top::of(OsStr::new(argument)), top, "{argument}");
        }
        assert_eq!(
            Top::of(OsStr::new("http://u:p@h/c?t=1")).name(),
            "http://h/c?t=…"
        );
        assert_eq!(Top::of(OsStr::new("-")).name(), "<stdin>");
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = FetchError::NotFound {
            method: "GET".into(),
            url: "http://h/c".into(),
        };
        let errors = [
            anyhow::Error::from(LoadError::from(error)),
            FetchError::from(crate::config::data_url::DataUrlError::NoComma).into(),
        ];
        for error in errors {
            let said = format!("{error:#}");
            assert_eq!(said, error.to_string());
        }
    }
}
