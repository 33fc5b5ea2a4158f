//! The program on trees and images, with everything that needs root: owners, mounts, loop devices, other users.

mod bad_environments;
#[path = "../common/mod.rs"]
mod common;
mod confined;
mod diff;
mod documented_walk;
mod enabled_units;
mod failures;
mod foreign_nodes;
mod mounts;
mod name_lengths;
mod pages;
mod plan_json;
mod progress;
mod shared_fetches;
mod takes_effect;
mod tree;
mod unwritable_targets;
