//! Values that completions offer for arguments that may have others, too.

use crate::config::Version;
use crate::language::butane;
use crate::platform::PLATFORMS;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use std::ffi::OsStr;

/// Names that completions offer.
type Names = fn() -> Vec<&'static str>;

/// A parser with values to offer, which it does not insist on.
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

/// A platform, any text being taken: what is wrong with it is said where it is looked up.
pub(crate) fn platform() -> Suggested<StringValueParser> {
    let names = || PLATFORMS.iter().map(|platform| platform.id()).collect();
    Suggested::new(StringValueParser::new(), names)
}

/// Ids of the platforms that tell a machine something of itself.
pub(crate) fn platforms_with_metadata() -> Vec<&'static str> {
    let telling = PLATFORMS.iter().filter(|p| p.attribute_source().is_some());
    telling.map(|platform| platform.id()).collect()
}

/// One of [`platforms_with_metadata`]; others are refused where they are looked up.
pub(crate) fn telling_platform() -> Suggested<StringValueParser> {
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
