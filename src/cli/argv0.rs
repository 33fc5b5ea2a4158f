//! The names this program is called by. Distributions install Ignition as one binary with links to it; translators
//! have names of their own. Under those names kindling reads arguments, prints and ends as those programs do.

use super::drop_in::flags::ParsedArgs;
use crate::platform;
use crate::terminal::{self, OutputError};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// Wrong usage, under every name of Ignition.
pub(crate) const WRONG_USAGE: u8 = 2;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Our own command line.
    Kindling,
    /// One stage of a first boot.
    Ignition,
    /// Judges a config.
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
    /// Who the first word of a command line calls: its last path component decides. A name that is none
    /// of these, such as that of a copy under test, is ours.
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

/// True for the id of a platform of this build.
pub(crate) fn is_platform(id: &str) -> bool {
    platform::find(id).is_some()
}

/// Runs what was asked for, or says what there is to say instead.
pub(crate) fn answer<T>(asked: ParsedArgs<T>, run: impl FnOnce(T) -> ExitCode) -> ExitCode {
    match asked {
        ParsedArgs::Run(arguments) => run(arguments),
        ParsedArgs::Version(text) => printed(terminal::print(&format!("{text}\n"))),
        ParsedArgs::Help(text) => {
            terminal::say(&text);
            ExitCode::SUCCESS
        }
        ParsedArgs::Wrong(text) => {
            terminal::say(&text);
            WRONG_USAGE.into()
        }
    }
}

/// How a program ends whose only work was to print.
pub(crate) fn printed(result: Result<(), OutputError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::say(&format!("{error}\n"));
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
