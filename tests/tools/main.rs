//! What we read, write and refuse beside what the tools of Linux do with the same. Needs those tools, and root for loop
//! devices.

mod blkid;
#[path = "../common/mod.rs"]
mod common;
mod examples;
mod generated_units;
mod mkfs;
mod network_script;
mod sgdisk;
mod sgdisk_requests;
