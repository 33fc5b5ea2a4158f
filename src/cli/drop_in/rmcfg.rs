//! `ignition-rmcfg`: deletes the config from where the platform keeps it, so that programs that run later cannot read
//! it.

use super::flags::{Flag, FlagValues, Grammar, ParsedArgs, Syntax};
use crate::cli::argv0;
use crate::fetch::{Fetcher, Silent, VERSION_TEXT};
use crate::log::Log;
use crate::platform::{self, FetchContext};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Exit code if the fetcher of the platform cannot be set up.
const NO_FETCHER: u8 = 3;

/// Deletes the config of the platform that the arguments name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    argv0::dispatch(parse(arguments, &argv0::is_platform), |request| {
        let log = Log::open(request.log_to_stdout);
        log.info(VERSION_TEXT);
        delete(&request.platform, &log)
    })
}

/// The parsed arguments.
#[derive(Debug, PartialEq, Eq)]
struct RmcfgRequest {
    platform: String,
    log_to_stdout: bool,
}

fn parse(arguments: &[OsString], is_platform: &dyn Fn(&str) -> bool) -> ParsedArgs<RmcfgRequest> {
    let check = |value: &OsStr| match value.to_str() {
        Some(name) if is_platform(name) => Ok(()),
        _ => Err("unknown platform".into()),
    };
    let flags = [
        Flag::switch(
            "log-to-stdout",
            "log to standard output rather than to the system's log",
        ),
        Flag::checked(
            "platform",
            ("NAME", ""),
            &check,
            "the kind of machine this is; required",
        ),
        Flag::switch("version", "print the version"),
    ];
    let syntax = Syntax {
        program: "ignition-rmcfg",
        arguments: "--platform NAME [flags]",
        grammar: Grammar::Gnu,
        flags: &flags,
    };
    syntax.parse_with(arguments, |given| request(&given))
}

fn request(given: &FlagValues) -> Result<RmcfgRequest, String> {
    if let Some(extra) = given.positionals.first() {
        return Err(format!("unexpected argument {extra:?}"));
    }
    let platform = given.value("platform").and_then(OsStr::to_str);
    Ok(RmcfgRequest {
        platform: platform.ok_or("the flag --platform is missing")?.into(),
        log_to_stdout: given.is_on("log-to-stdout"),
    })
}

fn delete(platform: &str, log: &Log) -> ExitCode {
    let Some(platform) = platform::find(platform) else {
        return ExitCode::from(argv0::WRONG_USAGE);
    };
    let fetcher = match platform.fetcher(Fetcher::default(), log) {
        Ok(fetcher) => fetcher,
        Err(error) => {
            log.critical(format_args!("cannot set up fetching: {error:#}"));
            return ExitCode::from(NO_FETCHER);
        }
    };
    let mut context = FetchContext {
        fetcher,
        events: &Silent,
        log,
        config_file: Path::new(""),
        output_files: Vec::new(),
    };
    if let Err(error) = platform.delete_config(&mut context) {
        log.critical(format_args!("couldn't delete config: {error:#}"));
        return ExitCode::FAILURE;
    }
    log.info("Successfully deleted config");
    ExitCode::SUCCESS
}
