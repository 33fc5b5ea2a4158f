//! Two grammars of command-line flags, driven by a table of flags.
//!
//! Units and scripts of distributions call the program by names whose flags follow the rules of Go's standard library
//! ([`Grammar::Go`]) or of GNU programs ([`Grammar::Gnu`]). clap supports neither long flags with a single dash nor
//! booleans that take a value only after `=`.

use crate::fetch::VERSION_TEXT;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// The rules by which arguments are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// One dash or two; the first argument that is not a flag ends the flags.
    Go,
    /// Two dashes; flags and other arguments may be mixed.
    Gnu,
}

/// One flag of a program.
#[derive(Clone, Copy)]
pub(crate) struct Flag<'a> {
    /// The name, without dashes.
    pub name: &'static str,
    /// What follows it.
    pub value: FlagValue<'a>,
    pub help: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy)]
pub(crate) enum FlagValue<'a> {
    /// Nothing, although `=true` and the like are allowed.
    Switch,
    /// A value.
    Text {
        /// How the usage shows the value.
        placeholder: &'static str,
        /// The value if the flag is not given; empty if there is none.
        default: &'static str,
        /// Checks a value when it is parsed.
        check: Check<'a>,
    },
}

/// Accepts a value, or returns what is wrong with it.
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
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        let check: Check<'a> = &|_| Ok(());
        Flag::checked(name, (placeholder, default), check, help)
    }
    /// A flag with a value that is checked; `value` is its placeholder and its default.
    pub(crate) const fn checked(
        name: &'static str,
        value: (&'static str, &'static str),
        check: Check<'a>,
        help: &'static str,
    ) -> Self {
        let value = FlagValue::Text {
            placeholder: value.0,
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
    /// The rules for its arguments.
    pub grammar: Grammar,
    /// The flags that it accepts.
    pub flags: &'a [Flag<'a>],
}

/// Parsed arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FlagValues {
    flags: Vec<(&'static str, OsString)>,
    /// Arguments that are not flags.
    pub positionals: Vec<OsString>,
}

impl FlagValues {
    /// The value of a flag: the last one given, or the default.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        let mut latest = self.flags.iter().rev();
        latest
            .find(|(flag, _)| *flag == name)
            .map(|(_, value)| value.as_os_str())
    }
    /// True if a switch was given and not set to false.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.value(name).and_then(boolean) == Some(true)
    }
}

/// Why parsing ended without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EarlyExit {
    /// Help was requested; not an error.
    Help,
    /// The arguments are invalid, for this reason.
    Invalid(String),
}

/// What a program has to do with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParsedArgs<T> {
    /// Run with these.
    Run(T),
    /// Print this line to standard output; exit code 0.
    Version(&'static str),
    /// Print this text to standard error; exit code 0.
    Help(String),
    /// Print this text to standard error; exit code 2.
    Invalid(String),
}

/// One argument, by its form.
enum Argument<'a> {
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
    /// Parses arguments, without the program's name, from left to right. The first error or request for help ends it.
    ///
    /// # Errors
    /// See [`EarlyExit`].
    pub(crate) fn parse(&self, arguments: &[OsString]) -> Result<FlagValues, EarlyExit> {
        let mut given = self.defaults();
        let mut rest = arguments;
        while let Some((word, following)) = rest.split_first() {
            rest = following;
            match self.classify(word)? {
                Argument::Flag { name, value } => {
                    rest = self.take_flag(name, value, rest, &mut given)?
                }
                Argument::Help => return Err(EarlyExit::Help),
                Argument::Positional if self.grammar == Grammar::Gnu => {
                    given.positionals.push(word.clone());
                }
                Argument::Positional => {
                    given.positionals.push(word.clone());
                    break;
                }
                Argument::End => break,
            }
        }
        given.positionals.extend(rest.iter().cloned());
        Ok(given)
    }

    /// Parses arguments and converts the values with `build`, which fails if required ones are missing. `--version`
    /// wins over missing flags, but not over invalid ones.
    pub(crate) fn parse_with<T>(
        &self,
        arguments: &[OsString],
        build: impl FnOnce(FlagValues) -> Result<T, String>,
    ) -> ParsedArgs<T> {
        match self.parse(arguments) {
            Err(EarlyExit::Help) => ParsedArgs::Help(self.usage()),
            Err(EarlyExit::Invalid(cause)) => {
                ParsedArgs::Invalid(format!("{}: {cause}\n{}", self.program, self.usage()))
            }
            Ok(given) if given.is_on("version") => ParsedArgs::Version(VERSION_TEXT),
            Ok(given) => match build(given) {
                Ok(made) => ParsedArgs::Run(made),
                Err(missing) => ParsedArgs::Invalid(format!("{}: {missing}\n", self.program)),
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

    fn classify<'a>(&self, word: &'a OsStr) -> Result<Argument<'a>, EarlyExit> {
        let bytes = word.as_bytes();
        if bytes.len() < 2 || bytes[0] != b'-' {
            return Ok(Argument::Positional);
        }
        let two = bytes[1] == b'-';
        let text = &bytes[if two { 2 } else { 1 }..];
        if two && text.is_empty() {
            return Ok(Argument::End);
        }
        if self.grammar == Grammar::Gnu && !two {
            return match text {
                b"h" => Ok(Argument::Help),
                _ => Err(EarlyExit::Invalid(format!(
                    "unknown short flag {}",
                    quoted(word)
                ))),
            };
        }
        if matches!(text[0], b'-' | b'=') {
            return Err(EarlyExit::Invalid(format!(
                "{} is not a flag",
                quoted(word)
            )));
        }
        Ok(self.named_flag(text))
    }

    fn named_flag<'a>(&self, text: &'a [u8]) -> Argument<'a> {
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let is_help = name == b"help" || (name == b"h" && self.grammar == Grammar::Go);
        let name = OsStr::from_bytes(name);
        if is_help && self.find(name).is_none() {
            return Argument::Help;
        }
        Argument::Flag { name, value }
    }

    fn find(&self, name: &OsStr) -> Option<&Flag<'_>> {
        self.flags.iter().find(|flag| name == flag.name)
    }

    /// Stores one flag; returns the arguments after it and its value.
    fn take_flag<'a>(
        &self,
        name: &OsStr,
        value: Option<&OsStr>,
        rest: &'a [OsString],
        given: &mut FlagValues,
    ) -> Result<&'a [OsString], EarlyExit> {
        let unknown = || EarlyExit::Invalid(format!("unknown flag {}", quoted(name)));
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
                return Err(EarlyExit::Invalid(format!("flag {flag} needs a value")));
            }
        };
        self.check_value(flag, value)?;
        given.flags.push((flag.name, value.to_os_string()));
        Ok(rest)
    }

    fn check_value(&self, flag: &Flag<'_>, value: &OsStr) -> Result<(), EarlyExit> {
        let result = match flag.value {
            FlagValue::Switch => boolean(value)
                .map(drop)
                .ok_or_else(|| "neither true nor false".to_string()),
            FlagValue::Text { check, .. } => check(value),
        };
        result.map_err(|cause| {
            let (flag, value) = (self.dashed(flag.name), quoted(value));
            EarlyExit::Invalid(format!("invalid value {value} for flag {flag}: {cause}"))
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
            let (placeholder, default) = match flag.value {
                FlagValue::Switch => (String::new(), String::new()),
                FlagValue::Text {
                    placeholder,
                    default: "",
                    ..
                } => (format!(" {placeholder}"), String::new()),
                FlagValue::Text {
                    placeholder,
                    default,
                    ..
                } => (format!(" {placeholder}"), format!(" (default: {default})")),
            };
            let _ = writeln!(
                text,
                "  {name}{placeholder}\n        {}{default}",
                flag.help
            );
        }
        text
    }
}

/// Parses a boolean as Go's `strconv.ParseBool` does.
fn boolean(value: &OsStr) -> Option<bool> {
    match value.as_bytes() {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

/// An argument for messages, quoted and escaped.
fn quoted(argument: &OsStr) -> String {
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
                Err(EarlyExit::Invalid(text)) => assert!(text.contains(want), "{words:?}: {text}"),
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
