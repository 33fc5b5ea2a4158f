//! `kindling apply`: plan, execute that plan, report.

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
use crate::threads::run_beside;
use anyhow::Context as _;
use clap::Args;
use nix::libc::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::borrow::Cow;
use std::io;
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
        Report::check_writable(path).map_err(|error| ExitError::new(Exit::Failed, &error))?;
    }
    let stop = register_stop_signals()?;
    let mut prepared = prepare::prepare(&args.config, &args.target, DeviceAccess::Write)?;
    if args.target.mode() != Mode::Tree {
        // A plan that mounts nothing does not need the privilege to mount.
        if let Err(error) = namespace::enter_private_namespace()
            && mounts_anything(&prepared.plan)
        {
            return Err(ExitError::new(Exit::CannotObserve, &error));
        }
    }
    warn(&prepared.plan.warnings);
    let clock = Instant::now();
    let started = time::now();
    let progress = execute_all(&mut prepared, args, &stop);
    if args.target.mode() != Mode::Tree {
        // A run leaves nothing mounted.
        mount::unmount_all(&prepared.machine.root);
    }
    let progress = progress?;
    let elapsed = clock.elapsed();
    if args.wants_report() {
        write_report(args, &make_report(&prepared, started, elapsed, &progress))?;
    }
    let exit = print_summary(elapsed, &progress, &prepared.plan);
    // The process is about to exit: freeing a large plan piece by piece would only take time.
    std::mem::forget((std::mem::take(&mut prepared.plan), progress));
    exit
}

impl ApplyArgs {
    fn wants_report(&self) -> bool {
        self.json || self.report.is_some()
    }
}

fn mounts_anything(plan: &Plan) -> bool {
    let mut kinds = plan.operations.iter().map(|operation| &operation.kind);
    kinds.any(|kind| matches!(kind, OpKind::Mount(_)))
}

/// Executes plans and records the outcome.
struct DeskRunner<'a> {
    machine: &'a RunTarget,
    width: Width,
    stop: &'a AtomicBool,
    keys: VolumeKeys,
    /// Without a report, no plan digest is needed.
    wants_report: bool,
    progress: RunProgress,
}

/// What has been executed so far.
#[derive(Default)]
struct RunProgress {
    count: Summary,
    /// Report entries of the parts that ran ahead of the last plan.
    earlier: Vec<OperationReport>,
    /// Digests of the plans those parts belonged to.
    earlier_plans: Vec<String>,
    /// Outcomes of the last plan's operations; empty if a part that ran ahead was executed last.
    records: Vec<OperationRecord>,
    /// Digest of the last plan, if a report is requested.
    plan_digest: String,
}

impl DeskRunner<'_> {
    /// Executes a plan, showing its progress.
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
        self.progress.count.include(Summary::of(plan));
        records
    }
}

fn all_done(records: &[OperationRecord]) -> bool {
    let mut records = records.iter();
    records.all(|record| matches!(record.outcome, OperationOutcome::Done(_)))
}

impl Runner for DeskRunner<'_> {
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool {
        if let Some(whole) = part_of {
            self.progress.plan_digest = digest(whole);
            self.progress
                .earlier_plans
                .push(self.progress.plan_digest.clone());
            let records = self.execute(plan);
            let entries = record::reports(plan, &records, Audience::Desk);
            record::append(&mut self.progress.earlier, entries);
            return all_done(&records);
        }
        let wants_digest = self.wants_report;
        // For a large plan this takes a tenth of the run time, most of which is spent waiting for disks.
        let compute_digest = || wants_digest.then(|| digest(plan));
        let (digest, records) = run_beside(compute_digest, || self.execute(plan));
        self.progress.plan_digest = digest.unwrap_or_default();
        self.progress.records = records;
        all_done(&self.progress.records)
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
        progress: RunProgress::default(),
    };
    let plan = std::mem::take(&mut prepared.plan);
    // The plan holds the origins, so the document can be freed before the last plan runs.
    let document = std::mem::replace(&mut prepared.loaded.document, Document::empty());
    prepared.plan = prepared
        .planner
        .run(Cow::Owned(document), &prepared.machine, plan, &mut runner)
        .map_err(prepare::failure)?;
    Ok(runner.progress)
}

/// Refuses to touch the devices or the root of this machine unless explicitly requested.
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

/// True inside a container, going by the marks that container managers leave.
pub(super) fn in_container() -> bool {
    std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || Path::new("/run/.containerenv").exists()
        || Path::new("/.dockerenv").exists()
}

/// Lets running operations finish on the first SIGINT, SIGTERM or SIGHUP; a second SIGINT or SIGTERM exits at once. A
/// terminal that is closed may send SIGHUP several times, and `nohup` has it ignored.
pub(super) fn register_stop_signals() -> Result<Arc<AtomicBool>, ExitError> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = || {
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        if !is_ignored(SIGHUP) {
            flag::register(SIGHUP, Arc::clone(&stop))?;
        }
        io::Result::Ok(())
    };
    register()
        .context("cannot listen for signals")
        .map_err(|error| ExitError::new(Exit::CannotObserve, &error))?;
    Ok(stop)
}

/// True if this process ignores a signal, or the kernel does not say.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| (mask >> (signal - 1)) & 1 == 1)
}

/// The number of operations to run at a time: `requested`, or what suits the machine.
pub(super) fn jobs(requested: Option<u16>) -> Width {
    requested.map_or(Width::of_machine(MAX_JOBS), |jobs| Width::all(jobs.into()))
}

/// Shows retries and progress of a run's fetches, and cancels them when the run is stopped.
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
        load::print_fetch_problem(event);
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Prints warnings; called before anything runs.
fn warn<'a>(warnings: impl IntoIterator<Item = &'a Warning>) {
    for warning in warnings {
        terminal::eprint(&format!("{warning}\n"));
    }
}

fn make_report<'a>(
    prepared: &'a PreparedRun,
    started: String,
    elapsed: Duration,
    progress: &'a RunProgress,
) -> Report<RunEntries<'a>> {
    let mut warnings = prepared.plan.warnings.clone();
    let downgrades = prepared.loaded.fetcher.downgrades();
    warnings.extend(downgrades.into_iter().map(Warning::of_fetch));
    Report {
        version: report::VERSION,
        kindling: env!("CARGO_PKG_VERSION").into(),
        command: "apply".into(),
        started,
        duration_us: record::micros(elapsed),
        plan_digest: progress.plan_digest.clone(),
        earlier_plans: progress.earlier_plans.clone(),
        sources: prepared.loaded.report_sources(),
        operations: RunEntries {
            earlier: &progress.earlier,
            plan: &prepared.plan,
            records: &progress.records,
            audience: Audience::Desk,
        },
        warnings,
    }
}

/// Prints the report as JSON, or writes it to a file, as far as that was requested.
fn write_report(args: &ApplyArgs, report: &Report<RunEntries<'_>>) -> Result<(), ExitError> {
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

/// Prints the summary of a run, or fails with the cause and origin of each failed operation.
fn print_summary(
    elapsed: Duration,
    progress: &RunProgress,
    plan: &Plan,
) -> Result<Exit, ExitError> {
    let unsuccessful = record::failed_or_not_started(plan, &progress.records, Audience::Desk);
    let operations = || progress.earlier.iter().chain(&unsuccessful);
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
    let count = &progress.count;
    terminal::eprint(&match count.is_nothing() {
        true => format!("kindling: nothing to do, {} already right\n", count.keep),
        false => format!(
            "kindling: done in {elapsed:.1?}: {} created, {} changed, {} destroyed, {} already right\n",
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
