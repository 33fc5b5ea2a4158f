//! Runs programs that create file systems on blank files to find out whether they would create what is requested: each
//! version has its own minimum sizes and limits, and options change them.

use super::privileges::OPEN_FILES;
use crate::disk::superblock;
use crate::facts::rehearsal::{MkfsRequest, Rehearsal};
use crate::host::Command;
use crate::host::command::CommandFailure;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

const GIB: u64 = 1024 * 1024 * 1024;
/// Longer than any of these programs takes on a slow machine.
const REHEARSAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Directory for temporary files if the usual one cannot be used.
const FALLBACK_DIRECTORY: &str = "/run";

/// Rehearses what can be rehearsed.
pub fn rehearse(requests: Vec<MkfsRequest>) -> Vec<Rehearsal> {
    // Without /proc a program cannot be given a file that has no name.
    if !Path::new(OPEN_FILES).is_dir() {
        return Vec::new();
    }
    requests.into_iter().filter_map(rehearse_one).collect()
}

/// `None` if the result is inconclusive.
fn rehearse_one(request: MkfsRequest) -> Option<Rehearsal> {
    let flags = flags(&request)?;
    let file = blank_file(request.bytes)?;
    let path = path_of(&file);
    let objection = match run(&request, flags, &path) {
        Ok(()) if DRY_RUN_FLAGS.iter().any(|flag| flags.contains(flag)) => {
            rehearse_smaller(&request)
        }
        Ok(()) => mismatch(&request, file),
        // A program that does not start or exceeds the timeout says nothing about the request.
        Err(error) => {
            let failure = error.downcast_ref::<CommandFailure>()?;
            Some(error_message(failure, &path))
        }
    };
    Some(Rehearsal { request, objection })
}

fn run(request: &MkfsRequest, flags: &[&str], path: &Path) -> anyhow::Result<()> {
    Command::new(&request.program)
        .args(flags.iter().map(|flag| (*flag).to_owned()))
        .args(request.arguments.iter())
        .arg(path.display().to_string())
        .within(REHEARSAL_TIMEOUT)
        .run()
        .map(|_| ())
}

/// Tries the options on a smaller file, since filling the whole one would take too long. If they do not fit a smaller
/// one, that says nothing.
fn rehearse_smaller(request: &MkfsRequest) -> Option<String> {
    if request.program != "mkfs.ext4" || request.options.iter().any(names_file) {
        return None;
    }
    let file = blank_file(GIB)?;
    run(request, &[], &path_of(&file)).ok()?;
    mismatch(request, file)
}

/// Options may name devices, which some programs would write to as well.
fn names_file(option: &String) -> bool {
    option.contains('/') || Path::new(option).exists()
}

/// Flags that keep mkfs.xfs and mkfs.ext4 from writing.
const DRY_RUN_FLAGS: &[&str] = &["-N", "-n"];

/// Additional flags for a program; `None` if it must not be run.
fn flags(request: &MkfsRequest) -> Option<&'static [&'static str]> {
    let names_no_file = !request.options.iter().any(names_file);
    match request.program.as_str() {
        "mkfs.xfs" => Some(&["-N"]),
        // A dry run does not reveal all problems of small devices.
        "mkfs.ext4" if names_no_file && request.bytes <= GIB => Some(&[]),
        "mkfs.ext4" => Some(&["-n"]),
        "mkfs.btrfs" | "mkswap" if names_no_file => Some(&[]),
        "mkfs.fat"
            if names_no_file && request.bytes <= 32 * GIB && request.sector_bytes == 4096 =>
        {
            Some(&["-S", "4096"])
        }
        "mkfs.fat" if names_no_file && request.bytes <= 32 * GIB => Some(&[]),
        _ => None,
    }
}

/// A file without a name, so that nothing of it is left however this process ends.
fn blank_file(bytes: u64) -> Option<File> {
    let file = tempfile::tempfile()
        .or_else(|_| tempfile::tempfile_in(FALLBACK_DIRECTORY))
        .ok()?;
    file.set_len(bytes).ok()?;
    Some(file)
}

/// Path by which other programs can open a file that this process has open.
fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        file.as_raw_fd()
    ))
}

/// The error output of the program, without the name of the file.
fn error_message(failure: &CommandFailure, path: &Path) -> String {
    let output = &failure.output;
    let text = match output.stderr.trim().is_empty() {
        true => &output.stdout,
        false => &output.stderr,
    };
    let name = path.display().to_string();
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.replace(&name, "the device").trim().to_owned())
        .filter(|line| !line.is_empty() && !is_banner(line))
        .take(3)
        .collect();
    match lines.is_empty() {
        true => failure.ending.to_string(),
        false => lines.join("; "),
    }
}

/// Banners and warnings that are not the cause.
fn is_banner(line: &str) -> bool {
    ["mke2fs 1.", "btrfs-progs v", "See http", "mkfs.fat 4"]
        .iter()
        .any(|banner| line.starts_with(banner))
        || line.contains("insecure permissions")
}

/// How the result differs from the request.
fn mismatch(request: &MkfsRequest, mut file: File) -> Option<String> {
    let found = superblock::probe(&mut file).ok()?;
    let label = found.label.as_deref().unwrap_or("");
    let uuid = plain(found.uuid.as_deref().unwrap_or(""));
    if found.kind.as_deref() != Some(request.format.as_str()) || found.incomplete {
        let what = found.describe().unwrap_or_else(|| "nothing known".into());
        return Some(format!("with these options it would create {what}"));
    }
    if request.label.as_ref().is_some_and(|wanted| wanted != label) {
        return Some(format!("it would write the label {label:?} instead"));
    }
    let differs = |wanted: &String| plain(wanted) != uuid;
    request
        .uuid
        .as_ref()
        .is_some_and(differs)
        .then(|| format!("it would write the UUID {uuid:?} instead"))
}

fn plain(uuid: &str) -> String {
    uuid.replace('-', "").to_lowercase()
}
