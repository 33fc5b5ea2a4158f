//! Platform `file`: the config is a local file, for tests and experiments.

use crate::fetch::MAX_BUFFER_BYTES;
use crate::input;
use crate::platform::contract::{About, Answer, FetchContext, Network, Platform, TestLevel};
use anyhow::Context;

/// The platform.
pub(super) struct FilePlatform;

impl Platform for FilePlatform {
    fn id(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> About {
        About {
            source: "the file that `IGNITION_CONFIG_FILE` names, else `config.ign` in the working directory",
            requests: &["read $IGNITION_CONFIG_FILE, else config.ign"],
            no_config: "the file is empty",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[],
            tested: TestLevel::RealMedium,
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let name = context.config_file.display().to_string();
        let text = input::read(context.config_file, MAX_BUFFER_BYTES).with_context(|| {
            format!("cannot read config {name}; IGNITION_CONFIG_FILE may name another file")
        })?;
        Ok(Answer::of(name, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::contract::testing::in_context;

    #[test]
    fn present_and_missing_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.ign");
        let fetch = || in_context(&path, |context| FilePlatform.fetch(context)).0;
        let error = fetch().expect_err("missing");
        assert!(
            error.to_string().contains("IGNITION_CONFIG_FILE"),
            "{error}"
        );
        std::fs::write(&path, "").expect("written");
        assert_eq!(fetch().expect("read"), Answer::Empty);
        std::fs::write(&path, "{}").expect("written");
        let name = path.display().to_string();
        let want = Answer::Config {
            name,
            text: b"{}".into(),
        };
        assert_eq!(fetch().expect("read"), want);
    }
}
