//! Platform `nvidiabluefield`: the config is pushed into the boot FIFO of a BlueField data processing unit.

use super::encoding::without_nuls;
use super::{About, Answer, Module, Network, Platform, Site, Tested, modules};
use crate::log::Log;
use std::fs;
use std::path::Path;

const FIFO: &str = "/sys/bus/platform/devices/MLNXBF04:00/bootfifo";

/// The platform.
pub struct NvidiaBlueField;

impl Platform for NvidiaBlueField {
    fn id(&self) -> &'static str {
        "nvidiabluefield"
    }

    fn about(&self) -> About {
        About {
            source: "the boot FIFO, `/sys/bus/platform/devices/MLNXBF04:00/bootfifo`, without the NULs around it",
            asks: &["read /sys/bus/platform/devices/MLNXBF04:00/bootfifo"],
            no_config: "it is missing, cannot be read, or has nothing but NULs",
            patience: "none",
            network: Network::NotNeeded,
            modules: &[Module::Loaded("mlxbf_bootctl")],
            tested: Tested::StandIn,
        }
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn fetch(&self, site: &mut Site<'_>) -> anyhow::Result<Answer> {
        modules::load("mlxbf_bootctl", site.log)?;
        Ok(from_fifo(Path::new(FIFO), site.log))
    }
}

fn from_fifo(fifo: &Path, log: &Log) -> Answer {
    let name = fifo.display().to_string();
    match fs::read(fifo) {
        Ok(text) => Answer::of(name, without_nuls(text)),
        Err(error) => {
            log.warning(format_args!("no config: cannot read {name}: {error}"));
            Answer::Empty
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    #[test]
    fn a_fifo_is_read_to_its_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("bootfifo");
        let log = Log::new(Sink::memory().0);
        mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("made");
        let name = fifo.display().to_string();
        let long = format!("\0\0{{{}}}\0\0", " ".repeat(100_000));
        for (text, want) in [
            ("{}", Answer::of(&name, b"{}".into())),
            (&long, Answer::of(&name, long.trim_matches('\0').into())),
            ("\0\0", Answer::Empty),
            ("", Answer::Empty),
        ] {
            let answer = std::thread::scope(|scope| {
                scope.spawn(|| fs::write(&fifo, text).expect("pushed"));
                from_fifo(&fifo, &log)
            });
            assert_eq!(answer, want);
        }
    }

    #[test]
    fn without_a_fifo_there_is_no_config() {
        let (sink, text) = Sink::memory();
        let answer = from_fifo(Path::new("/nowhere"), &Log::new(sink));
        assert_eq!(answer, Answer::Empty);
        let text = text.lock().expect("one thread").clone();
        assert!(
            text.contains("cannot read /nowhere: No such file"),
            "{text}"
        );
    }
}
