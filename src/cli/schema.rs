//! `kindling schema`: JSON Schemas for editors.

use super::exit::{Exit, ExitError};
use super::suggested;
use crate::config::{Version, schema};
use crate::language::butane;
use crate::terminal;
use clap::{Args, ValueEnum};

/// `kindling schema`
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The language
    #[arg(long, value_enum, default_value_t = SchemaLanguage::Ignition, value_name = "LANGUAGE")]
    format: SchemaLanguage,
    /// The variant of Butane, e.g. fcos or flatcar
    #[arg(long, value_name = "VARIANT", value_parser = suggested::variant(), hide_possible_values = true, required_if_eq("format", "butane"))]
    variant: Option<String>,
    /// The version, e.g. 3.6.0 of Ignition or 1.6.0 of Butane for fcos
    #[arg(long = "version", value_name = "VERSION", value_parser = suggested::version(), hide_possible_values = true)]
    version: String,
}

/// Languages that have schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaLanguage {
    /// Ignition 3
    Ignition,
    Butane,
}

/// Prints the schema.
pub(crate) fn run(args: &SchemaArgs) -> Result<Exit, ExitError> {
    let text = match args.format {
        SchemaLanguage::Ignition => {
            let version = Version::named(&args.version).ok_or_else(|| {
                let known = Version::ALL.map(Version::as_str).join(", ");
                ExitError::usage(format!("Ignition has the versions {known}"))
            })?;
            schema::text(version)
        }
        SchemaLanguage::Butane => {
            let variant = args.variant.as_deref().unwrap_or_default();
            let schema = butane::schema(variant, &args.version).map_err(ExitError::usage)?;
            format!("{schema:#}")
        }
    };
    terminal::write_line(text.trim_end())?;
    Ok(Exit::Done)
}
