//! `kindling diff`: the effect of changing a config on a machine.

use crate::common::folder::Folder;
use crate::common::run::{Ended, kindling};
use serde_json::{Value, json};
use std::fs;

fn file(path: &str, mode: u32, text: &str) -> Value {
    json!({"path": path, "mode": mode, "contents": {"source": format!("data:,{text}")}})
}

fn folder(old: &Value, new: &Value) -> Folder {
    let config = |files: &Value| {
        json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}}).to_string()
    };
    let folder = Folder::with(&[("old.ign", &config(old)), ("new.ign", &config(new))]);
    fs::create_dir(folder.path("root")).expect("a root");
    folder
}

fn diff(folder: &Folder, extra_arguments: &[&str]) -> Ended {
    let arguments = ["diff", "--root", "root"];
    let arguments = arguments.iter().chain(extra_arguments);
    Ended::of(kindling().args(arguments).current_dir(folder.directory()))
}

fn changed() -> Folder {
    let old = json!([
        file("/same", 420, "x"),
        file("/mode", 420, "x"),
        file("/text", 420, "secret1"),
        file("/gone", 420, "x")
    ]);
    let new = json!([
        file("/same", 420, "x"),
        file("/mode", 384, "x"),
        file("/text", 420, "secret2"),
        file("/new", 420, "x")
    ]);
    folder(&old, &new)
}

#[test]
fn differences_are_listed_as_operations() {
    let ended = diff(&changed(), &["old.ign", "new.ign"]);
    ended.is(
        2,
        &[
            "+ write file /new  [new.ign:1]",
            "~ write file /mode  [new.ign:1]\n    permissions.mode: 0644 -> 0600",
            "~ write file /text  [new.ign:1]\n    content differs",
            "- write file /gone  [old.ign:1]",
            "Difference: 1 added, 2 changed, 1 no longer requested, 1 the same.",
            "Machines that already have it keep what is no longer requested.",
        ],
    );
    assert!(!ended.all().contains("secret"), "{}", ended.all());
}

#[test]
fn a_config_equals_itself() {
    let ended = diff(&changed(), &["old.ign", "old.ign"]);
    ended.assert(
        0,
        "Difference: 0 added, 0 changed, 0 no longer requested, 4 the same.\n",
        "",
    );
}

/// What a machine already has counts: the new config may have nothing left to do there.
#[test]
fn both_plans_are_for_the_machine_as_it_is() {
    let folder = changed();
    fs::write(folder.path("root/mode"), "x").expect("written");
    let ended = diff(&folder, &["old.ign", "new.ign"]);
    ended.is(
        2,
        &["~ write file /mode  [new.ign:1]\n    act: keep /mode -> write file /mode"],
    );
}

#[test]
fn differences_as_json_match_their_schema() {
    let ended = diff(&changed(), &["--json", "old.ign", "new.ign"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.out).expect("JSON");
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/diff.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema
        .iter_errors(&found)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(found["same"], 1);
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let folder = changed();
    diff(&folder, &["-", "-"]).is(
        64,
        &["only one of the two configs can come from standard input"],
    );
    diff(&folder, &["old.ign", "none.ign"]).is(3, &["none.ign"]);
}

#[test]
fn colours_can_be_chosen() {
    let folder = changed();
    let ended = diff(&folder, &["--color", "always", "old.ign", "new.ign"]);
    assert!(ended.out.contains("\u{1b}[32m+"), "{}", ended.out);
    diff(&folder, &["--color", "sometimes", "old.ign", "new.ign"]).is(64, &["auto, always, never"]);
}

#[test]
fn without_a_command_there_is_help() {
    let ended = Ended::of(&mut kindling());
    ended.is(0, &["Usage: kindling", "diff"]);
    assert_eq!(ended.err, "");
}
