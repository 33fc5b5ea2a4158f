//! `kindling platform list`: every platform, one per line.

use crate::cli::exit::{Exit, ExitError};
use crate::platform::{PLATFORMS, Platform};
use crate::terminal;
use clap::{Args, ValueEnum};

/// `kindling platform list`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t = ListFormat::Human, value_name = "FORMAT")]
    format: ListFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListFormat {
    /// A line each
    Human,
    /// The table of docs/platforms.md
    Markdown,
    /// For programs, with everything that `show` has
    Json,
}

/// Prints the list.
pub(super) fn run(args: &ListArgs) -> Result<Exit, ExitError> {
    match args.format {
        ListFormat::Human => terminal::print(&human())?,
        ListFormat::Markdown => terminal::print(&super::markdown::table())?,
        ListFormat::Json => {
            let all: Vec<_> = PLATFORMS.iter().map(|p| super::show::json(*p)).collect();
            terminal::write_line(&format!("{:#}", serde_json::Value::Array(all)))?;
        }
    }
    Ok(Exit::Done)
}

fn human() -> String {
    let widths = PLATFORMS.iter().map(|platform| platform.id().len());
    let width = widths.max().unwrap_or_default();
    let line = |platform: &&dyn Platform| {
        let about = platform.about();
        let (id, network) = (platform.id(), about.network.name());
        format!("{id:width$}  {network:7}  {}\n", source(*platform))
    };
    PLATFORMS.iter().map(line).collect()
}

/// Where the config comes from, without Markdown.
fn source(platform: &dyn Platform) -> String {
    match platform.alias_of() {
        Some(other) => format!("same as {other}"),
        None => platform.about().source.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_line() {
        let text = human();
        assert_eq!(text.lines().count(), PLATFORMS.len());
        assert!(
            text.contains("\nbrightbox           network  same as openstack\n"),
            "{text}"
        );
        assert!(!text.contains('`'), "{text}");
    }
}
