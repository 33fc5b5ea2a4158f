//! Options that say how the text of a config is to be read.

use super::local_files::LocalFiles;
use crate::config::Parsed;
use crate::input;
use crate::language::{self, Distribution, Files, Language, Surroundings, Target, Undetected};
use clap::Args;
use std::path::{Path, PathBuf};

/// How a config is read. The default goes by what the text looks like, and offers no local files.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadingArgs {
    /// The language of the config: ignition, ignition2, butane, clc, coreos-cloudinit, cloud-init, k3os, or
    /// cloud-config for whichever of the last three it is; guessed from the text by default
    #[arg(long, value_name = "LANGUAGE", value_parser = stated)]
    pub from: Option<Stated>,
    /// The folder of the local files that the config names
    #[arg(long, short = 'd', value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Where a file system is mounted that a config of Ignition 2 has by name; may be repeated
    #[arg(long = "fsmap", value_name = "NAME=PATH", value_parser = file_system)]
    pub file_systems: Vec<(String, String)>,
    /// Accept of Ignition 1 and 2 only what older converters translate
    #[arg(long)]
    pub strict_legacy: bool,
    /// The system that the config is for.
    #[arg(skip)]
    pub distribution: Distribution,
    /// What a language has and cannot be done is left out.
    #[arg(skip)]
    pub ignores_unsupported: bool,
}

/// Where a system says what it is; the first one that is there counts.
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Such files have some hundred bytes.
const MAX_OS_RELEASE_BYTES: u64 = 1 << 16;

impl ReadingArgs {
    /// The same for the system in `root`, as far as it says what it is.
    #[must_use]
    pub fn for_root(&self, root: Option<&Path>, ignores_unsupported: bool) -> Self {
        let text = root.and_then(|root| {
            let mut paths = OS_RELEASE.iter().map(|path| root.join(path));
            paths.find_map(|path| input::read(&path, MAX_OS_RELEASE_BYTES).ok())
        });
        let text = text.unwrap_or_default();
        Self {
            distribution: Distribution::of_os_release(&String::from_utf8_lossy(&text)),
            ignores_unsupported,
            ..self.clone()
        }
    }

    /// Parses a text that is not packed.
    pub fn parse(&self, name: &str, text: &[u8]) -> Parsed {
        let files = self.local_files();
        let surroundings = self.surroundings(files.as_ref());
        match self.from {
            Some(Stated::Language(language)) => {
                language::parse_as(name, text, language, &surroundings)
            }
            Some(Stated::CloudConfig) | None => language::parse(name, text, &surroundings),
        }
    }

    /// The language of a text that is not packed.
    ///
    /// # Errors
    /// None was stated, and it looks like none that is known.
    pub fn language(&self, text: &[u8]) -> Result<Language, Undetected> {
        match self.from {
            Some(Stated::Language(language)) => Ok(language),
            Some(Stated::CloudConfig) | None => {
                language::detect_for(text, &self.surroundings(None).target)
            }
        }
    }

    /// File systems that configs which `text` refers to may use.
    pub fn named_filesystems(&self, text: &[u8]) -> Vec<(String, String)> {
        language::named_filesystems(text, &self.surroundings(None))
    }

    /// The folder of local files, if one is named.
    pub fn local_files(&self) -> Option<LocalFiles> {
        self.files_dir.as_ref().map(LocalFiles::new)
    }

    /// What a translation is told, with what [`ReadingArgs::local_files`] gave.
    pub fn surroundings<'s>(&'s self, files: Option<&'s LocalFiles>) -> Surroundings<'s> {
        Surroundings {
            files: files.map(|files| files as &dyn Files),
            filesystems: &self.file_systems,
            is_strict: self.strict_legacy,
            target: Target {
                distribution: self.distribution,
                ..Target::default()
            },
            ignore_unsupported: self.ignores_unsupported,
            ..Surroundings::default()
        }
    }
}

/// A language as an option states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// This one.
    Language(Language),
    /// A cloud-config: its keys tell whose.
    CloudConfig,
}

/// The word for any kind of cloud-config.
const CLOUD_CONFIG: &str = "cloud-config";

fn stated(name: &str) -> Result<Stated, String> {
    if name == CLOUD_CONFIG {
        return Ok(Stated::CloudConfig);
    }
    Language::named(name).map(Stated::Language).ok_or_else(|| {
        let names = Language::ALL.map(Language::name);
        format!("the languages are {}, {CLOUD_CONFIG}", names.join(", "))
    })
}

fn file_system(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && path.starts_with('/') => {
            Ok((name.into(), path.into()))
        }
        _ => Err("it must be NAME=PATH with an absolute path, e.g. oem=/usr/share/oem".into()),
    }
}
