//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.

pub mod args;
pub mod base;
pub mod cache;
pub mod command_line;
mod config_device;
pub mod console;
pub mod duration;
pub mod environment;
pub mod failure;
pub mod findings;
pub mod flags;
pub mod flatcar;
pub mod journal;
pub mod narrate;
pub mod paths;
pub mod source;
pub mod state;
