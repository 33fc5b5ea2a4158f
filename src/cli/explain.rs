//! `kindling explain`: what an error code means, and what to do about it.

use super::exit::{Exit, ExitError};
use crate::failure::code::{self, EXPLANATIONS, Explanation};
use crate::terminal;
use clap::{Args, ValueEnum};
use std::fmt::Write as _;

/// Columns of a page on a terminal.
const WIDTH: usize = 79;

/// `kindling explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Codes, e.g. K0204; without any, all are listed
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
    /// The form of the list, or of the pages
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text, value_name = "FORMAT")]
    format: ExplainFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExplainFormat {
    /// For a terminal
    Text,
    /// The page `docs/errors.md`
    Markdown,
}

/// Prints the pages of the given codes, or the list of all codes.
pub(crate) fn run(args: &ExplainArgs) -> Result<Exit, ExitError> {
    let known = args.codes.iter().map(|code| code::explanation(code));
    let known = known.collect::<Result<Vec<_>, _>>();
    let known = known.map_err(|unknown| ExitError::usage(unknown.to_string()))?;
    let text = match (args.format, known.is_empty()) {
        (ExplainFormat::Text, true) => list(),
        (ExplainFormat::Text, false) => {
            let pages: Vec<String> = known.into_iter().map(page).collect();
            pages.join("\n")
        }
        (ExplainFormat::Markdown, true) => EXPLANATIONS.iter().map(section).collect(),
        (ExplainFormat::Markdown, false) => known.into_iter().map(section).collect(),
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}

fn list() -> String {
    let mut text = String::new();
    for known in EXPLANATIONS {
        let _ = writeln!(text, "{}  {}", known.code, known.title);
    }
    text
}

fn page(known: &Explanation) -> String {
    let mut text = format!("{}: {}\n\n", known.code, known.title);
    text += &textwrap::fill(known.meaning, WIDTH);
    text += "\n\nWhat to do:\n";
    for step in known.steps {
        let options = textwrap::Options::new(WIDTH)
            .initial_indent("  - ")
            .subsequent_indent("    ");
        text += &textwrap::fill(step, options);
        text.push('\n');
    }
    text
}

fn section(known: &Explanation) -> String {
    let mut text = format!(
        "\n## {}: {}\n{}\n\n",
        known.code, known.title, known.meaning
    );
    for step in known.steps {
        let _ = writeln!(text, "- {step}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_these_pages() {
        let text = include_str!("../../docs/errors.md");
        let pages: String = EXPLANATIONS.iter().map(section).collect();
        assert!(
            text.ends_with(&pages),
            "docs/errors.md has other pages; put these there (kindling explain --format markdown):\n{pages}"
        );
    }
}
