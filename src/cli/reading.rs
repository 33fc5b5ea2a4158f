//! Options that say how the text of a config is to be read.

use super::local_files::LocalFiles;
use crate::config::Parsed;
use crate::language::{self, Files, Language, Surroundings};
use clap::Args;
use std::path::PathBuf;

/// How a config is read. The default goes by what the text looks like, and offers no local files.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadingArgs {
    /// The language of the config: ignition, ignition2, butane, clc, coreos-cloudinit, cloud-init, k3os;
    /// guessed from the text by default
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub from: Option<Language>,
    /// The folder of the local files that the config names
    #[arg(long, short = 'd', value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Where a file system is mounted that a config of Ignition 2 has by name; may be repeated
    #[arg(long = "fsmap", value_name = "NAME=PATH", value_parser = file_system)]
    pub file_systems: Vec<(String, String)>,
}

impl ReadingArgs {
    /// Parses a text that is not packed.
    pub fn parse(&self, name: &str, text: &[u8]) -> Parsed {
        let files = self.local_files();
        let surroundings = self.surroundings(files.as_ref());
        match self.from {
            Some(language) => language::parse_as(name, text, language, &surroundings),
            None => language::parse(name, text, &surroundings),
        }
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
            ..Surroundings::default()
        }
    }
}

fn language(name: &str) -> Result<Language, String> {
    Language::named(name).ok_or_else(|| {
        let names = Language::ALL.map(Language::name);
        format!("the languages are {}", names.join(", "))
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
