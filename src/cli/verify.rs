//! `kindling verify`: whether a machine would trust a config, and every config it asks for.

use super::exit::{Distrust, Exit, ExitError};
use super::findings::JudgedConfig;
use super::load::{self, FindingSink};
use super::reading::ReadingArgs;
use crate::acquire::environment::TRUSTED_KEYS_DIR;
use crate::acquire::location::ConfigLocation;
use crate::config::digest::{Digest, DigestError};
use crate::fetch::{BUFFER_LIMIT_BYTES, FetchEvent, FetchEvents, Fetcher, Settings};
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

/// Says for every config what it is trusted for; the first one that is not ends it.
pub(crate) fn run(args: &VerifyArgs) -> Result<Exit, ExitError> {
    let bad = |error: anyhow::Error| ExitError::new(load::exit_of(&error), &error);
    let trust = trust(args).map_err(bad)?;
    if !trust.is_on() {
        return Err(ExitError::usage(
            "nothing to verify with: give --keys, --hash or --key",
        ));
    }
    let fetcher = Fetcher::new(Settings::desk()).with_trust(trust);
    let fetcher = match args.offline {
        true => fetcher.offline(),
        false => fetcher,
    };
    let teller = VerificationPrinter::default();
    let loaded = match ConfigLocation::of(&args.config) {
        ConfigLocation::Url(_) => load::load_for(&args.config, &fetcher, &args.reading, &teller),
        location => {
            let bytes = super::validate::read(Path::new(&args.config)).map_err(bad)?;
            let (text, verified) = first(args, &bytes, fetcher.trust()).map_err(bad)?;
            teller.tell(&location.name(), &verified);
            load::load_text(&location.name(), text, &fetcher, &args.reading, &teller)
        }
    };
    loaded?;
    teller.written()?;
    Ok(Exit::Done)
}

fn trust(args: &VerifyArgs) -> Result<Trust> {
    let mut keys = TrustedKeys::default();
    for path in &args.keys {
        match path.is_dir() {
            // The place where machines have theirs may be missing on a desk.
            _ if path == Path::new(TRUSTED_KEYS_DIR) => keys.add_of_machine(path)?,
            true => keys.add_directory(path)?,
            false => keys.add_file(path)?,
        }
    }
    Ok(Trust::new(keys, args.key.clone(), args.hash))
}

/// A first config that is a file, and its signature.
fn first<'b>(args: &VerifyArgs, bytes: &'b [u8], trust: &Trust) -> Result<(&'b [u8], Verified)> {
    if let Some(pinned) = trust.check_pin(bytes).map_err(Distrust)? {
        return Ok((bytes, pinned));
    }
    // As at a URL: what follows the config comes before what is beside it.
    let follows = args.signature.is_none() && envelope::open(bytes).is_some();
    let beside = match follows {
        true => None,
        false => signature_file(args)?,
    };
    match beside {
        Some(signature) => {
            let verified = trust.verify(bytes, &signature).map_err(Distrust)?;
            Ok((bytes, verified))
        }
        None => Ok(trust.open(bytes).map_err(Distrust)?),
    }
}

fn signature_file(args: &VerifyArgs) -> Result<Option<Vec<u8>>> {
    if let Some(path) = &args.signature {
        let read = input::read(path, BUFFER_LIMIT_BYTES);
        return read
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display()));
    }
    for suffix in [".sig", ".asc"] {
        let mut path = args.config.clone();
        path.push(suffix);
        match input::read(Path::new(&path), BUFFER_LIMIT_BYTES) {
            Ok(signature) => return Ok(Some(signature)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(None)
}

/// Tells what configs are trusted for.
#[derive(Default)]
struct VerificationPrinter {
    /// Why one of the lines could not be written.
    error: Mutex<Option<OutputError>>,
}

impl VerificationPrinter {
    fn tell(&self, name: &str, verified: &Verified) {
        let line = format!("{name}: {verified}");
        if let Err(error) = terminal::print(&format!("{}\n", escaped(&line))) {
            self.lock().get_or_insert(error);
        }
    }

    /// An error if a line was lost.
    fn written(self) -> Result<(), OutputError> {
        self.lock().take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Option<OutputError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FetchEvents for VerificationPrinter {
    fn event(&self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Trusted { url, verified } => self.tell(url, verified),
            other => load::tell_retry(other),
        }
    }
}

impl FindingSink for VerificationPrinter {
    fn report(&self, judged: &JudgedConfig<'_>) {
        load::print(judged);
    }
}
