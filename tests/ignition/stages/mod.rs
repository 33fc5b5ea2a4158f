//! Stages of a first boot, run one by one as distributions run them, on trees without disks: files, modes, exit codes,
//! and the form of the log. `docs/ignition.md` lists what is tested here. Disks are tested in `tests/lab`.

mod log;
mod machine;
mod reports;
mod sources;
mod state;
mod target;
