//! The config language: what was asked.
//!
//! Parses every stable spec version 3.0.0 to 3.6.0 and 3.7.0-experimental, validates, translates to
//! the latest version, merges, and remembers where each value came from. No I/O, imports nothing of
//! ours, so it is a complete validator by itself.

pub mod document;
pub mod finding;
pub mod model;
pub mod origin;

pub use document::Document;
pub use finding::{Finding, Findings, Position, Severity};
pub use model::Config;
pub use origin::{JsonPath, Origin};
