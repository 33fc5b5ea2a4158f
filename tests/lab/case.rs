//! What a lab case is: disks before, a config, and what must be true after.
//!
//! Cases are written in TOML below `tests/lab/cases/`, several to a file, one file per subject. In every text
//! `@a@` is the device of disk `a`, `@a1@` its first partition, `@dir@` the directory of the case, `@target@` the
//! target root, `@lab@` the directory of the lab's scripts. A file `@dir@/words/NAME` that `before` writes gives
//! `@NAME@` its meaning from then on.

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
    /// Which rule it shows, for the reader.
    #[serde(default)]
    pub why: String,
    /// A plain run takes it; the others come with `--all`.
    #[serde(default)]
    pub always: bool,
    /// Disks before.
    #[serde(default, rename = "disk")]
    pub disks: Vec<Disk>,
    /// Shell lines run once the disks are there: partition, format, damage, mount.
    #[serde(default)]
    pub before: Vec<String>,
    /// Shell lines run in the end, whatever happened, to take down what was stacked on the disks.
    #[serde(default)]
    pub after: Vec<String>,
    /// The config; not needed where the platform has it.
    #[serde(default)]
    pub config: String,
    /// Plan and apply, or the stages of a boot.
    #[serde(default)]
    pub run: OpenMode,
    /// Platform of the stages.
    #[serde(default = "from_file")]
    pub platform: String,
    /// More arguments for `plan` and `apply`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Programs that cannot be found on PATH during this case.
    #[serde(default)]
    pub hidden_programs: Vec<String>,
    /// More environment of kindling and of shell lines.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Shell lines right behind the disks stage of a case by stages: udev must have nothing left to do.
    #[serde(default)]
    pub after_disks: Vec<String>,
    /// What must be true after.
    #[serde(default)]
    pub expect: Expect,
    /// Shell lines for a second kernel on the same disks.
    #[serde(default)]
    pub after_reboot: Vec<String>,
    /// Which kernel of such a case this is; the host fills it in.
    #[serde(default)]
    pub life: Life,
}

/// Kernels of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// The only one; disks live in its memory.
    #[default]
    Only,
    /// The first of two; disks live in this directory of the host.
    First(String),
    /// The second of two.
    Second(String),
}

/// How a config is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenMode {
    /// `kindling plan`, then `kindling apply`.
    #[default]
    Apply,
    /// Every stage of a boot, as distributions run them.
    Stages,
    /// Only the stages that obtain the config; the second one if the first asks for a network.
    Fetch,
}

impl Case {
    /// So many of this case.
    pub fn repeated(self, times: usize) -> impl Iterator<Item = Case> {
        let numbered = move |n| Case {
            name: format!("{} #{n}", self.name),
            ..self.clone()
        };
        (1..=times).map(numbered)
    }

    /// The same case by the stages of a boot; `None` where that means nothing.
    pub fn by_stages(self) -> Option<Self> {
        let fits = self.expect.exit == 0
            && self.arguments.is_empty()
            && self.run == OpenMode::Apply
            && self.after_reboot.is_empty();
        fits.then(|| Case {
            name: format!("{} by stages", self.name),
            run: OpenMode::Stages,
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

fn from_file() -> String {
    stages::FILE.into()
}

fn yes() -> bool {
    true
}

/// What must be true after `kindling apply`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Exit code of `apply`.
    pub exit: i32,
    /// Exit code of the `plan` before it; by default 2 when something is applied, else that of `apply`.
    pub plan: Option<i32>,
    /// Texts that `plan` must show.
    pub plan_says: Vec<String>,
    /// Texts that `apply` must show, on either stream.
    pub says: Vec<String>,
    /// Texts that neither `plan` nor `apply` may show.
    pub never: Vec<String>,
    /// The whole partition table of a disk, and the same in the kernel's view.
    pub table: BTreeMap<String, Vec<Partition>>,
    /// Disks whose first and last MiB must be as before.
    pub unchanged: Vec<String>,
    /// What blkid finds, by device: `TYPE`, `LABEL`, `UUID`; file systems are checked with their own checker too.
    pub blkid: BTreeMap<String, BTreeMap<String, String>>,
    /// File systems the kernel must mount, in order, for the look at `node`.
    pub mount: Vec<Mount>,
    /// Nodes of the tree.
    pub node: Vec<Node>,
    /// Shell lines that must succeed.
    pub shell: Vec<String>,
    /// A second plan must find nothing to do, and a second apply must change nothing. Only looked at on success.
    #[serde(default = "yes")]
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

/// A partition after the run; what is left out is not looked at.
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
    /// Where below the target root.
    pub at: String,
    /// Type, as the kernel must name it.
    pub format: String,
}

/// A node of the tree after the run; what is left out is not looked at.
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

/// All cases below a directory, names made full; an error names the file.
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

/// Where a case takes place: what its placeholders stand for.
#[derive(Debug, Default)]
pub struct Place {
    /// Device by disk name.
    pub devices: BTreeMap<String, String>,
    /// Directory of the case.
    pub dir: String,
    /// Target root.
    pub target: String,
    /// Words that `before` found out.
    pub words: BTreeMap<String, String>,
}

impl Place {
    /// Reads the words that `before` found out.
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

/// The answer about one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Full name.
    pub case: String,
    /// `None` = passed; else what went wrong.
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
    /// Command outputs, tables and trees.
    pub scene: String,
}

/// A line the guest writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A case starts.
    Started(String),
    /// A case ended.
    Ended(Verdict),
}
