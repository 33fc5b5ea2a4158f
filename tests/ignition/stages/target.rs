//! What the kargs and files stages do to the target: kernel arguments, the result file, keys, labels.

use super::machine::{MOTD, Machine, PLAIN};
use crate::common::run::{self, assert_exit, describe_output};
use serde_json::json;
use std::fs;

#[test]
fn kernel_arguments_go_to_the_helper_of_the_distribution() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"},
        "kernelArguments": {"shouldExist": ["a=1", "b c"], "shouldNotExist": ["d"]}}"#,
    );
    machine.log("fetch");
    let arguments_file = machine.path("arguments").display().to_string();
    machine.program(
        "ignition-kargs-helper",
        &format!("for word; do echo \"$word\"; done >{arguments_file}"),
    );
    let output = machine.with_programs("kargs").output().expect("start it");
    assert_exit(&output, 0);
    let arguments = machine.read("arguments");
    let want = "--should-exist\na=1\n--should-exist\nb c\n--should-not-exist\nd\n";
    assert_eq!(arguments, want);
    machine.program("ignition-kargs-helper", "exit 1");
    let output = machine.with_programs("kargs").output().expect("start it");
    assert_exit(&output, 1);
}

#[test]
fn the_result_file_is_written_to_the_real_root() {
    let machine = Machine::new(PLAIN);
    machine.log("fetch");
    machine.log("files");
    let name = "root/etc/.ignition-result.json";
    assert_eq!(machine.mode(name), 0o600);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    let result = machine.json(name);
    assert_eq!(result["provisioningBootID"], boot.trim());
    assert_eq!(result["userConfigProvided"], true);
    let date = result["provisioningDate"].as_str().expect("a date");
    assert!(
        date.len() >= "2026-01-02T03:04:05Z".len() && date.as_bytes()[10] == b'T',
        "{date}"
    );
    let text = machine.read(name);
    let keys = [
        "provisioningBootID",
        "provisioningDate",
        "userConfigProvided",
    ];
    let places: Vec<_> = keys.iter().map(|key| text.find(key)).collect();
    assert!(
        places.is_sorted() && text.starts_with("{\n  \"") && text.ends_with("}\n"),
        "{text}"
    );
}

#[test]
fn a_run_that_fails_leaves_no_result() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 1}},
        "storage": {"files": [{"path": "/late", "contents": {"source": "http://127.0.0.1:1/x"}}]}}"#,
    );
    machine.log("fetch");
    machine.failing_log("files");
    assert!(!machine.path("root/etc/.ignition-result.json").exists());
}

#[test]
fn an_earlier_result_is_kept_in_the_new_one() {
    let machine = Machine::new(PLAIN);
    machine.write(
        "root/etc/.ignition-result.json",
        r#"{"provisioningDate": "then"}"#,
    );
    machine.log("fetch");
    let log = machine.log("files");
    assert!(
        log.contains("WARNING  : ") && log.contains("already ran"),
        "{log}"
    );
    assert!(
        log.contains("NOTICE   : ") && log.contains("is-live-image"),
        "{log}"
    );
    let result = machine.json("root/etc/.ignition-result.json");
    assert_eq!(
        result["previousReport"],
        json!({"provisioningDate": "then"})
    );
    machine.write("root/etc/.ignition-result.json", "{");
    machine.failing_log("files");
}

#[test]
fn a_live_system_forgets_earlier_results() {
    let machine = Machine::new(PLAIN);
    machine.write("root/etc/.ignition-result.json", "{");
    machine.program("is-live-image", "exit 0");
    machine.log("fetch");
    let output = machine.with_programs("files").output().expect("start it");
    assert_exit(&output, 0);
    assert_eq!(
        machine
            .json("root/etc/.ignition-result.json")
            .get("previousReport"),
        None
    );
}

#[test]
fn labels_are_skipped_where_there_is_no_selinux() {
    let machine = Machine::new(MOTD);
    machine.log("fetch");
    let log = machine.log("files");
    assert_eq!(log.matches("SELinux").count(), 1, "{log}");
    assert!(
        log.contains("INFO     : SELinux labels are not set"),
        "{log}"
    );
    machine.write(
        "root/etc/selinux/config",
        "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    );
    let fails = machine
        .command("files")
        .env("PATH", machine.path("bin"))
        .output()
        .expect("start it");
    assert_eq!(
        fails.status.code(),
        Some(1),
        "no setfiles: {}",
        describe_output(&fails)
    );
    let mut off = machine.command("files");
    off.env("PATH", machine.path("bin"))
        .env("IGNITION_SELINUX_RELABEL", "false");
    let off = off.output().expect("start it");
    assert_exit(&off, 0);
}

#[test]
fn switches_of_the_environment_are_true_or_false() {
    let machine = Machine::new(PLAIN);
    machine.log("fetch");
    for name in [
        "IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT",
        "IGNITION_SELINUX_RELABEL",
    ] {
        for (value, good) in [
            ("true", true),
            ("1", true),
            ("false", true),
            ("0", true),
            ("", true),
            ("yes", false),
        ] {
            let output = machine
                .command("files")
                .env(name, value)
                .output()
                .expect("start it");
            let fails = output.status.code() != Some(0);
            // Labels are requested, but there is no policy.
            let unlabelled = name.ends_with("RELABEL") && matches!(value, "true" | "1");
            assert_eq!(
                fails,
                !good || unlabelled,
                "{name}={value}: {}",
                describe_output(&output)
            );
        }
    }
}

#[test]
fn ssh_keys_go_to_a_fragment_unless_configured_otherwise() {
    run::require_root();
    for (value, path) in [
        ("", ".ssh/authorized_keys.d/ignition"),
        ("false", ".ssh/authorized_keys"),
    ] {
        let machine = Machine::with_keys_of_root();
        machine.log("fetch");
        let mut command = machine.command("files");
        command.env("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT", value);
        let output = command.output().expect("start it");
        assert_exit(&output, 0);
        let name = format!("root/root/{path}");
        assert!(machine.read(&name).contains("ssh-ed25519 AAAA"), "{path}");
        assert_eq!(machine.mode(&name), 0o600);
    }
}
