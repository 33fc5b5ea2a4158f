//! The stage runner as a process: log, state, engine, what is told in the end, exit code.

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

/// The stage did what it had to.
const DONE: u8 = 0;
/// The stage failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// The stage could not even begin.
const SETUP_FAILED: u8 = 3;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Runs a stage to its end; gives the exit code.
pub(crate) fn run(args: &StageArgs) -> u8 {
    // Operations on all threads use it, to the end of the process.
    let log: &'static Log = Box::leak(Box::new(Log::open(args.log_to_stdout)));
    log_lines::tell_commands(log);
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
        match self.begin(platform) {
            Ok((environment, fetcher, state)) => self.stage(platform, &environment, fetcher, state),
            Err(failure) => {
                self.log.critical(&failure);
                self.tell(&mut StageResult::of(failure), &[]);
                SETUP_FAILED
            }
        }
    }

    /// Everything that must be right before the stage can begin.
    fn begin(
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

    /// Whose configs are taken. Stages that obtain none need not know.
    fn trust(&self, environment: &Environment) -> anyhow::Result<Trust> {
        match self.args.stage {
            Stage::FetchOffline | Stage::Fetch => fetcher_setup::trust(environment, self.log),
            _ => Ok(Trust::default()),
        }
    }

    fn stage(
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
            flatcar: environment.is_flatcar(&line),
            platform,
            log: self.log,
            progress: &progress,
            fetcher,
            state,
            sources: Vec::new(),
        };
        let mut body = engine.run();
        status(&engine, &body);
        if body.failure.is_none()
            && let Err(error) = engine.state.save(&self.args.state_file)
        {
            self.log.critical(format_args!("{error:#}"));
            body.failure = Some(StageFailure::of("save the state for later stages", &error));
        }
        self.progress_of_fetch(&engine);
        let met = engine.fetcher.downgrades();
        body.warnings.extend(met.into_iter().map(Warning::of_fetch));
        let sources = std::mem::take(&mut engine.sources);
        drop(engine);
        // Its last line comes before anything that tells how it ended.
        drop(progress);
        self.tell(&mut body, &sources);
        match body.failure {
            None => {
                self.log.info("Ignition finished successfully");
                DONE
            }
            Some(_) => FAILED,
        }
    }

    /// Obtaining a config is not an operation of a plan, and gets its line here.
    fn progress_of_fetch(&self, engine: &Engine<'_>) {
        if let Some(first) = engine.sources.first() {
            let more = match engine.sources.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let detail = format!("{}{more}", first.name);
            engine
                .progress
                .phase("config", &detail, self.clock.elapsed());
        }
    }

    // ---- in the end

    /// Leaves a section in the report, and tells everybody why it failed, if it did.
    fn tell(&self, body: &mut StageResult, sources: &[SourceInfo]) {
        let report = self.report(body, sources);
        if let Some(failure) = &body.failure {
            self.log
                .critical(format_args!("Ignition failed: {failure}"));
            self.say_failed();
            self.show(failure);
        }
        match report {
            Ok(()) if self.args.stage == Stage::Files && body.failure.is_none() => {
                self.keep_report();
            }
            Ok(()) => {}
            Err(error) => self.log.warning(format_args!("{error:#}")),
        }
    }

    /// Takes the operations out of the body: of a large config they fill megabytes.
    fn report(&self, body: &mut StageResult, sources: &[SourceInfo]) -> anyhow::Result<()> {
        let section = StageReport {
            stage: self.args.stage.name().into(),
            started: self.started.clone(),
            duration_us: micros(self.clock.elapsed()),
            outcome: outcome(body),
            plan_digest: body.plan_digest.clone(),
            earlier_plans: body.earlier_plans.clone(),
            sources: sources.iter().map(source).collect(),
            operations: std::mem::take(&mut body.operations),
            warnings: body.warnings.clone(),
        };
        let boot_id = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        BootReport::append(&paths::report(), boot_id.trim(), &section)
    }

    /// Copies the report to its place in the real root. The plan made the file, with its label.
    fn keep_report(&self) {
        let root = TargetRoot::new(&self.args.root);
        let written = || -> anyhow::Result<()> {
            let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
            let opened = root.open_file(REPORT_FILE, flags)?;
            let (mut file, _) =
                opened.ok_or_else(|| anyhow::anyhow!("it is not a regular file"))?;
            let mut report = std::fs::File::open(paths::report())?;
            std::io::copy(&mut report, &mut file)?;
            Ok(())
        };
        if let Err(error) = written() {
            let message =
                format!("cannot copy the report to {REPORT_FILE} of the target: {error:#}");
            self.log.warning(message);
        }
    }

    /// The config is not shown: it may hold secrets, and this goes to a journal that others may read.
    fn say_failed(&self) {
        let cache = &self.args.config_cache;
        let config = match cache.exists() {
            true => format!("see {}; it may hold secrets", cache.display()),
            false => "none was obtained".into(),
        };
        let stage = self.args.stage;
        terminal::say(&format!(
            "{stage} failed\nFull config: {}\n",
            escaped(&config)
        ));
    }

    fn show(&self, failure: &StageFailure) {
        let text = screen::render(self.args.stage.name(), &failure.failure, failure.more);
        if let Err(error) = paths::leave_failure(&text) {
            self.log.warning(format_args!("{error:#}"));
        }
        if !paths::shows_failures() {
            self.consoles.write(&text);
        }
    }
}

fn status(engine: &Engine<'_>, body: &StageResult) {
    let stop = AtomicBool::new(false);
    let fetches = engine.fetches(&stop);
    let text = body.failure.as_ref().map(ToString::to_string);
    let result = match &text {
        None => Ok(()),
        Some(text) => Err(text.as_str()),
    };
    let mut context = engine.context(&fetches);
    if let Err(error) = engine
        .platform
        .status(&mut context, engine.args.stage.name(), result)
    {
        engine.log.error(format_args!(
            "cannot report the result of the stage to the platform: {error:#}"
        ));
    }
}

fn outcome(body: &StageResult) -> StageOutcome {
    match &body.failure {
        Some(StageFailure { failure: first, .. }) => StageOutcome::Failed {
            error: format!("cannot {}: {}", first.operation(), first.cause),
            origin: first.origin.clone(),
            remedy: first.remedy().map(str::to_owned),
            code: first.code,
        },
        None if body.asked_for_network => StageOutcome::NeedsNetwork,
        None => StageOutcome::Done,
    }
}

fn source(source: &SourceInfo) -> Source {
    Source {
        name: source.name.clone(),
        sha512: source.sha512.clone(),
    }
}
