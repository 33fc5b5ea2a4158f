//! The interface of every platform: the trait, its results, its description, and its source of attributes.
//!
//! All other parts of [`platform`](super) build on it, and it imports none of them.

mod about;
mod answer;
mod attributes;
mod context;
#[cfg(test)]
pub(super) mod testing;

pub use about::{About, KernelModule, Network, TestLevel};
pub use answer::{Answer, Readiness};
pub use attributes::{AttributeSource, Attributes, NoDescription};
pub use context::FetchContext;

use crate::fetch::Fetcher;
use crate::log::Log;

/// A kind of machine.
pub trait Platform: Sync {
    /// The id for `ignition.platform.id=` and `--platform`.
    fn id(&self) -> &'static str;

    /// The description of the platform.
    fn about(&self) -> About;

    /// Id of the platform that this is an alias of.
    fn alias_of(&self) -> Option<&'static str> {
        None
    }

    /// True if reading the config consumes it, so that it can be read only once.
    fn is_read_once(&self) -> bool {
        false
    }

    /// The requests and reads in order, one line each.
    fn requests(&self) -> Vec<String> {
        self.about()
            .requests
            .iter()
            .map(|&request| request.into())
            .collect()
    }

    /// Adds the credentials for the stores of this platform to a plain fetcher. Called once per process, before
    /// anything else.
    ///
    /// # Errors
    /// Any error ends the process.
    fn fetcher(&self, plain: Fetcher, _log: &Log) -> anyhow::Result<Fetcher> {
        Ok(plain)
    }

    /// Prepares the platform. Called in every stage, before any source of configs is used.
    ///
    /// # Errors
    /// Any error ends the stage.
    fn init(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<Readiness> {
        Ok(Readiness::Yes)
    }

    /// Obtains the config.
    ///
    /// # Errors
    /// If there may be a config, but it cannot be obtained.
    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer>;

    /// Reports the result of a stage to the platform. Called after every stage.
    ///
    /// # Errors
    /// If the result cannot be reported, which is only logged.
    fn status(
        &self,
        _context: &mut FetchContext<'_>,
        _stage: &str,
        _result: Result<(), &str>,
    ) -> anyhow::Result<()> {
        Ok(())
    }

    /// Removes the config from where the machine keeps it.
    ///
    /// # Errors
    /// If it cannot be removed, or the platform does not support this.
    fn delete_config(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<()> {
        anyhow::bail!("cannot delete config on this platform")
    }

    /// The source of host name, keys and other attributes, if the platform has one.
    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        None
    }

    /// Fetches the attributes; `None` if the platform has no source of them.
    ///
    /// # Errors
    /// See [`AttributeSource::fetch`].
    fn attributes(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Option<Attributes>> {
        let source = self.attribute_source();
        source.map(|source| source.fetch(context)).transpose()
    }
}
