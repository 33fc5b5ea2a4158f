//! One round: plans, applies, plans again, and checks that the results are consistent.

use crate::common::run::{Ended, KINDLING};
use crate::scene::{self, Step};
use crate::snapshot::Snapshot;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Timeout of a run in seconds, after which it counts as hanging.
const TIMEOUT_SECONDS: &str = "60";
/// Exit codes of `timeout` if it had to end the program.
const TIMED_OUT: [Option<i32>; 2] = [Some(124), Some(137)];

/// The kind of a fault that takes long to reproduce.
const HANGS: &str = "the program hangs";

/// What kindling works on.
#[derive(Debug, Clone)]
pub enum Target {
    Tree,
    /// Device names and image files, with the size to make them.
    Images(Vec<(String, String, Option<String>)>),
}

/// What a round starts from.
#[derive(Debug, Clone)]
pub struct Case {
    pub target: Target,
    pub steps: Vec<Step>,
    pub config: Value,
}

/// The outcome of a round without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Nothing,
    Changes,
    Refused,
}

/// A fault: its kind, and all details.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: String,
    pub story: String,
}

impl Fault {
    /// True if each attempt to reproduce it takes [`TIMEOUT_SECONDS`].
    pub fn is_slow(&self) -> bool {
        self.kind.starts_with(HANGS)
    }
}

/// A directory to work in. Everything mounted there is unmounted before the next round.
pub struct Workspace(PathBuf);

impl Workspace {
    /// Creates a workspace in an empty directory, which must be in a mount namespace of its own.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_path_buf())
    }

    /// Runs one case.
    pub fn run(&self, case: &Case) -> Result<Verdict, Fault> {
        let kind = Some("tmpfs");
        mount(
            kind,
            &self.0,
            kind,
            MsFlags::empty(),
            Some("mode=0755,size=4G"),
        )
        .expect("a tmpfs");
        let verdict = Round::new(&self.0, case).check();
        umount2(&self.0, MntFlags::MNT_DETACH).expect("unmounted");
        verdict
    }
}

struct Round<'a> {
    case: &'a Case,
    directory: &'a Path,
    start: String,
    outside: Snapshot,
    log: Vec<String>,
}

impl<'a> Round<'a> {
    fn new(directory: &'a Path, case: &'a Case) -> Self {
        let target = directory.join("target");
        fs::create_dir_all(target.join("root")).expect("a directory");
        fs::create_dir(directory.join("outside")).expect("a directory");
        fs::write(directory.join("outside/kept"), "kept").expect("a file");
        scene::make(&case.steps, &target);
        let outside = Snapshot::of(&directory.join("outside"));
        Self {
            case,
            directory,
            start: String::new(),
            outside,
            log: Vec::new(),
        }
    }

    fn check(mut self) -> Result<Verdict, Fault> {
        let before = self.snapshot();
        self.start = before.listing();
        let mounts = mount_points();
        let planned = self.run("plan", &self.case.config)?;
        if let Some(difference) = before.difference(&self.snapshot()) {
            return self.fault("plan changes the target", &difference);
        }
        match planned.code {
            Some(0 | 2) => self.accepted(&before, planned.code == Some(0))?,
            Some(6) => self.refused(&before)?,
            _ => return self.fault("plan ends otherwise", &summary(&planned.err)),
        }
        let left = mount_points();
        if let Some(line) = left.lines().find(|line| !mounts.contains(line)) {
            return self.fault("left mounted", line);
        }
        Ok(match planned.code {
            Some(0) => Verdict::Nothing,
            Some(2) => Verdict::Changes,
            _ => Verdict::Refused,
        })
    }

    fn refused(&mut self, before: &Snapshot) -> Result<(), Fault> {
        let applied = self.run("apply", &self.case.config)?;
        if applied.code != Some(6) {
            return self.fault("apply does what plan refuses", &summary(&applied.err));
        }
        match before.difference(&self.snapshot()) {
            Some(difference) => self.fault("a refused apply changes the target", &difference),
            None => Ok(()),
        }
    }

    fn accepted(&mut self, before: &Snapshot, is_nothing: bool) -> Result<(), Fault> {
        let applied = self.run("apply", &self.case.config)?;
        if applied.code != Some(0) {
            return self.fault("apply fails", &summary(&applied.err));
        }
        if is_nothing && let Some(difference) = before.difference(&self.snapshot()) {
            return self.fault("nothing to do, but apply changes the target", &difference);
        }
        if let Some(difference) = self
            .outside
            .difference(&Snapshot::of(&self.directory.join("outside")))
        {
            return self.fault("apply writes outside of the target", &difference);
        }
        // Wipes are planned every time.
        let gentle = without_wipes(&self.case.config);
        let second = self.run("plan", &gentle)?;
        match second.code {
            Some(0) => {}
            Some(2) => return self.fault("does not converge", &changes(&second.out)),
            _ => return self.fault("the second plan refuses", &summary(&second.err)),
        }
        if gentle == self.case.config {
            return Ok(());
        }
        let second = self.run("plan", &self.case.config)?;
        if !matches!(second.code, Some(0 | 2)) {
            return self.fault("the second plan with wipes refuses", &summary(&second.err));
        }
        let applied = self.run("apply", &self.case.config)?;
        if applied.code != Some(0) {
            return self.fault("the second apply with wipes fails", &summary(&applied.err));
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.directory.join("target"))
    }

    fn run(&mut self, act: &str, config: &Value) -> Result<Ended, Fault> {
        let target = self.directory.join("target");
        let mut command = Command::new("timeout");
        command.args(["-k", "5", TIMEOUT_SECONDS]);
        // Another build of the program, such as one of an earlier commit.
        let other = std::env::var_os("KINDLING_FORESIGHT_BINARY");
        command.arg(other.unwrap_or_else(|| KINDLING.into()));
        command.args([act, "--offline"]);
        match &self.case.target {
            Target::Tree => {
                command.arg("--root").arg(target.join("root"));
            }
            Target::Images(images) => {
                for (device, file, size) in images {
                    let size = size
                        .as_ref()
                        .map_or(String::new(), |size| format!(",size={size}"));
                    let file = target.join(file);
                    command
                        .arg("--image")
                        .arg(format!("{device}={}{size}", file.display()));
                }
            }
        }
        let path = self.directory.join("config.ign");
        fs::write(&path, serde_json::to_vec_pretty(config).expect("JSON")).expect("a file");
        command.arg(&path).env("LC_ALL", "C.UTF-8");
        let ended = Ended::of(&mut command);
        self.log.push(format!(
            "--- {act}: exit {:?}\n{}{}",
            ended.code, ended.out, ended.err
        ));
        match TIMED_OUT.contains(&ended.code) {
            true => self.fault(&format!("{HANGS} when asked to {act}"), ""),
            false => Ok(ended),
        }
    }

    fn fault<T>(&self, kind: &str, detail: &str) -> Result<T, Fault> {
        let steps: String = self
            .case
            .steps
            .iter()
            .map(|step| format!("  {step}\n"))
            .collect();
        let config = serde_json::to_string_pretty(&self.case.config).expect("JSON");
        Err(Fault {
            kind: format!("{kind}: {}", plain(detail)),
            story: format!(
                "{kind}: {detail}\ntarget: {:?}\nmade by:\n{steps}config:\n{config}\nbefore:\n{}{}",
                self.case.target,
                self.start,
                self.log.join("\n")
            ),
        })
    }
}

/// A copy of a config without its options to wipe.
fn without_wipes(config: &Value) -> Value {
    let mut gentle = config.clone();
    let lists = [
        ("/storage/directories", "overwrite"),
        ("/storage/disks", "wipeTable"),
        ("/storage/filesystems", "wipeFilesystem"),
    ];
    for (list, key) in lists {
        let entries = gentle.pointer_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if entry.get(key) == Some(&json!(true)) {
                entry[key] = json!(false);
            }
        }
    }
    gentle
}

/// All mount points, one per line.
fn mount_points() -> String {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").expect("mounts");
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(|point| format!("{point}\n")).collect()
}

/// Summarizes an output in a line or two.
fn summary(output: &str) -> String {
    let wanted = |line: &&str| {
        ["error", "cannot", "failed", "refused", "conflict"]
            .iter()
            .any(|word| line.contains(word))
    };
    let lines: Vec<&str> = output.lines().filter(wanted).take(2).collect();
    match lines.is_empty() {
        true => output.lines().last().unwrap_or_default().to_owned(),
        false => lines.join(" / "),
    }
}

/// The lines of a plan that show a change.
fn changes(out: &str) -> String {
    let is_change = |line: &&str| matches!(line.trim_start().chars().next(), Some('+' | '~' | '-'));
    let lines: Vec<&str> = out
        .lines()
        .filter(is_change)
        .map(str::trim)
        .take(2)
        .collect();
    lines.join(" / ")
}

/// A detail without names and numbers, so that faults of one kind look alike.
fn plain(detail: &str) -> String {
    let first = detail.lines().take(2).collect::<Vec<_>>().join(" ");
    let word = |word: &str| match word.contains(['/', '"', '[', '"', '='])
        || word.chars().any(|c| c.is_ascii_digit())
    {
        true => "_".to_owned(),
        false => crate::configs::anonymous(word),
    };
    first
        .split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}
