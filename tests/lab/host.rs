//! The half of the lab that runs on the host: starts kernels, distributes cases, collects verdicts.

use super::case::{Case, Line, Verdict};
use super::reboot;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A kernel without output for this long is killed.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(1200);
/// Parallel kernels per processor: each uses a single processor, and is idle nearly half of the time.
const KERNELS_PER_PROCESSOR: usize = 3;
/// Maximum number of parallel kernels, because their disks are in memory.
const MAX_KERNELS: usize = 8;
/// Memory of each kernel, including its sparse disks.
const MEMORY: &str = "mem=3G";

/// Files that must be installed, and the Debian packages that have them.
const NEEDS: &[(&str, &str)] = &[
    ("/usr/bin/linux.uml", "user-mode-linux"),
    ("/usr/lib/uml/modules", "user-mode-linux"),
    ("/lib/systemd/systemd-udevd", "udev"),
    ("/sbin/modprobe", "kmod"),
    ("/bin/busybox", "busybox-static"),
    ("/sbin/losetup", "mount"),
    ("/sbin/sfdisk", "fdisk"),
    ("/sbin/sgdisk", "gdisk"),
    ("/sbin/mkfs.ext4", "e2fsprogs"),
    ("/sbin/mkfs.xfs", "xfsprogs"),
    ("/sbin/mkfs.btrfs", "btrfs-progs"),
    ("/sbin/mkfs.fat", "dosfstools"),
    ("/sbin/mdadm", "mdadm"),
    ("/sbin/dmsetup", "dmsetup"),
    ("/usr/sbin/useradd", "passwd"),
    ("/sbin/cryptsetup", "cryptsetup-bin"),
    ("/usr/bin/clevis-luks-bind", "clevis-luks"),
    ("/usr/bin/clevis-encrypt-tpm2", "clevis-tpm2"),
    ("/usr/bin/jose", "jose"),
    ("/usr/libexec/tangd", "tang"),
    ("/usr/bin/swtpm", "swtpm"),
    ("/usr/bin/tpm2_create", "tpm2-tools"),
    ("/usr/bin/socat", "socat"),
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/xorrisofs", "xorriso"),
    ("/usr/sbin/mkudffs", "udftools"),
    ("/usr/bin/python3", "python3"),
];

/// Why the lab cannot run here, and what to install. This is an error: cases are never skipped.
pub fn missing_requirements() -> Option<String> {
    let lacking: Vec<&(&str, &str)> = NEEDS
        .iter()
        .filter(|(path, _)| !Path::new(path).exists())
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let files: Vec<&str> = lacking.iter().map(|(path, _)| *path).collect();
    let mut packages: Vec<&str> = lacking.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Some(format!(
        "the lab runs cases in a real kernel and needs {}; install: apt-get install {}",
        files.join(", "),
        packages.join(" ")
    ))
}

/// One running kernel.
struct Kernel {
    child: Child,
    share: tempfile::TempDir,
    cases: Vec<String>,
    read: usize,
    last_output: Instant,
    running: Option<String>,
}

/// Runs all cases, and calls `each` with every verdict as it arrives. Every case gets exactly one verdict.
pub fn run(cases: &[Case], each: &mut dyn FnMut(Verdict)) -> Result<(), String> {
    let (twice, once): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| !case.after_reboot.is_empty());
    run_once(&once, each)?;
    for cases in twice.chunks(kernels_side_by_side()) {
        let verdicts: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = cases
                .iter()
                .map(|case| scope.spawn(|| reboot::run(case)))
                .collect();
            running
                .into_iter()
                .map(|case| case.join().expect("it reports failures as values"))
                .collect()
        });
        for verdict in verdicts {
            each(verdict?);
        }
    }
    Ok(())
}

fn kernels_side_by_side() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors * KERNELS_PER_PROCESSOR).min(MAX_KERNELS)
}

/// Runs cases in one kernel each.
pub fn run_once(cases: &[&Case], each: &mut dyn FnMut(Verdict)) -> Result<(), String> {
    let mut kernels = Vec::new();
    let side_by_side = kernels_side_by_side().min(cases.len());
    for n in 0..side_by_side {
        let share: Vec<&Case> = cases
            .iter()
            .skip(n)
            .step_by(side_by_side)
            .copied()
            .collect();
        kernels.push(start(&share)?);
    }
    while !kernels.is_empty() {
        std::thread::sleep(Duration::from_millis(100));
        let mut alive = Vec::new();
        for mut kernel in kernels {
            let ended = kernel
                .child
                .try_wait()
                .map_err(|e| format!("wait for the kernel: {e}"))?
                .is_some();
            kernel.collect(each)?;
            if ended || kernel.cases.is_empty() || kernel.last_output.elapsed() > SILENCE_TIMEOUT {
                kernel.finish(ended, each);
            } else {
                alive.push(kernel);
            }
        }
        kernels = alive;
    }
    Ok(())
}

/// The binary to test: by default the one that cargo has built for this test. An optimised one starts faster, which
/// matters in this kernel.
fn kindling() -> String {
    std::env::var("KINDLING_LAB_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_kindling").into())
}

fn start(cases: &[&Case]) -> Result<Kernel, String> {
    let memory = Path::new("/dev/shm");
    let share = tempfile::Builder::new()
        .prefix("kindling-lab-")
        .tempdir_in(if memory.is_dir() {
            memory.to_path_buf()
        } else {
            std::env::temp_dir()
        })
        .map_err(|e| format!("create a directory to share with the kernel: {e}"))?;
    let text = serde_json::to_string(cases).map_err(|e| e.to_string())?;
    fs::write(share.path().join("cases.json"), text).map_err(|e| format!("write cases: {e}"))?;
    let child = kernel(share.path(), &[])?;
    let names = cases.iter().map(|case| case.name.clone()).collect();
    Ok(Kernel {
        child,
        share,
        cases: names,
        read: 0,
        last_output: Instant::now(),
        running: None,
    })
}

/// Starts a kernel whose guest finds its work in `share`; `more` are additional arguments of its command line.
pub fn kernel(share: &Path, more: &[String]) -> Result<Child, String> {
    let console =
        File::create(share.join("console")).map_err(|e| format!("create console log: {e}"))?;
    let exe = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    let init = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab/guest.sh");
    let start = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab/uml.sh");
    Command::new(start)
        .args([
            MEMORY,
            "root=/dev/root",
            "rootfstype=hostfs",
            "ro",
            "quiet",
            "con0=null,fd:1",
            "con=null",
        ])
        .arg(format!("init={}", init.display()))
        .arg(format!("lab_share={}", share.display()))
        .arg(format!("lab_exe={}", exe.display()))
        .arg(format!("lab_kindling={}", kindling()))
        .args(more)
        .env("TMPDIR", share)
        .stdin(Stdio::null())
        .stdout(console.try_clone().map_err(|e| e.to_string())?)
        .stderr(console)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("start tests/lab/uml.sh: {e}"))
}

/// Kills a kernel like a power cut, with its process group: the processes of the guest are its threads and traced
/// children.
pub fn cut(child: &mut Child) {
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    let _ = child.wait();
}

impl Kernel {
    /// Processes the complete lines that were written since the last call.
    fn collect(&mut self, each: &mut dyn FnMut(Verdict)) -> Result<(), String> {
        let text = fs::read_to_string(self.share.path().join("results.jsonl")).unwrap_or_default();
        let Some(end) = text.rfind('\n').filter(|end| *end >= self.read) else {
            return Ok(());
        };
        for line in text[self.read..=end].lines() {
            self.last_output = Instant::now();
            match serde_json::from_str(line)
                .map_err(|e| format!("a line from the kernel: {e}: {line}"))?
            {
                Line::Started(case) => self.running = Some(case),
                Line::Ended(verdict) => {
                    self.cases.retain(|case| *case != verdict.case);
                    self.running = None;
                    each(verdict);
                }
            }
        }
        self.read = end + 1;
        Ok(())
    }

    /// Ends the kernel. Cases without a verdict fail, with its console output as the transcript.
    fn finish(mut self, ended: bool, each: &mut dyn FnMut(Verdict)) {
        if !ended {
            let deadline =
                Instant::now() + Duration::from_secs(if self.cases.is_empty() { 5 } else { 0 });
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
            cut(&mut self.child);
        }
        let console = fs::read_to_string(self.share.path().join("console")).unwrap_or_default();
        let reason = if ended {
            "the kernel ended early"
        } else {
            "the kernel was silent for too long"
        };
        for case in std::mem::take(&mut self.cases) {
            let step = if self.running.as_ref() == Some(&case) {
                "while it ran"
            } else {
                "before it ran"
            };
            let failure = super::case::Failure {
                step: step.to_string(),
                reason: reason.to_string(),
                transcript: console.clone(),
            };
            each(Verdict {
                case,
                failure: Some(failure),
                millis: 0,
            });
        }
    }
}
