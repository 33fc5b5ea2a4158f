//! Files about a run. They may name what a config holds: readable by their owner only, complete or not
//! there at all.

use anyhow::Context;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes `text` to `path` with mode 0600, or leaves what was there. `what` names it in errors. A device or a pipe is
/// written to, and not replaced.
///
/// # Errors
/// Names the file.
pub(crate) fn write(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    write_with(path, what, |file| Ok(file.write_all(text)?))
}

/// [`write()`] piece by piece.
///
/// # Errors
/// Names the file.
pub(crate) fn write_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let about = std::fs::metadata(path);
    match about.is_ok_and(|about| !about.is_file()) {
        true => write_into(path, write),
        false => replace(path, write),
    }
    .with_context(|| format!("cannot write {what} to {}", path.display()))
}

/// Puts a new file in the place of the one at `path`, when all of it is written.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut made = tempfile::NamedTempFile::new_in(directory_of(path))?;
    made.as_file()
        .set_permissions(PermissionsExt::from_mode(0o600))?;
    let mut file = BufWriter::new(made.as_file_mut());
    write(&mut file)?;
    file.flush()?;
    drop(file);
    made.persist(path)?;
    Ok(())
}

/// Whether [`write()`] will have somewhere to write to: asked before a run, since a report that cannot be kept is known too
/// late after it. A device or a pipe is left alone.
///
/// # Errors
/// Names the file.
pub(crate) fn check(path: &Path, what: &str) -> anyhow::Result<()> {
    let act = || format!("cannot write {what} to {}", path.display());
    let about = std::fs::metadata(path);
    if about.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        return Err(anyhow::anyhow!("it is a directory")).with_context(act);
    }
    if about.is_ok_and(|about| !about.is_file()) {
        return Ok(());
    }
    tempfile::NamedTempFile::new_in(directory_of(path)).with_context(act)?;
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    let above = path.parent().filter(|p| !p.as_os_str().is_empty());
    above.unwrap_or(Path::new("."))
}

/// Writes into what is there, e.g. `/dev/stdout`; a pipe without a reader is an error.
fn write_into(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?) - OFlag::O_NONBLOCK;
    fcntl(&file, FcntlArg::F_SETFL(flags))?;
    let mut file = BufWriter::new(&mut file);
    write(&mut file)?;
    Ok(file.flush()?)
}

/// Writes a file piece by piece, in a directory that is made if it is not there, with mode 0600, complete or not at all.
///
/// # Errors
/// Names the file or the directory.
pub(crate) fn write_below_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    make_directory_of(path, what)?;
    replace(path, write).with_context(|| format!("cannot write {what} to {}", path.display()))
}

/// [`write()`] in a directory that is made if it is not there.
///
/// # Errors
/// Names the file or the directory.
pub(crate) fn write_below(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    make_directory_of(path, what)?;
    write(path, what, text)
}

fn make_directory_of(path: &Path, what: &str) -> anyhow::Result<()> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {} for {what}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        write(&link, "the report", b"text").expect("written");
        assert!(link.is_symlink());
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in [directory.path(), Path::new("/dev/full"), &pipe] {
            let error = write(path, "the report", b"text").expect_err("not written");
            let start = format!("cannot write the report to {}", path.display());
            assert_eq!(error.to_string(), start);
        }
    }
}
