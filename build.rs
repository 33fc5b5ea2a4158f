//! Packs the config schemas for embedding, and asks the linker for a smaller program.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=schemas");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    pack_schemas(Path::new("schemas"), Path::new(&out))?;
    shrink_program(Path::new(&out))
}

/// Eight schemas of 29 kB each are much alike: gzip makes 5 kB of each, and an initramfs is memory.
pub fn pack_schemas(schemas: &Path, out: &Path) -> io::Result<()> {
    for entry in fs::read_dir(schemas)? {
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

/// What lld can do, which rustc's own builds link with on this target: keep one copy of generic code that came out the
/// same for several types, and leave out unwind tables, which a program that aborts on panic never reads. Addresses to
/// fill in at the start are packed into bitmaps if the C library of this machine knows that form (glibc since 2.36):
/// 10 kB instead of 660 kB. The rustc of a distribution may use another linker: then the program is larger.
fn shrink_program(out: &Path) -> io::Result<()> {
    let is = |key: &str, value: &str| env::var(key).is_ok_and(|v| v == value);
    let is_for_target = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if !is_for_target || !is("PROFILE", "release") || !linker_accepts(FOLD_CODE, out)? {
        return Ok(());
    }
    let script = out.join("discard.ld");
    fs::write(&script, DISCARD_UNWIND_TABLES)?;
    println!("cargo::rustc-link-arg-bins={FOLD_CODE}");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    if glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Whether an empty program can be linked with this argument, by the compiler, linker and flags of this build.
fn linker_accepts(argument: &str, out: &Path) -> io::Result<bool> {
    let source = out.join("empty.rs");
    fs::write(&source, "fn main() {}\n")?;
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg(&source).arg("-o").arg(out.join("empty"));
    rustc.arg(format!("-Clink-arg={argument}"));
    if let Ok(target) = env::var("TARGET") {
        rustc.args(["--target", &target]);
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    Ok(rustc.output()?.status.success())
}

/// Folds functions with the same code into one.
const FOLD_CODE: &str = "-Wl,--icf=all";

/// Version of the C library that is linked with, as in `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A linker script that adds to the default layout.
const DISCARD_UNWIND_TABLES: &str = "SECTIONS { /DISCARD/ : { \
*(.eh_frame .eh_frame.*) *(.gcc_except_table .gcc_except_table.*) } } INSERT AFTER .text;\n";
