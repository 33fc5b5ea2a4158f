//! Runs one stage: base config, platform, user config, then the body of the stage.

use super::args::Stage;
use super::engine::Engine;
use super::stage_failure::StageFailure;
use super::stages::{self, StageContext, StageResult};
use super::state::ConfigKind;
use super::user_config::{Acquisition, acquire};
use super::{cache, neednet, oem};
use crate::acquire::base;
use crate::config::Document;
use crate::platform::Readiness;
use std::sync::atomic::AtomicBool;

impl Engine<'_> {
    /// Runs the stage.
    pub(crate) fn run(&mut self) -> StageResult {
        match self.prepare() {
            Ok(Some(document)) => self.run_body(&document),
            Ok(None) => StageResult {
                requested_network: true,
                ..StageResult::default()
            },
            Err(failure) => StageResult {
                failure: Some(failure),
                ..StageResult::default()
            },
        }
    }

    /// Everything before the body: returns the merged base and user config, or `None` if a network is needed.
    fn prepare(&mut self) -> Result<Option<Document>, StageFailure> {
        let base = self.load_base()?;
        if self.is_offline() {
            self.fetcher = self.fetcher.clone().offline();
        }
        if let Some(what) = self.init_platform()? {
            return self.request_network(&what).map(|()| None);
        }
        let user = match self.args.stage {
            Stage::FetchOffline | Stage::Fetch => self.acquire()?,
            _ => Some(self.load_cached()?),
        };
        Ok(user.map(|user| Document::merge(&base, &user)))
    }

    fn is_offline(&self) -> bool {
        self.args.stage == Stage::FetchOffline
    }

    fn load_base(&mut self) -> Result<Document, StageFailure> {
        let dirs = &self.environment.config_dirs;
        let base = base::load(dirs, &self.args.platform, self.log).map_err(|error| {
            self.log
                .critical(format_args!("failed to acquire base config: {error:#}"));
            StageFailure::of("read the base config of the system", &error)
        })?;
        self.state.record_config(ConfigKind::Base, "system", false);
        Ok(base)
    }

    /// Initializes the platform. Returns what it needs a network for, if it does.
    fn init_platform(&mut self) -> Result<Option<String>, StageFailure> {
        let stop = AtomicBool::new(false);
        let fetch_logger = self.fetch_logger(&stop);
        let mut context = self.context(&fetch_logger);
        let platform = self.platform;
        let ready = platform.init(&mut context).map_err(|error| {
            StageFailure::of(format!("prepare platform {}", platform.id()), &error)
        })?;
        self.fetcher = context.fetcher;
        Ok(match ready {
            Readiness::Yes => None,
            Readiness::NeedsNetwork { what } => Some(what),
        })
    }

    fn acquire(&mut self) -> Result<Option<Document>, StageFailure> {
        let progress = self.progress;
        let activity = progress.begin_activity("obtaining the config");
        let acquired = acquire(self);
        drop(activity);
        match acquired {
            Ok(Acquisition::Config { document, fetcher }) => {
                self.fetcher = fetcher;
                Ok(Some(*document))
            }
            Ok(Acquisition::NeedsNetwork { what }) => self.request_network(&what).map(|()| None),
            Err(failure) => {
                self.log
                    .critical(format_args!("failed to acquire config: {failure}"));
                Err(failure)
            }
        }
    }

    fn load_cached(&mut self) -> Result<Document, StageFailure> {
        let document = cache::read(&self.args.config_cache).map_err(|error| {
            self.log
                .critical(format_args!("failed to acquire config: {error:#}"));
            StageFailure::of("read the config", &error)
        })?;
        let configured = self
            .fetcher
            .configured(document.config(), &crate::fetch::Silent);
        self.fetcher = configured.map_err(|error| {
            StageFailure::of(
                "use the certificate authorities of the config",
                &error.into(),
            )
        })?;
        Ok(document)
    }

    /// Requests a network from the distribution.
    fn request_network(&self, what: &str) -> Result<(), StageFailure> {
        self.log.info(format_args!("a network is needed: {what}"));
        neednet::create(&self.args.neednet).map_err(|error| {
            self.log.critical(format_args!("{error:#}"));
            StageFailure::of("request the network", &error)
        })
    }

    fn run_body(&mut self, document: &Document) -> StageResult {
        let moved = self.is_flatcar.then(|| oem::move_oem(document));
        let mut result = stages::run_body(&mut StageContext {
            args: self.args,
            environment: self.environment,
            is_flatcar: self.is_flatcar,
            log: self.log,
            document: moved.as_ref().unwrap_or(document),
            state: &mut self.state,
            fetcher: &self.fetcher,
            progress: self.progress,
        });
        if let Some(need) = &result.needs_network {
            result.requested_network = true;
            result.failure = self
                .request_network(&format!("{} at {}", need.what, need.path))
                .err();
        }
        if result.failure.is_none() {
            let _stage = self.log.push_prefix(self.args.stage.name());
            self.log.info(format_args!("{} passed", self.args.stage));
        }
        result
    }
}
