//! Sets up the fetcher for configs: with the credentials of the platform, and with the trusted signers.

use super::command_line::CommandLine;
use super::environment::Environment;
use crate::fetch::{Cloud, Fetcher, Settings};
use crate::log::Log;
use crate::platform::Platform;
use crate::signature::{Trust, TrustedKeys};

/// A fetcher with the credentials of the platform.
///
/// # Errors
/// If the platform cannot provide them.
pub fn fetcher(
    platform: &dyn Platform,
    environment: &Environment,
    settings: Settings,
    trust: Trust,
    log: &Log,
) -> anyhow::Result<Fetcher> {
    let id = platform.alias_of().unwrap_or(platform.id());
    let plain = Fetcher::new(settings)
        .with_oem_dir(&environment.oem_dir)
        .in_cloud(Cloud::of_platform(id));
    platform.fetcher(plain.with_trust(trust), log)
}

/// Which configs are trusted.
///
/// # Errors
/// If a key or a digest is malformed.
pub fn trust(environment: &Environment, log: &Log) -> anyhow::Result<Trust> {
    let directory = &environment.trusted_keys_dir;
    let keys = match environment.trusted_keys_named {
        true => TrustedKeys::of_directory(directory)?,
        false => TrustedKeys::of_machine(directory)?,
    };
    if keys.is_empty() && directory.exists() {
        log.warning(format_args!(
            "there is no key in {}: signatures are not asked for",
            directory.display()
        ));
    }
    // A command line that cannot be read becomes an error when the source of the config is determined.
    let line = CommandLine::read(&environment.command_line).unwrap_or_default();
    let trust = line.trust(keys)?;
    if trust.is_on() {
        log.info("only trusted configs are accepted");
    }
    Ok(trust)
}
