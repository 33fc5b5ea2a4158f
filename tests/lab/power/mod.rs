//! Power cuts: the kernel of a first boot is killed at some point, and the boot is repeated. It must converge without
//! intervention, and a partition that the config keeps must keep its content.
//!
//! Disks are files of the host, used through the kernel's own block driver: data that the guest has not flushed is lost
//! with it.

mod config;
mod guest;

pub use guest::{PowerBoot, run_boot};

use super::case::{Failure, Verdict};
use super::host;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The name in verdicts.
pub const NAME: &str = "power::cuts";

/// Number of parallel kernels.
const WORKERS: usize = 2;
/// Time limit of a kernel for all stages.
const BOOT_TIMEOUT: Duration = Duration::from_secs(400);

/// Cuts at this many points, spread evenly from the start of the disks stage to the end of the run.
pub fn run(points: usize, each: &mut (dyn FnMut(Verdict) + Send)) -> Result<(), String> {
    if points == 0 {
        return Ok(());
    }
    let template = template()?;
    let next = AtomicUsize::new(0);
    let each = Mutex::new(each);
    let first_error = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(points) {
            scope.spawn(|| {
                // Each worker measures for itself, since the duration depends on what runs in parallel.
                let duration = match measure_uncut(template.path()) {
                    Ok(duration) => duration,
                    Err(error) => return *first_error.lock().expect("no panic") = Some(error),
                };
                loop {
                    let point = next.fetch_add(1, Ordering::Relaxed);
                    if point >= points {
                        return;
                    }
                    let at = duration.mul_f64((point as f64 + 0.5) / points as f64);
                    let verdict = run_point(template.path(), point, points, at);
                    (each.lock().expect("no panic"))(verdict);
                }
            });
        }
    });
    first_error
        .into_inner()
        .expect("no panic")
        .map_or(Ok(()), Err)
}

fn scratch() -> Result<tempfile::TempDir, String> {
    let memory = Path::new("/dev/shm");
    let place = match memory.is_dir() {
        true => memory.to_path_buf(),
        false => std::env::temp_dir(),
    };
    tempfile::Builder::new()
        .prefix("kindling-power-")
        .tempdir_in(place)
        .map_err(|e| format!("create a directory: {e}"))
}

fn must(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{program} {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The disks before: the first has a partition with a file system full of known bytes.
fn template() -> Result<tempfile::TempDir, String> {
    let dir = scratch()?;
    let content = dir.path().join("content");
    fs::create_dir(&content).map_err(|e| e.to_string())?;
    for n in 0..config::KEPT_FILES {
        fs::write(content.join(format!("file{n}")), config::kept_bytes(n))
            .map_err(|e| e.to_string())?;
    }
    for disk in config::DISKS {
        let file = fs::File::create(dir.path().join(disk)).map_err(|e| e.to_string())?;
        file.set_len(config::DISK_MIB << 20)
            .map_err(|e| e.to_string())?;
    }
    let disk = dir.path().join(config::DISKS[0]);
    let (disk, content) = (disk.display().to_string(), content.display().to_string());
    let new = format!("--new=9:{}M:+{}M", config::KEPT_AT_MIB, config::KEPT_MIB);
    must("sgdisk", &[&new, "--change-name=9:keep", &disk])?;
    let offset = format!("offset={}", config::KEPT_AT_MIB << 20);
    let size = format!("{}M", config::KEPT_MIB);
    let make = [
        "-q", "-F", "-L", "keep", "-d", &content, "-E", &offset, &disk, &size,
    ];
    must("mkfs.ext4", &make)?;
    Ok(dir)
}

/// Fresh disks and a directory to share.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(template: &Path) -> Result<Self, String> {
        let dir = scratch()?;
        for disk in config::DISKS {
            let (from, to) = (template.join(disk), dir.path().join(disk));
            must(
                "cp",
                &[
                    "--sparse=always",
                    &from.display().to_string(),
                    &to.display().to_string(),
                ],
            )?;
        }
        Ok(Self { dir })
    }
    fn share(&self, boot: PowerBoot) -> PathBuf {
        self.dir.path().join(boot.name())
    }
    /// Starts a kernel on the disks.
    fn start(&self, boot: PowerBoot) -> Result<Child, String> {
        let share = self.share(boot);
        fs::create_dir(&share).map_err(|e| format!("{}: {e}", share.display()))?;
        fs::write(share.join(boot.name()), "").map_err(|e| e.to_string())?;
        let disks: Vec<String> = config::DISKS
            .iter()
            .enumerate()
            .map(|(n, disk)| format!("ubd{n}={}", self.dir.path().join(disk).display()))
            .collect();
        host::kernel(&share, &disks)
    }
    fn read(&self, boot: PowerBoot, name: &str) -> String {
        let bytes = fs::read(self.share(boot).join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
    /// Waits for a file of the guest; accurate to a few milliseconds.
    fn wait_for(&self, child: &mut Child, boot: PowerBoot, name: &str) -> Result<(), String> {
        let start = Instant::now();
        while !self.share(boot).join(name).exists() {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            if ended && !self.share(boot).join(name).exists() {
                return Err(format!("the kernel ended before \"{name}\""));
            }
            if start.elapsed() > BOOT_TIMEOUT {
                return Err(format!("no \"{name}\" within {} s", BOOT_TIMEOUT.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
    /// The log and console output of a guest.
    fn transcript(&self, boot: PowerBoot) -> String {
        format!(
            "==== log\n{}\n==== kernel\n{}",
            self.read(boot, "log"),
            self.read(boot, "console")
        )
    }
}

/// Measures the time from the start of the disks stage to the end of an uninterrupted run.
fn measure_uncut(template: &Path) -> Result<Duration, String> {
    let machine = Machine::new(template)?;
    let mut child = machine.start(PowerBoot::Cut)?;
    let outcome = machine
        .wait_for(&mut child, PowerBoot::Cut, guest::STARTED)
        .and_then(|()| {
            let start = Instant::now();
            machine.wait_for(&mut child, PowerBoot::Cut, guest::ENDED)?;
            Ok(start.elapsed())
        });
    host::cut(&mut child);
    let result = machine.read(PowerBoot::Cut, guest::ENDED);
    match outcome {
        Ok(duration) if result == "0" => {
            println!(
                "a run that is not cut takes {:.1} s",
                duration.as_secs_f64()
            );
            Ok(duration)
        }
        Ok(_) => Err(format!(
            "a run that is not cut ends with {result}:\n{}",
            machine.transcript(PowerBoot::Cut)
        )),
        Err(why) => Err(format!(
            "a run that is not cut: {why}\n{}",
            machine.transcript(PowerBoot::Cut)
        )),
    }
}

fn run_point(template: &Path, point: usize, points: usize, at: Duration) -> Verdict {
    let start = Instant::now();
    let failure = cut_and_rerun(template, at).err();
    Verdict {
        case: format!(
            "{NAME} {} of {points}, {:.2} s after the start",
            point + 1,
            at.as_secs_f64()
        ),
        failure: failure.map(|(step, reason, transcript)| Failure {
            step,
            reason,
            transcript,
        }),
        millis: start.elapsed().as_millis() as u64,
    }
}

/// Step, reason and transcript.
type CutError = (String, String, String);

/// Cuts the power at one point and repeats the boot.
fn cut_and_rerun(template: &Path, at: Duration) -> Result<(), CutError> {
    let set_up = |why: String| ("set up".to_owned(), why, String::new());
    let machine = Machine::new(template).map_err(set_up)?;
    let mut child = machine.start(PowerBoot::Cut).map_err(set_up)?;
    let started = machine.wait_for(&mut child, PowerBoot::Cut, guest::STARTED);
    if started.is_ok() {
        std::thread::sleep(at);
    }
    host::cut(&mut child);
    started.map_err(|why| {
        (
            "before the cut".to_owned(),
            why,
            machine.transcript(PowerBoot::Cut),
        )
    })?;

    let mut child = machine.start(PowerBoot::Rerun).map_err(set_up)?;
    let ended = machine.wait_for(&mut child, PowerBoot::Rerun, guest::ENDED);
    host::cut(&mut child);
    let transcript = || {
        format!(
            "==== first boot, until it was cut\n{}\n==== second boot\n{}",
            machine.transcript(PowerBoot::Cut),
            machine.transcript(PowerBoot::Rerun)
        )
    };
    ended.map_err(|why| ("second boot".to_owned(), why, transcript()))?;
    match machine.read(PowerBoot::Rerun, guest::ENDED).as_str() {
        "0" => Ok(()),
        why => Err(("second boot".to_owned(), why.to_owned(), transcript())),
    }
}
