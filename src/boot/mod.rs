//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.

pub mod args;
pub mod cache;
pub mod duration;
pub mod flags;
pub mod narrate;
pub mod paths;
pub mod state;
