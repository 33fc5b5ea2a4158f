//! The program as a replacement for Ignition, as distributions call it: its names and flags, its stages, and their
//! units. `docs/ignition.md` lists what is tested here.

#[path = "../common/mod.rs"]
mod common;
mod promises;
mod roles;
mod stages;
mod units;
