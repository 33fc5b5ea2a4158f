//! A stage that was called wrongly during a boot: most often a machine whose kernel command line names no
//! platform. The person at its console has to be told, as of any other failure.

use crate::boot::args::Stage;
use crate::boot::paths;
use crate::cli::argv0;
use crate::failure::{Failure, screen};
use crate::narration::console::{Consoles, INITRD_RELEASE};
use std::ffi::OsString;
use std::path::Path;

/// Leaves the failure where that of a stage would be; does nothing outside an initramfs.
pub(super) fn tell(arguments: &[OsString], text: &str) {
    if !Path::new(INITRD_RELEASE).exists() {
        return;
    }
    let text = screen::render(stage(arguments).name(), &describe(arguments, text), 0);
    // Consoles are there in any case.
    let _ = paths::leave_failure(&text);
    if !paths::shows_failures() {
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

/// The stage, as far as it can be determined.
fn stage(arguments: &[OsString]) -> Stage {
    let named = value_of(arguments, "stage").and_then(Stage::parse);
    named.unwrap_or(Stage::FetchOffline)
}

/// The value of a flag, in arguments that may be wrong elsewhere.
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
    fn the_screen_says_what_to_do() {
        let arguments = ["--root=/sysroot", "--platform=", "--stage=disks", ""].map(OsString::from);
        let failure = describe(&arguments, "unknown platform: \"\"\nusage: ...");
        assert_eq!(stage(&arguments), Stage::Disks);
        assert_eq!(failure.cause, "unknown platform: \"\"");
        assert!(failure.remedy.contains("ignition.platform.id="));
    }
}
