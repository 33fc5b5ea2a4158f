//! The config language: what a machine should become.
//!
//! Parses every stable spec version 3.0.0 to 3.6.0 and 3.7.0-experimental, validates, translates to the latest version,
//! merges, and remembers where each value came from. It does no I/O and uses no other part of this crate but `text`,
//! `layout` and `threads`, so it is a complete validator by itself.
//!
//! # How a text becomes a document
//! 1. `json` lexes; `read` follows the table of the language (`spec_table`) and builds a `tree`. If the text does not
//!    begin with its version, it is read twice: first for the version only.
//! 2. `type_check` checks the tree against the JSON Schema of the version.
//! 3. `de` makes the typed [`model`] of it; `rules` checks the model against the rules of the version.
//! 4. `upward` translates the model to the latest version; [`Document`] keeps it with all places.
//!
//! A document with values of wrong types is not usable, but everything else in it is checked as well, so that all
//! findings are reported at once.

mod collisions;
pub mod data_url;
mod de;
pub mod digest;
mod document;
mod embedded;
mod express;
pub mod finding;
mod foreign;
pub(crate) mod json;
mod lines;
pub(crate) mod merge;
mod merge_key;
pub mod model;
pub mod origin;
mod origins;
mod parse;
mod parse_error;
pub(crate) mod path;
mod places;
mod read;
mod repeated_keys;
mod rules;
pub mod schema;
mod ser;
mod shared_text;
pub(crate) mod spec_table;
mod stated;
mod stored;
pub(crate) mod suggest;
mod translated;
pub(crate) mod tree;
mod type_check;
pub mod unit;
mod unknown_keys;
mod upward;
pub mod url;
mod version;
mod wording;
pub(crate) mod write;
mod written;

pub use collisions::collisions;
pub use document::Document;
pub use finding::{Finding, Findings, Position, Severity};
pub(crate) use foreign::hint as foreign;
pub(crate) use lines::Lines as LineStarts;
pub use model::Config;
pub use origin::{JsonPath, Origin};
pub use origins::Origins;
pub use parse::{ParseResult, parse, shown_source};
pub use parse_error::ParseError;
pub use repeated_keys::repeated_keys;
pub(crate) use rules::lengths::{MAX_NAME_BYTES, MAX_PATH_BYTES};
pub(crate) use rules::{each_below, simplify};
pub use shared_text::{SharedText, sharing};
pub use stated::{OtherLanguage, StatedVersion};
pub use stored::{StoredError, read_stored};
pub(crate) use translated::{
    ENCODED_PLACEHOLDER, EncodedContents, TranslatedConfig, TranslatedText, ValidationResult,
    validate,
};
pub(crate) use unknown_keys::UnknownKeyCount;
pub use version::{LATEST_VERSION, Version};
pub(crate) use wording::Wording;
pub(crate) use written::{WrittenPaths, WrittenValue};
