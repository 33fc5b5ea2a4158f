//! One stage from start to end: base config, platform, user config, body, state, report.

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
        match self.up_to_body() {
            Ok(Some(document)) => self.body(&document),
            Ok(None) => StageResult {
                asked_for_network: true,
                ..StageResult::default()
            },
            Err(failure) => StageResult {
                failure: Some(failure),
                ..StageResult::default()
            },
        }
    }

    /// Everything before the body: base and user config in one, or nothing more to do here.
    fn up_to_body(&mut self) -> Result<Option<Document>, StageFailure> {
        let base = self.base()?;
        if self.is_offline() {
            self.fetcher = self.fetcher.clone().offline();
        }
        if let Some(what) = self.ready()? {
            return self.signal(&what).map(|()| None);
        }
        let user = match self.args.stage {
            Stage::FetchOffline | Stage::Fetch => self.acquire()?,
            _ => Some(self.cached()?),
        };
        Ok(user.map(|user| Document::merge(&base, &user)))
    }

    fn is_offline(&self) -> bool {
        self.args.stage == Stage::FetchOffline
    }

    fn base(&mut self) -> Result<Document, StageFailure> {
        let dirs = &self.environment.config_dirs;
        let base = base::load(dirs, &self.args.platform, self.log).map_err(|error| {
            self.log
                .critical(format_args!("failed to acquire base config: {error:#}"));
            StageFailure::of("read the base config of the system", &error)
        })?;
        self.state.note(ConfigKind::Base, "system", false);
        Ok(base)
    }

    /// Lets the platform prepare itself. Returns what it needs a network for.
    fn ready(&mut self) -> Result<Option<String>, StageFailure> {
        let stop = AtomicBool::new(false);
        let fetches = self.fetches(&stop);
        let mut context = self.context(&fetches);
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
        let under_way = progress.under_way("obtaining the config");
        let acquired = acquire(self);
        drop(under_way);
        match acquired {
            Ok(Acquisition::Config { document, fetcher }) => {
                self.fetcher = fetcher;
                Ok(Some(*document))
            }
            Ok(Acquisition::NeedsNetwork { what }) => self.signal(&what).map(|()| None),
            Err(failure) => {
                self.log
                    .critical(format_args!("failed to acquire config: {failure}"));
                Err(failure)
            }
        }
    }

    fn cached(&mut self) -> Result<Document, StageFailure> {
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

    /// Says that a network is needed.
    fn signal(&self, what: &str) -> Result<(), StageFailure> {
        self.log.info(format_args!("a network is needed: {what}"));
        neednet::signal(&self.args.neednet).map_err(|error| {
            self.log.critical(format_args!("{error:#}"));
            StageFailure::of("request the network", &error)
        })
    }

    fn body(&mut self, document: &Document) -> StageResult {
        let moved = self.flatcar.then(|| oem::move_oem(document));
        let mut body = stages::body(&mut StageContext {
            args: self.args,
            environment: self.environment,
            flatcar: self.flatcar,
            log: self.log,
            document: moved.as_ref().unwrap_or(document),
            state: &mut self.state,
            fetcher: &self.fetcher,
            progress: self.progress,
        });
        if let Some(need) = &body.needs_network {
            body.asked_for_network = true;
            body.failure = self
                .signal(&format!("{} at {}", need.what, need.path))
                .err();
        }
        if body.failure.is_none() {
            let _stage = self.log.prefixed(self.args.stage.name());
            self.log.info(format_args!("{} passed", self.args.stage));
        }
        body
    }
}
