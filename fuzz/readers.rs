//! The part of kindling that reads hostile bytes.

#[path = "../src/disk/mod.rs"]
pub mod disk;
