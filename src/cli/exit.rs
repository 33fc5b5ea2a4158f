//! Exit codes, and the one error type of commands.

use crate::acquire::location::LoadError;
use crate::acquire::references::RenderError;
use crate::failure::{ErrorCode, Failure};
use crate::report::code;
use crate::signature::Untrusted;
use crate::terminal::{self, OutputError};
use crate::text::{escaped, escaped_lines};
use std::process::ExitCode;

/// The section on exit codes of `kindling --help`.
pub(crate) const HELP: &str = "Exit codes:
  0   done; for `plan` and `diff`: nothing to do, no difference
  1   `validate`, `explain-migration`: the config is invalid; `verify`: it is not trusted; `fetch`: no config; `platform detect`: no match
  2   `plan`: there are changes to make; `diff`: the configs differ in what they do; `fetch --offline`: a network is required
  3   the config is invalid or cannot be fetched
  4   the machine or the image cannot be observed; `metadata`: the platform provided nothing
  5   `apply`: an operation failed, or the run was interrupted; any command: its output cannot be written
  6   the config asks for something this machine does not allow (a conflict); nothing was touched
  64  wrong usage";

/// Exit codes of the process; documented in [`HELP`] and docs/commands.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done, or nothing to do.
    Done = 0,
    /// `validate` found errors, `verify` a config that is not trusted, and `fetch` or `platform detect` nothing.
    NotValid = 1,
    /// `plan` found changes, or `fetch` needs a network that it must not use.
    Changes = 2,
    /// The config cannot be used.
    BadConfig = 3,
    /// Observation failed.
    CannotObserve = 4,
    /// An operation failed.
    Failed = 5,
    /// Planning found a conflict.
    Refused = 6,
    /// Wrong arguments (EX_USAGE of sysexits).
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A config given to a command is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("the config is not trusted: {0}")]
pub(crate) struct Distrust(pub(crate) Untrusted);

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct ExitError {
    /// The exit code.
    pub exit: Exit,
    /// What to print to standard error, with external input escaped; empty if everything was printed already.
    pub message: String,
}

impl From<OutputError> for ExitError {
    fn from(error: OutputError) -> Self {
        Self::new(Exit::Failed, &error.into())
    }
}

/// The error code, for errors that `kindling explain` knows.
fn code_of(error: &anyhow::Error) -> Option<ErrorCode> {
    let of_config = error.chain().find_map(|cause| {
        if cause.is::<Distrust>() {
            return Some(ErrorCode::UNTRUSTED);
        }
        if let Some(error) = cause.downcast_ref::<RenderError>() {
            let fetch = error.reason.fetch_error();
            return fetch.map_or(Some(ErrorCode::REFERENCE), code::of_fetch);
        }
        match cause.downcast_ref::<LoadError>()? {
            LoadError::Fetch { error } => code::of_fetch(error),
            LoadError::Read { .. } => None,
        }
    });
    of_config.or_else(|| code::of(error))
}

impl ExitError {
    /// A failure with its whole chain of causes.
    pub(crate) fn new(exit: Exit, error: &anyhow::Error) -> Self {
        let mut message = escaped(&format!("{error:#}")).into_owned();
        if let Some(code) = code_of(error) {
            message += &format!("\n  more: kindling explain {code}");
        }
        Self { exit, message }
    }
    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            message: escaped_lines(&message.into()).into_owned(),
        }
    }
    /// A failure whose cause was printed already.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self {
            exit,
            message: String::new(),
        }
    }
    /// All conflicts of a plan.
    pub(crate) fn refused(refusals: &[Failure]) -> Self {
        let count = refusals.len();
        let plural = if count == 1 { "conflict" } else { "conflicts" };
        let list: Vec<String> = refusals.iter().map(Failure::to_string).collect();
        Self {
            exit: Exit::Refused,
            message: format!("{count} {plural}, nothing was touched\n{}", list.join("\n")),
        }
    }
    /// Prints the message to standard error.
    pub(crate) fn print(&self) {
        if !self.message.is_empty() {
            terminal::eprint(&format!("kindling: error: {}\n", self.message));
        }
    }
}
