//! Other translators: called by the name of one, kindling takes its flags and translates.

use super::flags::{Flag, FlagValues, Grammar, Syntax};
use crate::cli::argv0;
use crate::cli::exit::{Exit, ExitError};
use crate::cli::reading::{LanguageOption, ReadingArgs};
use crate::cli::translate::{self, TargetLanguage, TranslateArgs};
use crate::cli::validate::FindingFormat;
use crate::language::Language;
use crate::terminal;
use clap::{ArgAction, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Translate a Butane config to Ignition
#[derive(Debug, Parser)]
#[command(name = "butane", disable_version_flag = true)]
struct ButaneArgs {
    /// The config; standard input by default
    #[arg(value_name = "FILE", conflicts_with = "input")]
    file: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Write the result to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Directory of the local files that the config refers to
    #[arg(short = 'd', long, value_name = "DIR")]
    files_dir: Option<PathBuf>,
    /// Indent the result
    #[arg(short, long)]
    pretty: bool,
    /// Fail on warnings as well
    #[arg(short, long)]
    strict: bool,
    /// Only report findings; write no output
    #[arg(short, long)]
    check: bool,
    /// Never wrap the result in a MachineConfig
    #[arg(short, long)]
    raw: bool,
    /// Print one line per finding
    #[arg(long)]
    raw_errors: bool,
    /// Colours in findings: auto, always, never
    #[arg(long, alias = "colour", value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always", default_value = "auto")]
    color: String,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::SetTrue)]
    version: bool,
}

/// Runs as `butane`.
pub(crate) fn butane(arguments: &[OsString]) -> ExitCode {
    let words = std::iter::once(OsString::from("butane")).chain(arguments.iter().cloned());
    let args = match ButaneArgs::try_parse_from(words) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            terminal::eprint(&error.render().to_string());
            return argv0::WRONG_USAGE.into();
        }
        Err(help) => return argv0::exit_after_output(terminal::print(&help.render().to_string())),
    };
    if args.version {
        return version("Butane");
    }
    terminal::choose_colours(&args.color);
    let file = args.file.or(args.input);
    finish(translate::run(&TranslateArgs {
        pretty: args.pretty,
        strict: args.strict,
        raw: args.raw,
        check: args.check,
        output: args.output,
        format: if args.raw_errors {
            FindingFormat::Plain
        } else {
            FindingFormat::Human
        },
        ..TranslateArgs::of(
            file.unwrap_or_else(|| "-".into()),
            ReadingArgs {
                from: Some(LanguageOption::Language(Language::Butane)),
                files_dir: args.files_dir,
                ..ReadingArgs::default()
            },
            TargetLanguage::Ignition(None),
        )
    }))
}

const CT: Syntax<'static> = Syntax {
    program: "ct",
    arguments: "[flags]\n\nTranslates a Container Linux Config to Ignition.\n",
    grammar: Grammar::Go,
    flags: &[
        Flag::text(
            "in-file",
            "FILE",
            "",
            "the config; standard input by default",
        ),
        Flag::text(
            "out-file",
            "FILE",
            "",
            "where to write the result; standard output by default",
        ),
        Flag::text(
            "files-dir",
            "DIR",
            "",
            "the folder of the local files that the config names",
        ),
        Flag::text(
            "platform",
            "PLATFORM",
            "",
            "platform of the target machine, for configs with variables for its addresses, e.g. ec2",
        ),
        Flag::switch("pretty", "indent the result"),
        Flag::switch("strict", "fail on warnings as well"),
        Flag::switch("version", "print the version"),
    ],
};

/// Runs as `ct`.
pub(crate) fn ct(arguments: &[OsString]) -> ExitCode {
    argv0::dispatch(CT.parse_with(arguments, no_positionals), |given| {
        let reading = ReadingArgs {
            from: Some(LanguageOption::Language(Language::ContainerLinux)),
            files_dir: path(&given, "files-dir"),
            ..ReadingArgs::default()
        };
        let file = path(&given, "in-file").unwrap_or_else(|| "-".into());
        finish(translate::run(&TranslateArgs {
            pretty: given.is_on("pretty"),
            strict: given.is_on("strict"),
            output: path(&given, "out-file"),
            platform: text(&given, "platform"),
            ..TranslateArgs::of(file, reading, TargetLanguage::Ignition(None))
        }))
    })
}

const IGN_CONVERTER: Syntax<'static> = Syntax {
    program: "ign-converter",
    arguments: "[flags]\n\nTranslates a config of Ignition 2 to Ignition 3.\n",
    grammar: Grammar::Go,
    flags: &[
        Flag::text("input", "FILE", "", "the config; standard input by default"),
        Flag::text(
            "output",
            "FILE",
            "",
            "where to write the result; standard output by default",
        ),
        Flag::text(
            "fsmap",
            "NAME=PATH",
            "",
            "where a named file system is mounted; several with commas between",
        ),
        Flag::switch("version", "print the version"),
    ],
};

/// Runs as `ign-converter`.
pub(crate) fn ign_converter(arguments: &[OsString]) -> ExitCode {
    let parsed = IGN_CONVERTER.parse_with(arguments, |given| {
        let given = no_positionals(given)?;
        let map = text(&given, "fsmap").unwrap_or_default();
        let pairs = map.split(',').filter(|pair| !pair.is_empty());
        let file_systems: Result<Vec<_>, String> = pairs
            .map(|pair| match pair.split_once('=') {
                Some((name, path)) => Ok((name.to_owned(), path.to_owned())),
                None => Err(format!("{pair:?} is not NAME=PATH")),
            })
            .collect();
        Ok((given, file_systems?))
    });
    argv0::dispatch(parsed, |(given, file_systems)| {
        let reading = ReadingArgs {
            from: Some(LanguageOption::Language(Language::OldIgnition)),
            file_systems,
            ..ReadingArgs::default()
        };
        let file = path(&given, "input").unwrap_or_else(|| "-".into());
        finish(translate::run(&TranslateArgs {
            output: path(&given, "output"),
            ..TranslateArgs::of(file, reading, TargetLanguage::Ignition(None))
        }))
    })
}

fn no_positionals(given: FlagValues) -> Result<FlagValues, String> {
    match given.positionals.first() {
        None => Ok(given),
        Some(extra) => Err(format!("unexpected argument {extra:?}")),
    }
}

fn path(given: &FlagValues, name: &str) -> Option<PathBuf> {
    let value = given.value(name)?;
    (!value.is_empty()).then(|| value.into())
}

fn text(given: &FlagValues, name: &str) -> Option<String> {
    let value = given.value(name)?;
    Some(value.to_string_lossy().into_owned())
}

/// Prints the version with the name of the replaced program, which scripts look for.
fn version(program: &str) -> ExitCode {
    let text = format!("{program} (kindling {})\n", env!("CARGO_PKG_VERSION"));
    argv0::exit_after_output(terminal::print(&text))
}

/// Converts the result to an exit code: these programs exit with 0 or 1.
fn finish(result: Result<Exit, ExitError>) -> ExitCode {
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}
