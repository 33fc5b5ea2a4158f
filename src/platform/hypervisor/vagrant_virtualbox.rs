//! Platform `vagrant-virtualbox` of Container Linux: the config is the content of a partition on a small disk.

use crate::log::Log;
use crate::platform::contract::{About, Answer, FetchContext, Network, Platform, TestLevel};
use crate::platform::source::encoding::read_padded;
use anyhow::Context;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// The partition, by the GUID that Vagrant's plugin gives it.
const PARTITION: &str = "/dev/disk/by-partuuid/99570a8a-f826-4eb0-ba4e-9dd72d55ea13";

/// The platform.
pub(crate) struct VagrantVirtualBox;

impl Platform for VagrantVirtualBox {
    fn id(&self) -> &'static str {
        "vagrant-virtualbox"
    }

    fn about(&self) -> About {
        About {
            source: "the partition with GUID `99570a8a-f826-4eb0-ba4e-9dd72d55ea13`, without its trailing NULs",
            requests: &["read /dev/disk/by-partuuid/99570a8a-f826-4eb0-ba4e-9dd72d55ea13"],
            no_config: "there is no such partition, or it has nothing but NULs",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[],
            tested: TestLevel::RealMedium,
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        from_partition(Path::new(PARTITION), context.log)
    }
}

fn from_partition(partition: &Path, log: &Log) -> anyhow::Result<Answer> {
    let name = partition.display().to_string();
    let read = File::open(partition).and_then(|mut partition| read_padded(&mut partition));
    match read {
        Ok(text) => Ok(Answer::of(name, text)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            log.info(format_args!("no config: there is no {name}"));
            Ok(Answer::Empty)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read the config in {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::fs;

    #[test]
    fn trailing_nuls_are_removed_and_the_partition_may_be_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let partition = dir.path().join("p");
        let log = Log::new(Sink::memory().0);
        let read = || from_partition(&partition, &log);
        assert_eq!(read().expect("fine"), Answer::Empty);
        fs::write(&partition, "{}\0\0\0").expect("written");
        let name = partition.display().to_string();
        assert_eq!(read().expect("read"), Answer::of(name, b"{}".into()));
        fs::write(&partition, "\0\0").expect("written");
        assert_eq!(read().expect("read"), Answer::Empty);
        assert!(from_partition(dir.path(), &log).is_err(), "a directory");
    }
}
