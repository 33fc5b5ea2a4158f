//! A stage that was called wrongly during a boot: most often a machine whose kernel command line names no
//! platform. Whoever stands in front of it has to be told like of any other failure.

use super::args::Stage;
use super::console::{Consoles, INITRD_RELEASE};
use super::failure::{self, Failure};
use super::paths;
use std::ffi::OsString;
use std::path::Path;

/// Leaves the failure where that of a stage would be; does nothing outside an initramfs.
pub fn tell(arguments: &[OsString], text: &str) {
    if !Path::new(INITRD_RELEASE).exists() {
        return;
    }
    let failure = describe(arguments, text);
    // Consoles are there in any case.
    let _ = failure::write(&failure, &paths::failure());
    if !paths::shows_failures() {
        Consoles::of_initramfs().write(&failure::render(&failure));
    }
}

fn describe(arguments: &[OsString], text: &str) -> Failure {
    let cause = text.lines().next().unwrap_or("wrong usage").to_owned();
    let remedy = match cause.contains("platform") {
        true => "give ignition.platform.id=ID on the kernel command line, e.g. metal, qemu",
        false => "correct the unit that runs this stage",
    };
    Failure {
        stage: stage(arguments),
        operation: "read its flags".into(),
        cause,
        origin: None,
        remedy: Some(remedy.into()),
        others: 0,
    }
}

/// The stage as far as it can be told.
fn stage(arguments: &[OsString]) -> Stage {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let named = words.iter().enumerate().find_map(|(at, word)| {
        let flag = word.trim_start_matches('-');
        match flag.strip_prefix("stage=") {
            Some(name) => Some(name),
            None if flag == "stage" => words.get(at + 1).copied(),
            None => None,
        }
    });
    named.and_then(Stage::parse).unwrap_or(Stage::FetchOffline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_says_what_to_do() {
        let arguments = ["--root=/sysroot", "--platform=", "--stage=disks", ""].map(OsString::from);
        let failure = describe(&arguments, "no platform has this name: \"\"\nusage: ...");
        assert_eq!(failure.stage, Stage::Disks);
        assert_eq!(failure.cause, "no platform has this name: \"\"");
        assert!(
            failure
                .remedy
                .is_some_and(|text| text.contains("ignition.platform.id="))
        );
    }
}
