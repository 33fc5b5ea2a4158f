//! Tests that need neither root nor other programs: config languages, planning, and commands that only read. `make
//! check` runs them.

mod architecture;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod documentation;
mod explain;
mod fuzz_corpus;
mod languages;
mod plan;
mod platform_commands;
mod reference;
mod retries;
mod translate;
