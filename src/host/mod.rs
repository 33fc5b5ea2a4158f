//! The only access to the machine, for `observe` (the reading half) and `execute`.

mod account_names;
pub mod accounts;
pub mod arrays;
pub mod block;
pub mod command;
pub mod devices;
pub mod image_use;
pub mod kernel_table;
pub mod loopdev;
pub mod mount;
pub mod mountinfo;
pub mod namespace;
pub mod open_by;
pub mod partition_maps;
pub mod partition_update;
pub mod range_lock;
pub mod regular;
pub mod root;
pub mod secret;
pub mod sys;
pub mod systemd;
pub mod udev;
pub mod wait;

pub use command::Command;
pub use devices::Devices;
pub use root::TargetRoot;
pub use secret::SecretFile;
