//! `kindling apply`: plan, then execute that very plan, then report.

use super::exit::{Exit, ExitError};
use super::load;
use super::prepare::{self, PreparedRun};
use super::target::{Mode, TargetArgs};
use crate::config::Document;
use crate::execute::VolumeKeys;
use crate::execute::scheduler::{OperationOutcome, OperationRecord, Width};
use crate::failure::Failure;
use crate::fetch::{FetchEvent, FetchEvents};
use crate::host::devices::DeviceAccess;
use crate::host::{mount, namespace};
use crate::narration::terminal::TerminalProgress;
use crate::plan::digest::digest;
use crate::plan::show::Summary;
use crate::plan::{OpKind, Plan, Warning};
use crate::report::record::{self, RunEntries};
use crate::report::remedy::Audience;
use crate::report::{self, OperationReport, Report};
use crate::rounds::{Execution, MAX_JOBS, RunTarget, Runner};
use crate::terminal;
use crate::text::time;
use anyhow::Context as _;
use clap::Args;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// `kindling apply`
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Write the report of the run (JSON, schemas/report.json) to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Maximum number of operations at a time; default: 16, with at most one mkfs per CPU
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The config: a file, - for standard input, or a URL
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath)]
    config: String,
}

/// Executes the plan and reports.
pub(crate) fn run(args: &ApplyArgs) -> Result<Exit, ExitError> {
    check_target(&args.target)?;
    if let Some(path) = &args.report {
        Report::check_place(path).map_err(|error| ExitError::new(Exit::Failed, &error))?;
    }
    let stop = interruptible()?;
    let mut prepared = prepare::prepare(&args.config, &args.target, DeviceAccess::Write)?;
    if args.target.mode() != Mode::Tree {
        // What mounts nothing needs no right to mount.
        if let Err(error) = namespace::enter_private_namespace()
            && mounts(&prepared.plan)
        {
            return Err(ExitError::new(Exit::CannotObserve, &error));
        }
    }
    warn(&prepared.plan.warnings);
    let clock = Instant::now();
    let started = time::now();
    let ran = execute_all(&mut prepared, args, &stop);
    if args.target.mode() != Mode::Tree {
        // Nothing is left of a run that succeeded.
        mount::unmount_all(&prepared.machine.root);
    }
    let ran = ran?;
    let took = clock.elapsed();
    if args.wants_report() {
        deliver(args, &make_report(&prepared, started, took, &ran))?;
    }
    let exit = conclude(took, &ran, &prepared.plan);
    // The process ends: giving back each piece of a large plan would only take time.
    std::mem::forget((std::mem::take(&mut prepared.plan), ran));
    exit
}

impl ApplyArgs {
    fn wants_report(&self) -> bool {
        self.json || self.report.is_some()
    }
}

fn mounts(plan: &Plan) -> bool {
    let mut kinds = plan.operations.iter().map(|operation| &operation.kind);
    kinds.any(|kind| matches!(kind, OpKind::Mount(_)))
}

/// Executes plans, and keeps what became of them.
struct DeskRunner<'a> {
    machine: &'a RunTarget,
    width: Width,
    stop: &'a AtomicBool,
    keys: VolumeKeys,
    /// What is done needs no entry otherwise.
    wants_report: bool,
    ran: RunProgress,
}

/// What ran so far.
#[derive(Default)]
struct RunProgress {
    count: Summary,
    /// Entries of parts that ran ahead.
    earlier: Vec<OperationReport>,
    earlier_plans: Vec<String>,
    /// What became of the operations of the last plan; empty if a part that ran ahead was the last.
    records: Vec<OperationRecord>,
    /// Of the last plan, if the report is wanted.
    plan_digest: String,
}

impl DeskRunner<'_> {
    /// Executes a plan.
    fn execute(&mut self, plan: &Plan) -> Vec<OperationRecord> {
        let progress = TerminalProgress::new(plan);
        let execution = Execution {
            width: self.width,
            stop: self.stop,
            observer: &progress,
            events: &UntilStopped {
                stop: self.stop,
                progress: &progress,
            },
            keys: &self.keys,
        };
        let records = execution.run(plan, self.machine);
        progress.end();
        self.ran.count.include(Summary::of(plan));
        records
    }
}

fn are_done(records: &[OperationRecord]) -> bool {
    let mut records = records.iter();
    records.all(|record| matches!(record.outcome, OperationOutcome::Done(_)))
}

impl Runner for DeskRunner<'_> {
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool {
        if let Some(whole) = part_of {
            self.ran.plan_digest = digest(whole);
            self.ran.earlier_plans.push(self.ran.plan_digest.clone());
            let records = self.execute(plan);
            let entries = record::reports(plan, &records, Audience::Desk);
            record::append(&mut self.ran.earlier, entries);
            return are_done(&records);
        }
        let wants_digest = self.wants_report;
        let digesting = || wants_digest.then(|| digest(plan));
        std::thread::scope(|scope| {
            // Of a large plan it takes as long as a tenth of the run, which waits for disks meanwhile.
            let thread = std::thread::Builder::new().spawn_scoped(scope, digesting);
            self.ran.records = self.execute(plan);
            let digest = thread.ok().and_then(|thread| thread.join().ok());
            self.ran.plan_digest = digest.unwrap_or_else(digesting).unwrap_or_default();
            are_done(&self.ran.records)
        })
    }

    fn replanned(&mut self, before: &Plan, now: &Plan) {
        let known = &before.warnings;
        warn(now.warnings.iter().filter(|one| !known.contains(one)));
    }
}

fn execute_all(
    prepared: &mut PreparedRun,
    args: &ApplyArgs,
    stop: &AtomicBool,
) -> Result<RunProgress, ExitError> {
    let mut runner = DeskRunner {
        machine: &prepared.machine,
        width: jobs(args.jobs),
        stop,
        keys: VolumeKeys::default(),
        wants_report: args.wants_report(),
        ran: RunProgress::default(),
    };
    let plan = std::mem::take(&mut prepared.plan);
    // The plan holds the origins, so the document is not needed once the last plan runs.
    let document = std::mem::replace(&mut prepared.loaded.document, Document::empty());
    prepared.plan = prepared
        .planner
        .run(Cow::Owned(document), &prepared.machine, plan, &mut runner)
        .map_err(prepare::failure)?;
    Ok(runner.ran)
}

/// The devices of this machine are only touched when asked for by name.
fn check_target(target: &TargetArgs) -> Result<(), ExitError> {
    if target.mode() == Mode::Devices && target.target.is_none() {
        return Err(ExitError::usage(
            "no target given: use --image DEVICE=FILE for a disk image, --root DIR for an \
existing tree, or --target DIR to use the real disks of this machine (destroys what the plan says)",
        ));
    }
    match &target.root {
        Some(root)
            if root.canonicalize().is_ok_and(|root| root == Path::new("/")) && !in_container() =>
        {
            Err(ExitError::usage(
                "--root / would change this running system; it is allowed inside containers only",
            ))
        }
        _ => Ok(()),
    }
}

/// True inside a container, as container managers tell it.
pub(super) fn in_container() -> bool {
    std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || Path::new("/run/.containerenv").exists()
        || Path::new("/.dockerenv").exists()
}

/// A first signal lets running operations end, a second one ends the process at once.
pub(super) fn interruptible() -> Result<Arc<AtomicBool>, ExitError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [nix::libc::SIGINT, nix::libc::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for signals")
            .map_err(|error| ExitError::new(Exit::CannotObserve, &error))?;
    }
    Ok(stop)
}

/// How many operations run at a time, unless `wanted` says so.
pub(super) fn jobs(wanted: Option<u16>) -> Width {
    wanted.map_or(Width::of_machine(MAX_JOBS), |jobs| Width::all(jobs.into()))
}

/// Fetches of a run: retries and what came in are told, and all end when the run does.
struct UntilStopped<'a> {
    stop: &'a AtomicBool,
    progress: &'a TerminalProgress,
}

impl FetchEvents for UntilStopped<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Announced { bytes } => self.progress.announced(bytes),
            FetchEvent::Received { bytes } => self.progress.received(bytes),
            _ => {}
        }
        load::tell_retry(event);
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Warnings are said before anything runs.
fn warn<'a>(warnings: impl IntoIterator<Item = &'a Warning>) {
    for warning in warnings {
        terminal::say(&format!("{warning}\n"));
    }
}

fn make_report<'a>(
    prepared: &'a PreparedRun,
    started: String,
    took: Duration,
    ran: &'a RunProgress,
) -> Report<RunEntries<'a>> {
    let mut warnings = prepared.plan.warnings.clone();
    let met = prepared.loaded.fetcher.downgrades();
    warnings.extend(met.into_iter().map(Warning::of_fetch));
    Report {
        version: report::VERSION,
        kindling: env!("CARGO_PKG_VERSION").into(),
        command: "apply".into(),
        started,
        duration_us: record::micros(took),
        plan_digest: ran.plan_digest.clone(),
        earlier_plans: ran.earlier_plans.clone(),
        sources: prepared.loaded.report_sources(),
        operations: RunEntries {
            earlier: &ran.earlier,
            plan: &prepared.plan,
            records: &ran.records,
            audience: Audience::Desk,
        },
        warnings,
    }
}

fn deliver(args: &ApplyArgs, report: &Report<RunEntries<'_>>) -> Result<(), ExitError> {
    if args.json {
        let text = serde_json::to_string_pretty(report).context("cannot print the report");
        let text = text.map_err(|error| ExitError::new(Exit::Failed, &error))?;
        terminal::write_json(&text)?;
    }
    match &args.report {
        Some(path) => report
            .write(path)
            .map_err(|error| ExitError::new(Exit::Failed, &error)),
        None => Ok(()),
    }
}

/// The last words of a run: what was done, or each operation that failed with its cause and origin.
fn conclude(took: Duration, ran: &RunProgress, plan: &Plan) -> Result<Exit, ExitError> {
    let troubles = record::failed_or_not_started(plan, &ran.records, Audience::Desk);
    let operations = || ran.earlier.iter().chain(&troubles);
    let not_started = operations().filter(|o| o.outcome == report::Outcome::NotStarted);
    let not_started = not_started.count();
    let mut message: Vec<String> = operations().filter_map(failure).collect();
    if not_started > 0 {
        let why = if message.is_empty() {
            "the run was interrupted: "
        } else {
            ""
        };
        let what = if not_started == 1 {
            "operation was"
        } else {
            "operations were"
        };
        message.push(format!(
            "{why}{not_started} {what} not started; run again to continue"
        ));
    }
    if !message.is_empty() {
        return Err(ExitError {
            exit: Exit::Failed,
            message: message.join("\n"),
        });
    }
    let count = &ran.count;
    terminal::say(&match count.is_nothing() {
        true => format!("kindling: nothing to do, {} already right\n", count.keep),
        false => format!(
            "kindling: done in {took:.1?}: {} created, {} changed, {} destroyed, {} already right\n",
            count.create, count.change, count.destroy, count.keep
        ),
    });
    Ok(Exit::Done)
}

fn failure(operation: &OperationReport) -> Option<String> {
    let report::Outcome::Failed {
        error,
        remedy,
        code,
    } = &operation.outcome
    else {
        return None;
    };
    let failure = Failure {
        act: operation.act.clone(),
        object: String::new(),
        cause: error.clone(),
        origin: operation.origin.clone(),
        remedy: remedy.clone().unwrap_or_default(),
        code: *code,
    };
    Some(failure.to_string())
}
