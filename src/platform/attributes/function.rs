//! A source of attributes that is a function.

use crate::platform::contract::{AttributeSource, Attributes, FetchContext};

/// Asks by calling a function. Most clouds need no more.
#[derive(Debug)]
pub(crate) struct FunctionSource {
    /// Answer of [`AttributeSource::names`].
    pub names: &'static [&'static str],
    /// Implementation of [`AttributeSource::ask`].
    pub ask: fn(&FetchContext<'_>) -> anyhow::Result<Attributes>,
}

impl AttributeSource for FunctionSource {
    fn names(&self) -> Vec<&'static str> {
        self.names.into()
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        (self.ask)(context)
    }
}
