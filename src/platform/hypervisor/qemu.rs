//! Platform `qemu`: the config is in the firmware configuration device (fw_cfg) of the virtual machine or, where there
//! is no such device, on a small disk.
//!
//! The kernel exposes fw_cfg as files in sysfs. It returns one page per read, and for each page it reads everything
//! before it from the device again, byte by byte: a config of 4 MiB takes two billion accesses. On x86, a program can
//! read the device directly in one pass. This is done if it is permitted, for configs of more than a page.

mod block;
mod ports;
mod sysfs;

use crate::log::Log;
use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use crate::platform::source::kernel_module;
use std::path::Path;
use std::time::{Duration, Instant};

/// Directory of fw_cfg in sysfs.
const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg";
/// Keys of the config; Flatcar's own comes first.
pub const KEYS: [&str; 2] = ["opt/org.flatcar-linux/config", "opt/com.coreos/config"];
/// Up to this size one read is enough, so sysfs is as fast as the device.
const PAGE_BYTES: usize = 4096;
/// False on architectures where QEMU has no fw_cfg.
const HAS_FW_CFG: bool = !cfg!(any(target_arch = "s390x", target_arch = "powerpc64"));

/// The platform.
pub struct Qemu;

impl Platform for Qemu {
    fn id(&self) -> &'static str {
        "qemu"
    }

    fn about(&self) -> About {
        About {
            source: "fw_cfg key `opt/org.flatcar-linux/config`, else `opt/com.coreos/config`; on s390x and ppc64le the virtio disk with serial number `ignition`",
            requests: &[
                "read /sys/firmware/qemu_fw_cfg/by_name/opt/org.flatcar-linux/config/raw",
                "read /sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw",
                "s390x, ppc64le: read /dev/disk/by-id/virtio-ignition",
            ],
            no_config: "neither key is there, or the key is empty; on a disk: nothing but zeros",
            waits: "none; 5 min for the disk, then the boot ends",
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Loaded("qemu_fw_cfg"),
                KernelModule::Loaded("virtio_blk"),
            ],
            tested: TestLevel::RealDevice,
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        if HAS_FW_CFG {
            from_firmware(Path::new(FW_CFG), context.log)
        } else {
            block::fetch(context.log)
        }
    }
}

fn from_firmware(firmware: &Path, log: &Log) -> anyhow::Result<Answer> {
    kernel_module::load_unless_exists(firmware, "qemu_fw_cfg", log)?;
    for key in KEYS {
        if let Some(text) = read(firmware, key, log)? {
            return Ok(Answer::of(format!("fw_cfg {key}"), text));
        }
    }
    let keys = KEYS.join(" or ");
    log.info(format_args!("no QEMU firmware config at {keys}"));
    Ok(Answer::Empty)
}

fn read(firmware: &Path, key: &str, log: &Log) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(bytes) = sysfs::size(firmware, key)? else {
        return Ok(None);
    };
    let start = Instant::now();
    let (text, method) = if bytes <= PAGE_BYTES {
        (
            sysfs::read(firmware, key, bytes, &mut |_| {})?,
            "sysfs".into(),
        )
    } else {
        match ports::read(key, bytes) {
            Ok(text) => (text, "I/O ports".into()),
            Err(error) => {
                let mut slow = SlowRead::new(log, bytes);
                let text = sysfs::read(firmware, key, bytes, &mut |done| slow.report(done))?;
                (text, format!("sysfs, since I/O ports failed: {error:#}"))
            }
        }
    };
    let seconds = start.elapsed().as_secs_f32();
    log.debug(format_args!(
        "read {bytes} bytes of fw_cfg {key} in {seconds:.3} s through {method}"
    ));
    Ok(Some(text))
}

/// Reads a key of fw_cfg through sysfs. `None` if it does not exist.
///
/// # Errors
/// If it cannot be read.
pub fn read_by_sysfs(key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let firmware = Path::new(FW_CFG);
    let bytes = sysfs::size(firmware, key)?;
    bytes
        .map(|bytes| sysfs::read(firmware, key, bytes, &mut |_| {}))
        .transpose()
}

/// Reads a key of fw_cfg directly from the device. `None` if it does not exist.
///
/// # Errors
/// If this is not permitted, or something else reads the device at the same time.
pub fn read_by_ports(key: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let bytes = sysfs::size(Path::new(FW_CFG), key)?;
    bytes.map(|bytes| ports::read(key, bytes)).transpose()
}

/// Logs the progress of a slow read.
struct SlowRead<'a> {
    log: &'a Log,
    bytes: usize,
    start: Instant,
    last_report: Option<Instant>,
}

impl<'a> SlowRead<'a> {
    /// Time before the first report.
    const FIRST_REPORT_DELAY: Duration = Duration::from_secs(10);
    /// Time between reports.
    const REPORT_INTERVAL: Duration = Duration::from_secs(5);

    fn new(log: &'a Log, bytes: usize) -> Self {
        Self {
            log,
            bytes,
            start: Instant::now(),
            last_report: None,
        }
    }

    fn report(&mut self, done: usize) {
        let due = match self.last_report {
            None => self.start.elapsed() >= Self::FIRST_REPORT_DELAY,
            Some(last_report) => last_report.elapsed() >= Self::REPORT_INTERVAL,
        };
        if !due {
            return;
        }
        if self.last_report.is_none() {
            self.log.warning(
                "reading the config through sysfs takes time in proportion to the square of its size; for large configs, fetch the bulk from a URL",
            );
        }
        let (log, bytes) = (self.log, self.bytes);
        log.info(format_args!("reading fw_cfg: {done} of {bytes} bytes"));
        self.last_report = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::fs;
    use tempfile::TempDir;

    /// A directory with the files that the kernel has for these keys.
    fn firmware(keys: &[(&str, &str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (key, size, raw) in keys {
            let dir = root.path().join("by_name").join(key);
            fs::create_dir_all(&dir).expect("made");
            fs::write(dir.join("size"), size).expect("written");
            fs::write(dir.join("raw"), raw).expect("written");
        }
        root
    }

    fn fetch(keys: &[(&str, &str, &str)]) -> Result<Answer, String> {
        let (sink, _) = Sink::memory();
        let answer = from_firmware(firmware(keys).path(), &Log::new(sink));
        answer.map_err(|error| format!("{error:#}"))
    }

    fn config(key: &str, text: &str) -> Answer {
        Answer::of(format!("fw_cfg {key}"), text.into())
    }

    #[test]
    fn keys_are_tried_in_order() {
        let [flatcar, coreos] = KEYS;
        assert_eq!(fetch(&[]), Ok(Answer::Empty));
        assert_eq!(fetch(&[(coreos, "2\n", "{}")]), Ok(config(coreos, "{}")));
        let both = [(coreos, "2", "{}"), (flatcar, "1", "x")];
        assert_eq!(fetch(&both), Ok(config(flatcar, "x")));
        assert_eq!(fetch(&[(coreos, "0", "")]), Ok(Answer::Empty));
    }

    #[test]
    fn inconsistent_sizes_are_errors() {
        let cases = [
            ("many", "{}", "is not a number"),
            ("3", "{}", "ends after 2 of 3 bytes"),
            ("1", "{}", "has more than the 1 bytes"),
            ("99999999999", "{}", "larger than"),
        ];
        for (size, raw, want) in cases {
            let error = fetch(&[(KEYS[1], size, raw)]).expect_err(size);
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_config_of_several_pages_is_read() {
        let text = "x".repeat(PAGE_BYTES * 2);
        let size = text.len().to_string();
        let root = firmware(&[(KEYS[1], &size, &text)]);
        let (sink, log) = Sink::memory();
        let answer = from_firmware(root.path(), &Log::new(sink)).expect("read");
        assert_eq!(answer, config(KEYS[1], &text));
        let log = log.lock().expect("one thread").clone();
        assert!(
            log.starts_with("DEBUG    : read 8192 bytes of fw_cfg"),
            "{log}"
        );
    }
}
