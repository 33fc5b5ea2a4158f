//! State passed between stages. It has disk keys between two of them, so only root may read it.

use crate::config::model::File;
use crate::fetch::MAX_BUFFER_BYTES;
use crate::input;
use crate::output::make_directory_of_mode;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The state file. It has the keys that Ignition writes; unknown ones are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct State {
    /// Configs obtained so far, with base configs once per stage.
    pub fetched_configs: Option<Vec<FetchedConfig>>,
    /// Keys of encrypted volumes as `data:` URLs, by volume name. Secret; removed after the files stage.
    pub luks_persist_key_files: Option<BTreeMap<String, String>>,
    /// Directories that mounting created, as paths in the target.
    pub notated_directories: Option<Vec<String>>,
    /// Files that the platform provides.
    pub provider_output_files: Option<Vec<File>>,
    /// Files of the key repository of secure volumes as `data:` URLs, by name. Secret.
    pub luks_persist_volume_key_files: Option<BTreeMap<String, String>>,
    /// A config that cannot be read again, saved until a network is up for its references. May be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_once_config: Option<ReadOnceConfig>,
}

/// A config of a platform that provides it only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadOnceConfig {
    pub platform: String,
    /// Name for origins and messages.
    pub name: String,
    /// The config as a `data:` URL.
    pub contents: String,
}

/// One config that was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchedConfig {
    /// Whether it is of the system or the user.
    pub kind: ConfigKind,
    /// The source: `system`, `cmdline`, a platform, or the path of a URL.
    pub source: String,
    /// True if another config refers to it.
    pub referenced: bool,
}

/// Whose config it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConfigKind {
    /// Provided by the system.
    Base,
    /// Provided by the user.
    User,
}

impl ConfigKind {
    /// The name, as serialized.
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
    /// If it cannot be read or parsed. The error does not quote the text, which may hold keys.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = match input::read(path, MAX_BUFFER_BYTES) {
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
    /// If it cannot be written; the error names the file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let act = || format!("cannot write state file {}", path.display());
        make_directory_of_mode(path, 0o700).with_context(act)?;
        let mut text = serde_json::to_vec(self).with_context(act)?;
        text.push(b'\n');
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(act)?;
        // The file of an earlier run may have another mode: set it before writing secrets.
        file.set_permissions(PermissionsExt::from_mode(0o600))
            .and_then(|()| file.write_all(&text))
            .with_context(act)
    }

    /// Records an obtained config.
    pub(crate) fn record_config(
        &mut self,
        kind: ConfigKind,
        source: impl Into<String>,
        referenced: bool,
    ) {
        let source = source.into();
        let configs = self.fetched_configs.get_or_insert_default();
        configs.push(FetchedConfig {
            kind,
            source,
            referenced,
        });
    }

    /// True if the user provided any config.
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
    fn the_file_is_private_and_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/er/state");
        let mut state = State::load(&path).expect("missing is empty");
        assert_eq!(state, State::default());
        state.record_config(ConfigKind::Base, "system", false);
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
    fn errors_do_not_quote_the_text() {
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
