//! `kindling metadata`: prints the instance metadata that the platform provides.

use super::duration_arg::{self, TimeLimit};
use super::exit::{Exit, ExitError};
use super::load::TerminalEvents;
use super::suggested;
use crate::fetch::{Fetcher, Settings};
use crate::host::namespace;
use crate::log::{Log, Sink};
use crate::output::{self, WriteOptions};
use crate::platform::{self, Attributes, FetchContext, Platform};
use crate::terminal;
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `kindling metadata`
#[derive(Debug, Args)]
pub(crate) struct MetadataArgs {
    /// The kind of machine this is, as in ignition.platform.id=
    #[arg(long, value_name = "ID", value_parser = suggested::platform_with_metadata(), hide_possible_values = true)]
    platform: String,
    /// Print hostname, SSH keys and attributes as JSON
    #[arg(long, conflicts_with = "env")]
    json: bool,
    /// Print attributes as an environment file, under the names that Afterburn gives them
    #[arg(long)]
    env: bool,
    /// Write to this file atomically (mode 0644), creating its directory
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Time limit for each document, and for the drive that some platforms have; 0 is none
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration_arg::parse)]
    fetch_timeout: TimeLimit,
}

/// Obtains the metadata, and prints it or writes it to a file.
pub(crate) fn run(args: &MetadataArgs) -> Result<Exit, ExitError> {
    let attributes = obtain(platform(&args.platform)?, args.fetch_timeout.0)?;
    let text = if args.json {
        format!("{:#}\n", attributes.to_json(&args.platform))
    } else if args.env {
        attributes.to_env()
    } else {
        attributes.to_text()
    };
    match &args.output {
        None if args.env => terminal::write(text.as_bytes())?,
        None if args.json => terminal::write_json(text.trim_end())?,
        None => terminal::print(&text)?,
        Some(file) => {
            write(file, &text).map_err(|error| ExitError::new(Exit::Failed, &error))?;
        }
    }
    Ok(Exit::Done)
}

/// The platform with this id, if it provides metadata.
fn platform(id: &str) -> Result<&'static dyn Platform, ExitError> {
    let found = platform::find(id).filter(|platform| platform.attribute_source().is_some());
    found.ok_or_else(|| {
        let ids = suggested::platforms_with_metadata();
        let what = match platform::find(id) {
            Some(_) => "provides no metadata",
            None => "is unknown",
        };
        ExitError::usage(format!(
            "platform {id:?} {what}; platforms with metadata: {}",
            ids.join(", ")
        ))
    })
}

fn obtain(
    platform: &'static dyn Platform,
    timeout: Option<Duration>,
) -> Result<Attributes, ExitError> {
    let unobservable = |error: anyhow::Error| ExitError::new(Exit::CannotObserve, &error);
    // A mounted drive is unmounted with this process, however it ends. Without the privilege, mounting fails as well.
    let _ = namespace::enter_private_namespace();
    let log = Log::new(Sink::Stderr);
    let mut context = FetchContext {
        fetcher: Fetcher::new(Settings::with_fallback_total(timeout)),
        events: &TerminalEvents,
        log: &log,
        config_file: Path::new(""),
        output_files: Vec::new(),
    };
    let act = || format!("cannot get the metadata of platform {}", platform.id());
    let attributes = platform.attributes(&mut context).with_context(act);
    let attributes = attributes.map_err(unobservable)?.unwrap_or_default();
    if attributes == Attributes::default() {
        let cause = anyhow::anyhow!("no metadata source found; check --platform");
        return Err(unobservable(cause.context(act())));
    }
    Ok(attributes)
}

/// Writes the file, readable for everyone: services of any user read it.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let write_options = WriteOptions {
        mode: 0o644,
        is_durable: false,
    };
    output::make_directory_of(file)
        .and_then(|()| {
            output::put(file, write_options, |new| {
                Ok(new.write_all(text.as_bytes())?)
            })
        })
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn unknown_platforms_and_those_without_metadata_are_refused() {
        assert_eq!(platform("ec2").map(Platform::id).ok(), Some("ec2"));
        for (id, want) in [
            (
                "metal",
                "platform \"metal\" provides no metadata; platforms with metadata: akamai, ",
            ),
            ("nutanix", "platform \"nutanix\" provides no metadata; "),
            (
                "AWS",
                "platform \"AWS\" is unknown; platforms with metadata: akamai, aliyun, aws, ",
            ),
        ] {
            let failure = platform(id).err().expect(id);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.starts_with(want), "{}", failure.message);
        }
    }

    #[test]
    fn files_are_world_readable_and_their_directory_is_created() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("metadata/afterburn");
        for text in ["A=1\n", ""] {
            write(&file, text).expect("written");
            assert_eq!(fs::read_to_string(&file).expect("there"), text);
        }
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        let names = fs::read_dir(dir.path().join("metadata")).expect("there");
        assert_eq!(names.count(), 1);
        let error = write(&file.join("x"), "").expect_err("below a file");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        write(&link, "B=2\n").expect("written");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("there"), "B=2\n");
    }
}
