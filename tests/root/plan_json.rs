//! The plan as JSON: it matches its schema, is the same each time, hides secrets, and its digest is that of the run
//! that executes it.

use crate::common::run;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const PASSWORD_HASH: &str = "$6$kindling$notarealhash";
const BODY: &str = "aGlkZGVuIGJvZHk=";

fn kindling(arguments: &[&str]) -> Output {
    run::kindling()
        .args(arguments)
        .output()
        .expect("kindling runs")
}

/// A config with a secret of each kind, written to `directory`.
fn secret_config(directory: &Path) -> String {
    let path = directory.join("secret.ign");
    let config = serde_json::json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{
            "name": "core", "passwordHash": PASSWORD_HASH, "sshAuthorizedKeys": ["ssh-ed25519 AAAAsecretkey"],
        }]},
        "storage": {"files": [
            {"path": "/etc/token", "mode": 384, "contents": {"source": format!("data:;base64,{BODY}")}},
        ]},
        "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Install]\nAlias=b.service\n#unit body"}]},
    });
    std::fs::write(&path, config.to_string()).expect("the config is written");
    path.display().to_string()
}

fn parse(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(2),
        "there are changes to make: {errors}"
    );
    serde_json::from_slice(&output.stdout).expect("the plan is JSON")
}

fn mismatches(plan: &Value) -> Vec<String> {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/plan.json")).expect("the schema is JSON");
    let schema = jsonschema::validator_for(&schema).expect("the schema is a schema");
    schema
        .iter_errors(plan)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect()
}

/// An example without what images cannot have: arrays, encrypted volumes, and file systems on them.
fn for_images(example: &str, directory: &Path) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = std::fs::read(examples.join(format!("{example}.ign"))).expect("an example");
    let mut config: Value = serde_json::from_slice(&text).expect("JSON");
    if let Some(storage) = config["storage"].as_object_mut() {
        storage.remove("raid");
        storage.remove("luks");
    }
    let is_on_disk = |filesystem: &Value| {
        let device = filesystem["device"].as_str().unwrap_or_default();
        !device.starts_with("/dev/md/") && !device.starts_with("/dev/mapper/")
    };
    if let Some(filesystems) = config["storage"]["filesystems"].as_array_mut() {
        filesystems.retain(is_on_disk);
    }
    let path = directory.join(format!("{example}.ign"));
    std::fs::write(&path, config.to_string()).expect("the config is written");
    path.display().to_string()
}

#[test]
fn plans_of_examples_match_the_schema() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let bind = |disk| {
        format!(
            "/dev/{disk}={}/{disk}.img,size=16G",
            directory.path().display()
        )
    };
    let images = ["vda", "vdb", "vdc"].map(bind);
    for example in ["demo", "var-swap", "full"] {
        let config = for_images(example, directory.path());
        let mut arguments = vec!["plan", "--json", "--ignore-unsupported", &config];
        images
            .iter()
            .for_each(|image| arguments.extend(["--image", image]));
        let plan = parse(&kindling(&arguments));
        assert_eq!(mismatches(&plan), Vec::<String>::new(), "{example}");
        let count = plan["operations"].as_array().map_or(0, Vec::len);
        assert!(count > 10, "{example} has only {count} operations");
    }
}

#[test]
fn a_plan_without_its_digest_does_not_match() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = secret_config(directory.path());
    let root = directory.path().join("root");
    std::fs::create_dir(&root).expect("a root");
    let root = root.display().to_string();
    let mut plan = parse(&kindling(&["plan", "--json", "--root", &root, &config]));
    plan.as_object_mut().expect("an object").remove("digest");
    assert_eq!(mismatches(&plan).len(), 1);
}

#[test]
fn plans_are_the_same_bytes_each_time_and_hide_secrets() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = secret_config(directory.path());
    let root = directory.path().join("root");
    std::fs::create_dir(&root).expect("a root");
    let root = root.display().to_string();
    for format in [vec!["plan", "--json"], vec!["plan"]] {
        let arguments: Vec<&str> = format
            .into_iter()
            .chain(["--root", &root, &config])
            .collect();
        let first = kindling(&arguments);
        assert_eq!(first.stdout, kindling(&arguments).stdout);
        let text = String::from_utf8_lossy(&first.stdout).into_owned();
        for secret in [PASSWORD_HASH, BODY, "hidden body", "secretkey", "unit body"] {
            assert!(!text.contains(secret), "{secret:?} is shown:\n{text}");
        }
    }
}

#[test]
fn what_ran_is_what_was_shown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = secret_config(directory.path());
    let root = directory.path().join("root");
    std::fs::create_dir(&root).expect("a root");
    let root = root.display().to_string();
    let shown = parse(&kindling(&["plan", "--json", "--root", &root, &config]));
    let applied = kindling(&["apply", "--json", "--root", &root, &config]);
    let errors = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert_eq!(applied.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_slice(&applied.stdout).expect("the report is JSON");
    assert_eq!(report["planDigest"], shown["digest"]);
    let again = kindling(&["plan", "--root", &root, &config]);
    let text = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(
        again.status.code(),
        Some(0),
        "nothing is left to do:\n{text}"
    );
}
