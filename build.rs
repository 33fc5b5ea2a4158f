//! Packs the config schemas for embedding, and asks the linker for a smaller program.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=schemas");
    pack_schemas(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?))?;
    fold_identical_code();
    Ok(())
}

/// Eight schemas of 29 kB each are much alike: gzip makes 5 kB of each, and an initramfs is memory.
fn pack_schemas(out: &Path) -> io::Result<()> {
    for entry in fs::read_dir("schemas")? {
        let path: PathBuf = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("config-") {
            let file = fs::File::create(out.join(format!("{name}.gz")))?;
            let mut packed = GzEncoder::new(file, Compression::best());
            packed.write_all(&fs::read(&path)?)?;
            packed.finish()?;
        }
    }
    Ok(())
}

/// Generic code is often the same machine code for several types; lld can keep one copy. On this
/// target rustc links with lld; other linkers may not know the option.
fn fold_identical_code() {
    let is = |key: &str, value: &str| env::var(key).is_ok_and(|v| v == value);
    let uses_lld = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if uses_lld && is("PROFILE", "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
