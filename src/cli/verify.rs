//! `kindling verify`: checks whether a machine would trust a config and every config it refers to.

use super::exit::{Distrust, Exit, ExitError};
use super::findings::CheckedConfig;
use super::load::{self, FindingSink};
use super::reading::ReadingArgs;
use crate::acquire::environment::TRUSTED_KEYS_DIR;
use crate::acquire::location::ConfigLocation;
use crate::config::digest::{Digest, DigestError};
use crate::fetch::{FetchEvent, FetchEvents, Fetcher, MAX_BUFFER_BYTES, Settings};
use crate::input;
use crate::signature::{Trust, TrustedKeys, Verified, envelope};
use crate::terminal::{self, OutputError};
use crate::text::escaped;
use anyhow::{Context, Result};
use clap::Args;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `kindling verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The config: a file, a URL, or `-` for standard input
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath)]
    config: OsString,
    /// Trusted public keys: a file or a directory of files, OpenPGP or OpenSSH; may be repeated
    #[arg(long, value_name = "PATH", default_value = TRUSTED_KEYS_DIR)]
    keys: Vec<PathBuf>,
    /// Signature of a config in a file; default: the one appended to the config, FILE.sig or FILE.asc
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The digest the config must have, as in kindling.config.hash=
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    hash: Option<Digest>,
    /// The digest of a key beside the config, as in kindling.config.key=; may be repeated
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    key: Vec<Digest>,
    /// Fetch nothing
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    reading: ReadingArgs,
}

fn digest(text: &str) -> Result<Digest, DigestError> {
    Digest::parse(text)
}

/// Prints for every config why it is trusted; fails at the first one that is not.
pub(crate) fn run(args: &VerifyArgs) -> Result<Exit, ExitError> {
    let bad = |error: anyhow::Error| ExitError::new(load::exit_of(&error), &error);
    let trust = trust(args).map_err(bad)?;
    if !trust.is_on() {
        return Err(ExitError::usage(
            "nothing to verify with: give --keys, --hash or --key",
        ));
    }
    let fetcher = Fetcher::new(Settings::interactive()).with_trust(trust);
    let fetcher = match args.offline {
        true => fetcher.offline(),
        false => fetcher,
    };
    let printer = VerificationPrinter::default();
    let loaded = match ConfigLocation::of(&args.config) {
        ConfigLocation::Url(_) => load::load_for(&args.config, &fetcher, &args.reading, &printer),
        location => {
            let bytes = super::validate::read(Path::new(&args.config)).map_err(bad)?;
            let (text, verified) = verify_first(args, &bytes, fetcher.trust()).map_err(bad)?;
            printer.print_trust(&location.name(), &verified);
            load::load_text(&location.name(), text, &fetcher, &args.reading, &printer)
        }
    };
    loaded?;
    printer.finish()?;
    Ok(Exit::Done)
}

fn trust(args: &VerifyArgs) -> Result<Trust> {
    let mut keys = TrustedKeys::default();
    for path in &args.keys {
        match path.is_dir() {
            // The default directory may be missing where configs are written.
            _ if path == Path::new(TRUSTED_KEYS_DIR) => keys.add_of_machine(path)?,
            true => keys.add_directory(path)?,
            false => keys.add_file(path)?,
        }
    }
    Ok(Trust::new(keys, args.key.clone(), args.hash))
}

/// Verifies a config from a file with its signature, and returns it without an appended one.
fn verify_first<'b>(
    args: &VerifyArgs,
    bytes: &'b [u8],
    trust: &Trust,
) -> Result<(&'b [u8], Verified)> {
    if let Some(pinned) = trust.check_pin(bytes).map_err(Distrust)? {
        return Ok((bytes, pinned));
    }
    // As for a URL: an appended signature takes precedence over a detached one.
    let is_appended = args.signature.is_none() && envelope::open(bytes).is_some();
    let detached = match is_appended {
        true => None,
        false => signature_file(args)?,
    };
    match detached {
        Some(signature) => {
            let verified = trust.verify(bytes, &signature).map_err(Distrust)?;
            Ok((bytes, verified))
        }
        None => Ok(trust.open(bytes).map_err(Distrust)?),
    }
}

fn signature_file(args: &VerifyArgs) -> Result<Option<Vec<u8>>> {
    if let Some(path) = &args.signature {
        let read = input::read(path, MAX_BUFFER_BYTES);
        return read
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display()));
    }
    for suffix in [".sig", ".asc"] {
        let mut path = args.config.clone();
        path.push(suffix);
        match input::read(Path::new(&path), MAX_BUFFER_BYTES) {
            Ok(signature) => return Ok(Some(signature)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(None)
}

/// Prints why configs are trusted.
#[derive(Default)]
struct VerificationPrinter {
    /// The first error of writing a line.
    error: Mutex<Option<OutputError>>,
}

impl VerificationPrinter {
    fn print_trust(&self, name: &str, verified: &Verified) {
        let line = format!("{name}: {verified}");
        if let Err(error) = terminal::print(&format!("{}\n", escaped(&line))) {
            self.lock().get_or_insert(error);
        }
    }

    /// Fails if a line could not be written.
    fn finish(self) -> Result<(), OutputError> {
        self.lock().take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Option<OutputError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FetchEvents for VerificationPrinter {
    fn event(&self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Trusted { url, verified } => self.print_trust(url, verified),
            other => load::print_fetch_problem(other),
        }
    }
}

impl FindingSink for VerificationPrinter {
    fn report(&self, checked: &CheckedConfig<'_>) {
        load::print(checked);
    }
}
