//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.

pub mod cache;
pub mod paths;
pub mod state;
