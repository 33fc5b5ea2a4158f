//! `ignition-validate`: validates one config, with findings on standard output and everything else on standard error.

use super::flags::{Flag, Grammar, Syntax};
use crate::cli::findings::{self, CheckedConfig};
use crate::cli::{argv0, validate};
use crate::language::{self, Surroundings};
use crate::terminal;
use crate::text::escaped;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

const SYNTAX: Syntax<'static> = Syntax {
    program: "ignition-validate",
    arguments: "[flags] FILE\n\nValidates a config; - is standard input.\n",
    grammar: Grammar::Go,
    flags: &[Flag::switch("version", "print the version")],
};

/// What to print, and whether the config is valid.
struct ValidateOutput {
    stdout: String,
    stderr: String,
    is_valid: bool,
}

/// Validates the config that the arguments name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let parsed = SYNTAX.parse_with(arguments, |given| Ok(given.positionals));
    argv0::dispatch(parsed, |files| print(&validate_files(&files)))
}

fn validate_files(files: &[OsString]) -> ValidateOutput {
    let [file] = files else {
        return failed(SYNTAX.usage());
    };
    match validate::read(Path::new(file)) {
        Ok(text) => check(&file.to_string_lossy(), &text),
        Err(error) => failed(format!("{}\n", escaped(&format!("{error:#}")))),
    }
}

fn failed(stderr: String) -> ValidateOutput {
    ValidateOutput {
        stdout: String::new(),
        stderr,
        is_valid: false,
    }
}

/// Validates a config. One without findings may still be unusable, e.g. because of its version: that reason is not a
/// finding, and goes to standard error.
fn check(name: &str, text: &[u8]) -> ValidateOutput {
    let text = &*language::unpacked(text);
    let parsed = language::parse(name, text, &Surroundings::default());
    let lines = parsed
        .findings
        .0
        .iter()
        .fold(String::new(), |mut text, finding| {
            let _ = writeln!(text, "{finding}");
            text
        });
    let checked = CheckedConfig::of(name, text, &parsed);
    let reason = findings::refusal(&checked)
        .map(|(problem, remedy)| format!("error: {}; {}\n", escaped(&problem), escaped(&remedy)));
    ValidateOutput {
        stdout: lines,
        stderr: reason.unwrap_or_default(),
        is_valid: parsed.outcome.is_ok() && !parsed.findings.is_fatal(),
    }
}

fn print(output: &ValidateOutput) -> ExitCode {
    let printed = argv0::exit_after_output(terminal::print(&output.stdout));
    terminal::eprint(&output.stderr);
    match output.is_valid {
        true => printed,
        false => ExitCode::FAILURE,
    }
}
