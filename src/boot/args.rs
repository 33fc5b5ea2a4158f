//! The arguments of a stage.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One stage of a first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// Obtain the config without a network, if possible.
    FetchOffline,
    /// Obtain the config.
    Fetch,
    /// Change kernel arguments.
    Kargs,
    /// Create partitions, arrays, encrypted volumes and file systems.
    Disks,
    /// Mount the file systems.
    Mount,
    /// Create users, files and units.
    Files,
    /// Unmount the file systems.
    Umount,
}

impl Stage {
    /// Every stage, in the order of a boot.
    pub(crate) const ALL: [Stage; 7] = [
        Stage::FetchOffline,
        Stage::Fetch,
        Stage::Kargs,
        Stage::Disks,
        Stage::Mount,
        Stage::Files,
        Stage::Umount,
    ];

    /// The name on the command line, in logs and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::FetchOffline => "fetch-offline",
            Stage::Fetch => "fetch",
            Stage::Kargs => "kargs",
            Stage::Disks => "disks",
            Stage::Mount => "mount",
            Stage::Files => "files",
            Stage::Umount => "umount",
        }
    }

    /// The stage with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stage to run, and the paths of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageArgs {
    /// Where the rendered user config is cached.
    pub config_cache: PathBuf,
    /// Time limit for obtaining the first config: `None` is unlimited, zero makes every fetch time out.
    pub fetch_timeout: Option<Duration>,
    /// The file to create when a network is needed.
    pub neednet: PathBuf,
    /// The id of a known platform.
    pub platform: String,
    /// The target root; `/` if an empty one was given.
    pub root: PathBuf,
    pub stage: Stage,
    /// Where state is passed between stages.
    pub state_file: PathBuf,
    /// Log to standard output rather than to the system log.
    pub log_to_stdout: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_names() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.name()), Some(stage));
        }
        assert_eq!(Stage::parse("all"), None);
    }
}
