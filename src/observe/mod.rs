//! Looks at the machine, read only, and returns facts.

pub mod disks;
pub mod root;

mod accounts;
mod content;
mod tools;

pub use tools::tools;
