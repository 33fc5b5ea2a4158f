//! The flags of `ignition`, as the units of distributions pass them.

use super::duration::nanoseconds;
use super::flags::{Check, Flag, FlagValues, Grammar, ParsedArgs, Syntax};
use crate::boot::args::{Stage, StageArgs};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Parses the arguments of a stage, without the program's name. Arguments after the flags are ignored: the command
/// lines of units end with a variable that becomes an empty argument when it is not set.
pub(super) fn parse(
    arguments: &[OsString],
    is_platform: &dyn Fn(&str) -> bool,
) -> ParsedArgs<StageArgs> {
    let check = platform_check(is_platform);
    let flags = flags(&check);
    let syntax = syntax(&flags);
    syntax.parse_with(arguments, |given| stage_args(&given))
}

/// Every flag with its default, for help texts.
pub(super) fn listing() -> String {
    let check = platform_check(&|_| true);
    syntax(&flags(&check)).listing()
}

fn syntax<'a>(flags: &'a [Flag<'a>]) -> Syntax<'a> {
    Syntax {
        program: "ignition",
        arguments: "-platform NAME -stage STAGE [flags]",
        grammar: Grammar::Go,
        flags,
    }
}

fn platform_check<'a>(
    is_platform: &'a dyn Fn(&str) -> bool,
) -> impl Fn(&OsStr) -> Result<(), String> + 'a {
    move |value| match value.to_str() {
        Some(name) if is_platform(name) => Ok(()),
        _ => Err("unknown platform".into()),
    }
}

fn flags<'a>(platform: Check<'a>) -> [Flag<'a>; 9] {
    [
        Flag::text(
            "config-cache",
            "FILE",
            "/run/ignition.json",
            "where the rendered config is kept",
        ),
        Flag::checked(
            "fetch-timeout",
            ("DURATION", "2m0s"),
            &duration,
            "time for obtaining the config; 0 means no limit",
        ),
        Flag::switch(
            "log-to-stdout",
            "log to standard output rather than to the system's log",
        ),
        Flag::text(
            "neednet",
            "FILE",
            "/run/ignition/neednet",
            "made by fetch-offline if a network is needed",
        ),
        Flag::checked(
            "platform",
            ("NAME", ""),
            platform,
            "the kind of machine this is; required",
        ),
        Flag::text("root", "DIR", "/", "the target root"),
        Flag::checked(
            "stage",
            ("STAGE", ""),
            &stage,
            "fetch-offline, fetch, kargs, disks, mount, files or umount; required",
        ),
        Flag::text(
            "state-file",
            "FILE",
            "/run/ignition/state",
            "state passed between stages",
        ),
        Flag::switch("version", "print the version"),
    ]
}

fn stage(value: &OsStr) -> Result<(), String> {
    let known = value.to_str().and_then(Stage::parse);
    known.map(drop).ok_or_else(|| "unknown stage".into())
}

fn duration(value: &OsStr) -> Result<(), String> {
    let known = value.to_str().and_then(nanoseconds);
    known
        .map(drop)
        .ok_or_else(|| "not a duration (for example 90s or 2m0s)".into())
}

/// Converts flags to typed arguments, or names a missing one. The values were checked when they were parsed.
fn stage_args(given: &FlagValues) -> Result<StageArgs, String> {
    let missing = |name| format!("the flag -{name} is missing");
    let text = |name| given.value(name).and_then(OsStr::to_str);
    let path = |name| given.value(name).map(PathBuf::from).unwrap_or_default();
    let platform = text("platform").ok_or_else(|| missing("platform"))?;
    let stage = text("stage")
        .and_then(Stage::parse)
        .ok_or_else(|| missing("stage"))?;
    let root = Some(path("root")).filter(|root| !root.as_os_str().is_empty());
    Ok(StageArgs {
        config_cache: path("config-cache"),
        fetch_timeout: fetch_timeout(text("fetch-timeout").unwrap_or_default()),
        neednet: path("neednet"),
        platform: platform.into(),
        root: root.unwrap_or_else(|| "/".into()),
        stage,
        state_file: path("state-file"),
        log_to_stdout: given.is_on("log-to-stdout"),
    })
}

/// A timeout in whole seconds: less than a second means no limit (`None`), and a negative time is zero.
fn fetch_timeout(text: &str) -> Option<Duration> {
    let seconds = nanoseconds(text).unwrap_or_default() / 1_000_000_000;
    match seconds {
        0 => None,
        _ => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::VERSION_TEXT;

    fn parse_words(words: &[&str]) -> ParsedArgs<StageArgs> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, &|name| matches!(name, "qemu" | "file"))
    }

    fn run(words: &[&str]) -> StageArgs {
        match parse_words(words) {
            ParsedArgs::Run(args) => args,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn defaults() -> StageArgs {
        StageArgs {
            config_cache: "/run/ignition.json".into(),
            fetch_timeout: Some(Duration::from_secs(120)),
            neednet: "/run/ignition/neednet".into(),
            platform: "qemu".into(),
            root: "/".into(),
            stage: Stage::Disks,
            state_file: "/run/ignition/state".into(),
            log_to_stdout: false,
        }
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        assert_eq!(run(&["-platform", "qemu", "-stage=disks"]), defaults());
    }

    #[test]
    fn every_flag_arrives() {
        let words = [
            "--platform=file",
            "--stage",
            "fetch-offline",
            "-config-cache=C",
            "-neednet",
            "N",
            "--state-file",
            "S",
            "-root",
            "/sysroot",
            "-fetch-timeout=1h1.5s",
            "-log-to-stdout",
            "",
        ];
        let want = StageArgs {
            config_cache: "C".into(),
            fetch_timeout: Some(Duration::from_secs(3601)),
            neednet: "N".into(),
            platform: "file".into(),
            root: "/sysroot".into(),
            stage: Stage::FetchOffline,
            state_file: "S".into(),
            log_to_stdout: true,
        };
        assert_eq!(run(&words), want);
    }

    #[test]
    fn an_empty_root_is_the_root() {
        let args = run(&["-platform=qemu", "-stage=disks", "-root", ""]);
        assert_eq!(args, defaults());
    }

    #[test]
    fn timeouts_count_whole_seconds() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, want) in [
            ("0", None),
            ("999ms", None),
            ("-999ms", None),
            ("1999ms", seconds(1)),
            ("2m0s", seconds(120)),
            ("-1s", seconds(0)),
            ("-2h", seconds(0)),
        ] {
            assert_eq!(fetch_timeout(text), want, "{text}");
        }
    }

    #[test]
    fn the_version_wins_over_what_is_missing_but_not_over_what_is_wrong() {
        for words in [
            &["-version"][..],
            &["--version=1", "-stage=disks"],
            &["-version", ""],
        ] {
            assert_eq!(
                parse_words(words),
                ParsedArgs::Version(VERSION_TEXT),
                "{words:?}"
            );
        }
        let wrong = parse_words(&["-version", "-platform", ""]);
        assert!(matches!(wrong, ParsedArgs::Invalid(_)), "{wrong:?}");
    }

    #[test]
    fn what_is_missing_is_named_the_platform_first() {
        for (words, want) in [
            (&[][..], "ignition: the flag -platform is missing\n"),
            (
                &["-platform=qemu"],
                "ignition: the flag -stage is missing\n",
            ),
            (
                &["-stage=disks"],
                "ignition: the flag -platform is missing\n",
            ),
            (
                &["", "-platform=qemu"],
                "ignition: the flag -platform is missing\n",
            ),
        ] {
            assert_eq!(
                parse_words(words),
                ParsedArgs::Invalid(want.into()),
                "{words:?}"
            );
        }
    }

    #[test]
    fn wrong_values_are_said_with_the_usage() {
        for (words, want) in [
            (&["-stage", ""][..], "invalid value \"\" for flag -stage"),
            (&["-stage=Disks"], "invalid value \"Disks\" for flag -stage"),
            (&["-stage=bad", "-stage=disks"], "invalid value \"bad\""),
            (&["-platform="], "invalid value \"\" for flag -platform"),
            (&["-platform=cmdline"], "unknown platform"),
            (&["-fetch-timeout=10"], "not a duration"),
            (&["-oem=x"], "unknown flag"),
        ] {
            match parse_words(words) {
                ParsedArgs::Invalid(text) => {
                    assert!(text.contains(want), "{words:?}: {text}");
                    assert!(text.contains("Usage: ignition"), "{words:?}: {text}");
                }
                other => panic!("{words:?}: {other:?}"),
            }
        }
        assert!(
            matches!(parse_words(&["-h"]), ParsedArgs::Help(text) if text.contains("-config-cache FILE"))
        );
    }
}
