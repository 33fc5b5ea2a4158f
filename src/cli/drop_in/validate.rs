//! `ignition-validate`: judges one config; findings on standard output, everything else on standard
//! error.

use super::flags::{Flag, Grammar, Syntax};
use crate::cli::findings::{self, JudgedConfig};
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

/// What there is to say, and how it ends.
struct ValidateOutput {
    stdout: String,
    stderr: String,
    valid: bool,
}

/// Judges the config that the arguments name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let asked = SYNTAX.ask(arguments, |given| Ok(given.positionals));
    argv0::answer(asked, |files| say(&verdict(&files)))
}

fn verdict(files: &[OsString]) -> ValidateOutput {
    let [file] = files else {
        return unusable(SYNTAX.usage());
    };
    match validate::read(Path::new(file)) {
        Ok(text) => judge(&file.to_string_lossy(), &text),
        Err(error) => unusable(format!("{}\n", escaped(&format!("{error:#}")))),
    }
}

fn unusable(stderr: String) -> ValidateOutput {
    ValidateOutput {
        stdout: String::new(),
        stderr,
        valid: false,
    }
}

/// A config without findings may still be none, e.g. one of an unknown version: then the reason is no
/// finding.
fn judge(name: &str, text: &[u8]) -> ValidateOutput {
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
    let judged = JudgedConfig::of(name, text, &parsed);
    let reason = findings::refusal(&judged)
        .map(|(problem, remedy)| format!("error: {}; {}\n", escaped(&problem), escaped(&remedy)));
    ValidateOutput {
        stdout: lines,
        stderr: reason.unwrap_or_default(),
        valid: parsed.outcome.is_ok() && !parsed.findings.is_fatal(),
    }
}

fn say(verdict: &ValidateOutput) -> ExitCode {
    let printed = argv0::printed(terminal::print(&verdict.stdout));
    terminal::say(&verdict.stderr);
    match verdict.valid {
        true => printed,
        false => ExitCode::FAILURE,
    }
}
