//! Inspects the machine, read-only, and returns facts.

pub mod arrays;
pub mod bodies;
pub mod disks;
pub mod options;
pub mod root;

mod barriers;
mod content;
mod enabled;
mod kernel;
mod keys;
mod mount_options;
mod mounts;
mod names;
mod planned_files;
mod privileges;
mod rehearse;
mod selinux;
mod ssh_keys;
mod tools;
mod tree;
mod unfinished;
mod units;

pub use kernel::kernel;
pub use keys::{has_tpm, kept_keys};
pub use mount_options::option_faults;
pub use mounts::resolve_point;
pub use privileges::privileges;
pub use rehearse::rehearse;
pub use selinux::selinux;
pub use tools::tools;
