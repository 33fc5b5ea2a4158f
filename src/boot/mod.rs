//! A first boot, stage by stage, as distributions expect it of the program called `ignition`.
