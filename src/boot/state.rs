//! What stages hand on to later ones. Holds disk keys between two stages, so nobody else may read it.

use crate::config::model::File;
use crate::fetch::BUFFER_LIMIT_BYTES;
use crate::input;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The state file; keys as Ignition writes them, unknown ones are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct State {
    /// Configs obtained so far; base configs once per stage.
    pub fetched_configs: Option<Vec<FetchedConfig>>,
    /// Keys of encrypted volumes as `data:` URLs, by volume. Secret; gone after the files stage.
    pub luks_persist_key_files: Option<BTreeMap<String, String>>,
    /// Directories, as paths inside the target, that mounting had to make.
    pub notated_directories: Option<Vec<String>>,
    /// Files the platform hands over.
    pub provider_output_files: Option<Vec<File>>,
    /// Files of the key repository of secure volumes as `data:` URLs, by name. Secret.
    pub luks_persist_volume_key_files: Option<BTreeMap<String, String>>,
    /// A config that cannot be read again, while its references wait for a network. May be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_once_config: Option<ReadOnceConfig>,
}

/// A config of a platform that gives it only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadOnceConfig {
    pub platform: String,
    /// Name for origins and messages.
    pub name: String,
    /// Its bytes as a `data:` URL.
    pub contents: String,
}

/// One config that was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchedConfig {
    /// Of the system or of the user.
    pub kind: ConfigKind,
    /// Where from: `system`, `cmdline`, a platform, or the path of a URL.
    pub source: String,
    /// Another config refers to it.
    pub referenced: bool,
}

/// Whose config it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConfigKind {
    /// Part of the system.
    Base,
    /// Given by the user.
    User,
}

impl ConfigKind {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ConfigKind::Base => "base",
            ConfigKind::User => "user",
        }
    }
}

impl State {
    /// Reads the state; a missing file is an empty state.
    ///
    /// # Errors
    /// It cannot be read, or is not a state. Its text is not quoted: it may hold keys.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = match input::read(path, BUFFER_LIMIT_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read state file {}", path.display()));
            }
        };
        serde_json::from_slice(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            anyhow::anyhow!(
                "state file {} is damaged at line {line}, column {column}; remove it to start over",
                path.display()
            )
        })
    }

    /// Writes the state, readable by root only.
    ///
    /// # Errors
    /// Names the file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let act = || format!("cannot write state file {}", path.display());
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .with_context(act)?;
        }
        let mut text = serde_json::to_vec(self).with_context(act)?;
        text.push(b'\n');
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(act)?;
        // Before there is anything to read in a file of an earlier run.
        file.set_permissions(PermissionsExt::from_mode(0o600))
            .and_then(|()| file.write_all(&text))
            .with_context(act)
    }

    /// Notes a config.
    pub(crate) fn note(&mut self, kind: ConfigKind, source: impl Into<String>, referenced: bool) {
        let source = source.into();
        let configs = self.fetched_configs.get_or_insert_default();
        configs.push(FetchedConfig {
            kind,
            source,
            referenced,
        });
    }

    /// True if a user gave any config.
    pub(crate) fn has_user_config(&self) -> bool {
        let configs = self.fetched_configs.iter().flatten();
        configs
            .into_iter()
            .any(|config| config.kind == ConfigKind::User)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_is_private_and_comes_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/er/state");
        let mut state = State::load(&path).expect("missing is empty");
        assert_eq!(state, State::default());
        state.note(ConfigKind::Base, "system", false);
        state.save(&path).expect("written");
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o600
        );
        let directory = path
            .parent()
            .expect("a directory")
            .metadata()
            .expect("there");
        assert_eq!(directory.permissions().mode() & 0o777, 0o700);
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(
            text,
            "{\"fetchedConfigs\":[{\"kind\":\"base\",\"source\":\"system\",\"referenced\":false}],\
             \"luksPersistKeyFiles\":null,\"notatedDirectories\":null,\"providerOutputFiles\":null,\
             \"luksPersistVolumeKeyFiles\":null}\n"
        );
        assert_eq!(State::load(&path).expect("read"), state);
        assert!(!state.has_user_config());
    }

    #[test]
    fn damage_is_told_without_the_text() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("state");
        fs::write(&path, "{\"luksPersistKeyFiles\": \"hush\"}").expect("written");
        let error = State::load(&path).expect_err("damaged").to_string();
        assert!(
            error.contains("is damaged at line 1") && !error.contains("hush"),
            "{error}"
        );
        fs::write(&path, "{\"new\": 1}").expect("written");
        assert_eq!(
            State::load(&path).expect("unknown keys are ignored"),
            State::default()
        );
    }
}
