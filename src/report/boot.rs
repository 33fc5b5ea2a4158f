//! The record of a first boot: one section per run of a stage.

use super::{OperationReport, Outcome, Source};
use crate::config::Origin;
use crate::output;
use crate::plan::{ErrorCode, Warning};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Version of the shape of a boot report; `schemas/boot-report.json` describes it.
pub(super) const BOOT_VERSION: u32 = 1;

/// What is behind the last stage.
const TAIL: &[u8] = b"\n]}\n";
/// The line in front of the stages, which holds a version, an id and a time, has no more bytes than this.
const MAX_HEAD_BYTES: u64 = 4096;

/// The record of one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BootReport {
    /// [`BOOT_VERSION`].
    pub version: u32,
    /// Version of kindling.
    pub kindling: String,
    /// Which boot, as the kernel names it.
    pub boot_id: String,
    /// Start of the first stage, RFC 3339 in UTC.
    pub started: String,
    /// Every run of a stage, in the order they ran. A stage that ran again is there again.
    pub stages: Vec<StageReport>,
}

/// One run of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageReport {
    /// Name of the stage.
    pub stage: String,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// Length in microseconds.
    pub duration_us: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: StageOutcome,
    /// Digest of the plan that was executed, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// Digests of plans of this stage of which only the part ran that opens what is to be looked into; then
    /// everything was planned again. Their operations are the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_plans: Vec<String>,
    /// Configs that this stage read.
    pub sources: Vec<Source>,
    /// Every operation, in plan order.
    pub operations: Vec<OperationReport>,
    /// Warnings of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(crate) enum StageOutcome {
    Done,
    /// Done as far as it goes without a network, which was asked for.
    NeedsNetwork,
    /// Failed. Operations that failed say so themselves as well.
    Failed {
        /// The chain of causes.
        error: String,
        /// Which line of which config asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// What to do about it, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        /// The kind of error, for `kindling explain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
}

impl StageOutcome {
    /// In a word or three, for tables and pages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NeedsNetwork => "needs a network",
            Self::Failed { .. } => "failed",
        }
    }
}

impl StageReport {
    /// Operations that failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &OperationReport> {
        self.operations
            .iter()
            .filter(|o| matches!(o.outcome, Outcome::Failed { .. }))
    }
}

impl BootReport {
    /// A report without stages.
    pub(crate) fn new(boot_id: impl Into<String>) -> Self {
        Self {
            version: BOOT_VERSION,
            kindling: env!("CARGO_PKG_VERSION").into(),
            boot_id: boot_id.into(),
            started: crate::text::time::now(),
            stages: Vec::new(),
        }
    }

    pub(super) fn parse(path: &Path, text: &[u8]) -> anyhow::Result<Self> {
        let report: Self = serde_json::from_slice(text)
            .with_context(|| format!("{} is not a kindling boot report", path.display()))?;
        anyhow::ensure!(
            report.version == BOOT_VERSION,
            "{} has boot report version {}, this kindling reads version {BOOT_VERSION}",
            path.display(),
            report.version
        );
        Ok(report)
    }

    /// Adds one section to the report at `path`, which its owner alone can read. A report that is not there, is damaged
    /// or is of another boot is replaced by a new one: it must not keep a machine from booting. Directories on the way
    /// are made.
    ///
    /// The sections that are there are copied and not parsed, since one of ten thousand operations has megabytes,
    /// which every later stage would read again.
    ///
    /// # Errors
    /// Names the file.
    pub(crate) fn append(path: &Path, boot_id: &str, stage: &StageReport) -> anyhow::Result<()> {
        let present = Present::open(path, boot_id);
        output::write_below_with(path, "the boot report", |file| {
            match present {
                Some(present) => present.copy(file)?,
                None => {
                    let report = Self {
                        started: stage.started.clone(),
                        ..Self::new(boot_id)
                    };
                    report.write_head(file)?;
                }
            }
            // Each stage is a line of its own, behind that of the head.
            serde_json::to_writer(&mut *file, stage)?;
            Ok(file.write_all(TAIL)?)
        })
    }

    /// The first line, of a report without stages: what is in front of the first one.
    fn write_head(&self, file: &mut impl Write) -> anyhow::Result<()> {
        let text = serde_json::to_string(self)?;
        let head = text
            .strip_suffix("]}")
            .context("it has no list of stages")?;
        Ok(writeln!(file, "{head}")?)
    }
}

/// A report of this boot that can be added to. It has a stage, since none is written without.
struct Present {
    file: BufReader<File>,
    /// Bytes in front of the end of the list of stages.
    bytes: u64,
}

impl Present {
    fn open(path: &Path, boot_id: &str) -> Option<Self> {
        // A pipe of that name would be waited for without end.
        let is_file = std::fs::metadata(path).ok()?.is_file();
        let mut file = BufReader::new(is_file.then(|| File::open(path).ok())??);
        let mut head = String::new();
        let mut first = (&mut file).take(MAX_HEAD_BYTES);
        first.read_line(&mut head).ok()?;
        let parsed: BootReport = serde_json::from_str(&format!("{}]}}", head.trim_end())).ok()?;
        let length = file.get_ref().metadata().ok()?.len();
        let bytes = length.checked_sub(TAIL.len() as u64)?;
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(bytes)).ok()?;
        file.read_to_end(&mut tail).ok()?;
        file.rewind().ok()?;
        let has_stage = bytes > head.len() as u64 && tail == TAIL;
        let is_right = parsed.version == BOOT_VERSION && parsed.boot_id == boot_id && has_stage;
        is_right.then_some(Self { file, bytes })
    }

    /// Copies everything in front of a further stage.
    fn copy(self, to: &mut impl Write) -> anyhow::Result<()> {
        let copied = std::io::copy(&mut self.file.take(self.bytes), to)?;
        anyhow::ensure!(copied == self.bytes, "the report was cut short meanwhile");
        Ok(to.write_all(b",\n")?)
    }
}
