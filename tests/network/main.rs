//! The program in networks of its own, where the names and addresses of the world belong to the test. Needs root.

#[path = "../common/mod.rs"]
mod common;
mod hypervisors;
mod matchbox;
mod metadata;
mod platforms;
mod signed;
