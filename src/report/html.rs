//! A report as a self-contained page: it needs no network and no other file.
//!
//! The page contains the operations as compressed columns ([`super::columns`]), which its script renders. External text
//! is only in the compressed data, so it is never interpreted as HTML.

use super::columns::Columns;
use super::{AnyReport, BootReport, Report, Source, StageOutcome, distinct};
use crate::config::Origin;
use crate::output;
use crate::plan::Warning;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::path::Path;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The data of the page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageData<'r> {
    kindling: &'r str,
    /// The command that ran, or `first boot`.
    command: &'r str,
    started: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_id: Option<&'r str>,
    sources: Vec<&'r Source>,
    stages: Vec<StageData<'r>>,
    operations: Columns,
}

/// A run of a stage. A command has a single one without a name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StageData<'r> {
    name: &'r str,
    started: &'r str,
    duration_us: u64,
    /// The number of its operations.
    count: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StageFailureData<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_digest: Option<&'r str>,
    warnings: &'r [Warning],
}

#[derive(Debug, Serialize)]
struct StageFailureData<'r> {
    error: &'r str,
    origin: Option<&'r Origin>,
    remedy: Option<&'r str>,
}

/// Writes the page of a report atomically, readable by its owner only.
///
/// # Errors
/// If it cannot be written; the error names the file.
pub(crate) fn write(report: &AnyReport, path: &Path) -> anyhow::Result<()> {
    output::write(path, "the page", page(report)?.as_bytes())
}

fn page(report: &AnyReport) -> anyhow::Result<String> {
    let data = match report {
        AnyReport::Run(report) => of_run(report),
        AnyReport::Boot(report) => of_boot(report),
    };
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut compressed, &data)?;
    let encoded = STANDARD.encode(compressed.finish()?);
    let parts = [
        ("{{style}}", STYLE),
        ("{{data}}", &encoded),
        ("{{script}}", SCRIPT),
    ];
    Ok(fill_in(PAGE, &parts))
}

/// Replaces each mark of the page once, in order. Inserted text is not searched for marks.
fn fill_in(page: &str, parts: &[(&str, &str)]) -> String {
    let mut rest = page;
    let mut out =
        String::with_capacity(page.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    for (mark, text) in parts {
        if let Some((before, after)) = rest.split_once(mark) {
            out.push_str(before);
            out.push_str(text);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn of_run(report: &Report) -> PageData<'_> {
    let failed = report.failures().next().is_some();
    let mut operations = Columns::default();
    operations.extend(&report.operations);
    PageData {
        kindling: &report.kindling,
        command: &report.command,
        started: &report.started,
        boot_id: None,
        sources: report.sources.iter().collect(),
        stages: vec![StageData {
            name: "",
            started: &report.started,
            duration_us: report.duration_us,
            count: report.operations.len(),
            outcome: if failed { "failed" } else { "done" },
            failure: None,
            plan_digest: Some(&report.plan_digest),
            warnings: &report.warnings,
        }],
        operations,
    }
}

fn of_boot(report: &BootReport) -> PageData<'_> {
    let mut operations = Columns::default();
    let mut stages = Vec::new();
    for stage in &report.stages {
        operations.extend(&stage.operations);
        stages.push(StageData {
            name: &stage.stage,
            started: &stage.started,
            duration_us: stage.duration_us,
            count: stage.operations.len(),
            outcome: stage.outcome.label(),
            // Failures of operations are shown with these.
            failure: failure(&stage.outcome).filter(|_| stage.failures().next().is_none()),
            plan_digest: stage.plan_digest.as_deref(),
            warnings: &stage.warnings,
        });
    }
    PageData {
        kindling: &report.kindling,
        command: "first boot",
        started: &report.started,
        boot_id: Some(&report.boot_id),
        sources: distinct(report.stages.iter().flat_map(|stage| &stage.sources)),
        stages,
        operations,
    }
}

fn failure(outcome: &StageOutcome) -> Option<StageFailureData<'_>> {
    match outcome {
        StageOutcome::Failed {
            error,
            origin,
            remedy,
            ..
        } => Some(StageFailureData {
            error,
            origin: origin.as_ref(),
            remedy: remedy.as_deref(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_replaced_once_and_in_order() {
        let parts = [("{{a}}", "{{b}}"), ("{{b}}", "x")];
        assert_eq!(fill_in("1 {{a}} 2 {{b}} 3", &parts), "1 {{b}} 2 x 3");
    }

    #[test]
    fn the_page_has_each_mark_once_and_in_order() {
        let marks = ["{{style}}", "{{data}}", "{{script}}"];
        let mut found: Vec<(usize, &str)> = Vec::new();
        for mark in marks {
            found.extend(PAGE.match_indices(mark));
        }
        assert!(found.is_sorted(), "{found:?}");
        assert_eq!(found.len(), marks.len(), "{found:?}");
    }
}
