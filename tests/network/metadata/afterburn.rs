//! Beside the agent these attributes take the place of: it and the shipped program ask the same service or drive, one after
//! the other, and have to say the same.
//!
//! The agent is Afterburn 5.11, e.g. of `cargo install afterburn@5.11.0`; `make test-afterburn` runs this.

use super::drives;
use super::machines::{self, Machine};
use super::world::{self, World};
use crate::common::namespace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the agent.
const VARIABLE: &str = "KINDLING_AFTERBURN";
const LEASES: &str = "/run/systemd/netif/leases";
const HOME: &str = "/root";
/// The agent mounts discs only, which not every kernel knows: what it mounts is a directory.
const MOUNT: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data) {
    if (type != NULL && strcmp(type, "iso9660") == 0) {
        source = getenv("DRIVE_TREE");
        type = NULL;
        flags = MS_BIND;
    }
    return syscall(SYS_mount, source, target, type, flags, data);
}
"#;
/// Finds the drive by its label.
const BLKID: &str =
    "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = \"$DRIVE_LABEL\" ] && echo /dev/drive\n";

/// What one of them says of a machine.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    attributes: BTreeMap<String, String>,
    hostname: Option<String>,
    ssh_keys: BTreeSet<String>,
}

#[test]
#[ignore = "needs the agent: make test-afterburn"]
fn every_platform_that_both_have() {
    let agent = std::env::var_os(VARIABLE);
    let agent = PathBuf::from(agent.unwrap_or_else(|| panic!("{VARIABLE} names no afterburn")));
    let tools = tempfile::tempdir().expect("a directory");
    make_tools(tools.path());
    let mut failed = Vec::new();
    for machine in machines::all() {
        let (agent, tools, name) = (agent.clone(), tools.path().to_owned(), machine.theirs);
        let run = std::thread::spawn(move || compare(machine, &agent, &tools));
        failed.extend(run.join().is_err().then_some(name));
    }
    assert!(failed.is_empty(), "failed: {failed:?}; why stands above");
}

fn make_tools(directory: &Path) {
    let blkid = directory.join("blkid");
    fs::write(&blkid, BLKID).expect("written");
    fs::set_permissions(&blkid, fs::Permissions::from_mode(0o755)).expect("executable");
    fs::write(directory.join("mount.c"), MOUNT).expect("written");
    namespace::run(directory, "cc -shared -fPIC -o mount.so mount.c");
}

fn compare(machine: Machine, agent: &Path, tools: &Path) {
    let (agent, tools) = (agent.to_owned(), tools.to_owned());
    world::with(machine.address, machine.pages.clone(), move |world| {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path();
        // Where both look for things, and leave some.
        let binary = place.join("afterburn");
        fs::write(&binary, "").expect("written");
        namespace::bind(&agent, &binary);
        namespace::cover("/run");
        namespace::cover(HOME);
        prepare(&machine, world, place);
        let theirs = ask_agent(&machine, place, &tools);
        let mut ours = ask_kindling(&machine, world, place);
        for name in machine.ours_only {
            assert!(ours.attributes.remove(*name).is_some(), "{name} of ours");
        }
        if machine.is_hostname_ours {
            assert!(ours.hostname.take().is_some(), "a hostname of ours");
        }
        assert_eq!(ours, theirs, "ours and theirs on {}", machine.theirs);
    });
}

fn prepare(machine: &Machine, world: &World, place: &Path) {
    fs::create_dir_all(LEASES).expect("made");
    let lease = format!(
        "ADDRESS=10.1.1.5\nSERVER_ADDRESS={}\n{}",
        machine.address, machine.lease
    );
    // The first device of a network of one's own is the loopback device.
    fs::write(format!("{LEASES}/1"), lease).expect("written");
    for address in machine.more_addresses {
        world.answer_at(address);
    }
    if let Some(name) = machine.https {
        world.answer_as(name, place);
    }
    if let Some((label, files)) = machine.drive {
        drives::attach(place, label, files);
    }
}

fn ask_agent(machine: &Machine, place: &Path, tools: &Path) -> Told {
    let (attributes, hostname) = (place.join("attributes"), place.join("hostname"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(place.join("afterburn"));
    command
        .args(["multi", "--provider", machine.theirs])
        .args(["--ssh-keys", "root", "--attributes"])
        .arg(&attributes)
        .arg("--hostname")
        .arg(&hostname)
        .env("SSL_CERT_FILE", place.join("ca.pem"));
    if let Some((label, _)) = machine.drive {
        command
            .env("LD_PRELOAD", tools.join("mount.so"))
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("DRIVE_TREE", place.join("tree"))
            .env("DRIVE_LABEL", label);
    }
    let output = command.output().expect("the agent runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {log}", machine.theirs);
    let text = fs::read_to_string(attributes).expect("attributes");
    let pairs = text.lines().map(|line| {
        let line = line.strip_prefix("AFTERBURN_").expect("a prefix");
        let (name, value) = line.split_once('=').expect("a pair");
        (name.to_owned(), value.to_owned())
    });
    let keys = fs::read_to_string(format!("{HOME}/.ssh/authorized_keys.d/afterburn"));
    Told {
        attributes: pairs.collect(),
        hostname: fs::read_to_string(hostname)
            .ok()
            .map(|text| text.trim_end().to_owned()),
        ssh_keys: keys
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect(),
    }
}

fn ask_kindling(machine: &Machine, world: &World, place: &Path) -> Told {
    let said = world.metadata_trusting(
        &["--platform", machine.ours, "--json"],
        &place.join("ca.pem"),
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let json: Value = serde_json::from_str(&said.out).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let attributes = json["attributes"].as_object().expect("a mapping").iter();
    let keys = json["sshKeys"].as_array().expect("a list").iter();
    Told {
        attributes: attributes
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        hostname: json["hostname"].as_str().map(str::to_owned),
        ssh_keys: keys.map(text).collect(),
    }
}
