//! `kindling metadata`: the shipped program asks the addresses of real metadata services, where a small server answers
//! as they do. Needs root.

mod afterburn;
mod boot;
#[path = "../common/tls.rs"]
mod certified;
mod clouds;
mod command;
mod documented;
mod drives;
mod lease;
mod machines;
#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../common/namespace.rs"]
mod namespace;
mod world;
