//! Where the first config is: a file, standard input or a URL.

use crate::config::url;
use crate::fetch::{
    ConfigRole, FetchError, FetchEvents, Fetcher, MAX_BUFFER_BYTES, Request, Scheme, shown_url,
};
use crate::input;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

/// Where the first config is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigLocation {
    /// `-`
    StandardInput,
    /// A URL, perhaps malformed or with an unsupported scheme. It may contain secrets: do not print it unredacted.
    Url(String),
    /// Anything else.
    File(PathBuf),
}

/// The first config as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigText {
    /// Name for origins and messages.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
}

/// Why the first config cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file, or standard input.
    #[error("cannot read the config {name}: {cause}")]
    Read {
        /// The file, or `<stdin>`.
        name: String,
        /// The cause.
        cause: io::Error,
    },
    /// A URL.
    #[error("cannot fetch the config: {}", .error.with_remedy())]
    Fetch {
        /// The cause.
        error: FetchError,
    },
}

// Not `#[from]`: the message includes the cause already, and as a source it would be printed twice.
impl From<FetchError> for LoadError {
    fn from(error: FetchError) -> Self {
        LoadError::Fetch { error }
    }
}

impl LoadError {
    /// True if there is a config, but it is not trusted.
    pub fn is_untrusted(&self) -> bool {
        matches!(
            self,
            LoadError::Fetch {
                error: FetchError::Untrusted { .. }
            }
        )
    }
}

impl ConfigLocation {
    /// The location that a command-line argument names.
    pub fn of(argument: &OsStr) -> Self {
        if argument == "-" {
            return ConfigLocation::StandardInput;
        }
        let text = argument.to_str().unwrap_or_default();
        let scheme = url::parse(text).map(|u| u.scheme).unwrap_or_default();
        // Malformed URLs do not parse, but are not file names either.
        let is_url = Scheme::named(&scheme).is_some();
        if is_url || text.starts_with("data:") || begins_like_url(text) {
            return ConfigLocation::Url(text.into());
        }
        ConfigLocation::File(argument.into())
    }

    /// Name for origins and messages.
    pub fn name(&self) -> String {
        match self {
            ConfigLocation::StandardInput => "<stdin>".into(),
            ConfigLocation::Url(url) => shown_url(url),
            ConfigLocation::File(path) => path.display().to_string(),
        }
    }
}

/// True for a scheme followed by `://`. A file with such a name can be given as `./NAME`.
fn begins_like_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Reads the first config, at most [`MAX_BUFFER_BYTES`]. Files may be named relative to the
/// working directory.
pub fn load(
    location: &ConfigLocation,
    fetcher: &Fetcher,
    events: &dyn FetchEvents,
) -> Result<ConfigText, LoadError> {
    let name = location.name();
    let text = match location {
        ConfigLocation::Url(url) => {
            let request = Request::get(url);
            // An offline fetcher would report an unsupported scheme as one that needs a network.
            request.scheme()?;
            fetcher.fetch_config(&request, ConfigRole::First, events)?
        }
        ConfigLocation::StandardInput => {
            read(&name, input::read_all(&mut io::stdin(), MAX_BUFFER_BYTES))?
        }
        ConfigLocation::File(path) => read(&name, input::read(path, MAX_BUFFER_BYTES))?,
    };
    Ok(ConfigText { name, text })
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
        let file = |p: &str| ConfigLocation::File(p.into());
        let url = |u: &str| ConfigLocation::Url(u.into());
        let cases = [
            ("-", ConfigLocation::StandardInput),
            ("config.ign", file("config.ign")),
            ("./http:", file("./http:")),
            ("/a/b c", file("/a/b c")),
            ("a:b", file("a:b")),
            ("http://h/c", url("http://h/c")),
            ("HTTPS://h/c", url("HTTPS://h/c")),
            ("data:,%7B%7D", url("data:,%7B%7D")),
            ("data:,%zz#\n", url("data:,%zz#\n")),
            ("tftp://h/c", url("tftp://h/c")),
            ("http://[::1", url("http://[::1")),
            ("http://h/%zz", url("http://h/%zz")),
            ("http://a b/", url("http://a b/")),
            ("ftp://x/", url("ftp://x/")),
            ("./ftp://x/", file("./ftp://x/")),
            ("a b://c", file("a b://c")),
            ("://c", file("://c")),
        ];
        for (argument, location) in cases {
            assert_eq!(
                ConfigLocation::of(OsStr::new(argument)),
                location,
                "{argument}"
            );
        }
        assert_eq!(
            ConfigLocation::of(OsStr::new("http://u:p@h/c?t=1")).name(),
            "http://h/c?t=…"
        );
        assert_eq!(ConfigLocation::of(OsStr::new("-")).name(), "<stdin>");
    }

    #[test]
    fn malformed_urls_are_not_taken_for_files() {
        let fetcher = Fetcher::new(crate::fetch::Settings::default()).offline();
        for (argument, cause) in [
            (
                "http://[::1",
                "unable to parse url \"http://[::1\": invalid host",
            ),
            ("http://h/%zz", "broken percent escape"),
            ("http://a b/", "invalid host"),
            (
                "ftp://x/",
                "unsupported source scheme \"ftp\": cannot fetch ftp://x/ (use http, https,",
            ),
        ] {
            let location = ConfigLocation::of(OsStr::new(argument));
            let error = load(&location, &fetcher, &crate::fetch::Silent).expect_err("no URL");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }

    #[test]
    fn a_cause_is_printed_once() {
        let error = FetchError::NotFound {
            method: "GET".into(),
            url: "http://h/c".into(),
        };
        let errors = [
            anyhow::Error::from(LoadError::from(error)),
            FetchError::from(crate::config::data_url::DataUrlError::NoComma).into(),
        ];
        for error in errors {
            let with_causes = format!("{error:#}");
            assert_eq!(with_causes, error.to_string());
        }
    }
}
