//! `kindling metadata`: the shipped program asks the addresses of real metadata services, where a small server answers
//! as they do. Needs root.

mod afterburn;
mod boot;
mod clouds;
mod command;
mod documented;
mod drives;
mod lease;
mod machines;
mod world;
