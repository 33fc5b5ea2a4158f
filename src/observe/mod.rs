//! Looks at the machine, read only, and returns facts.

pub mod root;

mod accounts;
mod content;
