//! `kindling apply`: plan, then execute that very plan, then report.

use super::exit::{Exit, Failure};
use super::load;
use super::prepare::{self, Prepared};
use super::progress::Progress;
use super::target::{Mode, TargetArgs};
use crate::execute::record::{self, Place};
use crate::execute::scheduler::{self, Observer, Outcome, Record, Width};
use crate::execute::{self, Context, Keys};
use crate::fetch::{FetchEvent, FetchEvents};
use crate::host::devices::Access;
use crate::host::{mount, namespace};
use crate::plan::digest::digest;
use crate::plan::show::Summary;
use crate::plan::{self, OpKind, Plan, Warning};
use crate::report::{self, OperationReport, Report};
use crate::terminal;
use crate::text::{escaped, time};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// More transfers or mkfs processes at once than this help no machine we know.
const MAX_JOBS: usize = 16;

/// `kindling apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Write the report of the run (JSON, schemas/report.json) to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Operations at a time; default: 16, of which file systems are made by as many as there are CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The config: a file, - for standard input, or a URL
    #[arg(value_name = "CONFIG")]
    config: String,
}

/// Executes the plan and reports.
pub fn run(args: &ApplyArgs) -> Result<Exit, Failure> {
    check_target(&args.target)?;
    if let Some(path) = &args.report {
        Report::check_place(path).map_err(|error| Failure::new(Exit::Failed, &error))?;
    }
    let stop = interruptible()?;
    let mut prepared = prepare::prepare(&args.config, &args.target, Access::Write)?;
    if args.target.mode() != Mode::Tree {
        // What mounts nothing needs no right to mount.
        if let Err(error) = namespace::enter_private_namespace()
            && mounts(&prepared.plan)
        {
            return Err(Failure::new(Exit::CannotObserve, &error));
        }
    }
    warn(&prepared.plan.warnings);
    let clock = Instant::now();
    let started = time::now();
    let ran = execute_all(&mut prepared, args, &stop);
    if args.target.mode() != Mode::Tree {
        // Nothing is left of a run that succeeded.
        mount::unmount_all(&prepared.root);
    }
    let ran = ran?;
    let count = ran.count;
    let mut report = make_report(&prepared, started, clock.elapsed(), ran);
    let met = prepared.loaded.fetcher.downgrades();
    report
        .warnings
        .extend(met.into_iter().map(Warning::of_fetch));
    deliver(args, &report)?;
    conclude(count, &report)
}

fn mounts(plan: &Plan) -> bool {
    let mut kinds = plan.operations.iter().map(|operation| &operation.kind);
    kinds.any(|kind| matches!(kind, OpKind::Mount(_)))
}

/// What ran so far.
#[derive(Default)]
struct Progressed {
    count: Summary,
    operations: Vec<OperationReport>,
    earlier_plans: Vec<String>,
}

/// What exists but has to be put together to be looked into comes first, then all is planned again.
fn execute_all(
    prepared: &mut Prepared,
    args: &ApplyArgs,
    stop: &AtomicBool,
) -> Result<Progressed, Failure> {
    let keys = Keys::default();
    let mut ran = Progressed::default();
    let run = |prepared: &Prepared, plan: &Plan, ran: &mut Progressed| {
        let progress = Progress::new(plan);
        let events = UntilStopped {
            stop,
            progress: &progress,
        };
        let records = execute_plan(
            plan,
            prepared,
            &keys,
            jobs(args.jobs),
            stop,
            &progress,
            &events,
        );
        progress.end();
        ran.count.include(Summary::of(plan));
        record::append(
            &mut ran.operations,
            record::reports(plan, &records, Place::Desk),
        );
        records
            .iter()
            .all(|record| matches!(record.outcome, Outcome::Done(_)))
    };
    while let Some(part) = plan::prerequisites::ahead(&prepared.plan, &prepared.opened) {
        ran.earlier_plans.push(digest(&prepared.plan));
        if !run(prepared, &part, &mut ran) {
            return Ok(ran);
        }
        let known = std::mem::take(&mut prepared.plan.warnings);
        prepared.plan_behind(&part, &args.target)?;
        warn(
            prepared
                .plan
                .warnings
                .iter()
                .filter(|one| !known.contains(one)),
        );
    }
    run(prepared, &prepared.plan, &mut ran);
    Ok(ran)
}

/// The devices of this machine are only touched when asked for by name.
fn check_target(target: &TargetArgs) -> Result<(), Failure> {
    if target.mode() == Mode::Devices && target.target.is_none() {
        return Err(Failure::usage(
            "nothing says what to apply to: give --image DEVICE=FILE for a disk image, --root DIR for an \
existing tree, or --target DIR to use the real disks of this machine (destroys what the plan says)",
        ));
    }
    match &target.root {
        Some(root)
            if root.canonicalize().is_ok_and(|root| root == Path::new("/")) && !in_container() =>
        {
            Err(Failure::usage(
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
pub(super) fn interruptible() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [nix::libc::SIGINT, nix::libc::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for signals")
            .map_err(|error| Failure::new(Exit::CannotObserve, &error))?;
    }
    Ok(stop)
}

/// How many operations run at a time, unless `wanted` says so.
pub(super) fn jobs(wanted: Option<u16>) -> Width {
    wanted.map_or(Width::of_machine(MAX_JOBS), |jobs| Width::all(jobs.into()))
}

/// Executes a plan; returns one record per operation.
pub(super) fn execute_plan(
    plan: &Plan,
    prepared: &Prepared,
    keys: &Keys,
    jobs: Width,
    stop: &AtomicBool,
    observer: &dyn Observer,
    events: &(dyn FetchEvents + Sync),
) -> Vec<Record> {
    let context = Context {
        keys,
        root: &prepared.root,
        devices: &prepared.devices,
        fetcher: &prepared.fetcher,
        events,
        copies: execute::Copies::default(),
    };
    scheduler::run(plan, jobs, stop, observer, &|operation| {
        execute::execute(&operation.kind, &context)
    })
}

/// Fetches of a run: retries and what came in are told, and all end when the run does.
struct UntilStopped<'a> {
    stop: &'a AtomicBool,
    progress: &'a Progress,
}

impl FetchEvents for UntilStopped<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        if let FetchEvent::Received { bytes } = event {
            self.progress.received(bytes);
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

fn make_report(prepared: &Prepared, started: String, took: Duration, ran: Progressed) -> Report {
    Report {
        version: report::VERSION,
        kindling: env!("CARGO_PKG_VERSION").into(),
        command: "apply".into(),
        started,
        duration_us: record::micros(took),
        plan_digest: digest(&prepared.plan),
        earlier_plans: ran.earlier_plans,
        sources: prepared.loaded.report_sources(),
        operations: ran.operations,
        warnings: prepared.plan.warnings.clone(),
    }
}

fn deliver(args: &ApplyArgs, report: &Report) -> Result<(), Failure> {
    if args.json {
        let text = serde_json::to_string_pretty(report).context("cannot print the report");
        let text = text.map_err(|error| Failure::new(Exit::Failed, &error))?;
        terminal::write_line(&text)?;
    }
    match &args.report {
        Some(path) => report
            .write(path)
            .map_err(|error| Failure::new(Exit::Failed, &error)),
        None => Ok(()),
    }
}

/// The last words of a run: what was done, or each operation that failed with its cause and origin.
fn conclude(count: Summary, report: &Report) -> Result<Exit, Failure> {
    let took = Duration::from_micros(report.duration_us);
    let not_started = report
        .operations
        .iter()
        .filter(|o| o.outcome == report::Outcome::NotStarted);
    let not_started = not_started.count();
    let mut message: Vec<String> = report.failures().map(failure).collect();
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
            "{why}{not_started} {what} not started; run again to go on"
        ));
    }
    if !message.is_empty() {
        return Err(Failure {
            exit: Exit::Failed,
            message: message.join("\n"),
        });
    }
    terminal::say(&match count.is_nothing() {
        true => format!("kindling: nothing to do, {} already right\n", count.keep),
        false => format!(
            "kindling: done in {took:.1?}: {} created, {} changed, {} destroyed, {} already right\n",
            count.create, count.change, count.destroy, count.keep
        ),
    });
    Ok(Exit::Done)
}

fn failure(operation: &OperationReport) -> String {
    let report::Outcome::Failed { error, remedy } = &operation.outcome else {
        return String::new();
    };
    let mut text = format!("cannot {}: {}", escaped(&operation.act), escaped(error));
    if let Some(origin) = &operation.origin {
        text.push_str(&format!("\n  requested at {origin}"));
    }
    if let Some(remedy) = remedy {
        text.push_str(&format!("\n  to do: {}", escaped(remedy)));
    }
    text
}
