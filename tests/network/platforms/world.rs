//! A machine in a cloud of its own: a network namespace, and files nobody else sees.

use crate::common::run::KINDLING;
use crate::common::{boot, namespace};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// In every token and every body, and never in a log.
pub const SECRET: &str = "s3cret";
/// Private to the namespace, as leases of its network are.
const RUN: &str = "/run";
/// Where the machine is.
const MACHINE: &str = "/run/machine";
const PROGRAM: &str = "/run/kindling";
/// A stage that has not ended by then never will.
const LIMIT: Duration = Duration::from_secs(240);

/// The machine. It is there until its thread has ended.
pub struct World;

/// How a stage ended.
#[derive(Debug)]
pub struct StageEnd {
    pub code: Option<i32>,
    pub log: String,
    pub took: Duration,
}

/// A stage that runs.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    log: String,
    start: Instant,
}

impl World {
    /// Takes the calling thread, and what it starts from now on, into a new world.
    pub fn enter() -> Self {
        namespace::enter();
        namespace::cover(RUN);
        fs::write(PROGRAM, "").expect("written");
        namespace::bind(Path::new(KINDLING), Path::new(PROGRAM));
        // After the program, which may come from there.
        namespace::cover("/tmp");
        let world = World;
        world.put("root/etc/os-release", "");
        world.put("cmdline", "");
        namespace::know(
            "127.0.0.1 localhost metadata.packet.net\n",
            Path::new(MACHINE),
        );
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(MACHINE).join(name)
    }

    /// A file of the machine, or by an absolute path.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// The config that was found, as it was kept.
    pub fn cache(&self) -> Option<String> {
        fs::read_to_string(self.path("ignition.json")).ok()
    }

    pub fn needs_network(&self) -> bool {
        self.path("neednet").exists()
    }

    /// Runs a stage as a boot does.
    pub fn stage(&self, id: &str, stage: &str) -> StageEnd {
        self.start(id, stage).end()
    }

    /// Starts it.
    pub fn start(&self, id: &str, stage: &str) -> Running {
        let mut command = Command::new(PROGRAM);
        command.arg("boot");
        boot::add_stage(&mut command, id, stage, Path::new(MACHINE));
        // Long before LIMIT, so that the log says what was not to be had.
        command.args(["-fetch-timeout", "40s"]);
        self.run(command)
    }

    /// Runs `kindling fetch`, as a person does.
    pub fn fetch(&self, id: &str) -> StageEnd {
        let mut command = Command::new(PROGRAM);
        command.args(["fetch", "--platform", id]);
        self.run(command).end()
    }

    fn run(&self, mut command: Command) -> Running {
        boot::surround(&mut command, Path::new(MACHINE));
        command
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env_remove("SSL_CERT_DIR");
        Running::of(command)
    }
}

impl Running {
    fn of(mut command: Command) -> Self {
        let start = Instant::now();
        let (output, theirs) = std::io::pipe().expect("a pipe");
        let child = command
            .stdin(Stdio::null())
            .stdout(theirs.try_clone().expect("a pipe"))
            .stderr(theirs)
            .spawn();
        let child = child.expect("kindling starts");
        // It has the ends to write into, which must be the last ones.
        drop(command);
        let output = BufReader::new(output);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // Nobody listens any more to a stage that was given up.
            lines.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        Running {
            child,
            lines,
            log: String::new(),
            start,
        }
    }

    /// Waits for the end.
    pub fn end(mut self) -> StageEnd {
        while let Some(line) = self.line() {
            self.log += &(line + "\n");
        }
        let status: ExitStatus = self.child.wait().expect("it is ours");
        StageEnd {
            code: status.code(),
            log: std::mem::take(&mut self.log),
            took: self.start.elapsed(),
        }
    }

    /// Waits for words in the log of a stage that goes on, and ends it then.
    pub fn until(mut self, words: &str) -> String {
        while let Some(line) = self.line() {
            self.log += &(line + "\n");
            if self.log.contains(words) {
                return std::mem::take(&mut self.log);
            }
        }
        panic!("the stage ended without {words:?}:\n{}", self.log);
    }

    fn line(&self) -> Option<String> {
        let left = LIMIT.saturating_sub(self.start.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the stage does not end:\n{}", self.log)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl StageEnd {
    /// Asserts how it ended, and what the log says.
    #[track_caller]
    pub fn assert(&self, code: i32, words: &[&str]) {
        for bad in ["panicked", SECRET] {
            assert!(!self.log.contains(bad), "{bad:?} is in\n{}", self.log);
        }
        assert_eq!(self.code, Some(code), "{}", self.log);
        for words in words {
            assert!(
                self.log.contains(words),
                "{words:?} is not in\n{}",
                self.log
            );
        }
    }
}
