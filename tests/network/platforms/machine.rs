//! A machine in a cloud: a network namespace, and files in a mount namespace.

use crate::common::run::{KINDLING, KilledOnDrop};
use crate::common::{boot, namespace};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Is in every token and every body, and must not be in a log.
pub const SECRET: &str = "s3cret";
/// Private to the mount namespace, like the DHCP leases in it.
const RUN: &str = "/run";
/// The files of the machine.
const MACHINE_DIRECTORY: &str = "/run/machine";
const PROGRAM: &str = "/run/kindling";
/// A stage that takes longer counts as hanging.
const STAGE_TIMEOUT: Duration = Duration::from_secs(240);

/// The machine. It exists until its thread ends.
pub struct Machine;

/// The result of a stage.
#[derive(Debug)]
pub struct StageResult {
    pub code: Option<i32>,
    pub log: String,
    pub duration: Duration,
}

/// A running stage.
pub struct RunningStage {
    child: KilledOnDrop,
    lines: Receiver<String>,
    log: String,
    start: Instant,
}

impl Machine {
    /// Moves the calling thread, and everything it starts afterwards, to a new machine.
    pub fn enter() -> Self {
        namespace::enter();
        namespace::cover(RUN);
        fs::write(PROGRAM, "").expect("written");
        namespace::bind(Path::new(KINDLING), Path::new(PROGRAM));
        // After binding the program, which may be in there.
        namespace::cover("/tmp");
        let machine = Machine;
        machine.put("root/etc/os-release", "");
        machine.put("cmdline", "");
        namespace::know(
            "127.0.0.1 localhost metadata.packet.net\n",
            Path::new(MACHINE_DIRECTORY),
        );
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(MACHINE_DIRECTORY).join(name)
    }

    /// Writes a file of the machine, or at an absolute path.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// The cached config.
    pub fn cache(&self) -> Option<String> {
        fs::read_to_string(self.path("ignition.json")).ok()
    }

    pub fn needs_network(&self) -> bool {
        self.path("neednet").exists()
    }

    /// Runs a stage as a boot does.
    pub fn stage(&self, id: &str, stage: &str) -> StageResult {
        self.start(id, stage).wait()
    }

    /// Starts a stage.
    pub fn start(&self, id: &str, stage: &str) -> RunningStage {
        let mut command = Command::new(PROGRAM);
        command.arg("boot");
        boot::add_stage(&mut command, id, stage, Path::new(MACHINE_DIRECTORY));
        // Well below STAGE_TIMEOUT, so that the log has the error.
        command.args(["-fetch-timeout", "40s"]);
        self.run(command)
    }

    /// Runs `kindling fetch`.
    pub fn fetch(&self, id: &str) -> StageResult {
        let mut command = Command::new(PROGRAM);
        command.args(["fetch", "--platform", id]);
        self.run(command).wait()
    }

    fn run(&self, mut command: Command) -> RunningStage {
        boot::set_environment(&mut command, Path::new(MACHINE_DIRECTORY));
        command
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env_remove("SSL_CERT_DIR");
        RunningStage::new(command)
    }
}

impl RunningStage {
    fn new(mut command: Command) -> Self {
        let start = Instant::now();
        let (output, writer) = std::io::pipe().expect("a pipe");
        let child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn();
        let child = child.expect("kindling starts");
        // It holds writers of the pipe, which must be closed for the end of the output.
        drop(command);
        let output = BufReader::new(output);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // Fails if the stage was dropped.
            lines.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        RunningStage {
            child: KilledOnDrop(child),
            lines,
            log: String::new(),
            start,
        }
    }

    /// Waits for the stage to end.
    pub fn wait(mut self) -> StageResult {
        while let Some(line) = self.line() {
            self.log += &(line + "\n");
        }
        let status: ExitStatus = self.child.wait().expect("it is ours");
        StageResult {
            code: status.code(),
            log: std::mem::take(&mut self.log),
            duration: self.start.elapsed(),
        }
    }

    /// Waits for a text in the log, and then stops the stage.
    pub fn wait_for(mut self, words: &str) -> String {
        while let Some(line) = self.line() {
            self.log += &(line + "\n");
            if self.log.contains(words) {
                return std::mem::take(&mut self.log);
            }
        }
        panic!("the stage ended without {words:?}:\n{}", self.log);
    }

    fn line(&self) -> Option<String> {
        let remaining = STAGE_TIMEOUT.saturating_sub(self.start.elapsed());
        match self.lines.recv_timeout(remaining) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the stage does not end:\n{}", self.log)
            }
        }
    }
}

impl StageResult {
    /// Asserts the exit code, and that the log contains these texts.
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
