//! A source of attributes that is a function.

use crate::platform::contract::{AttributeSource, Attributes, FetchContext};

/// Fetches attributes by calling a function. Most clouds need no more.
#[derive(Debug)]
pub(crate) struct FunctionSource {
    /// Result of [`AttributeSource::names`].
    pub names: &'static [&'static str],
    /// Implementation of [`AttributeSource::fetch`].
    pub fetch: fn(&FetchContext<'_>) -> anyhow::Result<Attributes>,
}

impl AttributeSource for FunctionSource {
    fn names(&self) -> Vec<&'static str> {
        self.names.into()
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        (self.fetch)(context)
    }
}
