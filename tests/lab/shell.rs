//! Running programs for a case, with a record of everything for the failure message.

use super::case::{Failure, Place};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Seconds any one command may take.
const PATIENCE: &str = "120";

/// A finished command.
pub struct Ran {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Both streams.
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs the commands of one case and remembers them.
pub struct Runner {
    /// The placeholders.
    pub place: Place,
    /// PATH for kindling.
    pub path: String,
    /// More environment.
    pub environment: BTreeMap<String, String>,
    record: String,
}

impl Runner {
    /// A runner with an empty record.
    pub fn new(place: Place) -> Runner {
        Runner {
            place,
            path: std::env::var("PATH").unwrap_or_default(),
            environment: BTreeMap::new(),
            record: String::new(),
        }
    }

    /// Adds to the record.
    pub fn note(&mut self, text: &str) {
        self.record.push_str(text);
        self.record.push('\n');
    }

    /// Runs a program with arguments. Not being able to start counts as exit 127.
    pub fn run(&mut self, program: &str, arguments: &[&str]) -> Ran {
        let start = Instant::now();
        let output = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE, program])
            .args(arguments)
            .env("PATH", &self.path)
            .env("LC_ALL", "C.UTF-8")
            .envs(&self.environment)
            .stdin(Stdio::null())
            .output();
        let ran = match output {
            Ok(output) => Ran {
                code: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Ran {
                code: 127,
                stdout: String::new(),
                stderr: error.to_string(),
            },
        };
        self.note(&format!(
            "$ {program} {}\n{}{}[exit {}, {} ms]",
            arguments.join(" "),
            ran.stdout,
            ran.stderr,
            ran.code,
            start.elapsed().as_millis()
        ));
        ran
    }

    /// Runs a program that must succeed.
    pub fn must(&mut self, step: &str, program: &str, arguments: &[&str]) -> Result<Ran, Failure> {
        let ran = self.run(program, arguments);
        if ran.code == 0 {
            return Ok(ran);
        }
        Err(self.failure(
            step,
            &format!("{program} ended with {}: {}", ran.code, ran.stderr.trim()),
        ))
    }

    /// Runs shell lines with placeholders, each of which must succeed.
    pub fn must_shell(&mut self, step: &str, lines: &[String]) -> Result<(), Failure> {
        for line in lines {
            let filled = self.place.fill(line);
            self.must(step, "bash", &["-euo", "pipefail", "-c", &filled])?;
        }
        Ok(())
    }

    /// A failure with the record so far as its scene.
    pub fn failure(&self, step: &str, reason: &str) -> Failure {
        Failure {
            step: step.to_string(),
            reason: reason.to_string(),
            scene: self.record.clone(),
        }
    }
}
