//! A simulated machine, on whose tree stages are run one by one.

use crate::common::boot;
use crate::common::folder::Folder;
use crate::common::run::{KINDLING, describe_output, write_script};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub const VERSION: &str = concat!("Ignition 2.27.0+kindling-", env!("CARGO_PKG_VERSION"));
pub const PROGRAM: &str = "program/ignition";
pub const PLAIN: &str = r#"{"ignition": {"version": "3.4.0"}}"#;
pub const MOTD: &str = r#"{"ignition": {"version": "3.4.0"},
    "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,s3cret"}}]}}"#;
pub const STAGES: [&str; 7] = [
    "fetch-offline",
    "fetch",
    "kargs",
    "disks",
    "mount",
    "files",
    "umount",
];

/// A directory that represents a machine: configs of the system, command line, target root.
pub struct Machine(Folder);

impl Machine {
    /// A machine with a config for platform `file`.
    pub fn new(config: &str) -> Machine {
        let machine = Machine::bare();
        machine.write("config.ign", config);
        machine
    }

    pub fn bare() -> Machine {
        let machine = Machine(Folder::new());
        machine.write("program/about", "");
        std::os::unix::fs::symlink(KINDLING, machine.path(PROGRAM)).expect("a link");
        machine.write("root/etc/os-release", "");
        machine.write("cmdline", "");
        machine
    }

    /// A machine whose config has SSH keys for an existing user.
    pub fn with_keys_of_root() -> Machine {
        let machine = Machine::new(
            r#"{"ignition": {"version": "3.4.0"},
            "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}]}}"#,
        );
        machine.write("root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        machine.write("root/etc/group", "root:x:0:\n");
        machine.write("root/etc/shadow", "root:*:19000::::::\n");
        machine.write("root/root/.profile", "");
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        self.0.put(name, text);
    }

    /// Adds a program of the distribution.
    pub fn program(&self, name: &str, script: &str) {
        self.write("bin/about", "");
        write_script(&self.path("bin").join(name), script);
    }

    /// The command for a stage, with those programs first in its `PATH`.
    pub fn with_programs(&self, stage: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.path("bin").display());
        let mut command = self.command(stage);
        command.env("PATH", path);
        command
    }

    pub fn read(&self, name: &str) -> String {
        self.0.read(name)
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|e| panic!("parse {name}: {e}"))
    }

    pub fn mode(&self, name: &str) -> u32 {
        let node = fs::metadata(self.path(name)).unwrap_or_else(|e| panic!("look at {name}: {e}"));
        node.permissions().mode() & 0o7777
    }

    pub fn flags(&self, stage: &str) -> Vec<String> {
        let mut flags = vec![
            "-platform".into(),
            "file".into(),
            format!("--stage={stage}"),
        ];
        for (flag, name) in [
            ("root", "root"),
            ("config-cache", "ignition.json"),
            ("neednet", "flags/neednet"),
            ("state-file", "ignition/state"),
        ] {
            flags.push(format!("-{flag}={}", self.path(name).display()));
        }
        flags
    }

    pub fn command(&self, stage: &str) -> Command {
        let mut command = Command::new(self.path(PROGRAM));
        command.arg("-log-to-stdout").args(self.flags(stage));
        self.set_environment(&mut command);
        command
    }

    pub fn set_environment(&self, command: &mut Command) {
        boot::set_environment(command, self.0.directory());
        command
            .current_dir(self.0.directory())
            .env_remove("IGNITION_CONFIG_FILE")
            .stdin(Stdio::null());
    }

    pub fn run(&self, stage: &str) -> Output {
        // The last argument in units is empty if IGNITION_ARGS is not set.
        self.command(stage).arg("").output().expect("start it")
    }

    /// Runs a stage that must succeed; returns its log.
    #[track_caller]
    pub fn log(&self, stage: &str) -> String {
        let output = self.run(stage);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{stage}: {}",
            describe_output(&output)
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{stage}");
        log_of(&output)
    }

    /// Runs a stage that must fail with exit code 1; returns its log.
    #[track_caller]
    pub fn failing_log(&self, stage: &str) -> String {
        let output = self.run(stage);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{stage}: {}",
            describe_output(&output)
        );
        log_of(&output)
    }

    /// Directories of the rendered config.
    pub fn cached_directories(&self) -> Vec<String> {
        let list = self.json("ignition.json")["storage"]["directories"].clone();
        let list: Vec<Value> = serde_json::from_value(list).unwrap_or_default();
        list.iter()
            .filter_map(|d| d["path"].as_str().map(String::from))
            .collect()
    }
}

pub fn log_of(output: &Output) -> String {
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !describe_output(output).contains("panicked"),
        "{}",
        describe_output(output)
    );
    log
}

pub fn directory(path: &str) -> String {
    format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"directories": [{{"path": "{path}"}}]}}}}"#
    )
}
