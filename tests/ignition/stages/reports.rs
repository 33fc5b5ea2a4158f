//! What remains after a run: the report, the journal, the system log.

use super::machine::{MOTD, Machine, PLAIN, VERSION, log_of};
use crate::common::run::{self, assert_exit, describe_output};
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

#[test]
fn the_report_has_a_section_per_stage_and_a_copy_in_the_real_root() {
    let machine = Machine::new(MOTD);
    for stage in ["fetch-offline", "kargs", "files"] {
        machine.log(stage);
    }
    let names = |report: &Value| -> Vec<String> {
        let stages = report["stages"].as_array().expect("a list");
        stages
            .iter()
            .map(|s| s["stage"].as_str().expect("a name").into())
            .collect()
    };
    let report = machine.json("kindling/report.json");
    assert_eq!(names(&report), ["fetch-offline", "kargs", "files"]);
    assert_eq!(machine.mode("kindling/report.json"), 0o600);
    let kept = "root/var/log/kindling/first-boot.json";
    assert_eq!(machine.json(kept), report);
    assert_eq!(machine.mode(kept), 0o600);
    let schema =
        serde_json::from_str(include_str!("../../../schemas/boot-report.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema.iter_errors(&report).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let output = run::kindling()
        .arg("report")
        .env("KINDLING_RUN_DIR", machine.path("kindling"))
        .output()
        .expect("start it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("STAGE") && text.contains("write file /etc/motd"),
        "{}",
        describe_output(&output)
    );
}

#[test]
fn the_journal_and_the_system_log_get_their_records() {
    let machine = Machine::new(MOTD);
    let CapturedRun {
        output,
        journal,
        syslog,
    } = machine.run_and_listen("fetch");
    assert_exit(&output, 0);
    assert_eq!(log_of(&output), "", "nothing on standard output");
    assert_eq!(journal.len(), 2, "{journal:?}");
    for field in [
        "PRIORITY=6\n",
        "MESSAGE_ID=57124006b5c94805b77ce473e92a8aeb\n",
        "IGNITION_CONFIG_TYPE=user\n",
        "IGNITION_CONFIG_SRC=file\n",
        "IGNITION_CONFIG_REFERENCED=false\n",
        "MESSAGE=fetched user config from \"file\"\n",
    ] {
        assert!(journal[1].contains(field), "{field}: {journal:?}");
    }
    let first = syslog.first().expect("a record");
    assert!(
        first.starts_with("<6>") && first.contains(" ignition["),
        "{first}"
    );
    assert!(first.ends_with(&format!("]: {VERSION}\n")), "{first}");
}

#[test]
fn the_journal_records_whose_keys_were_written() {
    let machine = Machine::with_keys_of_root();
    machine.log("fetch");
    let CapturedRun {
        output, journal, ..
    } = machine.run_and_listen("files");
    assert_exit(&output, 0);
    let path = machine.path("root/root/.ssh/authorized_keys.d/ignition");
    assert_eq!(journal.len(), 1, "{journal:?}");
    for field in [
        "MESSAGE_ID=225067b87bbd4a0cb6ab151f82fa364b\n".to_string(),
        "MESSAGE=wrote ssh authorized keys file for user: root\n".into(),
        "IGNITION_USER_NAME=root\n".into(),
        format!("IGNITION_PATH={}\n", path.display()),
    ] {
        assert!(journal[0].contains(&field), "{field}: {journal:?}");
    }
}

#[test]
fn without_a_log_socket_the_log_goes_to_standard_output() {
    let machine = Machine::new(PLAIN);
    let script = r#"set -e
        mount -t tmpfs tmpfs /run
        if [ -S /dev/log ]; then mount --bind /dev/null /dev/log; fi
        exec ./program/ignition "$@""#;
    let output = machine
        .in_namespace("fetch", script)
        .output()
        .expect("start unshare");
    assert_exit(&output, 0);
    let log = log_of(&output);
    assert!(log.starts_with("ERROR    : "), "{log}");
    assert_eq!(log.matches("ERROR    : ").count(), 1, "{log}");
    assert!(log.contains(&format!("INFO     : {VERSION}\n")), "{log}");
}

/// The output of a stage, and what it sent to the sockets of the journal and the system log.
struct CapturedRun {
    output: Output,
    journal: Vec<String>,
    syslog: Vec<String>,
}

impl Machine {
    /// The command for a stage in a mount namespace of its own, started by a script.
    fn in_namespace(&self, stage: &str, script: &str) -> Command {
        run::require_root();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", script, "sh"])
            .args(self.flags(stage));
        self.set_environment(&mut command);
        command
    }

    fn run_and_listen(&self, stage: &str) -> CapturedRun {
        let is_over = Arc::new(AtomicBool::new(false));
        let listen = |name: &str| listen(&self.path(name), Arc::clone(&is_over));
        let (journal, syslog) = (listen("journal"), listen("syslog"));
        let script = r#"set -e
            mount -t tmpfs tmpfs /run
            mkdir -p /run/systemd/journal
            ln -s "$PWD/journal" /run/systemd/journal/socket
            ln -s "$PWD/syslog" /run/syslog
            if [ -S /dev/log ]; then mount --bind "$PWD/syslog" /dev/log; fi
            exec ./program/ignition "$@""#;
        let output = self
            .in_namespace(stage, script)
            .output()
            .expect("start unshare");
        is_over.store(true, Ordering::Relaxed);
        CapturedRun {
            output,
            journal: journal.join().expect("it listens"),
            syslog: syslog.join().expect("it listens"),
        }
    }
}

/// Collects what is sent to a socket until the run is over, so that writers never block.
fn listen(path: &Path, is_over: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let pause = Duration::from_millis(50);
    socket.set_read_timeout(Some(pause)).expect("it is ours");
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut datagram = vec![0; 1 << 16];
        loop {
            let last = is_over.load(Ordering::Relaxed);
            match socket.recv(&mut datagram) {
                Ok(length) => all.push(String::from_utf8_lossy(&datagram[..length]).into_owned()),
                Err(_) if last => return all,
                Err(_) => {}
            }
        }
    })
}
