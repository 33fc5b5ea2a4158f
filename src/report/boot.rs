//! The record of a first boot: one section per run of a stage.

use super::MAX_BYTES;
use super::{OperationReport, Outcome, Source, file};
use crate::config::Origin;
use crate::input;
use crate::plan::Warning;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the shape of a boot report; `schemas/boot-report.json` describes it.
pub const BOOT_VERSION: u32 = 1;

/// The record of one boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootReport {
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
pub struct StageReport {
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
pub enum StageOutcome {
    /// Done.
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
    },
}

impl StageReport {
    /// Operations that failed.
    pub fn failures(&self) -> impl Iterator<Item = &OperationReport> {
        self.operations
            .iter()
            .filter(|o| matches!(o.outcome, Outcome::Failed { .. }))
    }
}

impl BootReport {
    /// A report without stages.
    pub fn new(boot_id: impl Into<String>) -> Self {
        Self {
            version: BOOT_VERSION,
            kindling: env!("CARGO_PKG_VERSION").into(),
            boot_id: boot_id.into(),
            started: crate::text::time::now(),
            stages: Vec::new(),
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = input::read(path, MAX_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text)
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

    /// Writes the report: readable by its owner only, complete or not at all. Directories on the way are
    /// made.
    ///
    /// # Errors
    /// Names the file.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let what = "the boot report";
        let mut text =
            serde_json::to_vec_pretty(self).with_context(|| format!("cannot print {what}"))?;
        text.push(b'\n');
        file::write_below(path, what, &text)
    }

    /// Adds one section to the report at `path` and returns the whole. A report that is not there, cannot
    /// be read or is of another boot is begun anew: it must not keep a machine from booting.
    ///
    /// # Errors
    /// Names the file.
    pub fn append(path: &Path, boot_id: &str, stage: StageReport) -> anyhow::Result<Self> {
        let mut report = Self::read(path)
            .ok()
            .filter(|report| report.boot_id == boot_id)
            .unwrap_or_else(|| Self {
                started: stage.started.clone(),
                ..Self::new(boot_id)
            });
        report.stages.push(stage);
        report.write(path)?;
        Ok(report)
    }
}
