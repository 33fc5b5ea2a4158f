//! The names this program can be called by. Distributions install Ignition as one binary with links to it; translators
//! have names of their own. Under those names kindling has the arguments, output and exit codes of those programs.

use super::drop_in::flags::ParsedArgs;
use crate::platform;
use crate::terminal::{self, OutputError};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// Exit code for wrong usage, under every name of Ignition.
pub(crate) const WRONG_USAGE: u8 = 2;

/// The program that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// `kindling` itself.
    Kindling,
    /// One stage of a first boot.
    Ignition,
    /// Validates a config.
    Validate,
    /// Applies a config to the tree of a container.
    Apply,
    /// Deletes the config from where the platform keeps it.
    Rmcfg,
    /// Translates Butane.
    Butane,
    /// Translates Container Linux Config.
    Ct,
    /// Translates Ignition 2.
    IgnConverter,
}

impl Name {
    /// The program that the first argument of a command line stands for, by its last path component. Any other name,
    /// such as that of a copy under test, means `kindling`.
    pub(crate) fn of(program: &OsStr) -> Self {
        let name = Path::new(program).file_name().and_then(OsStr::to_str);
        match name {
            Some("ignition") => Name::Ignition,
            Some("ignition-validate") => Name::Validate,
            Some("ignition-apply") => Name::Apply,
            Some("ignition-rmcfg") => Name::Rmcfg,
            Some("butane") => Name::Butane,
            Some("ct") => Name::Ct,
            Some("ign-converter") => Name::IgnConverter,
            _ => Name::Kindling,
        }
    }
}

/// True if this build knows a platform with this id.
pub(crate) fn is_platform(id: &str) -> bool {
    platform::find(id).is_some()
}

/// Runs the program, or prints the version, the help or the usage error.
pub(crate) fn dispatch<T>(parsed: ParsedArgs<T>, run: impl FnOnce(T) -> ExitCode) -> ExitCode {
    match parsed {
        ParsedArgs::Run(arguments) => run(arguments),
        ParsedArgs::Version(text) => exit_after_output(terminal::print(&format!("{text}\n"))),
        ParsedArgs::Help(text) => {
            terminal::eprint(&text);
            ExitCode::SUCCESS
        }
        ParsedArgs::Invalid(text) => {
            terminal::eprint(&text);
            WRONG_USAGE.into()
        }
    }
}

/// The exit code of a program that only had to print.
pub(crate) fn exit_after_output(result: Result<(), OutputError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::eprint(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_the_name_decides() {
        for (program, want) in [
            ("ignition", Name::Ignition),
            ("/usr/bin/ignition", Name::Ignition),
            ("./ignition-validate", Name::Validate),
            ("/usr/libexec/ignition-apply", Name::Apply),
            ("ignition-rmcfg", Name::Rmcfg),
            ("/usr/bin/butane", Name::Butane),
            ("ct", Name::Ct),
            ("ign-converter", Name::IgnConverter),
            ("kindling", Name::Kindling),
            ("/ignition/kindling", Name::Kindling),
            ("ignition.old", Name::Kindling),
            ("", Name::Kindling),
        ] {
            assert_eq!(Name::of(program.as_ref()), want, "{program}");
        }
    }
}
