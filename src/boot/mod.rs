//! The stages of a first boot, as distributions expect them of the program called `ignition`.

mod aliases;
pub(crate) mod args;
pub(crate) mod cache;
pub(crate) mod engine;
mod labels;
mod neednet;
mod oem;
pub(crate) mod paths;
pub(crate) mod process;
pub(crate) mod run;
mod run_stage;
pub(crate) mod stage_failure;
pub(crate) mod stages;
pub(crate) mod state;
mod user_config;
