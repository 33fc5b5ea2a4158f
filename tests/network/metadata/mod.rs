//! `kindling metadata`: the program sends requests to the addresses of real metadata services, where a small server
//! responds as they do. Needs root.

mod afterburn;
mod boot;
mod clouds;
mod command;
mod documented;
mod drives;
mod lease;
mod machines;
mod network;
