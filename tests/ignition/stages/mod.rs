//! Stages of a first boot, run one by one from a shell as distributions run them, on trees without disks: files, modes,
//! exit codes, and the form of the log. `docs/ignition.md` lists what is held here. Disks are the matter of the lab.

mod log;
mod machine;
mod reports;
mod sources;
mod state;
mod target;
