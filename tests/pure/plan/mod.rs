//! Planning: a config and what was observed in, operations or refusals out. Nothing is touched.

mod ahead;
mod disk;
mod disk_order;
mod filesystems;
mod layouts;
mod partition_refusals;
mod partitions;
mod raid;
mod tables;
