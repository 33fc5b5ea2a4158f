//! Compresses the config schemas as the build of kindling does.

#[allow(dead_code, reason = "the rest is about the program")]
#[path = "../build.rs"]
mod program;

use std::path::Path;
use std::{env, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../schemas");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    program::pack_schemas(Path::new("../schemas"), Path::new(&out))
}
