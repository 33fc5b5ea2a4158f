//! The kernel command line: where the config is, whether this is a first boot, what machine this is.
//!
//! It is split as the kernel splits it: blanks inside double quotes belong to an argument, and the quotes around an
//! argument or its value do not. If quotes could hide an argument, they could turn off signature checks.

use crate::config::digest::Digest;
use crate::config::url;
use crate::fetch::shown_url;
use crate::input;
use crate::language::{self, Language};
use crate::log::Log;
use crate::signature::{Trust, TrustedKeys};
use crate::text::{KernelArgument, kernel_arguments};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// The kernel limits its command line to far fewer bytes, but the file need not be `/proc/cmdline`.
const MAX_BYTES: u64 = 1 << 20;

/// Keys of the config's URL; the first is Ignition's, the others are older ones of Flatcar.
const URL_KEYS: [&str; 3] = [
    "ignition.config.url",
    "flatcar.config.url",
    "coreos.config.url",
];
const DEVICE_KEY: &str = "ignition.config.device";
const PATH_KEY: &str = "ignition.config.path";
/// The digest of the config.
const CONFIG_HASH_KEY: &str = "kindling.config.hash";
/// The digest of a file with a key that a config may be signed with.
const CONFIG_KEY_KEY: &str = "kindling.config.key";
/// The language of the config, which overrides detection.
const CONFIG_FORMAT_KEY: &str = "kindling.config.format";
const CONFIG_SCRIPTS_KEY: &str = "kindling.config.scripts";
/// Prefix of our own keys that concern the config.
const CONFIG_PREFIX: &str = "kindling.config";
const CONFIG_KEYS: [&str; 4] = [
    CONFIG_HASH_KEY,
    CONFIG_KEY_KEY,
    CONFIG_FORMAT_KEY,
    CONFIG_SCRIPTS_KEY,
];

/// The arguments of a kernel command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    arguments: Vec<KernelArgument>,
}

/// The config that the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLineConfig {
    /// None.
    Nothing,
    /// A URL. It may contain secrets: do not print it unredacted.
    Url(String),
    /// A file on the file system with a label.
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
        Self {
            arguments: kernel_arguments(text),
        }
    }

    /// Reads a command line from a file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = input::read(path, MAX_BYTES).with_context(|| {
            let path = path.display();
            format!("cannot read the kernel command line from {path}; is it mounted?")
        })?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Where the config is. Arguments that are ignored are logged.
    ///
    /// # Errors
    /// If only one of device and path is given.
    pub fn source(&self, log: &Log) -> anyhow::Result<CommandLineConfig> {
        let mut urls = self.values_of(&URL_KEYS, log).rev();
        let url = urls.find(|url| is_url(url, log));
        let device = self.values_of(&[DEVICE_KEY], log).next_back();
        let path = self.values_of(&[PATH_KEY], log).next_back();
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

    /// Which configs are trusted: those signed with one of `keys`, or named by digests on the command line.
    ///
    /// # Errors
    /// If a digest is malformed, or an argument looks like a misspelt one: ignoring it would trust any config.
    pub fn trust(&self, keys: TrustedKeys) -> anyhow::Result<Trust> {
        self.check_names()?;
        let hashes = self.digests(CONFIG_HASH_KEY)?;
        let key_digests = self.digests(CONFIG_KEY_KEY)?;
        Ok(Trust::new(keys, key_digests, hashes.last().copied()))
    }

    /// Refuses misspelt arguments: a typo must not silently turn off a check of trust.
    fn check_names(&self) -> anyhow::Result<()> {
        for argument in &self.arguments {
            let key = &argument.key;
            let plain = key.to_lowercase().replace(['-', '_'], ".");
            if plain.starts_with(CONFIG_PREFIX) && !CONFIG_KEYS.contains(&key.as_str()) {
                let known = CONFIG_KEYS.join(", ");
                bail!(
                    "kernel command line: unknown argument {key:?}, which may be meant to say which configs are trusted; \
                     correct or remove it: those that begin with {CONFIG_PREFIX} are {known}"
                );
            }
            let value = argument.value.as_deref().unwrap_or_default();
            if argument.is_open && (key.contains(CONFIG_PREFIX) || value.contains(CONFIG_PREFIX)) {
                bail!(
                    "kernel command line: a double quote in {key:?} is not closed, and hides an argument that begins \
                     with {CONFIG_PREFIX}; close or remove the quote"
                );
            }
        }
        Ok(())
    }

    /// The language of the config, if the command line names it.
    ///
    /// # Errors
    /// If no language has that name.
    pub fn config_language(&self) -> anyhow::Result<Option<Language>> {
        let Some(name) = self.last_value(CONFIG_FORMAT_KEY) else {
            return Ok(None);
        };
        let key = CONFIG_FORMAT_KEY;
        let language = Language::from_name(name).with_context(|| {
            let names = Language::ALL.map(Language::name).join(", ");
            format!("kernel command line: {key}={name}: the languages are {names}")
        })?;
        Ok(Some(language))
    }

    /// True if scripts in user data are to be refused.
    ///
    /// # Errors
    /// If the value is neither `run` nor `refuse`: other values may be meant to restrict something.
    pub fn refuses_scripts(&self) -> anyhow::Result<bool> {
        let Some(value) = self.last_value(CONFIG_SCRIPTS_KEY) else {
            return Ok(false);
        };
        let key = CONFIG_SCRIPTS_KEY;
        language::refuses_scripts(value).with_context(|| {
            format!("kernel command line: {key}={value}: the value must be \"run\" or \"refuse\"")
        })
    }

    fn digests(&self, key: &str) -> anyhow::Result<Vec<Digest>> {
        let arguments = self.arguments.iter().filter(|a| a.key == key);
        let digest = |argument: &KernelArgument| {
            Digest::parse(argument.value.as_deref().unwrap_or_default()).with_context(|| {
                format!("kernel command line: {key} must be sha512- or sha256- and the digits")
            })
        };
        arguments.map(digest).collect()
    }

    /// The non-empty values of these keys, in order. Empty ones are logged.
    fn values_of(&self, keys: &[&str], log: &Log) -> std::vec::IntoIter<&str> {
        let mut values = Vec::new();
        let is_wanted = |argument: &&KernelArgument| keys.contains(&argument.key.as_str());
        for KernelArgument { key, value, .. } in self.arguments.iter().filter(is_wanted) {
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

    /// The device of the real root, if `root=` names it by a device node or by something udev makes a link for.
    pub fn root_device(&self) -> Option<PathBuf> {
        let root = self.last("root")?.value.as_deref()?;
        let Some((tag, value)) = root.split_once('=') else {
            return root.starts_with("/dev/").then(|| root.into());
        };
        let directory = match tag {
            "LABEL" => "by-label",
            "UUID" => "by-uuid",
            "PARTLABEL" => "by-partlabel",
            "PARTUUID" => "by-partuuid",
            _ => return None,
        };
        let is_name = !value.is_empty() && !value.contains('/');
        is_name.then(|| Path::new("/dev/disk").join(directory).join(value))
    }

    /// True if any argument belongs to Flatcar.
    pub fn is_flatcar(&self) -> bool {
        self.arguments
            .iter()
            .any(|argument| argument.key.starts_with("flatcar."))
    }

    /// The last argument with this key.
    fn last(&self, key: &str) -> Option<&KernelArgument> {
        self.arguments.iter().rfind(|argument| argument.key == key)
    }

    /// The value of the last argument with this key; empty if it has none.
    fn last_value(&self, key: &str) -> Option<&str> {
        let argument = self.last(key)?;
        Some(argument.value.as_deref().unwrap_or_default())
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

    /// The source that a command line names, and what is logged about it.
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
    fn quotes_hide_nothing_that_concerns_trust() {
        let digest = format!("sha512-{}", "0".repeat(128));
        let trust = |line: &str| {
            let trust = CommandLine::parse(line).trust(TrustedKeys::default());
            trust
                .map(|trust| trust.has_pin())
                .map_err(|error| error.to_string())
        };
        for line in [
            format!("kindling.config.hash={digest}"),
            format!("\"kindling.config.hash={digest}\""),
            format!("kindling.config.hash=\"{digest}\""),
            format!("a=\"b c\" kindling.config.hash={digest} d=\"e"),
        ] {
            assert_eq!(trust(&line), Ok(true), "{line}");
        }
        for line in [
            "",
            "quiet a=\"b",
            "kindling.config.scripts=run kindling.network.timeout=9",
        ] {
            assert_eq!(trust(line), Ok(false), "{line}");
        }
        for line in [
            format!("a=\"b kindling.config.hash={digest}"),
            format!("\"a kindling.config.hash={digest}"),
        ] {
            let error = trust(&line).expect_err("it is hidden");
            assert!(error.contains("is not closed"), "{line}: {error}");
        }
    }

    #[test]
    fn names_that_may_concern_trust_must_be_known() {
        for name in [
            "kindling.config_hash",
            "kindling-config-hash",
            "kindling.config.keys",
            "Kindling.config.hash",
            "kindling.config",
        ] {
            for line in [format!("quiet {name}=sha512-00"), name.into()] {
                let trust = CommandLine::parse(&line).trust(TrustedKeys::default());
                let error = trust.expect_err("it is unknown").to_string();
                let is_named = error.contains(name)
                    && error.contains("kindling.config.hash, kindling.config.key");
                assert!(is_named, "{error}");
            }
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
                "ignition.config.device=\"A B\" ignition.config.path=a=b",
                device("A B", "a=b"),
            ),
            ("\"ignition.config.url=http://h/\"", url("http://h/")),
            ("ignition.config.url=\"http://h/\"", url("http://h/")),
        ];
        for (text, want) in cases {
            assert_eq!(source(text).0, Ok(want), "{text}");
        }
    }

    #[test]
    fn ignored_arguments_are_logged() {
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
