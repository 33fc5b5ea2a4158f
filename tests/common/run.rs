//! Running the program, and others.

use serde_json::Value;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program under test.
pub const KINDLING: &str = env!("CARGO_BIN_EXE_kindling");

/// The program under test, with a predictable environment.
pub fn kindling() -> Command {
    let mut command = Command::new(KINDLING);
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs a command of the program with a config, which is written beside the tree, on that tree.
pub fn on_tree(command: &str, root: &Path, config: &Value) -> Output {
    let file = root.with_extension("ign");
    fs::write(&file, config.to_string()).expect("the config is written");
    kindling()
        .args([command, "--root"])
        .args([root, &file])
        .output()
        .expect("kindling runs")
}

/// The number in an environment variable, if it is set.
pub fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// A process that is killed when this is dropped.
pub struct KilledOnDrop(pub Child);

impl Deref for KilledOnDrop {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for KilledOnDrop {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// Runs a command to its end, with nothing to read.
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output();
        Ended::from(output.expect("kindling runs"))
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Asserts the exit code, all of standard output, and a part of standard error.
    #[track_caller]
    pub fn assert(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, &*self.out), (Some(code), out), "{self:?}");
        assert!(self.err.contains(err), "{err:?} is not in {self:?}");
    }

    /// Asserts the exit code, and texts that are somewhere in the streams.
    #[track_caller]
    pub fn is(&self, code: i32, texts: &[&str]) {
        let all = self.all();
        assert_eq!(self.code, Some(code), "{all}");
        for text in texts {
            assert!(all.contains(text), "{text:?} is not in: {all}");
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// Exit status and output of a finished run, for messages.
pub fn describe_output(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        stdout(output),
        stderr(output)
    )
}

/// Asserts that a finished run has this exit code and did not panic.
#[track_caller]
pub fn assert_exit(output: &Output, code: i32) {
    let described = describe_output(output);
    assert_eq!(output.status.code(), Some(code), "{described}");
    assert!(!stderr(output).contains("panicked"), "{described}");
}

/// Everything that a run printed.
pub fn printed(output: &Output) -> String {
    format!("{}\n{}", stdout(output), stderr(output))
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs another program, which must succeed; its standard output.
pub fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| {
            panic!("start {program}: {e}; `tests/needs.sh demo test` installs what tests need")
        });
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        describe_output(&output)
    );
    stdout(&output)
}

/// Copies the program to a place where any user can run it. By a process of its own: a file that is open for writing
/// in a process that another thread forks cannot be run for a moment.
pub fn copy_program(to: &Path) {
    must("cp", &[KINDLING, &to.display().to_string()]);
}

/// Writes a program of shell lines. By a process of its own, as in [`copy_program`].
pub fn write_script(to: &Path, lines: &str) {
    let text = format!("#!/bin/sh\n{lines}\n");
    let to = to.display().to_string();
    must(
        "sh",
        &[
            "-c",
            "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"",
            "sh",
            &to,
            &text,
        ],
    );
}

/// These tests mount and use loop devices; without root they fail rather than pass unseen.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test mounts file systems and needs root; run `make test` as root"
    );
}
