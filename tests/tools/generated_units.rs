//! systemd accepts the units that are generated from other languages.

use crate::common::language_cases;
use kindling::language::Language;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A unit of the image to which a drop-in belongs.
const BASE: &str = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
/// Units that other units refer to; `verify` searches for them.
const TARGETS: [&str; 12] = [
    "basic.target",
    "cryptsetup.target",
    "local-fs.target",
    "local-fs-pre.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "remote-fs.target",
    "shutdown.target",
    "sockets.target",
    "sysinit.target",
    "timers.target",
];

#[test]
fn systemd_accepts_them() {
    let mut names = BTreeSet::new();
    for (folder, language) in [
        ("clc", Language::ContainerLinux),
        ("coreos_cloudinit", Language::CoreosCloudinit),
        ("k3os", Language::K3os),
        ("cloud_init", Language::CloudInit),
    ] {
        for (case, config) in language_cases::accepted(folder, language) {
            names.extend(verify(&case, &config));
        }
    }
    for name in [
        "etcd-member.service",
        "flanneld.service",
        "docker.service",
        "k3s.service",
    ] {
        assert!(names.contains(name), "no case generates {name}: {names:?}");
    }
}

/// Verifies the units of a config that are not named in its text with systemd; returns their names.
fn verify(case: &Path, config: &Value) -> Vec<String> {
    let source = fs::read(case).expect("a case");
    let source = String::from_utf8_lossy(&source);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units).expect("a directory");
    for target in TARGETS {
        fs::write(units.join(target), "[Unit]\nDescription=a target\n").expect("a unit");
    }
    let mut names = Vec::new();
    for unit in config["systemd"]["units"].as_array().into_iter().flatten() {
        let name = unit["name"].as_str().expect("a name");
        let is_generated = !source.contains(&format!("name: {name}"))
            && !source.contains(&format!("name: \"{name}"));
        if !is_generated || unit["mask"] == Value::Bool(true) {
            continue;
        }
        let text = unit["contents"].as_str().unwrap_or(BASE);
        write_unit(root, &units.join(name), text);
        for drop_in in unit["dropins"].as_array().into_iter().flatten() {
            let path = units
                .join(format!("{name}.d"))
                .join(drop_in["name"].as_str().expect("a name"));
            write_unit(
                root,
                &path,
                drop_in["contents"].as_str().unwrap_or_default(),
            );
        }
        names.push(name.to_owned());
    }
    if !names.is_empty() {
        let done = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no", "--root"])
            .arg(root)
            .args(&names)
            .output()
            .expect("systemd-analyze");
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && errors.trim().is_empty(),
            "{}: {names:?}\n{errors}",
            case.display()
        );
    }
    names
}

/// Writes a unit, and the programs that it starts, which only have to exist.
fn write_unit(root: &Path, path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, text).expect("a unit");
    for line in text.lines().filter(|line| line.starts_with("Exec")) {
        let (_, command) = line.split_once('=').expect("a setting");
        let command = command.trim_start_matches(['-', '@', '+', '!', ':']);
        let program = command.split_whitespace().next().unwrap_or_default();
        if let Some(program) = program.strip_prefix('/') {
            let program = root.join(program);
            fs::create_dir_all(program.parent().expect("a directory")).expect("a directory");
            fs::write(&program, "").expect("a program");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
    }
}
