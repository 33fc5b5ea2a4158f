//! Waiting for devices: through systemd if it runs, else by watching the directories they appear in.
//!
//! A device is ready when its node exists and udev, if it runs, has processed it. Until then links may still change,
//! and other programs may have the device open.

use super::devices::present_disks;
use super::systemd::{NotStarted, SystemdClient};
use anyhow::bail;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fmt;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for devices if no limit is given, and systemd does not decide.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often to check even if no change was reported: not every file system supports that.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How often directories to watch are looked up before a check: more often than they have levels.
const MAX_WATCH_ROUNDS: usize = 100;

/// Waits until every device is ready, for `limit` at most; without it, as long as systemd waits for devices, or 30 s.
/// Returns at once if all are ready.
///
/// # Errors
/// If some are not ready in time; the message names them, and the existing disks.
pub fn for_devices(devices: &[PathBuf], limit: Option<Duration>) -> anyhow::Result<()> {
    let start = Instant::now();
    let udev = Udev::of_machine();
    let waiting = udev.unready(devices);
    if waiting.is_empty() {
        return Ok(());
    }
    // If systemd does not answer, the state of the devices decides, as it does without systemd.
    if let Some(systemd) = SystemdClient::connect()
        && let Ok(not_started) = start_with_systemd(systemd, &waiting, limit)
    {
        return check_not_started(&udev, &not_started, limit.unwrap_or_default());
    }
    let limit = limit.unwrap_or(TIMEOUT);
    let waiting = watch(&udev, devices, start + limit, POLL_INTERVAL)?;
    if waiting.is_empty() {
        return Ok(());
    }
    bail!(failure(&waiting, &within(limit)))
}

fn start_with_systemd(
    mut systemd: SystemdClient,
    waiting: &[Unready],
    limit: Option<Duration>,
) -> anyhow::Result<Vec<NotStarted>> {
    let devices: Vec<&Path> = waiting.iter().map(|one| one.device.as_path()).collect();
    systemd.start_devices(&devices, limit)
}

/// Fails if devices are not ready. Their own state overrules systemd, which may never see a device that is ready here.
fn check_not_started(
    udev: &Udev,
    not_started: &[NotStarted],
    limit: Duration,
) -> anyhow::Result<()> {
    let failed: Vec<PathBuf> = not_started.iter().map(|one| one.device.clone()).collect();
    let waiting = udev.unready(&failed);
    if waiting.is_empty() {
        return Ok(());
    }
    let result = |one: &NotStarted| match &one.result {
        Some(result) => format!("(systemd reports: {result})"),
        None => within(limit),
    };
    let mut results: Vec<String> = not_started.iter().map(result).collect();
    results.dedup();
    bail!(failure(&waiting, &results.join(", ")))
}

fn within(limit: Duration) -> String {
    format!("within {} s", limit.as_secs())
}

fn names(waiting: &[Unready]) -> String {
    let names: Vec<String> = waiting.iter().map(Unready::to_string).collect();
    names.join(", ")
}

fn failure(waiting: &[Unready], how: &str) -> String {
    let (names, disks) = (names(waiting), present_disks());
    format!("timed out waiting for {names} {how}; this machine has: {disks}")
}

/// A device that is not ready, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unready {
    device: PathBuf,
    state: DeviceState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeviceState {
    Absent,
    Unknown,
    NotReady,
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            DeviceState::Absent => "does not exist",
            DeviceState::Unknown => "udev has not finished processing it",
            DeviceState::NotReady => "udev says SYSTEMD_READY=0",
        };
        write!(f, "device {} ({state})", self.device.display())
    }
}

/// What udev knows, from its runtime directory.
#[derive(Debug)]
struct Udev {
    run: PathBuf,
}

impl Udev {
    fn of_machine() -> Self {
        Self {
            run: "/run/udev".into(),
        }
    }

    fn records(&self) -> PathBuf {
        self.run.join("data")
    }

    fn unready(&self, devices: &[PathBuf]) -> Vec<Unready> {
        let unready = |device: &PathBuf| {
            let state = self.state(device)?;
            let device = device.clone();
            Some(Unready { device, state })
        };
        devices.iter().filter_map(unready).collect()
    }

    /// Why a device is not ready; `None` if it is.
    fn state(&self, device: &Path) -> Option<DeviceState> {
        let Ok(metadata) = fs::metadata(device) else {
            return Some(DeviceState::Absent);
        };
        let is_managed_by_udev =
            metadata.file_type().is_block_device() && self.run.join("control").exists();
        if !is_managed_by_udev {
            return None;
        }
        let number = metadata.rdev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let record = self.records().join(format!("b{major}:{minor}"));
        match fs::read_to_string(record) {
            Err(_) => Some(DeviceState::Unknown),
            Ok(text) if text.lines().any(|line| line == "E:SYSTEMD_READY=0") => {
                Some(DeviceState::NotReady)
            }
            Ok(_) => None,
        }
    }
}

/// Waits by watching directories; returns what is not ready in the end.
fn watch(
    udev: &Udev,
    devices: &[PathBuf],
    deadline: Instant,
    interval: Duration,
) -> anyhow::Result<Vec<Unready>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    loop {
        // Watches are added before the check, so that no change in between is missed.
        add_watches(&inotify, udev, devices);
        let waiting = udev.unready(devices);
        let remaining = deadline.saturating_duration_since(Instant::now());
        if waiting.is_empty() || remaining.is_zero() {
            return Ok(waiting);
        }
        let pause = PollTimeout::try_from(remaining.min(interval)).unwrap_or(PollTimeout::ZERO);
        let mut descriptors = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not, the next check decides.
        let _ = poll(&mut descriptors, pause);
        while inotify.read_events().is_ok() {}
    }
}

/// Watches the directories that matter now. One that is created after they were looked up and before its parent is watched
/// causes no event, so they are looked up again until they stay the same.
fn add_watches(inotify: &Inotify, udev: &Udev, devices: &[PathBuf]) {
    let mut watched = Vec::new();
    for _ in 0..MAX_WATCH_ROUNDS {
        let found = directories(udev, devices);
        if found == watched {
            return;
        }
        for directory in &found {
            // One that has disappeared meanwhile is no reason to stop: there will be another check.
            let _ = inotify.add_watch(directory, watched_events());
        }
        watched = found;
    }
}

fn watched_events() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_DELETE_SELF
}

/// Directories whose changes may make a device ready: for each device the deepest existing one on the way to it, for
/// links also that of their target, and those of udev's records.
fn directories(udev: &Udev, devices: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = vec![udev.run.clone(), udev.records()];
    for device in devices {
        found.extend(deepest_directory(device));
        if let Ok(target) = fs::read_link(device) {
            let parent = device.parent().unwrap_or(Path::new("/"));
            found.extend(deepest_directory(&parent.join(target)));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn deepest_directory(path: &Path) -> Option<PathBuf> {
    let ancestors = path.ancestors().skip(1);
    ancestors
        .into_iter()
        .find(|directory| directory.is_dir())
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::thread::{self, sleep};
    use tempfile::TempDir;

    fn fixture() -> (TempDir, Udev) {
        let dir = tempfile::tempdir().expect("a directory");
        let run = dir.path().join("run");
        fs::create_dir_all(run.join("data")).expect("made");
        (dir, Udev { run })
    }

    /// Waits for a device that `work` creates, without polling; true if the change was noticed.
    fn noticed(udev: &Udev, device: &Path, work: impl FnOnce() + Send) -> bool {
        let devices = [device.to_path_buf()];
        let limit = Duration::from_secs(60);
        thread::scope(|scope| {
            scope.spawn(|| {
                sleep(Duration::from_millis(100));
                work();
            });
            let start = Instant::now();
            let waiting = watch(udev, &devices, start + limit, limit).expect("watched");
            // There is another check at the time limit.
            waiting.is_empty() && start.elapsed() < limit
        })
    }

    #[test]
    fn a_link_that_appears_is_noticed() {
        let (dir, udev) = fixture();
        let target = dir.path().join("node");
        fs::write(&target, "").expect("written");
        let link = dir.path().join("disk/by-label/A");
        let is_noticed = noticed(&udev, &link, || {
            fs::create_dir_all(link.parent().expect("a directory")).expect("made");
            let new = link.with_extension("new");
            symlink(&target, &new).expect("made");
            fs::rename(&new, &link).expect("renamed");
        });
        assert!(is_noticed, "it was found by polling only");
    }

    #[test]
    fn the_target_of_a_link_is_noticed() {
        let (dir, udev) = fixture();
        fs::create_dir(dir.path().join("links")).expect("made");
        let link = dir.path().join("links/A");
        symlink("../node", &link).expect("made");
        let node = dir.path().join("node");
        assert!(noticed(&udev, &link, || fs::write(&node, "").expect("written")));
    }

    #[test]
    fn missing_devices_are_named_in_time() {
        let (dir, udev) = fixture();
        let device = dir.path().join("none");
        let deadline = Instant::now() + Duration::from_millis(50);
        // The time limit ends a pause that is longer.
        let interval = Duration::from_secs(3600);
        let waiting = watch(&udev, std::slice::from_ref(&device), deadline, interval);
        let waiting = waiting.expect("watched");
        let state = DeviceState::Absent;
        assert_eq!(waiting, [Unready { device, state }]);
        let text = failure(&waiting, "within 0 s");
        assert!(
            text.contains("/none (does not exist) within 0 s; this machine has: "),
            "{text}"
        );
    }

    /// A block device of this machine. Containers may have none, and then there is nothing to test.
    fn block_device() -> Option<(PathBuf, String)> {
        let mut nodes = fs::read_dir("/dev")
            .ok()?
            .flatten()
            .map(|entry| entry.path());
        let metadata = |path: &PathBuf| fs::metadata(path).ok();
        let node = nodes.find(|path| {
            metadata(path).is_some_and(|metadata| metadata.file_type().is_block_device())
        })?;
        let number = metadata(&node)?.rdev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        Some((node, format!("b{major}:{minor}")))
    }

    #[test]
    fn udev_has_the_last_word_where_it_runs() {
        let Some((device, record)) = block_device() else {
            return;
        };
        let (_dir, udev) = fixture();
        assert_eq!(udev.state(&device), None, "no udev, no waiting");
        fs::write(udev.run.join("control"), "").expect("written");
        assert_eq!(udev.state(&device), Some(DeviceState::Unknown));
        let record = udev.records().join(record);
        let write = |text: &str| fs::write(&record, text).expect("written");
        write("I:1\nE:SYSTEMD_READY=0\n");
        assert_eq!(udev.state(&device), Some(DeviceState::NotReady));
        assert!(noticed(&udev, &device, || write("I:1\nE:ID_X=1\n")));
        assert_eq!(udev.state(&device), None);
    }
}
