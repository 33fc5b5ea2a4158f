//! The config cache, the state passed between stages, and the flag that requests a network.

use super::machine::{MOTD, Machine, PLAIN, STAGES, VERSION, log_of};
use crate::common::run::{assert_exit, describe_output};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn every_stage_runs_by_itself_as_units_call_it() {
    let machine = Machine::new(MOTD);
    for stage in STAGES {
        let log = machine.log(stage);
        let begin = format!("INFO     : {VERSION}\nINFO     : Stage: {stage}\n");
        assert!(log.starts_with(&begin), "{log}");
        let end = format!(
            "INFO     : {stage}: {stage} passed\nINFO     : Ignition finished successfully\n"
        );
        assert!(log.ends_with(&end), "{log}");
        assert!(!log.contains("CRITICAL"), "{log}");
    }
    assert_eq!(machine.read("root/etc/motd"), "s3cret");
}

#[test]
fn stages_repeat_without_harm() {
    let machine = Machine::new(MOTD);
    for stage in ["fetch-offline", "files", "fetch", "files"] {
        machine.log(stage);
    }
    assert_eq!(machine.read("root/etc/motd"), "s3cret");
}

#[test]
fn fetch_needs_no_fetch_offline_before_it() {
    let machine = Machine::new(MOTD);
    machine.log("fetch");
    machine.log("files");
    assert_eq!(machine.read("root/etc/motd"), "s3cret");
}

#[test]
fn the_cache_is_the_rendered_config() {
    let machine = Machine::new(PLAIN);
    machine.log("fetch");
    assert_eq!(machine.mode("ignition.json"), 0o640);
    let text = machine.read("ignition.json");
    assert!(!text.contains('\n') && !text.contains("null"), "{text}");
    let want = json!({
        "ignition": {
            "config": {"replace": {"verification": {}}},
            "proxy": {},
            "security": {"tls": {}},
            "timeouts": {},
            "version": "3.7.0-experimental",
        },
        "kernelArguments": {}, "passwd": {}, "storage": {}, "systemd": {},
    });
    assert_eq!(machine.json("ignition.json"), want);
}

#[test]
fn an_existing_cache_keeps_its_mode() {
    let machine = Machine::new(PLAIN);
    machine.write("ignition.json", "");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(machine.path("ignition.json"), mode).expect("it is ours");
    machine.log("fetch");
    assert_eq!(machine.mode("ignition.json"), 0o600);
}

#[test]
fn later_stages_need_a_valid_cache() {
    let machine = Machine::new(PLAIN);
    let log = machine.failing_log("kargs");
    assert!(
        log.contains("CRITICAL : failed to acquire config: "),
        "{log}"
    );
    assert!(log.contains("CRITICAL : Ignition failed: "), "{log}");
    machine.write("ignition.json", "{");
    machine.failing_log("kargs");
}

#[test]
fn the_state_passes_between_stages() {
    let machine = Machine::new(PLAIN);
    machine.log("fetch-offline");
    assert_eq!(machine.mode("ignition/state"), 0o600);
    assert_eq!(machine.mode("ignition"), 0o700);
    machine.log("kargs");
    let base = json!({"kind": "base", "source": "system", "referenced": false});
    let user = json!({"kind": "user", "source": "file", "referenced": false});
    let want = json!({
        "fetchedConfigs": [base, user, base],
        "luksPersistKeyFiles": null,
        "notatedDirectories": null,
        "providerOutputFiles": null,
        "luksPersistVolumeKeyFiles": null,
    });
    assert_eq!(machine.json("ignition/state"), want);
    assert!(machine.read("ignition/state").ends_with('\n'));
}

#[test]
fn unknown_keys_of_the_state_do_not_matter() {
    let machine = Machine::new(PLAIN);
    machine.write(
        "ignition/state",
        r#"{"fetchedConfigs": null, "future": [1]}"#,
    );
    machine.log("fetch");
}

#[test]
fn a_damaged_state_ends_the_process_with_3() {
    let machine = Machine::new(PLAIN);
    machine.write("ignition/state", "{s3cret");
    let output = machine.run("fetch");
    assert_exit(&output, 3);
    assert!(
        log_of(&output).contains("CRITICAL : "),
        "{}",
        describe_output(&output)
    );
    assert!(
        !describe_output(&output).contains("s3cret"),
        "{}",
        describe_output(&output)
    );
    assert!(!machine.path("ignition.json").exists());
}

#[test]
fn a_failed_stage_leaves_the_state_alone() {
    let machine = Machine::new("{");
    machine.failing_log("fetch");
    assert!(!machine.path("ignition/state").exists());
    assert!(!machine.path("ignition.json").exists());
}

#[test]
fn a_state_that_cannot_be_saved_fails_the_stage() {
    let machine = Machine::new(PLAIN);
    fs::create_dir_all(machine.path("ignition/state")).expect("a directory in the way");
    let output = machine.run("fetch");
    // Already reading it fails.
    assert_exit(&output, 3);
    let flag = format!(
        "-state-file={}",
        machine.path("ignition.json/state").display()
    );
    let output = machine
        .command("fetch")
        .arg(flag)
        .output()
        .expect("start it");
    // The cache is a file by then, so nothing can be created below it.
    assert_exit(&output, 1);
    assert!(
        log_of(&output).contains("CRITICAL : cannot write state file"),
        "{}",
        describe_output(&output)
    );
}

/// The possible outcomes of fetch-offline: cache written, network requested, exit code.
#[test]
fn fetch_offline_requests_a_network_when_it_needs_one() {
    let remote = r#"{"source": "http://192.0.2.1/x"}"#;
    let with = |section: &str| format!(r#"{{"ignition": {{"version": "3.4.0"}}, {section}}}"#);
    let ignition = |section: &str| format!(r#"{{"ignition": {{"version": "3.4.0", {section}}}}}"#);
    let merge = ignition(&format!(r#""config": {{"merge": [{remote}]}}"#));
    let replace = ignition(&format!(r#""config": {{"replace": {remote}}}"#));
    let authority = ignition(&format!(
        r#""security": {{"tls": {{"certificateAuthorities": [{remote}]}}}}"#
    ));
    let contents = with(&format!(
        r#""storage": {{"files": [{{"path": "/a", "contents": {remote}}}]}}"#
    ));
    let append = with(&format!(
        r#""storage": {{"files": [{{"path": "/a", "append": [{remote}]}}]}}"#
    ));
    let tang = with(
        r#""storage": {"luks": [{"name": "a", "device": "/dev/x", "clevis": {"tang": [{"url": "http://t", "thumbprint": "x"}]}}]}"#,
    );
    for (config, cache, neednet, code) in [
        (PLAIN, true, false, 0),
        (MOTD, true, false, 0),
        (contents.as_str(), true, true, 0),
        (&append, true, true, 0),
        (&tang, true, true, 0),
        (&merge, false, true, 0),
        (&replace, false, true, 0),
        (&authority, false, true, 0),
        ("{", false, false, 1),
    ] {
        let machine = Machine::new(config);
        let output = machine.run("fetch-offline");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{config}\n{}",
            describe_output(&output)
        );
        assert_eq!(
            machine.path("ignition.json").exists(),
            cache,
            "{config}\n{}",
            describe_output(&output)
        );
        assert_eq!(
            machine.path("flags/neednet").exists(),
            neednet,
            "{config}\n{}",
            describe_output(&output)
        );
        if neednet {
            assert_eq!(machine.read("flags/neednet"), "");
            assert_eq!(
                (machine.mode("flags"), machine.mode("flags/neednet")),
                (0o755, 0o644)
            );
            assert!(
                !log_of(&output).contains("CRITICAL"),
                "{}",
                describe_output(&output)
            );
        }
    }
}
