//! Reports of runs: as JSON for programs, and as tables and pages for people.

mod boot;
pub(crate) mod code;
mod columns;
pub(crate) mod html;
pub(crate) mod plan_page;
pub(crate) mod record;
pub(crate) mod remedy;
mod table;
pub(crate) mod tally;

pub(crate) use boot::{BootReport, StageOutcome, StageReport};
pub(crate) use table::{render, render_boot};

use crate::config::Origin;
use crate::input;
use crate::output;
use crate::plan::op::Phase;
use crate::plan::{ErrorCode, Warning};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

/// Version of the format of reports, which `schemas/report.json` describes.
pub(crate) const VERSION: u32 = 1;

/// Maximum size of a report to read.
const MAX_REPORT_BYTES: u64 = 1 << 30;

/// The report of one run. `Operations` is a list of [`OperationReport`], or serializes as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<Operations = Vec<OperationReport>> {
    /// [`VERSION`].
    pub version: u32,
    /// Version of kindling.
    pub kindling: String,
    /// The command that ran.
    pub command: String,
    /// Start of the run, RFC 3339 in UTC.
    pub started: String,
    /// Length of the run in microseconds.
    pub duration_us: u64,
    /// Digest of the plan that was executed; `kindling plan --json` prints the same.
    pub plan_digest: String,
    /// Digests of earlier plans, of which only the part ran that made more of the machine observable. Their operations
    /// come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_plans: Vec<String>,
    /// The configs that the plan was made from.
    pub sources: Vec<Source>,
    /// Every operation, in plan order.
    pub operations: Operations,
    /// Warnings of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// One config document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The file name or URL, without secrets.
    pub name: String,
    /// The SHA-512 digest of its text in hexadecimal digits.
    pub sha512: String,
}

/// Each config once, in the order of first occurrence.
fn distinct<'a>(sources: impl Iterator<Item = &'a Source>) -> Vec<&'a Source> {
    let mut known = HashSet::new();
    sources.filter(|source| known.insert(*source)).collect()
}

/// One operation of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationReport {
    /// The number in the plan, counted on from operations of earlier plans.
    pub id: u32,
    /// The phase of the run.
    pub phase: Phase,
    /// What was done, in words.
    pub act: String,
    /// Where a config requested it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Start in microseconds since the start of the run.
    pub start_us: u64,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// The worker that executed it, counted from 0 in the order they were started; absent from reports of old versions.
    #[serde(default)]
    pub worker: u32,
    /// The operations it had to wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u32>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Bytes written, where applicable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(crate) enum Outcome {
    Done,
    /// There was nothing to do.
    AlreadyRight,
    /// It was left to another program.
    Skipped,
    Failed {
        /// The chain of causes.
        error: String,
        /// What to do about it, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        /// The kind of error, for `kindling explain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
    /// It was not started because another one failed or the run was interrupted.
    NotStarted,
}

impl<Operations: Serialize> Report<Operations> {
    /// Writes the report atomically, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be written; the error names the file.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        output::write_with(path, "the report", |file| {
            serde_json::to_writer(&mut *file, self)?;
            Ok(file.write_all(b"\n")?)
        })
    }
}

impl Report {
    /// Operations that failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &OperationReport> {
        self.operations
            .iter()
            .filter(|o| matches!(o.outcome, Outcome::Failed { .. }))
    }

    /// Checks, before a run, whether a report can be written to `path`.
    ///
    /// # Errors
    /// If it cannot; the error names the file.
    pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
        output::check(path, "the report")
    }

    /// Reads a report.
    ///
    /// # Errors
    /// If it cannot be read or parsed; the error names the file.
    #[cfg(test)]
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = input::read(path, MAX_REPORT_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> anyhow::Result<Self> {
        let report: Self = serde_json::from_slice(text)
            .with_context(|| format!("{} is not a kindling report", path.display()))?;
        anyhow::ensure!(
            report.version == VERSION,
            "{} has report version {}, this kindling reads version {VERSION}",
            path.display(),
            report.version
        );
        Ok(report)
    }
}

/// A report of either kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnyReport {
    /// The report of a command.
    Run(Report),
    /// The report of a first boot.
    Boot(BootReport),
}

impl AnyReport {
    /// Reads a report of either kind: only those of a boot have stages.
    ///
    /// # Errors
    /// If it cannot be read or parsed; the error names the file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Shape {
            stages: Option<serde::de::IgnoredAny>,
        }
        let text = input::read(path, MAX_REPORT_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        match serde_json::from_slice(&text) {
            Ok(Shape { stages: Some(_) }) => BootReport::parse(path, &text).map(Self::Boot),
            _ => Report::parse(path, &text).map(Self::Run),
        }
    }

    /// The report as text for people.
    pub(crate) fn render(&self) -> String {
        match self {
            Self::Run(report) => render(report),
            Self::Boot(report) => render_boot(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_config_is_listed_once() {
        let source = |name: &str| Source {
            name: name.into(),
            sha512: String::new(),
        };
        let sources = ["b", "a", "b", "c", "a"].map(source);
        let names: Vec<_> = distinct(sources.iter())
            .into_iter()
            .map(|s| &s.name)
            .collect();
        assert_eq!(names, ["b", "a", "c"]);
        // Comparing them pairwise would take 45 billion comparisons.
        let many: Vec<Source> = (0..300_000).map(|n| source(&n.to_string())).collect();
        assert_eq!(distinct(many.iter()).len(), many.len());
    }
}
