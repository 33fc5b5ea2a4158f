//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.

mod acquire;
mod aliases;
pub mod args;
pub mod base;
pub mod cache;
pub mod command_line;
mod config_device;
pub mod console;
pub mod duration;
pub mod engine;
pub mod environment;
pub mod failure;
pub mod findings;
pub mod flags;
pub mod flatcar;
pub mod journal;
mod labels;
pub mod narrate;
mod neednet;
mod oem;
pub mod paths;
pub mod process;
pub mod run;
pub mod source;
pub mod stages;
pub mod state;
pub mod trouble;
