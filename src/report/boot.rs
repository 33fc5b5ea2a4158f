//! The report of a first boot, with one section per run of a stage.

use super::{OperationReport, Outcome, Source};
use crate::config::Origin;
use crate::output;
use crate::plan::{ErrorCode, Warning};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Version of the format of boot reports, which `schemas/boot-report.json` describes.
pub(super) const BOOT_VERSION: u32 = 1;

/// The end of the file, after the last stage.
const TAIL: &[u8] = b"\n]}\n";
/// Maximum length of the line before the stages, which has versions, an id and a time.
const MAX_HEAD_BYTES: u64 = 4096;

/// The report of one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BootReport {
    /// [`BOOT_VERSION`].
    pub version: u32,
    /// Version of kindling.
    pub kindling: String,
    /// The boot id of the kernel.
    pub boot_id: String,
    /// Start of the first stage, RFC 3339 in UTC.
    pub started: String,
    /// Every run of a stage, in order. A stage that ran twice is listed twice.
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
    /// Digests of earlier plans of this stage, of which only the part ran that made more of the machine observable.
    /// Their operations come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_plans: Vec<String>,
    /// The configs that this stage read.
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
    /// Done as far as possible without a network, which was requested.
    NeedsNetwork,
    /// Failed. Failed operations have outcomes of their own as well.
    Failed {
        /// The chain of causes.
        error: String,
        /// Where a config requested it.
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
    /// A short label for tables and pages.
    pub(crate) fn label(&self) -> &'static str {
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

    /// Adds one section to the report at `path`, which only its owner can read; creates missing directories. A report
    /// that is missing, damaged or of another boot is replaced, since it must not keep a machine from booting.
    ///
    /// Existing sections are copied without parsing them: one with ten thousand operations has megabytes.
    ///
    /// # Errors
    /// If the report cannot be written; the error names the file.
    pub(crate) fn append(path: &Path, boot_id: &str, stage: &StageReport) -> anyhow::Result<()> {
        let existing = ExistingReport::open(path, boot_id);
        output::write_below_with(path, "the boot report", |file| {
            match existing {
                Some(existing) => existing.copy(file)?,
                None => {
                    let report = Self {
                        started: stage.started.clone(),
                        ..Self::new(boot_id)
                    };
                    report.write_head(file)?;
                }
            }
            // Each stage is a line of its own, after that of the head.
            serde_json::to_writer(&mut *file, stage)?;
            Ok(file.write_all(TAIL)?)
        })
    }

    /// Writes the first line of a report: everything before the first stage.
    fn write_head(&self, file: &mut impl Write) -> anyhow::Result<()> {
        let text = serde_json::to_string(self)?;
        let head = text
            .strip_suffix("]}")
            .context("it has no list of stages")?;
        Ok(writeln!(file, "{head}")?)
    }
}

/// A report of this boot that a section can be added to. It has at least one stage.
struct ExistingReport {
    file: BufReader<File>,
    /// Number of bytes before the end of the list of stages.
    bytes: u64,
}

impl ExistingReport {
    fn open(path: &Path, boot_id: &str) -> Option<Self> {
        // Opening a pipe would block forever.
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
        let is_extendable =
            parsed.version == BOOT_VERSION && parsed.boot_id == boot_id && has_stage;
        is_extendable.then_some(Self { file, bytes })
    }

    /// Copies everything that precedes a further stage.
    fn copy(self, to: &mut impl Write) -> anyhow::Result<()> {
        let copied = std::io::copy(&mut self.file.take(self.bytes), to)?;
        anyhow::ensure!(copied == self.bytes, "the report was cut short meanwhile");
        Ok(to.write_all(b",\n")?)
    }
}
