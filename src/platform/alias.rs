//! Other names of platforms: those of other programs, and `nocloud`, whose drives have the same format as `kubevirt`'s.

use crate::fetch::Fetcher;
use crate::log::Log;
use crate::platform::contract::{
    About, Answer, AttributeSource, FetchContext, Platform, Readiness,
};

/// An alias, and the platform it stands for.
pub(super) struct Alias(pub &'static str, pub &'static dyn Platform);

impl Platform for Alias {
    fn id(&self) -> &'static str {
        self.0
    }

    fn alias_of(&self) -> Option<&'static str> {
        Some(self.1.id())
    }

    fn is_read_once(&self) -> bool {
        self.1.is_read_once()
    }

    fn about(&self) -> About {
        self.1.about()
    }

    fn requests(&self) -> Vec<String> {
        self.1.requests()
    }

    fn fetcher(&self, plain: Fetcher, log: &Log) -> anyhow::Result<Fetcher> {
        self.1.fetcher(plain, log)
    }

    fn init(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Readiness> {
        self.1.init(context)
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        self.1.fetch(context)
    }

    fn status(
        &self,
        context: &mut FetchContext<'_>,
        stage: &str,
        result: Result<(), &str>,
    ) -> anyhow::Result<()> {
        self.1.status(context, stage, result)
    }

    fn delete_config(&self, context: &mut FetchContext<'_>) -> anyhow::Result<()> {
        self.1.delete_config(context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        self.1.attribute_source()
    }
}
