//! Compares what we read, write and reject with what Linux tools do. Needs these tools, and root for loop devices.

mod blkid;
#[path = "../common/mod.rs"]
mod common;
mod examples;
mod generated_units;
mod mkfs;
mod network_script;
mod sgdisk;
mod sgdisk_requests;
