//! `kindling platform detect`: guesses the platform of this machine.

use crate::cli::exit::{Exit, ExitError};
use crate::platform::detect::{Guess, Traits, guesses};
use crate::terminal;
use crate::text::escaped;
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;

/// `kindling platform detect`
#[derive(Debug, Args)]
pub(super) struct DetectArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Prints guesses, the best first, each with its reason.
pub(super) fn run(args: &DetectArgs) -> Result<Exit, ExitError> {
    let traits = Traits::of_machine(Path::new("/"));
    let found = guesses(&traits);
    match args.json {
        true => {
            let all = Value::Array(found.iter().map(json).collect());
            terminal::write_line(&format!("{all:#}"))?;
        }
        false => terminal::print(&human(&found))?,
    }
    match found.is_empty() {
        true => Ok(Exit::NotValid),
        false => Ok(Exit::Done),
    }
}

fn json(guess: &Guess) -> Value {
    json!({"id": guess.id, "certainty": guess.certainty.name(), "reason": guess.reason})
}

fn human(found: &[Guess]) -> String {
    if found.is_empty() {
        return "the platform of this machine cannot be determined\n".into();
    }
    let line = |guess: &Guess| {
        let (id, certainty) = (guess.id, guess.certainty.name());
        format!("{id:18} {certainty:9} {}\n", escaped(&guess.reason))
    };
    found.iter().map(line).collect()
}
