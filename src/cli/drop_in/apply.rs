//! `ignition-apply`: applies a config to the root of a container, logging to standard output.
//!
//! Sections that do not apply to a tree are refused before anything is written, or skipped if requested.

use super::flags::{Flag, FlagValues, Grammar, Syntax};
use crate::acquire::findings::log_findings;
use crate::acquire::needs_network;
use crate::boot::args::Stage;
use crate::cli::apply::{in_container, jobs, register_stop_signals};
use crate::cli::argv0;
use crate::cli::exit::{Exit, ExitError};
use crate::cli::findings::{self, CheckedConfig};
use crate::cli::load::{self, FindingSink, LoadedConfig};
use crate::cli::prepare::{self, PreparedRun};
use crate::cli::reading::ReadingArgs;
use crate::cli::target::TargetArgs;
use crate::config::{Document, JsonPath};
use crate::execute::VolumeKeys;
use crate::execute::scheduler::{OperationOutcome, OperationRecord, Unobserved};
use crate::fetch::{FetchEvent, FetchEvents, Fetcher, Settings, VERSION_TEXT};
use crate::host::devices::DeviceAccess;
use crate::log::Log;
use crate::narration::log_lines::{self, FetchLogger, OperationLogger};
use crate::rounds::Execution;
use crate::terminal;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

const SYNTAX: Syntax<'static> = Syntax {
    program: "ignition-apply",
    arguments: "[flags] CONFIG\n\nApplies a config to the tree of a container; - is standard input.\n",
    grammar: Grammar::Gnu,
    flags: &[
        Flag::switch("ignore-unsupported", "skip what a tree cannot take"),
        Flag::switch("offline", "fail if anything needs a network"),
        Flag::text("root", "DIR", "/", "the target root"),
        Flag::switch("version", "print the version"),
    ],
};

/// What to apply, and where to.
struct ApplyRequest {
    config: OsString,
    target: TargetArgs,
}

/// Applies the config that the arguments name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    argv0::dispatch(SYNTAX.parse_with(arguments, Ok), |given| {
        match request(&given) {
            Some(request) => start(&request),
            None => print_usage(),
        }
    })
}

/// `None` unless there is exactly one config.
fn request(given: &FlagValues) -> Option<ApplyRequest> {
    let [config] = given.positionals.as_slice() else {
        return None;
    };
    let root = PathBuf::from(given.value("root").unwrap_or_default());
    Some(ApplyRequest {
        config: config.clone(),
        target: TargetArgs {
            images: Vec::new(),
            root: Some(root),
            ignore_unsupported: given.is_on("ignore-unsupported"),
            target: None,
            offline: given.is_on("offline"),
            reading: ReadingArgs::default(),
        },
    })
}

fn print_usage() -> ExitCode {
    terminal::eprint(&SYNTAX.usage());
    ExitCode::FAILURE
}

fn start(request: &ApplyRequest) -> ExitCode {
    // Commands are logged wherever they run, so the log must live as long as the process.
    let log: &'static Log = Box::leak(Box::new(Log::open(true)));
    log.info(VERSION_TEXT);
    log_lines::log_commands(log);
    match apply(request, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // An empty message means that findings were logged already.
            let cause = Some(failure.message.as_str()).filter(|text| !text.is_empty());
            let cause = cause.unwrap_or("config is not valid");
            // A log record is one line.
            let parts: Vec<&str> = cause.lines().map(str::trim).collect();
            log.critical(format_args!("failed to apply config: {}", parts.join("; ")));
            ExitCode::FAILURE
        }
    }
}

fn apply(request: &ApplyRequest, log: &Log) -> Result<(), ExitError> {
    let stop = register_stop_signals()?;
    let events = FetchLogger {
        log,
        stop: &stop,
        progress: None,
    };
    let loaded = load(
        request,
        &LogEvents {
            log,
            events: &events,
        },
    )?;
    for source in &loaded.sources {
        log.debug(format_args!(
            "parsing config with SHA512: {}",
            source.sha512
        ));
    }
    let prepared = prepare::prepare_loaded(loaded, &request.target, DeviceAccess::Write)?;
    for warning in &prepared.plan.warnings {
        log.warning(warning.line());
    }
    let records = execute(&prepared, &stop, log, &events);
    conclude(&prepared, &records)
}

fn load(request: &ApplyRequest, sink: &dyn FindingSink) -> Result<LoadedConfig, ExitError> {
    if !in_container() {
        return Err(failure(
            "this program is meant to be used in containers only",
        ));
    }
    let fetcher = Fetcher::new(Settings::default());
    let offline = request.target.offline;
    let fetcher = if offline { fetcher.offline() } else { fetcher };
    let loaded = load::load_for(&request.config, &fetcher, &ReadingArgs::default(), sink)?;
    if offline {
        check_offline(&loaded)?;
    }
    check_accounts(&loaded.document, request.target.ignore_unsupported)?;
    Ok(LoadedConfig {
        document: loaded.document.without_accounts(),
        ..loaded
    })
}

fn check_offline(loaded: &LoadedConfig) -> Result<(), ExitError> {
    let need = needs_network(loaded.document.config());
    match need.map_err(|error| ExitError::new(Exit::BadConfig, &error.into()))? {
        None => Ok(()),
        Some(need) => Err(failure(&format!(
            "{} at {} needs a network; embed it as a data: URL, or run without --offline",
            need.what, need.path
        ))),
    }
}

/// Refuses users and groups: a container gets them when its image is built.
fn check_accounts(document: &Document, ignore: bool) -> Result<(), ExitError> {
    let accounts = &document.config().passwd;
    let (what, path) = match (accounts.users.is_empty(), accounts.groups.is_empty()) {
        (true, true) => return Ok(()),
        (false, _) => ("users", "$.passwd.users"),
        (true, false) => ("groups", "$.passwd.groups"),
    };
    if ignore {
        return Ok(());
    }
    let origin = document.origin(&JsonPath::new(path));
    let place = origin.map_or(String::new(), |o| format!(", requested at {o}"));
    Err(failure(&format!(
        "cannot create {what} in a container{place}; remove them, or skip them with --ignore-unsupported"
    )))
}

fn failure(message: &str) -> ExitError {
    ExitError {
        exit: Exit::Refused,
        message: message.into(),
    }
}

fn execute(
    prepared: &PreparedRun,
    stop: &AtomicBool,
    log: &Log,
    events: &FetchLogger<'_>,
) -> Vec<OperationRecord> {
    let narrator = OperationLogger {
        log,
        prefix: Stage::Files.name(),
        root: prepared.machine.root.path(),
        next: &Unobserved,
    };
    let execution = Execution {
        width: jobs(None),
        stop,
        observer: &narrator,
        events,
        keys: &VolumeKeys::default(),
    };
    execution.run(&prepared.plan, &prepared.machine)
}

fn conclude(prepared: &PreparedRun, records: &[OperationRecord]) -> Result<(), ExitError> {
    let operations = prepared.plan.operations.iter().zip(records);
    let failed = operations.filter_map(|(operation, record)| match &record.outcome {
        OperationOutcome::Failed(error) => {
            let (act, error) = (operation.kind.describe(), log_lines::error_text(error));
            Some(format!("cannot {act}: {error}"))
        }
        _ => None,
    });
    let failed: Vec<String> = failed.collect();
    let undone = records
        .iter()
        .any(|record| matches!(record.outcome, OperationOutcome::NotStarted));
    match (failed.is_empty(), undone) {
        (true, false) => Ok(()),
        (true, true) => Err(failure("the run was interrupted; run again to go on")),
        (false, _) => Err(failure(&failed.join("\n"))),
    }
}

/// Logs findings and fetches.
struct LogEvents<'a> {
    log: &'a Log,
    events: &'a FetchLogger<'a>,
}

impl FetchEvents for LogEvents<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        self.events.event(event);
    }
    fn cancelled(&self) -> bool {
        self.events.cancelled()
    }
}

impl FindingSink for LogEvents<'_> {
    fn report(&self, checked: &CheckedConfig<'_>) {
        log_findings(self.log, checked.findings);
        if let Some((problem, remedy)) = findings::refusal(checked) {
            self.log.critical(format_args!("{problem}; {remedy}"));
        }
    }
}
