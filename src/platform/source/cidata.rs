//! NoCloud's drive `cidata` on platforms where it may be missing: the wait is limited, and any problem with the drive
//! means that there is no config.

use super::drive::{self, Drive};
use crate::log::Log;
use crate::platform::contract::{
    About, Answer, AttributeSource, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use std::path::Path;
use std::time::Duration;

/// Describes [`TIMEOUT`] in tables.
const TIMEOUT_TEXT: &str = "30 s, then there is no config";
/// Time limit for the drive to appear.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Label of the drive.
pub(crate) const LABEL: &str = "cidata";
/// Exact start of a cloud-config. Anything that only resembles it counts as a config, and is rejected later.
const CLOUD_CONFIG: &[u8] = b"#cloud-config\n";

/// Where the config is on the drive.
#[derive(Debug)]
pub(crate) struct Cidata {
    /// Paths of the config, in order of preference.
    pub files: &'static [&'static str],
    /// True if cloud-configs and unreadable files are skipped.
    pub skips_cloud_config: bool,
}

impl Cidata {
    /// The reads, one line each.
    pub(crate) fn describe(&self) -> Vec<String> {
        let drives = self.files.iter().map(|path| Drive { label: LABEL, path });
        drives.map(|drive| drive.describe()).collect()
    }

    /// Waits for the drive and reads the config.
    ///
    /// # Errors
    /// If the wait was cancelled.
    pub(crate) fn answer(&self, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
        let drive = Drive {
            label: LABEL,
            path: "/",
        };
        let log = context.log;
        let found = drive.visit(
            Some(TIMEOUT),
            log,
            &|| context.events.cancelled(),
            &|mount_point| self.find(mount_point, log),
        );
        match found {
            Ok(Some((path, text))) => Ok(Answer::of(format!("{LABEL}:{path}"), text)),
            Ok(None) => {
                log.info(format_args!("no config on drive {LABEL}"));
                Ok(Answer::Empty)
            }
            Err(error) if context.events.cancelled() => Err(error),
            Err(error) => {
                log.warning(format_args!("no config from drive {LABEL}: {error:#}"));
                Ok(Answer::Empty)
            }
        }
    }

    fn find(
        &self,
        mount_point: &Path,
        log: &Log,
    ) -> anyhow::Result<Option<(&'static str, Vec<u8>)>> {
        for path in self.files {
            match drive::read(mount_point, path) {
                Ok(Some(text)) if self.is_config(&text) => return Ok(Some((path, text))),
                Ok(_) => log.info(format_args!("no config in {path}")),
                Err(error) if self.skips_cloud_config => log.warning(format_args!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn is_config(&self, text: &[u8]) -> bool {
        let is_skipped = self.skips_cloud_config && text.starts_with(CLOUD_CONFIG);
        !text.is_empty() && !is_skipped
    }
}

/// A platform whose config is on such a drive.
#[derive(Debug)]
pub(crate) struct CidataPlatform {
    pub id: &'static str,
    /// Where the config is, as a line of Markdown.
    pub source: &'static str,
    /// Answers that mean that there is no config, which is not an error.
    pub no_config: &'static str,
    pub drive: Cidata,
    /// The source of its attributes.
    pub attributes: &'static dyn AttributeSource,
}

impl Platform for CidataPlatform {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> About {
        About {
            source: self.source,
            requests: &[],
            no_config: self.no_config,
            waits: TIMEOUT_TEXT,
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Expected("isofs"),
                KernelModule::Expected("vfat"),
            ],
            tested: TestLevel::RealMedium,
        }
    }

    fn requests(&self) -> Vec<String> {
        self.drive.describe()
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        self.drive.answer(context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(self.attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::fs;

    fn find(files: &[(&str, &str)], skips_cloud_config: bool) -> Option<String> {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("written");
        }
        let data = Cidata {
            files: &["/user-data", "/vendor-data"],
            skips_cloud_config,
        };
        let found = data.find(dir.path(), &Log::new(Sink::memory().0));
        let (path, text) = found.expect("read")?;
        Some(format!("{path} {}", String::from_utf8_lossy(&text)))
    }

    #[test]
    fn the_first_config_is_taken() {
        let cloud = ("user-data", "#cloud-config\nusers: []\n");
        let vendor = ("vendor-data", "{}");
        assert_eq!(find(&[], true), None);
        assert_eq!(find(&[vendor], true).as_deref(), Some("/vendor-data {}"));
        assert_eq!(
            find(&[cloud, vendor], true).as_deref(),
            Some("/vendor-data {}")
        );
        assert_eq!(find(&[cloud], true), None);
        assert_eq!(
            find(&[("user-data", ""), vendor], true).as_deref(),
            Some("/vendor-data {}")
        );
        let text = find(&[cloud], false).expect("taken as it is");
        assert!(text.starts_with("/user-data #cloud-config"), "{text}");
    }

    #[test]
    fn near_misses_of_a_cloud_config_count_as_configs() {
        for text in ["#cloud-config\r\n", "#cloud-config", "#cloud-config \n"] {
            let found = find(&[("user-data", text)], true);
            assert_eq!(found, Some(format!("/user-data {text}")));
        }
    }
}
