//! Looks at the machine, read only, and returns facts.

pub mod disks;
pub mod root;

mod accounts;
mod content;
mod selinux;
mod tools;

pub use selinux::selinux;
pub use tools::tools;
