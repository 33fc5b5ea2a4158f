//! Values that completions suggest for arguments that accept others as well.

use crate::config::Version;
use crate::language::butane;
use crate::platform::PLATFORMS;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use std::ffi::OsStr;

/// Returns the values to suggest.
type Names = fn() -> Vec<&'static str>;

/// A value parser with suggestions, which it does not enforce.
#[derive(Clone)]
pub(crate) struct Suggested<P> {
    parser: P,
    names: Names,
}

impl<P> Suggested<P> {
    pub(crate) const fn new(parser: P, names: Names) -> Self {
        Self { parser, names }
    }
}

impl<P: TypedValueParser> TypedValueParser for Suggested<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.names)().into_iter().map(PossibleValue::new)))
    }
}

/// The id of a platform. Any text is accepted: an unknown id is refused with a better message where it is looked up.
pub(crate) fn platform() -> Suggested<StringValueParser> {
    let names = || PLATFORMS.iter().map(|platform| platform.id()).collect();
    Suggested::new(StringValueParser::new(), names)
}

/// Ids of the platforms that provide instance metadata.
pub(crate) fn platforms_with_metadata() -> Vec<&'static str> {
    let with_metadata = PLATFORMS.iter().filter(|p| p.attribute_source().is_some());
    with_metadata.map(|platform| platform.id()).collect()
}

/// One of [`platforms_with_metadata`]; others are refused where they are looked up.
pub(crate) fn platform_with_metadata() -> Suggested<StringValueParser> {
    Suggested::new(StringValueParser::new(), platforms_with_metadata)
}

/// A version of Ignition or Butane.
pub(crate) fn version() -> Suggested<StringValueParser> {
    let names = || {
        let ignition = Version::ALL.iter().map(|version| version.as_str());
        let butane = butane::dialects().map(|(_, version)| version);
        let mut versions: Vec<&str> = ignition.chain(butane).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    };
    Suggested::new(StringValueParser::new(), names)
}

/// A variant of Butane.
pub(crate) fn variant() -> Suggested<StringValueParser> {
    let names = || {
        let mut variants: Vec<&str> = butane::dialects().map(|(variant, _)| variant).collect();
        variants.dedup();
        variants
    };
    Suggested::new(StringValueParser::new(), names)
}
