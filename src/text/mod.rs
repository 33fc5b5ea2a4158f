//! Text: what must not reach a terminal as it is, points in time, names that are compared.

mod escape;
mod names;
pub mod time;

pub use escape::{escaped, escaped_lines, is_unprintable};
pub(crate) use names::{find_in_turn, is_same_name};
