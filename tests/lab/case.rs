//! Lab cases: the disks before, a config, and what must be true afterwards.
//!
//! Cases are written in TOML below `tests/lab/cases/`, in one file per subject. In every text, `@a@` is the device of
//! disk `a`, `@a1@` its first partition, `@dir@` the directory of the case, `@target@` the target root, and `@lab@` the
//! directory of the lab's scripts. If `before` writes a file `@dir@/words/NAME`, its text is `@NAME@` from then on.

use super::stages;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file; the full name is `FILE::NAME`.
    pub name: String,
    /// The rule that it tests, for readers.
    #[serde(default)]
    pub why: String,
    /// True if it is part of a plain run; the others need `--all`.
    #[serde(default)]
    pub always: bool,
    /// Disks before.
    #[serde(default, rename = "disk")]
    pub disks: Vec<Disk>,
    /// Shell lines to run after the disks are attached: partition, format, damage, mount.
    #[serde(default)]
    pub before: Vec<String>,
    /// Shell lines to run at the end, also after failures, to remove what was stacked on the disks.
    #[serde(default)]
    pub after: Vec<String>,
    /// The config; not needed if the platform provides it.
    #[serde(default)]
    pub config: String,
    /// How to apply the config.
    #[serde(default)]
    pub run: RunMode,
    /// Platform of the stages.
    #[serde(default = "default_platform")]
    pub platform: String,
    /// Additional arguments for `plan` and `apply`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Programs that cannot be found on PATH during this case.
    #[serde(default)]
    pub hidden_programs: Vec<String>,
    /// Additional environment variables for kindling and shell lines.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Shell lines to run immediately after the disks stage of a case by stages: udev must have nothing left to do.
    #[serde(default)]
    pub after_disks: Vec<String>,
    /// What must be true afterwards.
    #[serde(default)]
    pub expect: Expect,
    /// Shell lines to run in a second kernel on the same disks.
    #[serde(default)]
    pub after_reboot: Vec<String>,
    /// Which kernel of the case this is; set by the host.
    #[serde(default)]
    pub kernel_run: KernelRun,
}

/// The kernels of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelRun {
    /// The only one, with the disks in its memory.
    #[default]
    Only,
    /// The first of two, with the disks in this directory of the host.
    First(String),
    /// The second of two, with the disks in the same directory.
    Second(String),
}

/// How a config is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunMode {
    /// `kindling plan`, then `kindling apply`.
    #[default]
    Apply,
    /// Every stage of a boot, as distributions run them.
    Stages,
    /// Only the stages that obtain the config; the second one only if the first requests a network.
    Fetch,
}

impl Case {
    /// Repeats this case.
    pub fn repeated(self, times: usize) -> impl Iterator<Item = Case> {
        let numbered = move |n| Case {
            name: format!("{} #{n}", self.name),
            ..self.clone()
        };
        (1..=times).map(numbered)
    }

    /// The same case by the stages of a boot; `None` if that is not applicable.
    pub fn by_stages(self) -> Option<Self> {
        let fits = self.expect.exit == 0
            && self.arguments.is_empty()
            && self.run == RunMode::Apply
            && self.after_reboot.is_empty();
        fits.then(|| Case {
            name: format!("{} by stages", self.name),
            run: RunMode::Stages,
            expect: Expect {
                plan_says: vec![],
                says: vec![],
                ..self.expect
            },
            ..self
        })
    }
}

/// A disk before the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// One or a few letters.
    pub name: String,
    /// Size in MiB.
    pub mib: u64,
    /// Logical sector size in bytes.
    #[serde(default = "sector_512")]
    pub sector: u64,
}

fn sector_512() -> u64 {
    512
}

fn default_platform() -> String {
    stages::FILE.into()
}

fn default_true() -> bool {
    true
}

/// What must be true after `kindling apply`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Exit code of `apply`.
    pub exit: i32,
    /// Exit code of the `plan` before it; by default 2 if something is applied, else that of `apply`.
    pub plan: Option<i32>,
    /// Texts that `plan` must print.
    pub plan_says: Vec<String>,
    /// Texts that `apply` must print, to either stream.
    pub says: Vec<String>,
    /// Texts that neither `plan` nor `apply` may print.
    pub never: Vec<String>,
    /// The whole partition table of a disk, and the same in the kernel's view.
    pub table: BTreeMap<String, Vec<Partition>>,
    /// Disks whose first and last MiB must be as before.
    pub unchanged: Vec<String>,
    /// What blkid finds, by device: `TYPE`, `LABEL`, `UUID`. File systems are also checked with their fsck.
    pub blkid: BTreeMap<String, BTreeMap<String, String>>,
    /// File systems to mount, in order, before checking `node`.
    pub mount: Vec<Mount>,
    /// Nodes of the tree.
    pub node: Vec<Node>,
    /// Shell lines that must succeed.
    pub shell: Vec<String>,
    /// True if a second plan must find nothing to do and a second apply must change nothing. Only checked on success.
    #[serde(default = "default_true")]
    pub again: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Expect {
            exit: 0,
            plan: None,
            plan_says: vec![],
            says: vec![],
            never: vec![],
            table: BTreeMap::new(),
            unchanged: vec![],
            blkid: BTreeMap::new(),
            mount: vec![],
            node: vec![],
            shell: vec![],
            again: true,
        }
    }
}

/// A partition after the run; unset fields are not checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Slot.
    pub number: u32,
    /// Start in MiB.
    pub start: Option<u64>,
    /// Size in MiB.
    pub size: Option<u64>,
    /// Start in logical sectors.
    pub start_sector: Option<u64>,
    /// Size in logical sectors.
    pub sectors: Option<u64>,
    /// Name.
    pub label: Option<String>,
    /// Type, upper case.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Unique id, upper case.
    pub guid: Option<String>,
}

/// A file system to mount.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Device.
    pub device: String,
    /// Mount point below the target root.
    pub at: String,
    /// Type, as the kernel names it.
    pub format: String,
}

/// A node of the tree after the run; unset fields are not checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Path inside the target.
    pub path: String,
    /// `file` (default), `directory`, `symlink`, `absent`.
    #[serde(default, rename = "type")]
    pub kind: NodeKind,
    /// Permission bits, octal.
    pub mode: Option<String>,
    /// `uid:gid`
    pub owner: Option<String>,
    /// The whole content, or the target of a symlink.
    pub text: Option<String>,
    /// A part of the content.
    pub contains: Option<String>,
    /// Another path with the same inode.
    pub same_as: Option<String>,
}

/// Type of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Regular file.
    #[default]
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Nothing there.
    Absent,
}

/// All cases below a directory, with full names; errors name the file.
pub fn load(dir: &Path) -> Result<Vec<Case>, String> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .map_err(|e| format!("read {}: {e}", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
        let parsed: CaseFile =
            toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let subject = file
            .file_stem()
            .expect("has an extension")
            .to_string_lossy()
            .into_owned();
        for mut case in parsed.case {
            case.name = format!("{subject}::{}", case.name);
            if cases.iter().any(|other| other.name == case.name) {
                return Err(format!(
                    "{}: two cases are called {}",
                    file.display(),
                    case.name
                ));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}

/// The values of a case's placeholders.
#[derive(Debug, Default)]
pub struct Placeholders {
    /// Device by disk name.
    pub devices: BTreeMap<String, String>,
    /// Directory of the case.
    pub dir: String,
    /// Target root.
    pub target: String,
    /// Additional placeholders that `before` has set.
    pub words: BTreeMap<String, String>,
}

impl Placeholders {
    /// Reads the placeholders that `before` has set.
    pub fn read_words(&mut self) {
        let files = std::fs::read_dir(format!("{}/words", self.dir));
        for entry in files.into_iter().flatten().flatten() {
            let word = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let name = entry.file_name().to_string_lossy().into_owned();
            self.words.insert(name, word.trim_end().into());
        }
    }

    /// `text` with placeholders filled in.
    pub fn fill(&self, text: &str) -> String {
        let mut out = text
            .replace("@dir@", &self.dir)
            .replace(
                "@lab@",
                concat!("/run/host", env!("CARGO_MANIFEST_DIR"), "/tests/lab"),
            )
            .replace("@target@", &self.target);
        for (name, word) in &self.words {
            out = out.replace(&format!("@{name}@"), word);
        }
        for (name, device) in &self.devices {
            out = out.replace(&format!("@{name}@"), device);
            for number in 1..=9 {
                out = out.replace(&format!("@{name}{number}@"), &format!("{device}p{number}"));
            }
        }
        out
    }
}

/// The result of one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Full name.
    pub case: String,
    /// What went wrong; `None` if it passed.
    pub failure: Option<Failure>,
    /// Time it took.
    pub millis: u64,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// The step, e.g. `plan before apply`.
    pub step: String,
    /// Why, with expected and found.
    pub reason: String,
    /// The commands that were run, with their output.
    pub transcript: String,
}

/// A line that the guest writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A case starts.
    Started(String),
    /// A case ended.
    Ended(Verdict),
}
