//! A report as text: totals per phase, the slowest operations, what failed.

use super::{OperationReport, Outcome, Report};
use crate::plan::op::Phase;
use crate::plan::show::human;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How many of the slowest operations are listed.
const SLOWEST: usize = 10;

/// Totals of one phase.
#[derive(Default)]
struct Total {
    operations: usize,
    already_right: usize,
    bytes: u64,
    first_start_us: Option<u64>,
    last_end_us: u64,
}

/// The report for people.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    header(&mut text, report);
    phases(&mut text, report);
    slowest(&mut text, report);
    failures(&mut text, report);
    text
}

fn header(text: &mut String, report: &Report) {
    let took = duration(report.duration_us);
    let _ = writeln!(
        text,
        "kindling {} {}, {}, took {took}",
        report.kindling, report.command, report.started
    );
    for source in &report.sources {
        let digest: String = source.sha512.chars().take(16).collect();
        let _ = writeln!(text, "config {} (sha512 {digest}...)", source.name);
    }
    let digest: String = report.plan_digest.chars().take(16).collect();
    let _ = writeln!(
        text,
        "plan {digest}..., {} operations\n",
        report.operations.len()
    );
}

fn phases(text: &mut String, report: &Report) {
    let mut totals: BTreeMap<Phase, Total> = BTreeMap::new();
    for operation in &report.operations {
        add(totals.entry(operation.phase).or_default(), operation);
    }
    let _ = writeln!(
        text,
        "{:<18} {:>10} {:>13} {:>10} {:>10}",
        "PHASE", "OPERATIONS", "ALREADY RIGHT", "TIME", "WRITTEN"
    );
    for (phase, total) in totals {
        let start = total.first_start_us.unwrap_or(0);
        let time = duration(total.last_end_us.saturating_sub(start));
        let written = if total.bytes == 0 {
            String::new()
        } else {
            human(total.bytes)
        };
        let line = format!(
            "{:<18} {:>10} {:>13} {:>10} {:>10}",
            phase.name(),
            total.operations,
            total.already_right,
            time,
            written
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn add(total: &mut Total, operation: &OperationReport) {
    total.operations += 1;
    match operation.outcome {
        Outcome::AlreadyRight => total.already_right += 1,
        Outcome::NotStarted | Outcome::Skipped => {}
        Outcome::Done | Outcome::Failed { .. } => {
            let start = total.first_start_us.get_or_insert(operation.start_us);
            *start = (*start).min(operation.start_us);
            total.last_end_us = total
                .last_end_us
                .max(operation.start_us + operation.duration_us);
            total.bytes += operation.bytes.unwrap_or(0);
        }
    }
}

fn slowest(text: &mut String, report: &Report) {
    let ran = |o: &&OperationReport| matches!(o.outcome, Outcome::Done | Outcome::Failed { .. });
    let mut operations: Vec<&OperationReport> = report.operations.iter().filter(ran).collect();
    operations.sort_by_key(|o| (std::cmp::Reverse(o.duration_us), o.id));
    if operations.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nSLOWEST OPERATIONS");
    for operation in operations.into_iter().take(SLOWEST) {
        let origin = operation
            .origin
            .as_ref()
            .map_or(String::new(), |o| format!("  [{}:{}]", o.source, o.line));
        let _ = writeln!(
            text,
            "{:>10}  {}{origin}",
            duration(operation.duration_us),
            operation.act
        );
    }
}

fn failures(text: &mut String, report: &Report) {
    for operation in report.failures() {
        if let Outcome::Failed { error, remedy } = &operation.outcome {
            let _ = writeln!(text, "\nFAILED: {}\n  {error}", operation.act);
            if let Some(origin) = &operation.origin {
                let _ = writeln!(text, "  asked for at {origin}");
            }
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "  to do: {remedy}");
            }
        }
    }
    let not_started = report
        .operations
        .iter()
        .filter(|o| o.outcome == Outcome::NotStarted)
        .count();
    if not_started > 0 {
        let _ = writeln!(text, "{not_started} operations were not started");
    }
}

/// `1.2s`, `35.0ms`, `80.0µs`.
fn duration(us: u64) -> String {
    format!("{:.1?}", Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JsonPath, Origin};

    fn operation(
        id: u32,
        phase: Phase,
        start_us: u64,
        duration_us: u64,
        outcome: Outcome,
    ) -> OperationReport {
        let origin = Origin {
            source: "a.ign".into(),
            line: id + 1,
            column: 3,
            path: JsonPath::new("$.x"),
        };
        OperationReport {
            id,
            phase,
            act: format!("act {id}"),
            origin: Some(origin),
            start_us,
            duration_us,
            outcome,
            bytes: Some(512),
        }
    }

    fn report() -> Report {
        Report {
            version: super::super::VERSION,
            kindling: "0.1.0".into(),
            command: "apply".into(),
            started: "2026-01-02T03:04:05Z".into(),
            duration_us: 2_500_000,
            plan_digest: "ab".repeat(32),
            sources: vec![super::super::Source {
                name: "a.ign".into(),
                sha512: "cd".repeat(64),
            }],
            operations: vec![
                operation(0, Phase::Filesystems, 0, 2_000_000, Outcome::Done),
                operation(1, Phase::Files, 2_000_000, 1_500, Outcome::Done),
                operation(2, Phase::Files, 0, 0, Outcome::AlreadyRight),
                operation(
                    3,
                    Phase::Files,
                    2_000_500,
                    80,
                    Outcome::Failed {
                        error: "disk full".into(),
                        remedy: Some("make it larger".into()),
                    },
                ),
                operation(4, Phase::Finish, 0, 0, Outcome::NotStarted),
            ],
        }
    }

    #[test]
    fn the_table_shows_totals_slowest_and_failures() {
        let want = "\
kindling 0.1.0 apply, 2026-01-02T03:04:05Z, took 2.5s
config a.ign (sha512 cdcdcdcdcdcdcdcd...)
plan abababababababab..., 5 operations

PHASE              OPERATIONS ALREADY RIGHT       TIME    WRITTEN
file systems                1             0       2.0s      512 B
files                       3             1      1.5ms      1 KiB
sync and unmount            1             0      0.0ns

SLOWEST OPERATIONS
      2.0s  act 0  [a.ign:1]
     1.5ms  act 1  [a.ign:2]
    80.0µs  act 3  [a.ign:4]

FAILED: act 3
  disk full
  asked for at a.ign:4:3 ($.x)
  to do: make it larger
1 operations were not started
";
        assert_eq!(render(&report()), want);
    }

    #[test]
    fn a_report_survives_writing_and_reading() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report.json");
        report().write(&path).expect("the report is written");
        let mode = std::fs::metadata(&path).expect("it exists").permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
        assert_eq!(Report::read(&path).expect("the report is read"), report());
    }

    #[test]
    fn a_report_matches_its_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../schemas/report.json"))
                .expect("the schema is JSON");
        let schema = jsonschema::validator_for(&schema).expect("the schema is a schema");
        let value = serde_json::to_value(report()).expect("a report is JSON");
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}
