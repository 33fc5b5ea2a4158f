//! What the test programs share: running the program, looking at what it left, servers, and networks of their own.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod boot;
pub mod folder;
pub mod gzip;
pub mod image;
pub mod language_cases;
pub mod meaning;
pub mod namespace;
pub mod run;
pub mod server;
pub mod tls;
pub mod tree;
