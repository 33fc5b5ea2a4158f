//! The program in the place of Ignition, as distributions call it: its names and flags, its stages, and the units around
//! them. `docs/ignition.md` lists what is held here.

#[path = "../common/mod.rs"]
mod common;
mod promises;
mod roles;
mod stages;
mod units;
