//! Text for people: what must not reach a terminal as it is, and points in time.

mod escape;
pub mod time;

pub use escape::{escaped, escaped_lines, is_unprintable};
