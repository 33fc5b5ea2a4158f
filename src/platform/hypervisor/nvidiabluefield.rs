//! Platform `nvidiabluefield`: the host pushes the config into the boot FIFO of a BlueField data processing unit.

use crate::log::Log;
use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use crate::platform::source::encoding::without_nuls;
use crate::platform::source::kernel_module;
use anyhow::ensure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const FIFO: &str = "/sys/bus/platform/devices/MLNXBF04:00/bootfifo";
/// Maximum size of a boot stream.
const MAX_BYTES: u64 = 256 << 20;

/// The platform.
pub(crate) struct NvidiaBlueField;

impl Platform for NvidiaBlueField {
    fn id(&self) -> &'static str {
        "nvidiabluefield"
    }

    fn about(&self) -> About {
        About {
            source: "the boot FIFO, `/sys/bus/platform/devices/MLNXBF04:00/bootfifo`, without the NULs around it",
            requests: &["read /sys/bus/platform/devices/MLNXBF04:00/bootfifo"],
            no_config: "it is missing, cannot be read, or has nothing but NULs",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[KernelModule::Loaded("mlxbf_bootctl")],
            tested: TestLevel::StandIn,
        }
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        kernel_module::load("mlxbf_bootctl", context.log)?;
        from_fifo(Path::new(FIFO), MAX_BYTES, context.log)
    }
}

/// Reads the FIFO. If it cannot be read, there is no config.
fn from_fifo(fifo: &Path, max_bytes: u64, log: &Log) -> anyhow::Result<Answer> {
    let name = fifo.display().to_string();
    let text = match read(fifo, max_bytes) {
        Ok(text) => text,
        Err(error) => {
            log.warning(format_args!("no config: cannot read {name}: {error}"));
            return Ok(Answer::Empty);
        }
    };
    ensure!(
        text.len() as u64 <= max_bytes,
        "{name} has more than {max_bytes} bytes, which no config has; look at what the host pushes"
    );
    Ok(Answer::of(name, without_nuls(text)))
}

/// Reads to the end, at most one byte more than the limit.
fn read(fifo: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut fifo = File::open(fifo)?.take(max_bytes + 1);
    fifo.read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::fs;

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
                from_fifo(&fifo, 100_006, &log)
            });
            assert_eq!(answer.expect("read"), want);
        }
    }

    #[test]
    fn files_are_accepted_and_endless_data_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("bootfifo");
        fs::write(&file, "\0{}\0").expect("written");
        let log = Log::new(Sink::memory().0);
        let name = file.display().to_string();
        let answer = from_fifo(&file, 4, &log).expect("read");
        assert_eq!(answer, Answer::of(&name, b"{}".into()));
        let endless = Path::new("/dev/zero");
        for (file, bytes) in [(file.as_path(), 3), (endless, 10_000)] {
            let error = from_fifo(file, bytes, &log)
                .expect_err("too long")
                .to_string();
            assert!(
                error.contains(&format!("more than {bytes} bytes")),
                "{error}"
            );
        }
    }

    #[test]
    fn without_a_fifo_there_is_no_config() {
        let (sink, text) = Sink::memory();
        let answer = from_fifo(Path::new("/nowhere"), 4, &Log::new(sink));
        assert_eq!(answer.expect("none"), Answer::Empty);
        let text = text.lock().expect("one thread").clone();
        assert!(
            text.contains("cannot read /nowhere: No such file"),
            "{text}"
        );
    }
}
