//! The process of a stage: log, state, engine, the report at the end, exit code.

use super::args::{Stage, StageArgs};
use super::engine::Engine;
use super::paths;
use super::stage_failure::StageFailure;
use super::stages::StageResult;
use super::state::State;
use crate::acquire::command_line::CommandLine;
use crate::acquire::environment::Environment;
use crate::acquire::fetcher_setup;
use crate::acquire::first::SourceInfo;
use crate::failure::screen;
use crate::fetch::{Fetcher, Settings, VERSION_TEXT};
use crate::host::TargetRoot;
use crate::layout::REPORT_FILE;
use crate::log::Log;
use crate::narration::console::{ConsoleProgress, Consoles};
use crate::narration::log_lines;
use crate::plan::Warning;
use crate::platform::{self, Platform};
use crate::report::record::micros;
use crate::report::{BootReport, Source, StageOutcome, StageReport};
use crate::signature::Trust;
use crate::terminal;
use crate::text::{escaped, time};
use nix::fcntl::OFlag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// The stage succeeded.
const DONE: u8 = 0;
/// The stage failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// The stage could not be set up.
const SETUP_FAILED: u8 = 3;

/// Runs a stage; returns the exit code.
pub(crate) fn run(args: &StageArgs) -> u8 {
    // Operations on all threads use the log until the process ends.
    let log: &'static Log = Box::leak(Box::new(Log::open(args.log_to_stdout)));
    log_lines::log_commands(log);
    log.info(VERSION_TEXT);
    log.info(format_args!("Stage: {}", args.stage));
    let process = Process {
        args,
        log,
        started: time::now(),
        clock: Instant::now(),
        consoles: Arc::new(Consoles::of_initramfs()),
    };
    process.run()
}

struct Process<'a> {
    args: &'a StageArgs,
    log: &'static Log,
    started: String,
    clock: Instant,
    consoles: Arc<Consoles>,
}

impl Process<'_> {
    fn run(&self) -> u8 {
        let Some(platform) = platform::find(&self.args.platform) else {
            self.log
                .critical(format_args!("unknown platform {:?}", self.args.platform));
            return USAGE;
        };
        match self.set_up(platform) {
            Ok((environment, fetcher, state)) => {
                self.run_stage(platform, &environment, fetcher, state)
            }
            Err(failure) => {
                self.log.critical(&failure);
                self.report_end(&mut StageResult::failed(failure), &[]);
                SETUP_FAILED
            }
        }
    }

    /// Sets up everything that a stage needs to begin.
    fn set_up(
        &self,
        platform: &'static dyn Platform,
    ) -> Result<(Environment, Fetcher, State), StageFailure> {
        let environment = Environment::of_process()
            .map_err(|error| StageFailure::of("read the environment", &error))?;
        let settings = Settings {
            total: self.args.fetch_timeout,
            ..Settings::default()
        };
        let trust = self
            .trust(&environment)
            .map_err(|error| StageFailure::of("load the trusted keys", &error))?;
        let fetcher = fetcher_setup::fetcher(platform, &environment, settings, trust, self.log)
            .map_err(|error| StageFailure::of("set up fetching for the platform", &error))?;
        let state = State::load(&self.args.state_file)
            .map_err(|error| StageFailure::of("read the state of earlier stages", &error))?;
        Ok((environment, fetcher, state))
    }

    /// The trusted keys, for the stages that obtain configs.
    fn trust(&self, environment: &Environment) -> anyhow::Result<Trust> {
        match self.args.stage {
            Stage::FetchOffline | Stage::Fetch => fetcher_setup::trust(environment, self.log),
            _ => Ok(Trust::default()),
        }
    }

    fn run_stage(
        &self,
        platform: &'static dyn Platform,
        environment: &Environment,
        fetcher: Fetcher,
        state: State,
    ) -> u8 {
        let progress = ConsoleProgress::on(Arc::clone(&self.consoles));
        let line = CommandLine::read(&environment.command_line).unwrap_or_default();
        let mut engine = Engine {
            args: self.args,
            environment,
            is_flatcar: environment.is_flatcar(&line),
            platform,
            log: self.log,
            progress: &progress,
            fetcher,
            state,
            sources: Vec::new(),
        };
        let mut result = engine.run();
        report_status(&engine, &result);
        if result.failure.is_none()
            && let Err(error) = engine.state.save(&self.args.state_file)
        {
            self.log.critical(format_args!("{error:#}"));
            result.failure = Some(StageFailure::of("save the state for later stages", &error));
        }
        self.print_config_source(&engine);
        let downgrades = engine.fetcher.downgrades();
        result
            .warnings
            .extend(downgrades.into_iter().map(Warning::of_fetch));
        let sources = std::mem::take(&mut engine.sources);
        drop(engine);
        // Prints its last line before the outcome is printed.
        drop(progress);
        self.report_end(&mut result, &sources);
        match result.failure {
            None => {
                self.log.info("Ignition finished successfully");
                DONE
            }
            Some(_) => FAILED,
        }
    }

    /// Prints the progress line of obtaining the config, which is not an operation of a plan.
    fn print_config_source(&self, engine: &Engine<'_>) {
        if let Some(first) = engine.sources.first() {
            let more = match engine.sources.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let detail = format!("{}{more}", first.name);
            engine
                .progress
                .print_phase("config", &detail, self.clock.elapsed());
        }
    }

    // ---- the end of a stage

    /// Adds a section to the report. If the stage failed, logs and shows why.
    fn report_end(&self, result: &mut StageResult, sources: &[SourceInfo]) {
        let report = self.write_report(result, sources);
        if let Some(failure) = &result.failure {
            self.log
                .critical(format_args!("Ignition failed: {failure}"));
            self.print_failure();
            self.show_failure(failure);
        }
        match report {
            Ok(()) if self.args.stage == Stage::Files && result.failure.is_none() => {
                self.copy_report();
            }
            Ok(()) => {}
            Err(error) => self.log.warning(format_args!("{error:#}")),
        }
    }

    /// Takes the operations out of the result instead of copying them: for a large config they have megabytes.
    fn write_report(&self, result: &mut StageResult, sources: &[SourceInfo]) -> anyhow::Result<()> {
        let section = StageReport {
            stage: self.args.stage.name().into(),
            started: self.started.clone(),
            duration_us: micros(self.clock.elapsed()),
            outcome: outcome(result),
            plan_digest: result.plan_digest.clone(),
            earlier_plans: result.earlier_plans.clone(),
            sources: sources.iter().map(source).collect(),
            operations: std::mem::take(&mut result.operations),
            warnings: result.warnings.clone(),
        };
        let boot_id = std::fs::read_to_string(paths::BOOT_ID).unwrap_or_default();
        BootReport::append(&paths::report(), boot_id.trim(), &section)
    }

    /// Copies the report to the real root. The plan has created the file, with its label.
    fn copy_report(&self) {
        let root = TargetRoot::new(&self.args.root);
        let copy = || -> anyhow::Result<()> {
            let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
            let opened = root.open_file(REPORT_FILE, flags)?;
            let (mut file, _) =
                opened.ok_or_else(|| anyhow::anyhow!("it is not a regular file"))?;
            let mut report = std::fs::File::open(paths::report())?;
            std::io::copy(&mut report, &mut file)?;
            Ok(())
        };
        if let Err(error) = copy() {
            let message =
                format!("cannot copy the report to {REPORT_FILE} of the target: {error:#}");
            self.log.warning(message);
        }
    }

    /// Prints only the path of the config: it may hold secrets, and other users may read the journal.
    fn print_failure(&self) {
        let cache = &self.args.config_cache;
        let config = match cache.exists() {
            true => format!("see {}; it may hold secrets", cache.display()),
            false => "none was obtained".into(),
        };
        let stage = self.args.stage;
        terminal::eprint(&format!(
            "{stage} failed\nFull config: {}\n",
            escaped(&config)
        ));
    }

    fn show_failure(&self, failure: &StageFailure) {
        let text = screen::render(self.args.stage.name(), &failure.failure, failure.more);
        if let Err(error) = paths::write_failure(&text) {
            self.log.warning(format_args!("{error:#}"));
        }
        if !paths::has_failure_program() {
            self.consoles.write(&text);
        }
    }
}

fn report_status(engine: &Engine<'_>, result: &StageResult) {
    let stop = AtomicBool::new(false);
    let fetch_logger = engine.fetch_logger(&stop);
    let text = result.failure.as_ref().map(ToString::to_string);
    let outcome = match &text {
        None => Ok(()),
        Some(text) => Err(text.as_str()),
    };
    let mut context = engine.context(&fetch_logger);
    if let Err(error) = engine
        .platform
        .status(&mut context, engine.args.stage.name(), outcome)
    {
        engine.log.error(format_args!(
            "cannot report the result of the stage to the platform: {error:#}"
        ));
    }
}

fn outcome(result: &StageResult) -> StageOutcome {
    match &result.failure {
        Some(StageFailure { failure: first, .. }) => StageOutcome::Failed {
            error: format!("cannot {}: {}", first.operation(), first.cause),
            origin: first.origin.clone(),
            remedy: first.remedy().map(str::to_owned),
            code: first.code,
        },
        None if result.requested_network => StageOutcome::NeedsNetwork,
        None => StageOutcome::Done,
    }
}

fn source(source: &SourceInfo) -> Source {
    Source {
        name: source.name.clone(),
        sha512: source.sha512.clone(),
    }
}
