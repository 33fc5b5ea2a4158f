//! Names and paths at the limits of Linux: those that fit are written and found again, others are refused before
//! anything is written.

use crate::common::run::{on_tree, printed};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const BAD_CONFIG: i32 = 3;
const REFUSED: i32 = 6;
const UNIT: &str = "[Service]\nExecStart=/bin/true\n";

/// A path of this many bytes.
fn path_of(bytes: usize) -> String {
    let directories = format!("/{}", "d".repeat(99)).repeat(bytes / 100 - 1);
    let name = "n".repeat(bytes - directories.len() - 1);
    format!("{directories}/{name}")
}

fn file(path: &str) -> Value {
    json!({"storage": {"files": [{"path": path, "contents": {"source": "data:,x"}}]}})
}

fn link(target: &str) -> Value {
    json!({"storage": {"links": [{"path": "/l", "target": target}]}})
}

fn unit(name: usize, dropin: Option<usize>) -> Value {
    let name = format!("{}.service", "u".repeat(name - ".service".len()));
    let dropin = dropin.map(|bytes| format!("{}.conf", "d".repeat(bytes - ".conf".len())));
    let dropins: Vec<Value> = dropin
        .iter()
        .map(|name| json!({"name": name, "contents": UNIT}))
        .collect();
    json!({"systemd": {"units": [{"name": name, "contents": UNIT, "dropins": dropins}]}})
}

fn user(home: &str) -> Value {
    json!({"passwd": {"users": [{"name": "core", "homeDir": home, "sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}]}})
}

fn with_version(mut config: Value) -> Value {
    config["ignition"] = json!({"version": "3.4.0"});
    config
}

/// A new root with a link to a deep path, and one to a name that is too long.
fn root(parent: &Path) -> std::path::PathBuf {
    let root = parent.join("root");
    fs::create_dir(&root).expect("a root");
    symlink(path_of(3000), root.join("deep")).expect("a link");
    symlink("e".repeat(300), root.join("long")).expect("a link");
    root
}

#[test]
fn names_that_fit_are_written_and_found_again() {
    let name = |bytes: usize| format!("/{}", "a".repeat(bytes));
    for config in [
        file(&name(255)),
        file(&path_of(4095)),
        link(&"t".repeat(4095)),
        unit(255, None),
        unit(253, Some(255)),
        user(&name(255)),
    ] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = root(directory.path());
        let config = with_version(config);
        for (command, want) in [("plan", 2), ("apply", 0), ("plan", 0)] {
            let output = on_tree(command, &root, &config);
            let printed = printed(&output);
            assert_eq!(output.status.code(), Some(want), "{command}: {printed}");
        }
    }
}

#[test]
fn names_that_do_not_fit_are_refused() {
    let name = |bytes: usize| format!("/{}", "a".repeat(bytes));
    let component = "a component of the path has 256 bytes, at most 255 are possible";
    for (config, code, words, place) in [
        (file(&name(256)), BAD_CONFIG, component, "files.0.path"),
        (
            file(&path_of(4096)),
            BAD_CONFIG,
            "the path has 4096 bytes",
            "files.0.path",
        ),
        (
            file("/a\0b"),
            BAD_CONFIG,
            "contains a NUL character",
            "files.0.path",
        ),
        (
            link(&"t".repeat(4096)),
            BAD_CONFIG,
            "the link target has 4096 bytes",
            "links.0.target",
        ),
        (
            unit(256, None),
            BAD_CONFIG,
            "the unit name has 256 bytes",
            "units.0.name",
        ),
        (
            unit(254, Some(9)),
            BAD_CONFIG,
            "at most 253 are possible",
            "units.0.name",
        ),
        (
            unit(20, Some(256)),
            BAD_CONFIG,
            "the drop-in name has 256 bytes",
            "dropins.0.name",
        ),
        (user(&name(256)), BAD_CONFIG, component, "users.0.homeDir"),
        (user(&path_of(4090)), REFUSED, "4095", "users.0"),
        (
            file(&format!("/deep{}", path_of(2000))),
            REFUSED,
            "4095",
            "files.0",
        ),
        (file("/long/x"), REFUSED, "has 300 bytes", "files.0"),
    ] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = root(directory.path());
        let config = with_version(config);
        for command in ["plan", "apply"] {
            let output = on_tree(command, &root, &config);
            let printed = printed(&output);
            assert_eq!(output.status.code(), Some(code), "{command}: {printed}");
            assert!(printed.contains(words), "{words}: {printed}");
            assert!(printed.contains(place), "{place}: {printed}");
            let one = printed.contains("1 conflict,") || printed.contains("1 error,");
            assert!(one, "one fault, one finding: {printed}");
        }
        assert_eq!(fs::read_dir(&root).expect("the root").count(), 2);
    }
}

#[test]
fn paths_have_the_requested_length() {
    for bytes in [2000, 3000, 4090, 4095, 4096] {
        let path = path_of(bytes);
        assert_eq!(path.len(), bytes);
        assert!(path.split('/').all(|name| name.len() <= 255));
    }
}
