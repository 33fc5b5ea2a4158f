//! Planning turns a config and observed facts into operations or refusals, without touching anything.

mod disk;
mod disk_order;
mod filesystems;
mod layouts;
mod partition_refusals;
mod partitions;
mod prerequisites;
mod raid;
mod tables;
