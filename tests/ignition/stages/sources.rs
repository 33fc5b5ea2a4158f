//! The sources of a machine's config, and their precedence.

use super::machine::{Machine, PLAIN, STAGES, directory};
use crate::common::run::assert_exit;
use serde_json::json;
use std::fs;

#[test]
fn base_configs_are_read_in_every_stage_and_stay_out_of_the_cache() {
    let machine = Machine::new(&directory("/user"));
    machine.write("usr/base.d/10-a", &directory("/usr-10"));
    machine.write("usr/base.d/20-b", &directory("/hidden"));
    machine.write("etc/base.d/20-b", &directory("/etc-20"));
    machine.write("usr/base.platform.d/file/00", &directory("/platform"));
    machine.write("usr/base.platform.d/qemu/00", &directory("/elsewhere"));
    machine.log("fetch");
    assert_eq!(machine.cached_directories(), ["/user"]);
    machine.write("run/base.d/30-late", &directory("/late"));
    machine.log("files");
    for made in ["user", "usr-10", "etc-20", "platform", "late"] {
        assert!(machine.path("root").join(made).is_dir(), "{made}");
    }
    for hidden in ["hidden", "elsewhere"] {
        assert!(!machine.path("root").join(hidden).exists(), "{hidden}");
    }
}

#[test]
fn a_broken_base_config_fails_every_stage() {
    let machine = Machine::new(PLAIN);
    machine.write("etc/base.d/x.ign", "");
    for stage in STAGES {
        let log = machine.failing_log(stage);
        assert!(
            log.contains("CRITICAL : failed to acquire base config: "),
            "{log}"
        );
    }
}

#[test]
fn broken_base_configs_of_the_platform_are_skipped() {
    let machine = Machine::new(PLAIN);
    machine.write("etc/base.platform.d/file/x.ign", "{");
    let log = machine.log("fetch");
    assert!(log.contains("CRITICAL : error at line 1 col "), "{log}");
    assert!(log.contains("INFO     : ignoring all configs of"), "{log}");
}

#[test]
fn user_ign_of_the_first_directory_wins_over_the_platform() {
    let machine = Machine::new(&directory("/platform"));
    machine.write("usr/user.ign", &directory("/usr"));
    machine.write("etc/user.ign", &directory("/etc"));
    machine.log("fetch");
    assert_eq!(machine.cached_directories(), ["/etc"]);
    assert_eq!(
        machine.json("ignition/state")["fetchedConfigs"][1]["source"],
        "system"
    );
}

#[test]
fn a_broken_user_ign_is_final() {
    let machine = Machine::new(PLAIN);
    machine.write("etc/user.ign", "{");
    let output = machine.run("fetch");
    assert_exit(&output, 1);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let none = "fetch failed\nFull config: none was obtained\n";
    assert!(stderr.starts_with(none), "{stderr}");
    assert!(!machine.path("ignition.json").exists());
}

#[test]
fn an_empty_config_is_not_an_error() {
    let machine = Machine::new("");
    let log = machine.log("fetch");
    assert!(log.contains("not a config (empty)"), "{log}");
    machine.log("files");
    let state = machine.json("ignition/state");
    let kinds = state["fetchedConfigs"].as_array().expect("a list");
    assert!(
        kinds.iter().all(|config| config["kind"] == "base"),
        "{state}"
    );
    assert_eq!(
        machine.json("root/etc/.ignition-result.json")["userConfigProvided"],
        false
    );
}

#[test]
fn the_kernel_command_line_comes_first() {
    let url = |path: &str| format!("data:;base64,{}", base64_of(&directory(path)));
    for key in [
        "ignition.config.url",
        "flatcar.config.url",
        "coreos.config.url",
    ] {
        let machine = Machine::new(&directory("/platform"));
        machine.write("etc/user.ign", &directory("/etc"));
        machine.write("cmdline", &format!("ro {key}={} quiet\n", url("/cmdline")));
        machine.log("fetch");
        assert_eq!(machine.cached_directories(), ["/cmdline"], "{key}");
        assert_eq!(
            machine.json("ignition/state")["fetchedConfigs"][1]["source"],
            "cmdline"
        );
    }
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn empty_options_on_the_command_line_are_ignored() {
    for line in [
        "",
        "ignition.config.url=",
        "ignition.config.url",
        "ignition.config.url=http://[::1/x",
    ] {
        let machine = Machine::new(&directory("/platform"));
        machine.write("cmdline", line);
        machine.log("fetch");
        assert_eq!(machine.cached_directories(), ["/platform"], "{line:?}");
    }
}

#[test]
fn an_unusable_command_line_is_an_error() {
    for line in ["ignition.config.device=x", "ignition.config.path=/x"] {
        let machine = Machine::new(PLAIN);
        machine.write("cmdline", line);
        machine.failing_log("fetch");
    }
    let machine = Machine::new(PLAIN);
    fs::remove_file(machine.path("cmdline")).expect("it was there");
    machine.failing_log("fetch");
}

#[test]
fn the_config_of_platform_file_is_named_by_the_environment() {
    let machine = Machine::new(&directory("/default"));
    machine.write("other.ign", &directory("/other"));
    let mut command = machine.command("fetch");
    let output = command
        .env("IGNITION_CONFIG_FILE", "other.ign")
        .output()
        .expect("start it");
    assert_exit(&output, 0);
    assert_eq!(machine.cached_directories(), ["/other"]);
}

#[test]
fn referenced_configs_are_merged_and_recorded() {
    let child = format!("data:;base64,{}", base64_of(&directory("/child")));
    let parent = format!(
        r#"{{"ignition": {{"version": "3.4.0", "config": {{"merge": [{{"source": "{child}"}}]}}}},
            "storage": {{"directories": [{{"path": "/parent"}}]}}}}"#
    );
    let machine = Machine::new(&parent);
    let log = machine.log("fetch");
    assert!(!log.contains("base64"), "a data URL is in the log:\n{log}");
    assert_eq!(machine.cached_directories(), ["/parent", "/child"]);
    let recorded = machine.json("ignition/state")["fetchedConfigs"][2].clone();
    assert_eq!(
        recorded,
        json!({"kind": "user", "source": "", "referenced": true})
    );
}
