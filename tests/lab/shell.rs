//! Running programs for a case, with a record of everything for the failure message.

use super::case::{Failure, Place};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Any one command may take so long. Clevis starts some hundred programs, which takes minutes on a busy machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(900);

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

/// Runs a command to its end. One that takes too long is killed, with all of its process group.
fn output_in_time(command: &mut Command) -> std::io::Result<Output> {
    // Not by `timeout`: starting programs is what takes the time in this kernel.
    let child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let group = Pid::from_raw(child.id() as i32);
    let (ended, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if end.recv_timeout(COMMAND_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                let _ = killpg(group, Signal::SIGKILL);
            }
        });
        let output = child.wait_with_output();
        drop(ended);
        output
    })
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

/// A function of the shell, as it is handed down. udev opens an array for a moment whenever it has changed, and nothing
/// else of these lines keeps one open: what it is in the way of is tried again when udev has settled.
const PATIENT_MDADM: (&str, &str) = (
    "BASH_FUNC_mdadm%%",
    r#"() {
    case $1 in
    --stop | --readonly)
        for _ in $(seq 50); do
            command mdadm "$@" && return
            udevadm settle
            sleep 0.1
        done
        ;;
    esac
    command mdadm "$@"
}"#,
);

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
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PATH", &self.path)
            .env("LC_ALL", "C.UTF-8")
            .envs(&self.environment);
        if program == "bash" {
            let (name, body) = PATIENT_MDADM;
            command.env(name, body);
        }
        let output = output_in_time(&mut command);
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
