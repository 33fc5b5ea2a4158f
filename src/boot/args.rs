//! What the stage runner is asked to do.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One stage of a first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// Obtain the config without a network, if that can be done.
    FetchOffline,
    /// Obtain the config.
    Fetch,
    /// Kernel arguments.
    Kargs,
    /// Partitions, RAID, encrypted volumes, file systems.
    Disks,
    /// Mount the file systems.
    Mount,
    /// Users, files, units.
    Files,
    /// Unmount them.
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

    /// Its name on the command line, in logs and in reports.
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

    /// The stage of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stage to run, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageArgs {
    /// The rendered config of the user.
    pub config_cache: PathBuf,
    /// Time to obtain the first config in: `None` is unlimited, zero makes every fetch time out.
    pub fetch_timeout: Option<Duration>,
    /// Made when a network is needed.
    pub neednet: PathBuf,
    /// Id of the platform; known.
    pub platform: String,
    /// The target root; `/` if an empty one was given.
    pub root: PathBuf,
    pub stage: Stage,
    /// What passes between stages.
    pub state_file: PathBuf,
    /// Log lines on standard output rather than in the system's log.
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
