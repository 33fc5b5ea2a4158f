//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.

pub mod args;
pub mod cache;
pub mod console;
pub mod duration;
pub mod failure;
pub mod flags;
pub mod journal;
pub mod narrate;
pub mod paths;
pub mod state;
