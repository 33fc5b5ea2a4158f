//! The kernel command line: where the config is, whether this is a first boot, what machine this is.
//!
//! Words are split at white space; quotes mean nothing. A word is a key and, behind its first `=`, a
//! value.

use crate::config::digest::Digest;
use crate::config::url;
use crate::fetch::shown_url;
use crate::input;
use crate::language::{self, Language};
use crate::log::Log;
use crate::signature::{Trust, TrustedKeys};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// The kernel limits its command line to far fewer bytes; the file may be another one.
const MAX_BYTES: u64 = 1 << 20;

/// Keys of the config's URL; the first is everybody's, the others are Flatcar's and older.
const URL_KEYS: [&str; 3] = [
    "ignition.config.url",
    "flatcar.config.url",
    "coreos.config.url",
];
const DEVICE_KEY: &str = "ignition.config.device";
const PATH_KEY: &str = "ignition.config.path";
/// The digest of the config.
const CONFIG_HASH_KEY: &str = "kindling.config.hash";
/// The digest of a file with a key that configs may be signed with.
const CONFIG_KEY_KEY: &str = "kindling.config.key";
/// The language of the config, where it is not to be guessed.
const CONFIG_FORMAT_KEY: &str = "kindling.config.format";
const CONFIG_SCRIPTS_KEY: &str = "kindling.config.scripts";

/// The words of a kernel command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<(String, Option<String>)>,
}

/// What the command line says about the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLineConfig {
    /// Nothing.
    Nothing,
    /// It is at a URL. Not to be shown as it is.
    Url(String),
    /// It is a file on a file system that is found by its label.
    Device {
        /// The label.
        label: String,
        /// The path on the file system.
        path: String,
    },
}

impl CommandLine {
    /// Splits a command line.
    pub fn parse(text: &str) -> Self {
        let word = |word: &str| match word.split_once('=') {
            Some((key, value)) => (key.into(), Some(value.into())),
            None => (word.into(), None),
        };
        Self {
            words: text.split_whitespace().map(word).collect(),
        }
    }

    /// Reads a command line from a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = input::read(path, MAX_BYTES).with_context(|| {
            let path = path.display();
            format!("cannot read the kernel command line from {path}; is it mounted?")
        })?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Where the config is. What is ignored is told.
    ///
    /// # Errors
    /// Only one of device and path is given.
    pub fn source(&self, log: &Log) -> anyhow::Result<CommandLineConfig> {
        let mut urls = self.given(&URL_KEYS, log).rev();
        let url = urls.find(|url| is_url(url, log));
        let device = self.given(&[DEVICE_KEY], log).next_back();
        let path = self.given(&[PATH_KEY], log).next_back();
        match (url, device, path) {
            (Some(url), device, path) => {
                if device.or(path).is_some() {
                    log.warning(format_args!(
                        "the kernel command line gives a config URL: {DEVICE_KEY} and {PATH_KEY} are ignored"
                    ));
                }
                Ok(CommandLineConfig::Url(url.into()))
            }
            (None, Some(label), Some(path)) => Ok(CommandLineConfig::Device {
                label: label.into(),
                path: path.into(),
            }),
            (None, None, None) => Ok(CommandLineConfig::Nothing),
            (None, device, _) => {
                let missing = if device.is_some() {
                    PATH_KEY
                } else {
                    DEVICE_KEY
                };
                bail!(
                    "kernel command line: {DEVICE_KEY} and {PATH_KEY} must be provided together; add {missing}"
                )
            }
        }
    }

    /// Configs that are taken: signed with one of `keys`, or as the command line says.
    ///
    /// # Errors
    /// A digest that is none. Without it, any config would be taken.
    pub fn trust(&self, keys: TrustedKeys) -> anyhow::Result<Trust> {
        let hashes = self.digests(CONFIG_HASH_KEY)?;
        let named = self.digests(CONFIG_KEY_KEY)?;
        Ok(Trust::new(keys, named, hashes.last().copied()))
    }

    /// The language that the config is in, if the command line says it.
    ///
    /// # Errors
    /// A name that is none of a language.
    pub fn config_language(&self) -> anyhow::Result<Option<Language>> {
        let mut words = self.words.iter().rev();
        let Some((key, name)) = words.find(|(key, _)| key == CONFIG_FORMAT_KEY) else {
            return Ok(None);
        };
        let name = name.as_deref().unwrap_or_default();
        let language = Language::named(name).with_context(|| {
            let names = Language::ALL.map(Language::name).join(", ");
            format!("kernel command line: {key}={name}: the languages are {names}")
        })?;
        Ok(Some(language))
    }

    /// True if scripts among user data are to be refused.
    ///
    /// # Errors
    /// Another word than `run` and `refuse`: whoever writes one means to keep something out.
    pub fn refuses_scripts(&self) -> anyhow::Result<bool> {
        let mut words = self.words.iter().rev();
        let Some((key, word)) = words.find(|(key, _)| key == CONFIG_SCRIPTS_KEY) else {
            return Ok(false);
        };
        let word = word.as_deref().unwrap_or_default();
        language::refuses_scripts(word).with_context(|| {
            format!("kernel command line: {key}={word}: the value must be \"run\" or \"refuse\"")
        })
    }

    fn digests(&self, wanted: &str) -> anyhow::Result<Vec<Digest>> {
        let words = self.words.iter().filter(|(key, _)| key == wanted);
        let digest = |(key, value): &(String, Option<String>)| {
            Digest::parse(value.as_deref().unwrap_or_default()).with_context(|| {
                format!("kernel command line: {key} must be sha512- or sha256- and the digits")
            })
        };
        words.map(digest).collect()
    }

    /// Values of these keys that are not empty, in order. Empty ones are told.
    fn given(&self, keys: &[&str], log: &Log) -> std::vec::IntoIter<&str> {
        let mut values = Vec::new();
        for (key, value) in self.words.iter().filter(|(key, _)| keys.contains(&&**key)) {
            match value.as_deref() {
                Some("") => log.info(format_args!(
                    "kernel command line: {key} has no value, ignoring it"
                )),
                Some(value) => values.push(value),
                None => {}
            }
        }
        values.into_iter()
    }

    /// The device of the real root, if it is named in a way that a node or a link of udev answers to.
    pub fn root_device(&self) -> Option<PathBuf> {
        let root = self.last("root")?;
        let Some((family, value)) = root.split_once('=') else {
            return root.starts_with("/dev/").then(|| root.into());
        };
        let family = match family {
            "LABEL" => "by-label",
            "UUID" => "by-uuid",
            "PARTLABEL" => "by-partlabel",
            "PARTUUID" => "by-partuuid",
            _ => return None,
        };
        let is_name = !value.is_empty() && !value.contains('/');
        is_name.then(|| Path::new("/dev/disk").join(family).join(value))
    }

    /// True if an argument of Flatcar is there.
    pub fn is_flatcar(&self) -> bool {
        self.words
            .iter()
            .any(|(key, _)| key.starts_with("flatcar."))
    }

    /// The value of the last word with this key; a bare word is its own value.
    fn last(&self, key: &str) -> Option<&str> {
        let word = self.words.iter().rfind(|(name, _)| name == key)?;
        Some(word.1.as_deref().unwrap_or(&word.0))
    }
}

fn is_url(text: &str, log: &Log) -> bool {
    let parsed = url::parse(text);
    if let Err(error) = &parsed {
        let shown = shown_url(text);
        log.error(format_args!(
            "kernel command line: failed to parse config url {shown:?}: {error}; ignoring it"
        ));
    }
    parsed.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;

    /// What a command line says, and what is logged about it.
    fn source(text: &str) -> (Result<CommandLineConfig, String>, String) {
        let (sink, logged) = Sink::memory();
        let source = CommandLine::parse(text).source(&Log::new(sink));
        let logged = logged.lock().expect("one thread").clone();
        (source.map_err(|error| error.to_string()), logged)
    }

    fn url(text: &str) -> CommandLineConfig {
        CommandLineConfig::Url(text.into())
    }

    fn device(label: &str, path: &str) -> CommandLineConfig {
        let (label, path) = (label.into(), path.into());
        CommandLineConfig::Device { label, path }
    }

    #[test]
    fn scripts_may_be_refused() {
        for (text, want) in [
            ("", Some(false)),
            ("kindling.config.scripts=run", Some(false)),
            (
                "kindling.config.scripts=run kindling.config.scripts=refuse",
                Some(true),
            ),
            ("kindling.config.scripts", None),
            ("kindling.config.scripts=no", None),
        ] {
            let refuses = CommandLine::parse(text).refuses_scripts();
            assert_eq!(refuses.ok(), want, "{text}");
        }
    }

    #[test]
    fn sources_of_configs() {
        let cases = [
            ("", CommandLineConfig::Nothing),
            (
                "quiet ignition.config.url Ignition.config.url=http://h/",
                CommandLineConfig::Nothing,
            ),
            ("ignition.config.url=http://h/?a=b\n", url("http://h/?a=b")),
            ("ignition.config.url=a ignition.config.url=b", url("b")),
            ("flatcar.config.url=a coreos.config.url=b", url("b")),
            ("ignition.config.url=a coreos.config.url=", url("a")),
            ("ignition.config.url=a ignition.config.url=:", url("a")),
            (
                "ignition.config.device=CONFIG\tignition.config.path=/c.ign",
                device("CONFIG", "/c.ign"),
            ),
            (
                "ignition.config.device=\"A ignition.config.path=a=b",
                device("\"A", "a=b"),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(source(text).0, Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_ignored_is_told() {
        let cases = [
            (
                "ignition.config.url=",
                "INFO     : kernel command line: ignition.config.url has no value, ignoring it\n",
            ),
            (
                "ignition.config.url=http://u:pw@h/%zz",
                "ERROR    : kernel command line: failed to parse config url \"http://h/%zz\": broken percent escape; ignoring it\n",
            ),
            (
                "ignition.config.url=a ignition.config.path=b",
                "WARNING  : the kernel command line gives a config URL: ignition.config.device and ignition.config.path are ignored\n",
            ),
            ("ignition.config.url", ""),
        ];
        for (text, want) in cases {
            assert_eq!(source(text).1, want, "{text}");
        }
    }

    #[test]
    fn device_and_path_belong_together() {
        for (text, missing) in [
            ("ignition.config.device=A", "add ignition.config.path"),
            ("ignition.config.path=/a", "add ignition.config.device"),
        ] {
            let error = source(text).0.expect_err("one is missing");
            assert!(
                error.contains("must be provided together") && error.contains(missing),
                "{error}"
            );
        }
    }

    #[test]
    fn roots() {
        let cases = [
            ("", None),
            ("root", None),
            ("root=/dev/vda4", Some("/dev/vda4")),
            (
                "root=/dev/vda4 root=LABEL=root",
                Some("/dev/disk/by-label/root"),
            ),
            ("root=PARTUUID=1-2", Some("/dev/disk/by-partuuid/1-2")),
            ("root=LABEL=../vda", None),
            ("root=zfs:tank", None),
        ];
        for (text, want) in cases {
            let device = CommandLine::parse(text).root_device();
            assert_eq!(device.as_deref(), want.map(Path::new), "{text}");
        }
    }
}
