//! A usage error of a stage during a boot: most often because the kernel command line names no platform. It has to be
//! shown on the console like any other failure.

use crate::boot::args::Stage;
use crate::boot::paths;
use crate::cli::argv0;
use crate::failure::{Failure, screen};
use crate::narration::console::{Consoles, INITRD_RELEASE};
use std::ffi::OsString;
use std::path::Path;

/// Records and shows the failure as that of a stage would be; does nothing outside of an initramfs.
pub(super) fn show(arguments: &[OsString], text: &str) {
    if !Path::new(INITRD_RELEASE).exists() {
        return;
    }
    let text = screen::render(stage(arguments).name(), &describe(arguments, text), 0);
    // The consoles still show it if it cannot be recorded.
    let _ = paths::write_failure(&text);
    if !paths::has_failure_program() {
        Consoles::of_initramfs().write(&text);
    }
}

fn describe(arguments: &[OsString], text: &str) -> Failure {
    let cause = text.lines().next().unwrap_or("wrong usage").to_owned();
    let remedy = match value_of(arguments, "platform").is_some_and(argv0::is_platform) {
        true => "correct the unit that runs this stage",
        false => "give ignition.platform.id=ID on the kernel command line, e.g. metal, qemu",
    };
    Failure {
        remedy: remedy.into(),
        ..Failure::new("read its flags", cause)
    }
}

/// The stage that was requested; the first one if that cannot be determined.
fn stage(arguments: &[OsString]) -> Stage {
    let named = value_of(arguments, "stage").and_then(Stage::parse);
    named.unwrap_or(Stage::FetchOffline)
}

/// The value of a flag, in arguments that may not parse as a whole.
fn value_of<'a>(arguments: &'a [OsString], name: &str) -> Option<&'a str> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let flag = word.trim_start_matches('-').strip_prefix(name)?;
        match flag.strip_prefix('=') {
            None if flag.is_empty() => words.get(at + 1).copied(),
            value => value,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_has_a_remedy() {
        let arguments = ["--root=/sysroot", "--platform=", "--stage=disks", ""].map(OsString::from);
        let failure = describe(&arguments, "unknown platform: \"\"\nusage: ...");
        assert_eq!(stage(&arguments), Stage::Disks);
        assert_eq!(failure.cause, "unknown platform: \"\"");
        assert!(failure.remedy.contains("ignition.platform.id="));
    }
}
