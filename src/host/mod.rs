//! The only door to the machine, for `observe` (reading half) and `execute`.

pub mod devices;
pub mod root;

pub use devices::Devices;
pub use root::TargetRoot;
