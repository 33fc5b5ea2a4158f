//! Standard output and standard error: nothing else in this program writes to them.
//!
//! The result of a command goes to standard output. Failing to write it fails the command, unless the reader has closed
//! the pipe. Everything else is narration: if it cannot be written, the work goes on.

use crate::text::{escaped_json, escaped_lines};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

/// A result could not be written to standard output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

/// Prints a result for people to standard output. Control characters are escaped, except for our own colours.
///
/// # Errors
/// If it cannot be written. A closed pipe, as with `| head -1`, is not an error.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    write(escape_except_colours(text, stdout_has_colours()).as_bytes())
}

/// Writes a result for programs to standard output unchanged.
///
/// # Errors
/// As for [`print()`].
pub(crate) fn write(bytes: &[u8]) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes a result for programs to standard output, followed by a line feed.
///
/// # Errors
/// As for [`print()`].
pub(crate) fn write_line(text: &str) -> Result<(), OutputError> {
    write(format!("{text}\n").as_bytes())
}

/// Prints a result in JSON to standard output as a line of its own. Text from outside in it cannot control a terminal.
///
/// # Errors
/// As for [`print()`].
pub(crate) fn write_json(text: &str) -> Result<(), OutputError> {
    write_line(&escaped_json(text))
}

/// Writes narration to standard output, ignoring errors.
pub(crate) fn narrate(text: &str) {
    // Lost narration is no reason to stop.
    let _ = print(text);
}

/// Prints narration, or the cause of a failure, to standard error, ignoring errors.
pub(crate) fn eprint(text: &str) {
    let text = escape_except_colours(text, stderr_has_colours());
    // There is nowhere else to report it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Overrides the check of terminal and environment once it is set: true for always, false for never.
static CHOSEN_COLOURS: OnceLock<bool> = OnceLock::new();

/// Applies the value of a `--color` option: `always` (or `yes`), `never` (or anything unknown), or `auto`, which
/// leaves it to the terminal.
pub(crate) fn choose_colours(when: &str) {
    let chosen = match when {
        "auto" => return,
        "always" | "yes" => true,
        _ => false,
    };
    // The first choice counts.
    let _ = CHOSEN_COLOURS.set(chosen);
}

/// True if colours may be written to standard output.
pub(crate) fn stdout_has_colours() -> bool {
    has_colours(&io::stdout())
}

/// True if colours may be written to standard error.
pub(crate) fn stderr_has_colours() -> bool {
    has_colours(&io::stderr())
}

fn has_colours(stream: &impl IsTerminal) -> bool {
    let chosen = CHOSEN_COLOURS.get().copied();
    chosen.unwrap_or_else(|| stream.is_terminal() && environment_allows_colours())
}

fn environment_allows_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none()
}

/// Escapes control characters other than line feeds and, if `colours` is set, sequences that set colours.
fn escape_except_colours(text: &str, colours: bool) -> String {
    if !colours {
        return escaped_lines(text).into_owned();
    }
    let mut parts = text.split('\u{1b}');
    let mut out = escaped_lines(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        match colour_length(part) {
            Some(length) => {
                let (colour, rest) = part.split_at(length);
                // Writing into a string cannot fail.
                let _ = write!(out, "\u{1b}{colour}{}", escaped_lines(rest));
            }
            None => {
                let _ = write!(out, "{}", escaped_lines(&format!("\u{1b}{part}")));
            }
        }
    }
    out
}

/// Length in bytes of a colour sequence after its escape character, e.g. `[31m`; `None` if it is not one.
fn colour_length(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix('[')?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers.get(end..)?.starts_with('m').then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_and_line_feeds_pass() {
        let text = "\u{1b}[1;31mred\u{1b}[0m\n\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[31\r\u{1b}";
        assert_eq!(
            escape_except_colours(text, true),
            "\u{1b}[1;31mred\u{1b}[0m\n\\u{1b}[2J\\u{1b}]0;title\\u{7}\\u{1b}[31\\r\\u{1b}"
        );
        assert_eq!(
            escape_except_colours("\u{1b}[31mred\n", false),
            "\\u{1b}[31mred\n"
        );
    }
}
