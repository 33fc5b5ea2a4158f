//! What every platform is: the trait, its answers, its description, and its source of attributes.
//!
//! All other parts of [`platform`](super) are built on it, and it imports none of them.

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

/// One kind of machine.
pub trait Platform: Sync {
    /// The id in `ignition.platform.id=` and `--platform`.
    fn id(&self) -> &'static str;

    /// The description for people.
    fn about(&self) -> About;

    /// Id of the platform that this is another name of.
    fn alias_of(&self) -> Option<&'static str> {
        None
    }

    /// True if the machine hands out its config only once, so that reading it consumes it.
    fn is_read_once(&self) -> bool {
        false
    }

    /// The requests and reads, in order, a line each.
    fn asks(&self) -> Vec<String> {
        self.about().asks.iter().map(|&ask| ask.into()).collect()
    }

    /// Adds to a plain fetcher the credentials for the stores of this platform. Called once per process, before anything
    /// else.
    ///
    /// # Errors
    /// The process ends.
    fn fetcher(&self, plain: Fetcher, _log: &Log) -> anyhow::Result<Fetcher> {
        Ok(plain)
    }

    /// Prepares the platform. Called in every stage, before any source of configs is asked.
    ///
    /// # Errors
    /// The stage ends.
    fn init(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<Readiness> {
        Ok(Readiness::Yes)
    }

    /// Obtains the config.
    ///
    /// # Errors
    /// There may be a config, but it cannot be obtained.
    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer>;

    /// Reports the result of a stage to the platform. Called after every stage.
    ///
    /// # Errors
    /// It cannot be reported, which is only logged.
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
    /// It cannot be removed, or not on this platform.
    fn delete_config(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<()> {
        anyhow::bail!("cannot delete config on this platform")
    }

    /// The source of host name, keys and other attributes, if the platform has one.
    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        None
    }

    /// Obtains the attributes; `None` if the platform has no source of them.
    ///
    /// # Errors
    /// As [`AttributeSource::ask`].
    fn attributes(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Option<Attributes>> {
        let source = self.attribute_source();
        source.map(|source| source.ask(context)).transpose()
    }
}
