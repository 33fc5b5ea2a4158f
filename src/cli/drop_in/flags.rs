//! Two grammars of command-line flags, driven by a table of flags.
//!
//! Units and scripts of distributions call the program by names whose flags follow the rules of Go's
//! standard library ([`Grammar::Go`]) or of GNU programs ([`Grammar::Gnu`]). clap knows neither one-dash
//! long flags nor booleans that take a value only behind `=`.

use crate::fetch::VERSION_TEXT;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// Rules for a line of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// One dash or two; the first argument that is not a flag ends the flags.
    Go,
    /// Two dashes; flags and other arguments may be mixed.
    Gnu,
}

/// One flag a program knows.
#[derive(Clone, Copy)]
pub(crate) struct Flag<'a> {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What follows it.
    pub value: FlagValue<'a>,
    pub help: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy)]
pub(crate) enum FlagValue<'a> {
    /// Nothing; `=true` and the like are allowed.
    Switch,
    /// A value.
    Text {
        /// What to call it in the usage.
        shown: &'static str,
        /// What holds if the flag is not given; empty if nothing does.
        default: &'static str,
        /// Judges a value where it stands.
        check: Check<'a>,
    },
}

/// Says what is wrong with a value.
pub(crate) type Check<'a> = &'a dyn Fn(&OsStr) -> Result<(), String>;

impl<'a> Flag<'a> {
    /// A flag that is on or off.
    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Self {
        let value = FlagValue::Switch;
        Flag { name, value, help }
    }
    /// A flag with a value that may be any text.
    pub(crate) const fn text(
        name: &'static str,
        shown: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        let check: Check<'a> = &|_| Ok(());
        Flag::checked(name, (shown, default), check, help)
    }
    /// A flag with a value that is judged; `value` is what to call it, and its default.
    pub(crate) const fn checked(
        name: &'static str,
        value: (&'static str, &'static str),
        check: Check<'a>,
        help: &'static str,
    ) -> Self {
        let value = FlagValue::Text {
            shown: value.0,
            default: value.1,
            check,
        };
        Flag { name, value, help }
    }
}

/// A program and its flags.
#[derive(Clone, Copy)]
pub(crate) struct Syntax<'a> {
    /// Its name, for messages.
    pub program: &'static str,
    /// What follows the program's name in the usage.
    pub arguments: &'static str,
    /// Which rules hold.
    pub grammar: Grammar,
    /// What it knows.
    pub flags: &'a [Flag<'a>],
}

/// What was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FlagValues {
    flags: Vec<(&'static str, OsString)>,
    /// Arguments that are not flags.
    pub positionals: Vec<OsString>,
}

impl FlagValues {
    /// The value of a flag; of several, the last one. A flag that was not given has its default.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        let mut latest = self.flags.iter().rev();
        latest
            .find(|(flag, _)| *flag == name)
            .map(|(_, value)| value.as_os_str())
    }
    /// True if a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.value(name).and_then(boolean) == Some(true)
    }
}

/// Why arguments cannot be acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EarlyExit {
    /// Help was asked for; no error.
    Help,
    Wrong(String),
}

/// What arguments ask a program for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParsedArgs<T> {
    /// To run; exit code as it turns out.
    Run(T),
    /// This line on standard output; exit code 0.
    Version(&'static str),
    /// This text on standard error; exit code 0.
    Help(String),
    /// Nothing it can do: this text on standard error; exit code 2.
    Wrong(String),
}

/// One step of reading arguments.
enum ArgumentWord<'a> {
    Flag {
        name: &'a OsStr,
        value: Option<&'a OsStr>,
    },
    Positional,
    /// `--`
    End,
    Help,
}

impl Syntax<'_> {
    /// Reads arguments, without the program's name, from left to right. The first error ends it; it
    /// wins over a call for help behind it.
    ///
    /// # Errors
    /// See [`EarlyExit`].
    pub(crate) fn parse(&self, arguments: &[OsString]) -> Result<FlagValues, EarlyExit> {
        let mut given = self.defaults();
        let mut rest = arguments;
        while let Some((word, behind)) = rest.split_first() {
            rest = behind;
            match self.word(word)? {
                ArgumentWord::Flag { name, value } => {
                    rest = self.flag(name, value, rest, &mut given)?
                }
                ArgumentWord::Help => return Err(EarlyExit::Help),
                ArgumentWord::Positional if self.grammar == Grammar::Gnu => {
                    given.positionals.push(word.clone());
                }
                ArgumentWord::Positional => {
                    given.positionals.push(word.clone());
                    break;
                }
                ArgumentWord::End => break,
            }
        }
        given.positionals.extend(rest.iter().cloned());
        Ok(given)
    }

    /// Reads arguments and makes of them what the program works with. `make` says what is missing.
    /// A call for the version wins over what is missing, not over what is wrong.
    pub(crate) fn ask<T>(
        &self,
        arguments: &[OsString],
        make: impl FnOnce(FlagValues) -> Result<T, String>,
    ) -> ParsedArgs<T> {
        match self.parse(arguments) {
            Err(EarlyExit::Help) => ParsedArgs::Help(self.usage()),
            Err(EarlyExit::Wrong(cause)) => {
                ParsedArgs::Wrong(format!("{}: {cause}\n{}", self.program, self.usage()))
            }
            Ok(given) if given.is_on("version") => ParsedArgs::Version(VERSION_TEXT),
            Ok(given) => match make(given) {
                Ok(made) => ParsedArgs::Run(made),
                Err(missing) => ParsedArgs::Wrong(format!("{}: {missing}\n", self.program)),
            },
        }
    }

    fn defaults(&self) -> FlagValues {
        let flags = self.flags.iter().filter_map(|flag| match flag.value {
            FlagValue::Text { default, .. } if !default.is_empty() => {
                Some((flag.name, default.into()))
            }
            _ => None,
        });
        FlagValues {
            flags: flags.collect(),
            positionals: Vec::new(),
        }
    }

    fn word<'a>(&self, word: &'a OsStr) -> Result<ArgumentWord<'a>, EarlyExit> {
        let bytes = word.as_bytes();
        if bytes.len() < 2 || bytes[0] != b'-' {
            return Ok(ArgumentWord::Positional);
        }
        let two = bytes[1] == b'-';
        let text = &bytes[if two { 2 } else { 1 }..];
        if two && text.is_empty() {
            return Ok(ArgumentWord::End);
        }
        if self.grammar == Grammar::Gnu && !two {
            return match text {
                b"h" => Ok(ArgumentWord::Help),
                _ => Err(EarlyExit::Wrong(format!(
                    "unknown short flag {}",
                    shown(word)
                ))),
            };
        }
        if matches!(text[0], b'-' | b'=') {
            return Err(EarlyExit::Wrong(format!("{} is not a flag", shown(word))));
        }
        Ok(self.named(text))
    }

    fn named<'a>(&self, text: &'a [u8]) -> ArgumentWord<'a> {
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let is_help = name == b"help" || (name == b"h" && self.grammar == Grammar::Go);
        let name = OsStr::from_bytes(name);
        if is_help && self.find(name).is_none() {
            return ArgumentWord::Help;
        }
        ArgumentWord::Flag { name, value }
    }

    fn find(&self, name: &OsStr) -> Option<&Flag<'_>> {
        self.flags.iter().find(|flag| name == flag.name)
    }

    /// Takes in one flag; returns the arguments behind it.
    fn flag<'a>(
        &self,
        name: &OsStr,
        value: Option<&OsStr>,
        rest: &'a [OsString],
        given: &mut FlagValues,
    ) -> Result<&'a [OsString], EarlyExit> {
        let unknown = || EarlyExit::Wrong(format!("unknown flag {}", shown(name)));
        let flag = self.find(name).ok_or_else(unknown)?;
        let next = match flag.value {
            FlagValue::Switch => None,
            FlagValue::Text { .. } => rest.first().map(OsString::as_os_str),
        };
        let (value, rest) = match (value, next, flag.value) {
            (Some(value), ..) => (value, rest),
            (None, Some(next), _) => (next, &rest[1..]),
            (None, None, FlagValue::Switch) => (OsStr::new("true"), rest),
            (None, None, FlagValue::Text { .. }) => {
                let flag = self.dashed(flag.name);
                return Err(EarlyExit::Wrong(format!("flag {flag} needs a value")));
            }
        };
        self.judge(flag, value)?;
        given.flags.push((flag.name, value.to_os_string()));
        Ok(rest)
    }

    fn judge(&self, flag: &Flag<'_>, value: &OsStr) -> Result<(), EarlyExit> {
        let judged = match flag.value {
            FlagValue::Switch => boolean(value)
                .map(drop)
                .ok_or_else(|| "neither true nor false".to_string()),
            FlagValue::Text { check, .. } => check(value),
        };
        judged.map_err(|cause| {
            let (flag, value) = (self.dashed(flag.name), shown(value));
            EarlyExit::Wrong(format!("invalid value {value} for flag {flag}: {cause}"))
        })
    }

    fn dashed(&self, name: &str) -> String {
        let dashes = match self.grammar {
            Grammar::Go => "-",
            Grammar::Gnu => "--",
        };
        format!("{dashes}{name}")
    }

    /// How to call the program, and every flag with its default.
    pub(crate) fn usage(&self) -> String {
        let mut text = format!("Usage: {} {}\n", self.program, self.arguments);
        text.push_str(&self.listing());
        text
    }

    /// Every flag with its default, two lines each.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        for flag in self.flags {
            let name = self.dashed(flag.name);
            let (shown, default) = match flag.value {
                FlagValue::Switch => (String::new(), String::new()),
                FlagValue::Text {
                    shown, default: "", ..
                } => (format!(" {shown}"), String::new()),
                FlagValue::Text { shown, default, .. } => {
                    (format!(" {shown}"), format!(" (default: {default})"))
                }
            };
            let _ = writeln!(text, "  {name}{shown}\n        {}{default}", flag.help);
        }
        text
    }
}

/// `1 0 t f T F true false TRUE FALSE True False`
fn boolean(value: &OsStr) -> Option<bool> {
    match value.as_bytes() {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

/// An argument as messages show it: quoted, whatever is in it.
fn shown(argument: &OsStr) -> String {
    format!("{:?}", argument.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const FLAGS: &[Flag<'static>] = &[
        Flag::text("root", "DIR", "/", "the root"),
        Flag::switch("offline", "no network"),
    ];

    fn parse(grammar: Grammar, words: &[&str]) -> Result<FlagValues, EarlyExit> {
        let syntax = Syntax {
            program: "program",
            arguments: "[flags]",
            grammar,
            flags: FLAGS,
        };
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        syntax.parse(&words)
    }

    /// Value of `root`, `offline`, the rest.
    type Row<'a> = (&'a [&'a str], &'a str, bool, &'a [&'a str]);

    fn check(grammar: Grammar, rows: &[Row<'_>]) {
        for (words, root, offline, positionals) in rows {
            let given = parse(grammar, words).unwrap_or_else(|e| panic!("{words:?}: {e:?}"));
            assert_eq!(given.value("root"), Some(OsStr::new(root)), "{words:?}");
            assert_eq!(given.is_on("offline"), *offline, "{words:?}");
            assert_eq!(given.positionals, *positionals, "{words:?}");
        }
    }

    #[test]
    fn flags_of_go() {
        check(
            Grammar::Go,
            &[
                (&[], "/", false, &[]),
                (&["-root", "a"], "a", false, &[]),
                (&["--root", "a"], "a", false, &[]),
                (&["-root=a"], "a", false, &[]),
                (&["--root=a=b"], "a=b", false, &[]),
                (&["-root="], "", false, &[]),
                (&["-root", ""], "", false, &[]),
                (&["-root", "-offline"], "-offline", false, &[]),
                (&["-root", "a", "--root", "b"], "b", false, &[]),
                (&["-offline"], "/", true, &[]),
                (&["-offline=F"], "/", false, &[]),
                (&["--offline=True", "-offline=0"], "/", false, &[]),
                (
                    &["-offline", "x", "-root", "a"],
                    "/",
                    true,
                    &["x", "-root", "a"],
                ),
                (&["-offline", ""], "/", true, &[""]),
                (&["-", "-offline"], "/", false, &["-", "-offline"]),
                (&["--", "-offline"], "/", false, &["-offline"]),
            ],
        );
    }

    #[test]
    fn flags_of_gnu() {
        check(
            Grammar::Gnu,
            &[
                (&["--root", "a"], "a", false, &[]),
                (&["--root=a", "x"], "a", false, &["x"]),
                (&["x", "--offline", "y"], "/", true, &["x", "y"]),
                (&["-", "--offline=true"], "/", true, &["-"]),
                (&["", "--offline"], "/", true, &[""]),
                (&["--", "--offline"], "/", false, &["--offline"]),
                (&["x", "--", "-y", "--"], "/", false, &["x", "-y", "--"]),
                (&["--root", "--offline"], "--offline", false, &[]),
            ],
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (grammar, words, want) in [
            (Grammar::Go, &["---root"][..], "is not a flag"),
            (Grammar::Go, &["-=x"], "is not a flag"),
            (Grammar::Go, &["--=x"], "is not a flag"),
            (Grammar::Go, &["-rot", "a"], "unknown flag \"rot\""),
            (Grammar::Go, &["-root"], "flag -root needs a value"),
            (
                Grammar::Go,
                &["-offline=yes"],
                "invalid value \"yes\" for flag -offline",
            ),
            (
                Grammar::Go,
                &["-offline="],
                "invalid value \"\" for flag -offline",
            ),
            (Grammar::Go, &["-bad", "-h"], "unknown flag"),
            (
                Grammar::Gnu,
                &["-root", "a"],
                "unknown short flag \"-root\"",
            ),
            (Grammar::Gnu, &["-x"], "unknown short flag"),
            (Grammar::Gnu, &["---root"], "is not a flag"),
            (Grammar::Gnu, &["--h"], "unknown flag"),
            (Grammar::Gnu, &["--root"], "flag --root needs a value"),
            (Grammar::Gnu, &["x", "--offline=yes"], "invalid value"),
        ] {
            match parse(grammar, words) {
                Err(EarlyExit::Wrong(text)) => assert!(text.contains(want), "{words:?}: {text}"),
                other => panic!("{words:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_is_no_error() {
        for (grammar, words) in [
            (Grammar::Go, &["-h"][..]),
            (Grammar::Go, &["--h"]),
            (Grammar::Go, &["-help"]),
            (Grammar::Go, &["--help", "-bad"]),
            (Grammar::Gnu, &["-h"]),
            (Grammar::Gnu, &["x", "--help"]),
        ] {
            assert_eq!(parse(grammar, words), Err(EarlyExit::Help), "{words:?}");
        }
    }

    #[test]
    fn the_usage_names_flags_and_defaults() {
        let syntax = Syntax {
            program: "program",
            arguments: "[flags] FILE",
            grammar: Grammar::Go,
            flags: FLAGS,
        };
        let want = "\
Usage: program [flags] FILE
  -root DIR
        the root (default: /)
  -offline
        no network
";
        assert_eq!(syntax.usage(), want);
    }

    #[test]
    fn arguments_need_not_be_text() {
        let word = OsString::from_vec(b"--root=/\xff".to_vec());
        let syntax = Syntax {
            program: "program",
            arguments: "",
            grammar: Grammar::Gnu,
            flags: FLAGS,
        };
        let given = syntax.parse(&[word]).expect("it is a path");
        assert_eq!(given.value("root").expect("given").as_bytes(), b"/\xff");
    }
}
