//! A report as text: totals per phase, the slowest operations, failures.

use super::{
    BootReport, OperationReport, Outcome, Report, Source, StageOutcome, StageReport, distinct,
};
use crate::config::Origin;
use crate::plan::op::Phase;
use crate::plan::{ErrorCode, Warning};
use crate::text::escaped;
use crate::text::human_size;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Number of the slowest operations to list.
const MAX_SLOWEST: usize = 10;

/// Totals of one phase.
#[derive(Default)]
struct Total {
    operations: usize,
    already_right: usize,
    bytes: u64,
    first_start_us: Option<u64>,
    last_end_us: u64,
}

/// The report of a command as text for people.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    header(&mut text, report);
    phases(&mut text, report);
    slowest(&mut text, report.operations.iter());
    failures(&mut text, report.failures());
    not_started(&mut text, report.operations.iter());
    warnings(&mut text, report.warnings.iter());
    text
}

/// The report of a first boot as text for people.
pub(crate) fn render_boot(report: &BootReport) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "kindling {} first boot, {}, boot id {}",
        escaped(&report.kindling),
        escaped(&report.started),
        escaped(&report.boot_id)
    );
    sources(&mut text, report.stages.iter().flat_map(|s| &s.sources));
    stages(&mut text, &report.stages);
    let operations = || report.stages.iter().flat_map(|s| &s.operations);
    slowest(&mut text, operations());
    for stage in &report.stages {
        stage_failure(&mut text, stage);
    }
    not_started(&mut text, operations());
    warnings(&mut text, report.stages.iter().flat_map(|s| &s.warnings));
    text
}

/// Lists each config once, even if several stages read it.
fn sources<'a>(text: &mut String, sources: impl Iterator<Item = &'a Source>) {
    for source in distinct(sources) {
        let digest: String = escaped(&source.sha512).chars().take(16).collect();
        let _ = writeln!(
            text,
            "config {} (sha512 {digest}...)",
            escaped(&source.name)
        );
    }
}

fn stages(text: &mut String, stages: &[StageReport]) {
    let _ = writeln!(
        text,
        "\n{:<18} {:>10} {:>13} {:>10} {:>10}  OUTCOME",
        "STAGE", "OPERATIONS", "ALREADY RIGHT", "TIME", "WRITTEN"
    );
    for stage in stages {
        let mut total = Total::default();
        stage.operations.iter().for_each(|o| add(&mut total, o));
        let _ = writeln!(
            text,
            "{:<18} {:>10} {:>13} {:>10} {:>10}  {}",
            escaped(&stage.stage),
            total.operations,
            total.already_right,
            duration(stage.duration_us),
            written(&total),
            stage.outcome.label()
        );
    }
}

/// Lists the failures of a stage: those of its operations, or else its own.
fn stage_failure(text: &mut String, stage: &StageReport) {
    if stage.failures().next().is_some() {
        return failures(text, stage.failures());
    }
    if let StageOutcome::Failed {
        error,
        origin,
        remedy,
        code,
    } = &stage.outcome
    {
        let act = format!("stage {}", stage.stage);
        let advice = (remedy.as_deref(), *code);
        failure(text, &act, error, origin.as_ref(), advice);
    }
}

fn header(text: &mut String, report: &Report) {
    let took = duration(report.duration_us);
    let _ = writeln!(
        text,
        "kindling {} {}, {}, took {took}",
        escaped(&report.kindling),
        escaped(&report.command),
        escaped(&report.started)
    );
    sources(text, report.sources.iter());
    let digest: String = escaped(&report.plan_digest).chars().take(16).collect();
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
        let line = format!(
            "{:<18} {:>10} {:>13} {:>10} {:>10}",
            phase.name(),
            total.operations,
            total.already_right,
            time,
            written(&total)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn written(total: &Total) -> String {
    match total.bytes {
        0 => String::new(),
        bytes => human_size(bytes),
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

fn slowest<'a>(text: &mut String, operations: impl Iterator<Item = &'a OperationReport>) {
    let ran = |o: &&OperationReport| matches!(o.outcome, Outcome::Done | Outcome::Failed { .. });
    let mut operations: Vec<&OperationReport> = operations.filter(ran).collect();
    operations.sort_by_key(|o| (std::cmp::Reverse(o.duration_us), o.id));
    if operations.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nSLOWEST OPERATIONS");
    for operation in operations.into_iter().take(MAX_SLOWEST) {
        let origin = operation.origin.as_ref().map_or(String::new(), |o| {
            format!("  [{}:{}]", escaped(&o.source), o.line)
        });
        let _ = writeln!(
            text,
            "{:>10}  {}{origin}",
            duration(operation.duration_us),
            escaped(&operation.act)
        );
    }
}

fn failures<'a>(text: &mut String, failed: impl Iterator<Item = &'a OperationReport>) {
    for operation in failed {
        if let Outcome::Failed {
            error,
            remedy,
            code,
        } = &operation.outcome
        {
            let origin = operation.origin.as_ref();
            let advice = (remedy.as_deref(), *code);
            failure(text, &operation.act, error, origin, advice);
        }
    }
}

fn failure(
    text: &mut String,
    act: &str,
    error: &str,
    origin: Option<&Origin>,
    (remedy, code): (Option<&str>, Option<ErrorCode>),
) {
    let _ = writeln!(text, "\nFAILED: {}\n  {}", escaped(act), escaped(error));
    if let Some(origin) = origin {
        let _ = writeln!(text, "  requested at {origin}");
    }
    if let Some(remedy) = remedy {
        let _ = writeln!(text, "  to do: {}", escaped(remedy));
    }
    if let Some(code) = code {
        let _ = writeln!(text, "  more: kindling explain {code}");
    }
}

fn not_started<'a>(text: &mut String, operations: impl Iterator<Item = &'a OperationReport>) {
    let count = operations
        .filter(|o| o.outcome == Outcome::NotStarted)
        .count();
    let _ = match count {
        0 => Ok(()),
        1 => writeln!(text, "1 operation was not started"),
        _ => writeln!(text, "{count} operations were not started"),
    };
}

fn warnings<'a>(text: &mut String, warnings: impl Iterator<Item = &'a Warning>) {
    for (index, warning) in warnings.enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{warning}");
    }
}

/// `1.2s`, `35.0ms`, `80.0µs`.
fn duration(us: u64) -> String {
    format!("{:.1?}", Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use super::super::AnyReport;
    use super::*;
    use crate::config::JsonPath;

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
            worker: 0,
            after: Vec::new(),
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
            earlier_plans: Vec::new(),
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
                        code: None,
                    },
                ),
                operation(4, Phase::Finish, 0, 0, Outcome::NotStarted),
            ],
            warnings: vec![Warning {
                what: "unit a.service".into(),
                cause: "it does not exist".into(),
                origin: None,
                hint: String::new(),
            }],
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
  requested at a.ign:4:3 ($.x)
  to do: make it larger
1 operation was not started

warning: unit a.service: it does not exist
";
        assert_eq!(render(&report()), want);
    }

    fn stage(stage: &str, outcome: StageOutcome, operations: Vec<OperationReport>) -> StageReport {
        StageReport {
            stage: stage.into(),
            started: "2026-01-02T03:04:05Z".into(),
            duration_us: 1_250_000,
            outcome,
            plan_digest: (!operations.is_empty()).then(|| "ab".repeat(32)),
            earlier_plans: Vec::new(),
            sources: report().sources,
            operations,
            warnings: Vec::new(),
        }
    }

    fn failed(origin: Option<Origin>) -> StageOutcome {
        StageOutcome::Failed {
            error: "not found".into(),
            origin,
            remedy: Some("check the URL".into()),
            code: Some(ErrorCode::NOT_FOUND),
        }
    }

    fn boot_report() -> BootReport {
        let run = report().operations;
        let origin = run.first().and_then(|o| o.origin.clone());
        BootReport {
            started: "2026-01-02T03:04:05Z".into(),
            kindling: "0.1.0".into(),
            stages: vec![
                stage("fetch-offline", StageOutcome::NeedsNetwork, Vec::new()),
                stage("fetch", failed(origin), Vec::new()),
                stage("fetch", StageOutcome::Done, Vec::new()),
                stage("disks", StageOutcome::Done, run[..1].to_vec()),
                stage("files", failed(None), run[1..].to_vec()),
            ],
            ..BootReport::new("b007")
        }
    }

    #[test]
    fn the_table_of_a_boot_shows_stages_slowest_and_failures() {
        let want = "\
kindling 0.1.0 first boot, 2026-01-02T03:04:05Z, boot id b007
config a.ign (sha512 cdcdcdcdcdcdcdcd...)

STAGE              OPERATIONS ALREADY RIGHT       TIME    WRITTEN  OUTCOME
fetch-offline               0             0       1.2s             needs a network
fetch                       0             0       1.2s             failed
fetch                       0             0       1.2s             done
disks                       1             0       1.2s      512 B  done
files                       4             1       1.2s      1 KiB  failed

SLOWEST OPERATIONS
      2.0s  act 0  [a.ign:1]
     1.5ms  act 1  [a.ign:2]
    80.0µs  act 3  [a.ign:4]

FAILED: stage fetch
  not found
  requested at a.ign:1:3 ($.x)
  to do: check the URL
  more: kindling explain K0202

FAILED: act 3
  disk full
  requested at a.ign:4:3 ($.x)
  to do: make it larger
1 operation was not started
";
        assert_eq!(render_boot(&boot_report()), want);
    }

    #[test]
    fn reports_of_both_kinds_are_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report.json");
        report().write(&path).expect("the report is written");
        let read = AnyReport::read(&path).expect("the report is read");
        assert_eq!(read, AnyReport::Run(report()));
        let path = directory.path().join("new/boot.json");
        std::fs::create_dir(directory.path().join("new")).expect("a directory");
        let text = serde_json::to_string(&boot_report()).expect("JSON");
        std::fs::write(&path, text).expect("the report is written");
        let read = AnyReport::read(&path).expect("the report is read");
        assert_eq!(read, AnyReport::Boot(boot_report()));
        std::fs::write(&path, "{}").expect("it is written");
        let error = AnyReport::read(&path).expect_err("no report");
        assert!(error.to_string().contains("is not a kindling report"));
    }

    #[test]
    fn sections_are_added_for_one_boot() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("kindling/report.json");
        let add = |boot: &str, name: &str| {
            let section = stage(name, StageOutcome::Done, Vec::new());
            BootReport::append(&path, boot, &section).expect("it is written");
            let text = std::fs::read(&path).expect("it is read");
            let report = BootReport::parse(&path, &text).expect("a report");
            assert_eq!(report.stages.last(), Some(&section));
            let text = std::fs::read_to_string(&path).expect("it is text");
            // Each stage is a line, so that another can be added without parsing the others.
            assert_eq!(text.lines().count(), report.stages.len() + 2);
            let mode = std::fs::metadata(&path).expect("it exists").permissions();
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
                0o600
            );
            let stages: Vec<String> = report.stages.into_iter().map(|s| s.stage).collect();
            stages
        };
        assert_eq!(add("one", "fetch"), ["fetch"]);
        assert_eq!(add("one", "disks"), ["fetch", "disks"]);
        assert_eq!(add("one", "disks"), ["fetch", "disks", "disks"]);
        assert_eq!(add("two", "fetch"), ["fetch"]);
        // One without stages.
        let mut empty = serde_json::to_string(&BootReport::new("two")).expect("JSON");
        empty.insert(empty.len() - 2, '\n');
        std::fs::write(&path, format!("{empty}\n")).expect("it is written");
        assert_eq!(add("two", "fetch"), ["fetch"]);
        let complete = std::fs::read(&path).expect("a report");
        for damaged in [&b"{"[..], b"", &complete[..complete.len() - 1], b"\n]}\n"] {
            std::fs::write(&path, damaged).expect("it is damaged");
            assert_eq!(add("two", "disks"), ["disks"]);
        }
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

    fn check_schema(schema: &str, report: &impl serde::Serialize) {
        let schema: serde_json::Value = serde_json::from_str(schema).expect("the schema is JSON");
        let schema = jsonschema::validator_for(&schema).expect("the schema is a schema");
        let value = serde_json::to_value(report).expect("a report is JSON");
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }

    #[test]
    fn reports_match_their_schemas() {
        check_schema(include_str!("../../schemas/report.json"), &report());
        let schema = include_str!("../../schemas/boot-report.json");
        check_schema(schema, &boot_report());
    }

    #[test]
    fn both_schemas_describe_operations_alike() {
        let definitions = |schema: &str| {
            let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
            let of = |name: &str| schema["$defs"][name].clone();
            [of("operation"), of("origin"), of("source")]
        };
        assert_eq!(
            definitions(include_str!("../../schemas/report.json")),
            definitions(include_str!("../../schemas/boot-report.json"))
        );
    }
}
