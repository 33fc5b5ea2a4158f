//! What needs neither root nor other programs: the languages of configs, planning, and commands that only read. These are
//! the tests of `make check`.

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
