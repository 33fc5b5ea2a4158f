//! Comparison with Afterburn: it and `kindling metadata` use the same service or drive, one after the other, and must
//! have the same result.
//!
//! Needs Afterburn 5.11, e.g. from `cargo install afterburn@5.11.0`; run with `make test-afterburn`.

use super::drives;
use super::machines::{self, Machine};
use super::network::{self, Network};
use crate::common::namespace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Has the path of Afterburn.
const AFTERBURN_VARIABLE: &str = "KINDLING_AFTERBURN";
const LEASES: &str = "/run/systemd/netif/leases";
const HOME: &str = "/root";
/// Afterburn only mounts ISO 9660, which not every kernel supports; this mounts a directory instead.
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

/// The metadata of a machine, according to one of the programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct InstanceMetadata {
    attributes: BTreeMap<String, String>,
    hostname: Option<String>,
    ssh_keys: BTreeSet<String>,
}

#[test]
#[ignore = "needs the agent: make test-afterburn"]
fn common_platforms_have_equal_metadata() {
    let afterburn = std::env::var_os(AFTERBURN_VARIABLE);
    let afterburn = PathBuf::from(
        afterburn.unwrap_or_else(|| panic!("{AFTERBURN_VARIABLE} names no afterburn")),
    );
    let tools = tempfile::tempdir().expect("a directory");
    make_tools(tools.path());
    let mut failed = Vec::new();
    for machine in machines::all() {
        let (afterburn, tools, name) =
            (afterburn.clone(), tools.path().to_owned(), machine.provider);
        let run = std::thread::spawn(move || compare(machine, &afterburn, &tools));
        failed.extend(run.join().is_err().then_some(name));
    }
    assert!(failed.is_empty(), "failed: {failed:?}; see above");
}

fn make_tools(directory: &Path) {
    let blkid = directory.join("blkid");
    fs::write(&blkid, BLKID).expect("written");
    fs::set_permissions(&blkid, fs::Permissions::from_mode(0o755)).expect("executable");
    fs::write(directory.join("mount.c"), MOUNT).expect("written");
    namespace::run(directory, "cc -shared -fPIC -o mount.so mount.c");
}

fn compare(machine: Machine, afterburn: &Path, tools: &Path) {
    let (afterburn, tools) = (afterburn.to_owned(), tools.to_owned());
    network::with(machine.address, machine.pages.clone(), move |network| {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        // Both programs read and write fixed paths.
        let binary = directory.join("afterburn");
        fs::write(&binary, "").expect("written");
        namespace::bind(&afterburn, &binary);
        namespace::cover("/run");
        namespace::cover(HOME);
        prepare(&machine, network, directory);
        let theirs = run_afterburn(&machine, directory, &tools);
        let mut ours = run_kindling(&machine, network, directory);
        for name in machine.extra_attributes {
            assert!(ours.attributes.remove(*name).is_some(), "{name} of ours");
        }
        if machine.has_extra_hostname {
            assert!(ours.hostname.take().is_some(), "a hostname of ours");
        }
        assert_eq!(ours, theirs, "ours and theirs on {}", machine.provider);
    });
}

fn prepare(machine: &Machine, network: &Network, directory: &Path) {
    fs::create_dir_all(LEASES).expect("made");
    let lease = format!(
        "ADDRESS=10.1.1.5\nSERVER_ADDRESS={}\n{}",
        machine.address, machine.lease
    );
    // The first device of a network namespace is the loopback device.
    fs::write(format!("{LEASES}/1"), lease).expect("written");
    for address in machine.more_addresses {
        network.listen_at(address);
    }
    if let Some(name) = machine.https {
        network.listen_as(name, directory);
    }
    if let Some((label, files)) = machine.drive {
        drives::attach(directory, label, files);
    }
}

fn run_afterburn(machine: &Machine, directory: &Path, tools: &Path) -> InstanceMetadata {
    let (attributes, hostname) = (directory.join("attributes"), directory.join("hostname"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(directory.join("afterburn"));
    command
        .args(["multi", "--provider", machine.provider])
        .args(["--ssh-keys", "root", "--attributes"])
        .arg(&attributes)
        .arg("--hostname")
        .arg(&hostname)
        .env("SSL_CERT_FILE", directory.join("ca.pem"));
    if let Some((label, _)) = machine.drive {
        command
            .env("LD_PRELOAD", tools.join("mount.so"))
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("DRIVE_TREE", directory.join("tree"))
            .env("DRIVE_LABEL", label);
    }
    let output = command.output().expect("the agent runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {log}", machine.provider);
    let text = fs::read_to_string(attributes).expect("attributes");
    let pairs = text.lines().map(|line| {
        let line = line.strip_prefix("AFTERBURN_").expect("a prefix");
        let (name, value) = line.split_once('=').expect("a pair");
        (name.to_owned(), value.to_owned())
    });
    let keys = fs::read_to_string(format!("{HOME}/.ssh/authorized_keys.d/afterburn"));
    InstanceMetadata {
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

fn run_kindling(machine: &Machine, network: &Network, directory: &Path) -> InstanceMetadata {
    let output = network.metadata_with_authority(
        &["--platform", machine.platform, "--json"],
        &directory.join("ca.pem"),
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    let json: Value = serde_json::from_str(&output.out).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let attributes = json["attributes"].as_object().expect("a mapping").iter();
    let keys = json["sshKeys"].as_array().expect("a list").iter();
    InstanceMetadata {
        attributes: attributes
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        hostname: json["hostname"].as_str().map(str::to_owned),
        ssh_keys: keys.map(text).collect(),
    }
}
