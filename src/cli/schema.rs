//! `kindling schema`: JSON Schemas for editors.

use super::exit::{Exit, Failure};
use crate::config::{Version, schema};
use crate::language::butane;
use crate::terminal;
use clap::{Args, ValueEnum};

/// `kindling schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The language
    #[arg(long, value_enum, default_value_t = Format::Ignition, value_name = "LANGUAGE")]
    format: Format,
    /// The variant of Butane, e.g. fcos or flatcar
    #[arg(long, value_name = "VARIANT", required_if_eq("format", "butane"))]
    variant: Option<String>,
    /// The version, e.g. 3.6.0 of Ignition or 1.6.0 of Butane for fcos
    #[arg(long = "version", value_name = "VERSION")]
    version: String,
}

/// Languages that have schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Ignition 3
    Ignition,
    /// Butane
    Butane,
}

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<Exit, Failure> {
    let text = match args.format {
        Format::Ignition => {
            let version = Version::named(&args.version).ok_or_else(|| {
                let known = Version::ALL.map(Version::as_str).join(", ");
                Failure::usage(format!("Ignition has the versions {known}"))
            })?;
            schema::text(version)
        }
        Format::Butane => {
            let variant = args.variant.as_deref().unwrap_or_default();
            let schema = butane::schema(variant, &args.version).map_err(Failure::usage)?;
            format!("{schema:#}")
        }
    };
    terminal::write_line(text.trim_end())?;
    Ok(Exit::Done)
}
