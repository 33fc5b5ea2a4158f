//! Options for how the text of a config is read.

use super::local_files::LocalFiles;
use super::suggested::Suggested;
use super::system;
use crate::acquire::instance;
use crate::config::ParseResult;
use crate::input;
use crate::language::{
    self, DetectError, Knowledge, KnownInstance, Language, LocalDirectory, SectorBytes,
    Surroundings,
};
use crate::platform::Identity;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How a config is read. By default its language is detected, and there are no local files.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadingArgs {
    /// The language of the config: ignition, ignition2, butane, clc, machineconfig, coreos-cloudinit, cloud-init, k3os, or
    /// cloud-config for whichever of the last three it is; guessed from the text by default
    #[arg(long, value_name = "LANGUAGE", value_parser = Suggested::new(language_option, languages), hide_possible_values = true)]
    pub from: Option<LanguageOption>,
    /// Directory of the local files that the config refers to
    #[arg(long, short = 'd', value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Mount point of a file system that an Ignition 2 config refers to by name; may be repeated
    #[arg(long = "fsmap", value_name = "NAME=PATH", value_parser = file_system)]
    pub file_systems: Vec<(String, String)>,
    /// For Ignition 1 and 2, accept only what older converters translate
    #[arg(long)]
    pub strict_legacy: bool,
    /// Instance metadata for cloud-init and k3OS configs that need the name of the machine, its SSH keys
    /// or facts: the output of `kindling metadata --json`, or meta-data in the form of NoCloud or OpenStack
    #[arg(long, value_name = "FILE", value_parser = metadata)]
    pub metadata: Option<KnownInstance>,
    /// Root directory of the system that the config is for, whose conventions are followed. The default is what
    /// `--root` says
    #[arg(long, value_name = "DIR")]
    pub system: Option<PathBuf>,
    /// Kernel command line, for languages with settings in it, such as k3OS
    #[arg(long, value_name = "ARGUMENTS")]
    pub kernel_arguments: Option<String>,
    /// Sector size in bytes of partition sizes in Ignition 1 and 2 configs: 512 (the default) or 4096
    #[arg(long, value_name = "BYTES", value_parser = sector_bytes)]
    pub sector_size: Option<SectorBytes>,
    /// What to do with scripts in user data: run (the default) or refuse
    #[arg(long = "scripts", value_name = "POLICY", value_parser = refuses_scripts)]
    pub refuses_scripts: Option<bool>,
    /// Default account, which gets keys and passwords without a user name; overrides that of the distribution
    #[arg(long, value_name = "NAME")]
    pub default_user: Option<String>,
    /// Leaves out settings that have no counterpart, instead of refusing them.
    #[arg(skip)]
    pub ignores_unsupported: bool,
    /// The platform that the result is for.
    #[arg(skip)]
    pub platform: Option<String>,
    /// Sizes of the disks in bytes, by path.
    #[arg(skip)]
    pub disks: Vec<(String, u64)>,
    /// Computed on first use by [`ReadingArgs::knowledge`].
    #[arg(skip)]
    pub known: OnceLock<Knowledge>,
}

impl ReadingArgs {
    /// A copy for a target with these disks and the system in `root`.
    #[must_use]
    pub(crate) fn for_target(
        &self,
        root: Option<&Path>,
        disks: Vec<(String, u64)>,
        ignores_unsupported: bool,
    ) -> Self {
        Self {
            system: self.system.clone().or(root.map(Path::to_owned)),
            disks,
            ignores_unsupported,
            known: OnceLock::new(),
            ..self.clone()
        }
    }

    /// What is known about the target, for every text. The system is inspected only once.
    pub(crate) fn knowledge(&self) -> &Knowledge {
        self.known.get_or_init(|| {
            let known = self.system.as_deref().map(system::inspect);
            Knowledge {
                platform: self.platform.clone(),
                default_user: self.default_user.clone(),
                disks: self.disks.clone(),
                kernel_arguments: self.kernel_arguments.clone(),
                instance: self.metadata.clone().unwrap_or_default(),
                ignore_unsupported: self.ignores_unsupported,
                ..known.unwrap_or_default()
            }
        })
    }

    /// Parses a text that is not compressed.
    pub(crate) fn parse(&self, name: &str, text: &[u8]) -> ParseResult {
        let files = self.local_files();
        let surroundings = self.surroundings(files.as_ref());
        match self.stated_language() {
            Some(language) => language::parse_as(name, text, language, &surroundings),
            None => language::parse(name, text, &surroundings),
        }
    }

    /// The language that was given, if it is a single one.
    pub(crate) fn stated_language(&self) -> Option<Language> {
        match self.from {
            Some(LanguageOption::Language(language)) => Some(language),
            Some(LanguageOption::CloudConfig) | None => None,
        }
    }

    /// The given language, or that detected in a text that is not compressed.
    ///
    /// # Errors
    /// If no language was given and none can be detected.
    pub(crate) fn language(&self, text: &[u8]) -> Result<Language, DetectError> {
        match self.stated_language() {
            Some(language) => Ok(language),
            None => language::detect_for(text, &self.knowledge().surroundings().target),
        }
    }

    /// The folder of local files, if one was given.
    pub(crate) fn local_files(&self) -> Option<LocalFiles> {
        self.files_dir.as_ref().map(LocalFiles::new)
    }

    /// The context of a translation; `files` is the result of [`ReadingArgs::local_files`].
    pub(crate) fn surroundings<'s>(&'s self, files: Option<&'s LocalFiles>) -> Surroundings<'s> {
        Surroundings {
            files: files.map(|files| files as &dyn LocalDirectory),
            filesystems: &self.file_systems,
            is_strict: self.strict_legacy,
            refuses_scripts: self.refuses_scripts == Some(true),
            sector_bytes: self.sector_size,
            ..self.knowledge().surroundings()
        }
    }
}

/// A value of the option `--from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LanguageOption {
    /// A single language.
    Language(Language),
    /// A cloud-config, whose keys decide which language it is.
    CloudConfig,
}

/// The value for any kind of cloud-config.
const CLOUD_CONFIG: &str = "cloud-config";

/// Every value of the option `--from`.
fn languages() -> Vec<&'static str> {
    let names = Language::ALL.iter().map(|language| language.name());
    names.chain([CLOUD_CONFIG]).collect()
}

fn language_option(name: &str) -> Result<LanguageOption, String> {
    if name == CLOUD_CONFIG {
        return Ok(LanguageOption::CloudConfig);
    }
    Language::from_name(name)
        .map(LanguageOption::Language)
        .ok_or_else(|| format!("the languages are {}", languages().join(", ")))
}

/// Maximum size of a metadata document; usual are a few kilobytes.
const MAX_METADATA_BYTES: u64 = 4 << 20;

fn metadata(path: &str) -> Result<KnownInstance, String> {
    let text = input::read(Path::new(path), MAX_METADATA_BYTES)
        .map_err(|error| format!("cannot read it: {error}"))?;
    let identity = Identity::read(&text).map_err(|error| format!("{error:#}"))?;
    Ok(instance::known(identity))
}

fn refuses_scripts(policy: &str) -> Result<bool, String> {
    language::refuses_scripts(policy)
        .ok_or_else(|| "the value must be \"run\" or \"refuse\"".into())
}

fn sector_bytes(text: &str) -> Result<SectorBytes, String> {
    match text {
        "512" => Ok(SectorBytes::B512),
        "4096" => Ok(SectorBytes::B4096),
        _ => Err("it must be 512 or 4096".into()),
    }
}

fn file_system(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && path.starts_with('/') => {
            Ok((name.into(), path.into()))
        }
        _ => Err("it must be NAME=PATH with an absolute path, e.g. oem=/usr/share/oem".into()),
    }
}
