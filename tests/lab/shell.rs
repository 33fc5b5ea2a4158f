//! Runs programs for a case, with a transcript for failure messages.

use super::case::{Failure, Placeholders};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time limit of a command. Clevis starts hundreds of programs, which takes minutes on a busy machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(900);

/// A finished command.
pub struct CommandResult {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CommandResult {
    /// The output on both streams.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command. One that takes too long is killed, with its whole process group.
fn output_in_time(command: &mut Command) -> std::io::Result<Output> {
    // Not with `timeout`: starting programs is slow in this kernel.
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

/// Runs the commands of one case and records them.
pub struct Runner {
    /// The placeholders.
    pub placeholders: Placeholders,
    /// The `PATH` of commands.
    pub path: String,
    /// Additional environment variables.
    pub environment: BTreeMap<String, String>,
    transcript: String,
}

/// A shell function in the form in which bash exports it. udev briefly opens an array whenever it changes, and nothing
/// else in these lines keeps one open, so commands that need it closed are retried after udev has settled.
const RETRYING_MDADM: (&str, &str) = (
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
    /// A runner with an empty transcript.
    pub fn new(placeholders: Placeholders) -> Runner {
        Runner {
            placeholders,
            path: std::env::var("PATH").unwrap_or_default(),
            environment: BTreeMap::new(),
            transcript: String::new(),
        }
    }

    /// Adds text to the transcript.
    pub fn record(&mut self, text: &str) {
        self.transcript.push_str(text);
        self.transcript.push('\n');
    }

    /// Runs a program with arguments. One that cannot be started has exit code 127.
    pub fn run(&mut self, program: &str, arguments: &[&str]) -> CommandResult {
        let start = Instant::now();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PATH", &self.path)
            .env("LC_ALL", "C.UTF-8")
            .envs(&self.environment);
        if program == "bash" {
            let (name, body) = RETRYING_MDADM;
            command.env(name, body);
        }
        let output = output_in_time(&mut command);
        let ran = match output {
            Ok(output) => CommandResult {
                code: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => CommandResult {
                code: 127,
                stdout: String::new(),
                stderr: error.to_string(),
            },
        };
        self.record(&format!(
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
    pub fn must(
        &mut self,
        step: &str,
        program: &str,
        arguments: &[&str],
    ) -> Result<CommandResult, Failure> {
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
            let filled = self.placeholders.fill(line);
            self.must(step, "bash", &["-euo", "pipefail", "-c", &filled])?;
        }
        Ok(())
    }

    /// A failure with the transcript so far.
    pub fn failure(&self, step: &str, reason: &str) -> Failure {
        Failure {
            step: step.to_string(),
            reason: reason.to_string(),
            transcript: self.transcript.clone(),
        }
    }
}
