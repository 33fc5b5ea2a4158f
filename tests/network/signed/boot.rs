//! Signed configs in the stages of a boot.

use super::PLAIN;
use super::makers::{Gpg, Ssh};
use crate::common::boot;
use crate::common::folder::Folder;
use crate::common::run::{Ended, KINDLING};
use crate::common::server::{Server, respond};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// A booting machine: its kernel command line, its keys, its config for platform `file`.
struct Machine(Folder);

impl Machine {
    fn new() -> Self {
        let machine = Machine(Folder::new());
        let program = machine
            .0
            .put("program/about", "")
            .with_file_name("ignition");
        std::os::unix::fs::symlink(KINDLING, program).expect("a link");
        machine.0.put("cmdline", "quiet");
        machine.0.put("root/etc/os-release", "");
        machine
    }

    fn stage(&self, stage: &str) -> Ended {
        let has_keys = self.0.path("keys").exists();
        self.stage_with_keys(stage, has_keys.then_some("keys"))
    }

    /// The same with keys in this folder; without one, the default directory is used, which does not exist.
    fn stage_with_keys(&self, stage: &str, keys: Option<&str>) -> Ended {
        let mut command = Command::new(self.0.path("program/ignition"));
        command.current_dir(self.0.directory());
        boot::add_stage(&mut command, "file", stage, self.0.directory());
        let keys = keys.map_or_else(PathBuf::new, |keys| self.0.path(keys));
        command
            .arg("-fetch-timeout=20s")
            .env("KINDLING_TRUSTED_KEYS_DIR", keys);
        Ended::of(&mut command)
    }

    #[track_caller]
    fn assert_refused(&self, fragments: &[&str]) {
        let ended = self.stage("fetch");
        ended.is(1, fragments);
        assert!(
            !self.0.path("ignition.json").exists(),
            "a config was cached: {}",
            ended.all()
        );
    }
}

#[test]
fn without_keys_no_signature_is_fetched() {
    let server = Server::fixed("200 OK", "", PLAIN);
    let machine = Machine::new();
    machine.0.put(
        "cmdline",
        format!("ignition.config.url={}", server.url("/c")),
    );
    machine.stage("fetch").is(0, &["finished successfully"]);
    assert_eq!(server.seen().len(), 1);
}

/// An explicit directory for keys means that signatures are required.
#[test]
fn an_explicit_directory_without_keys_is_an_error() {
    let machine = Machine::new();
    machine.0.put("config.ign", PLAIN);
    machine.0.put("empty/.keep", "");
    let key = Ssh::new(&["-t", "ed25519"]).key();
    machine.0.put("nested/team/key.pub", &key);
    machine.0.put("nested/key.pub", &key);
    for (name, target) in [("dangling", "nowhere"), ("circle", "circle")] {
        symlink(target, machine.0.path(name)).expect("a link");
    }
    std::fs::create_dir(machine.0.path("loose")).expect("a directory");
    symlink("nowhere", machine.0.path("loose/key.pub")).expect("a link");
    for directory in ["missing", "empty", "nested", "dangling", "circle", "loose"] {
        let ended = machine.stage_with_keys("fetch", Some(directory));
        assert_eq!(ended.code, Some(3), "{directory}: {}", ended.all());
        let is_cached = machine.0.path("ignition.json").exists();
        assert!(
            ended.all().contains("trusted key") && !is_cached,
            "{directory}: {}",
            ended.all()
        );
    }
}

#[test]
fn with_keys_the_config_must_be_signed() {
    let gpg = Gpg::new("ed25519");
    let signature = gpg.sign(PLAIN.as_bytes());
    let server = Server::start(move |seen, stream| match seen.target.as_str() {
        "/signed" | "/unsigned" => respond(stream, "200 OK", "", PLAIN.as_bytes()),
        "/signed.asc" => respond(stream, "200 OK", "", &signature),
        _ => respond(stream, "404 Not Found", "", b""),
    });
    let machine = Machine::new();
    machine.0.put("keys/ours.asc", gpg.key());
    machine.0.put(
        "cmdline",
        format!("ignition.config.url={}", server.url("/unsigned")),
    );
    machine.assert_refused(&[
        "only trusted configs are accepted",
        "/unsigned is not trusted: it has no signature",
    ]);
    machine.0.put(
        "cmdline",
        format!("ignition.config.url={}", server.url("/signed")),
    );
    machine.stage("fetch").is(
        0,
        &[
            "/signed is trusted: signed by OpenPGP key",
            "finished successfully",
        ],
    );
}

#[test]
fn platform_configs_have_an_embedded_signature() {
    let ssh = Ssh::new(&["-t", "ed25519"]);
    let machine = Machine::new();
    machine.0.put("keys/ours.pub", ssh.key());
    machine.0.put("config.ign", PLAIN);
    machine.assert_refused(&[
        "is not trusted: it has no signature (none follows it; append an armoured one)",
    ]);
    let signed = [PLAIN.as_bytes(), &ssh.sign(PLAIN.as_bytes())].concat();
    let mut changed = signed.clone();
    changed[PLAIN.len() - 3] ^= 1;
    machine.0.put("config.ign", changed);
    machine.assert_refused(&["is not trusted: its signature is not accepted"]);
    // A config for another program, with which the machine would boot without a config, is not accepted either.
    machine.0.put("cmdline", "flatcar.first_boot=1");
    machine.0.put("config.ign", "#cloud-config\nusers: []\n");
    machine.assert_refused(&["is not trusted"]);
    machine.0.put("config.ign", &signed);
    machine
        .stage("fetch")
        .is(0, &["is trusted: signed by OpenSSH key"]);
    // The config of the system needs an embedded signature, too.
    std::fs::remove_file(machine.0.path("ignition.json")).expect("a cache");
    std::fs::remove_file(machine.0.path("state")).expect("a state");
    machine.0.put("usr/user.ign", PLAIN);
    machine.assert_refused(&["usr/user.ign is not trusted"]);
    machine.0.put("usr/user.ign", &signed);
    machine.stage("fetch").is(0, &["usr/user.ign is trusted"]);
}

#[test]
fn the_kernel_command_line_pins_the_config() {
    let machine = Machine::new();
    let config = machine.0.put("config.ign", PLAIN);
    let output = Command::new("sha512sum")
        .arg(config)
        .output()
        .expect("sha512sum");
    let digest = String::from_utf8_lossy(&output.stdout[..128]).into_owned();
    for bad in [
        "kindling.config.hash",
        "kindling.config.hash=",
        "kindling.config.hash=md5-1",
        "kindling.config.key=sha512-1",
    ] {
        machine.0.put("cmdline", bad);
        let ended = machine.stage("fetch");
        assert_ne!(ended.code, Some(0), "{bad}: {}", ended.all());
        assert!(
            ended
                .all()
                .contains("must be sha512- or sha256- and the digits"),
            "{}",
            ended.all()
        );
        assert!(!machine.0.path("ignition.json").exists());
    }
    machine.0.put("cmdline", "kindling.config_hash=sha512-1");
    let ended = machine.stage("fetch");
    assert_ne!(ended.code, Some(0), "{}", ended.all());
    let cause = "unknown argument \"kindling.config_hash\"";
    assert!(ended.all().contains(cause), "{}", ended.all());
    assert!(!machine.0.path("ignition.json").exists());
    let pin = format!("kindling.config.hash=sha512-{digest}");
    machine.0.put("config.ign", PLAIN.replace("3.4.0", "3.3.0"));
    for line in [format!("\"{pin}\""), pin.replace('=', "=\"") + "\"", pin] {
        machine.0.put("cmdline", line);
        machine.assert_refused(&["kindling.config.hash on the kernel command line requires"]);
    }
    machine.0.put("config.ign", "");
    machine.assert_refused(&["names a config by its digest", "supplied none"]);
    machine.0.put("config.ign", PLAIN);
    machine
        .stage("fetch")
        .is(0, &["is trusted: its digest matches"]);
}

#[test]
fn a_pinned_config_must_pin_its_references() {
    let server = Server::fixed("200 OK", "", PLAIN);
    let machine = Machine::new();
    let text = format!(
        "{{\"ignition\": {{\"version\": \"3.4.0\", \"config\": {{\"merge\": [{{\"source\": \"{}\"}}]}}}}}}",
        server.url("/c")
    );
    let config = machine.0.put("config.ign", text);
    let output = Command::new("sha256sum")
        .arg(config)
        .output()
        .expect("sha256sum");
    let digest = String::from_utf8_lossy(&output.stdout[..64]).into_owned();
    machine
        .0
        .put("cmdline", format!("kindling.config.hash=sha256-{digest}"));
    machine.assert_refused(&["/c is not trusted: only pinned configs are taken"]);
}

#[test]
fn an_invalid_key_fails_before_any_fetch() {
    let machine = Machine::new();
    machine.0.put("config.ign", PLAIN);
    machine
        .0
        .put("keys/broken.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n");
    let ended = machine.stage("fetch");
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    assert!(
        ended.all().contains("cannot use trusted key"),
        "{}",
        ended.all()
    );
    assert!(!machine.0.path("ignition.json").exists());
    // Stages that obtain no config do not read the keys.
    machine.0.put(
        "ignition.json",
        "{\"ignition\":{\"version\":\"3.7.0-experimental\"}}",
    );
    machine.stage("files").is(0, &["finished successfully"]);
}
