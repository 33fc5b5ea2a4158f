//! Stages of a first boot, run one by one from a shell as distributions run them, on trees without disks: files, modes,
//! exit codes, and the form of the log. `docs/ignition.md` lists what is held here. Disks are the matter of the lab.

mod image;

use image::told;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const VERSION: &str = concat!("Ignition 2.27.0+kindling-", env!("CARGO_PKG_VERSION"));
const PROGRAM: &str = "program/ignition";
const PLAIN: &str = r#"{"ignition": {"version": "3.4.0"}}"#;
const MOTD: &str = r#"{"ignition": {"version": "3.4.0"},
    "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,s3cret"}}]}}"#;
const STAGES: [&str; 7] = [
    "fetch-offline",
    "fetch",
    "kargs",
    "disks",
    "mount",
    "files",
    "umount",
];

/// A directory that stands for a machine: configs of the system, command line, target root.
struct Machine(tempfile::TempDir);

impl Machine {
    /// With a config for platform `file`.
    fn new(config: &str) -> Machine {
        let machine = Machine::bare();
        machine.write("config.ign", config);
        machine
    }

    fn bare() -> Machine {
        let machine = Machine(tempfile::tempdir().expect("a temporary directory"));
        let program = env!("CARGO_BIN_EXE_kindling");
        machine.write("program/about", "");
        std::os::unix::fs::symlink(program, machine.path(PROGRAM)).expect("a link");
        machine.write("root/etc/os-release", "");
        machine.write("cmdline", "");
        machine
    }

    /// Whose config gives keys to a user that is there.
    fn with_keys_of_root() -> Machine {
        let machine = Machine::new(
            r#"{"ignition": {"version": "3.4.0"},
            "passwd": {"users": [{"name": "root", "sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}]}}"#,
        );
        machine.write("root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        machine.write("root/etc/group", "root:x:0:\n");
        machine.write("root/etc/shadow", "root:*:19000::::::\n");
        machine.write("root/root/.profile", "");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// A program of the distribution.
    fn program(&self, name: &str, script: &str) {
        let name = format!("bin/{name}");
        self.write(&name, &format!("#!/bin/sh\n{script}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(&name), mode).expect("it is ours");
    }

    /// A stage that finds those programs before others.
    fn with_programs(&self, stage: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.path("bin").display());
        let mut command = self.command(stage);
        command.env("PATH", path);
        command
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("read {name}: {e}"))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|e| panic!("parse {name}: {e}"))
    }

    fn mode(&self, name: &str) -> u32 {
        let node = fs::metadata(self.path(name)).unwrap_or_else(|e| panic!("look at {name}: {e}"));
        node.permissions().mode() & 0o7777
    }

    fn flags(&self, stage: &str) -> Vec<String> {
        let mut flags = vec![
            "-platform".into(),
            "file".into(),
            format!("--stage={stage}"),
        ];
        for (flag, name) in [
            ("root", "root"),
            ("config-cache", "ignition.json"),
            ("neednet", "flags/neednet"),
            ("state-file", "ignition/state"),
        ] {
            flags.push(format!("-{flag}={}", self.path(name).display()));
        }
        flags
    }

    fn command(&self, stage: &str) -> Command {
        let mut command = Command::new(self.path(PROGRAM));
        command.arg("-log-to-stdout").args(self.flags(stage));
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        command
            .current_dir(self.0.path())
            .env("IGNITION_KERNEL_CMDLINE_PATH", self.path("cmdline"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", self.path("run"))
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", self.path("etc"))
            .env("IGNITION_SYSTEM_CONFIG_DIR", self.path("usr"))
            .env("KINDLING_RUN_DIR", self.path("kindling"))
            .env_remove("IGNITION_CONFIG_FILE")
            .stdin(Stdio::null());
    }

    fn run(&self, stage: &str) -> Output {
        // What units put behind the flags when IGNITION_ARGS is not set.
        self.command(stage).arg("").output().expect("start it")
    }

    /// Runs a stage that must succeed; its log.
    #[track_caller]
    fn log(&self, stage: &str) -> String {
        let output = self.run(stage);
        assert_eq!(output.status.code(), Some(0), "{stage}: {}", told(&output));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{stage}");
        log_of(&output)
    }

    /// Runs a stage that must fail with exit code 1; its log.
    #[track_caller]
    fn failing_log(&self, stage: &str) -> String {
        let output = self.run(stage);
        assert_eq!(output.status.code(), Some(1), "{stage}: {}", told(&output));
        log_of(&output)
    }

    /// Directories of the rendered config.
    fn cached_directories(&self) -> Vec<String> {
        let list = self.json("ignition.json")["storage"]["directories"].clone();
        let list: Vec<Value> = serde_json::from_value(list).unwrap_or_default();
        list.iter()
            .filter_map(|d| d["path"].as_str().map(String::from))
            .collect()
    }
}

fn log_of(output: &Output) -> String {
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!told(output).contains("panicked"), "{}", told(output));
    log
}

fn directory(path: &str) -> String {
    format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"directories": [{{"path": "{path}"}}]}}}}"#
    )
}

// ---- the whole way

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

// ---- cache, state, neednet

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
fn a_cache_that_is_there_keeps_its_mode() {
    let machine = Machine::new(PLAIN);
    machine.write("ignition.json", "");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(machine.path("ignition.json"), mode).expect("it is ours");
    machine.log("fetch");
    assert_eq!(machine.mode("ignition.json"), 0o600);
}

#[test]
fn later_stages_need_a_sound_cache() {
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
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(log_of(&output).contains("CRITICAL : "), "{}", told(&output));
    assert!(!told(&output).contains("s3cret"), "{}", told(&output));
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
fn a_state_that_cannot_be_kept_fails_the_stage() {
    let machine = Machine::new(PLAIN);
    fs::create_dir_all(machine.path("ignition/state")).expect("a directory in the way");
    let output = machine.run("fetch");
    // It cannot even be read.
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let flag = format!(
        "-state-file={}",
        machine.path("ignition.json/state").display()
    );
    let output = machine
        .command("fetch")
        .arg(flag)
        .output()
        .expect("start it");
    // The cache is a file by then, so nothing can be made below it.
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        log_of(&output).contains("CRITICAL : cannot write state file"),
        "{}",
        told(&output)
    );
}

/// Cache written, network asked for, exit code: the table of what fetch-offline may come to.
#[test]
fn fetch_offline_asks_for_a_network_when_it_needs_one() {
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
            told(&output)
        );
        assert_eq!(
            machine.path("ignition.json").exists(),
            cache,
            "{config}\n{}",
            told(&output)
        );
        assert_eq!(
            machine.path("flags/neednet").exists(),
            neednet,
            "{config}\n{}",
            told(&output)
        );
        if neednet {
            assert_eq!(machine.read("flags/neednet"), "");
            assert_eq!(
                (machine.mode("flags"), machine.mode("flags/neednet")),
                (0o755, 0o644)
            );
            assert!(!log_of(&output).contains("CRITICAL"), "{}", told(&output));
        }
    }
}

// ---- sources of configs

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
fn broken_base_configs_of_the_platform_are_passed_over() {
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
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let none = "fetch failed\nFull config: none was obtained\n";
    assert!(stderr.starts_with(none), "{stderr}");
    assert!(!machine.path("ignition.json").exists());
}

#[test]
fn an_empty_config_is_no_error() {
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
fn words_of_the_command_line_that_say_nothing_are_passed_over() {
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
fn a_command_line_that_cannot_be_followed_is_final() {
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
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(machine.cached_directories(), ["/other"]);
}

#[test]
fn referenced_configs_are_merged_and_noted() {
    let child = format!("data:;base64,{}", base64_of(&directory("/child")));
    let parent = format!(
        r#"{{"ignition": {{"version": "3.4.0", "config": {{"merge": [{{"source": "{child}"}}]}}}},
            "storage": {{"directories": [{{"path": "/parent"}}]}}}}"#
    );
    let machine = Machine::new(&parent);
    let log = machine.log("fetch");
    assert!(!log.contains("base64"), "a data URL is in the log:\n{log}");
    assert_eq!(machine.cached_directories(), ["/parent", "/child"]);
    let noted = machine.json("ignition/state")["fetchedConfigs"][2].clone();
    assert_eq!(
        noted,
        json!({"kind": "user", "source": "", "referenced": true})
    );
}

// ---- kargs stage

#[test]
fn kernel_arguments_go_to_the_helper_of_the_distribution() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"},
        "kernelArguments": {"shouldExist": ["a=1", "b c"], "shouldNotExist": ["d"]}}"#,
    );
    machine.log("fetch");
    let told_of = machine.path("arguments").display().to_string();
    machine.program(
        "ignition-kargs-helper",
        &format!("for word; do echo \"$word\"; done >{told_of}"),
    );
    let output = machine.with_programs("kargs").output().expect("start it");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let arguments = machine.read("arguments");
    let want = "--should-exist\na=1\n--should-exist\nb c\n--should-not-exist\nd\n";
    assert_eq!(arguments, want);
    machine.program("ignition-kargs-helper", "exit 1");
    let output = machine.with_programs("kargs").output().expect("start it");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}

// ---- files stage

#[test]
fn the_result_file_tells_the_real_root() {
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
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(
        machine
            .json("root/etc/.ignition-result.json")
            .get("previousReport"),
        None
    );
}

#[test]
fn operations_are_logged_in_the_known_form() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,s3cret"}}]},
        "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Install]\nWantedBy=x.target\n"},
            {"name": "b.service", "mask": true}]}}"#,
    );
    machine.log("fetch");
    let log = machine.log("files");
    let root = machine.path("root").display().to_string();
    // Operations are numbered as they start, which is not the same in two runs.
    let before = "INFO     : files: createFilesystemsFiles: createFiles: op(";
    let number = |state: &str| {
        let end = format!("{state} writing file \"{root}/etc/motd\"");
        let line = log.lines().find(|line| line.ends_with(&end));
        let rest = line.and_then(|line| line.strip_prefix(before));
        let (number, rest) = rest
            .and_then(|rest| rest.split_once("): "))
            .unwrap_or_default();
        assert_eq!(rest, end, "{log}");
        number.parse::<u32>().expect("a number")
    };
    assert_eq!(number("[started] "), number("[finished]"), "{log}");
    for line in [
        format!(
            "[started]  writing unit \"a.service\" at \"{root}/etc/systemd/system/a.service\"\n"
        ),
        "[started]  masking unit \"b.service\"\n".into(),
        "[finished] setting preset to enabled for \"a.service\"\n".into(),
        "createResultFile: createFiles: op(".into(),
        "INFO     : files: files passed\n".into(),
    ] {
        assert!(log.contains(&line), "{line}\n{log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn every_log_line_has_a_level_word_in_nine_columns() {
    let machine = Machine::new(MOTD);
    let log = machine.log("fetch") + &machine.log("files");
    for line in log.lines() {
        let (word, text) = line.split_at(9);
        let known = ["CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
        assert!(
            known.contains(&word.trim_end()) && text.starts_with(": "),
            "{line}"
        );
    }
    let text = fs::read(machine.path("config.ign")).expect("the config");
    let sum: String = sha2_512(&text);
    assert!(
        log.contains(&format!("DEBUG    : parsing config with SHA512: {sum}\n")),
        "{log}"
    );
}

fn sha2_512(text: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha512::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn base_directories_are_told_when_they_are_not_there() {
    let machine = Machine::new(PLAIN);
    let log = machine.log("fetch");
    for name in ["base.d", "base.platform.d/file"] {
        for dir in ["run", "etc", "usr"] {
            let path = machine.path(dir).join(name);
            let line = format!("INFO     : no config dir at \"{}\"\n", path.display());
            assert!(log.contains(&line), "{line}\n{log}");
        }
        let line =
            format!("INFO     : no configs found in \"{name}\" across system config directories\n");
        assert!(log.contains(&line), "{line}\n{log}");
    }
}

#[test]
fn commands_are_logged_with_their_arguments_quoted() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"}, "systemd": {"units": [{"name": "a.service", "enabled": false}]}}"#,
    );
    machine.write(
        "root/usr/lib/systemd/system/a.service",
        "[Install]\nWantedBy=b.target\n",
    );
    let wants = machine.path("root/etc/systemd/system/b.target.wants");
    fs::create_dir_all(&wants).expect("a directory");
    let unit = "/usr/lib/systemd/system/a.service";
    std::os::unix::fs::symlink(unit, wants.join("a.service")).expect("a link");
    machine.program("systemctl", "echo out; echo bad >&2; exit 4");
    machine.log("fetch");
    let output = machine.with_programs("files").output().expect("start it");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let log = log_of(&output);
    let root = machine.path("root").display().to_string();
    let command = format!("\"systemctl\" \"--root\" \"{root}\" \"disable\" \"a.service\"");
    assert!(log.contains(": executing: \"systemctl\" "), "{log}");
    let failed = format!("exit status 4: Cmd: {command} Stdout: \"out\\n\" Stderr: \"bad\\n\"");
    assert!(
        log.contains("CRITICAL : files: ") && log.contains(&failed),
        "{failed}\n{log}"
    );
    assert!(log.contains("CRITICAL : Ignition failed: "), "{log}");
}

/// Answers the first request with 503, later ones with `body`; the URL of it.
fn server(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a local port");
    let url = format!("http://{}/x", listener.local_addr().expect("an address"));
    let good = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let bad = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_string();
    std::thread::spawn(move || {
        let answers = std::iter::once(bad).chain(std::iter::repeat(good));
        for (stream, answer) in listener.incoming().zip(answers) {
            let mut stream = stream.expect("a client");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn fetches_are_logged_and_pass_by_proxies_of_the_environment() {
    let url = server("hello");
    let sum: String = sha2_512(b"hello");
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [{{"path": "/etc/motd",
            "contents": {{"source": "{url}", "verification": {{"hash": "sha512-{sum}"}}}}}}]}}}}"#
    ));
    machine.log("fetch");
    let mut command = machine.command("files");
    command
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1");
    let output = command.output().expect("start it");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let log = log_of(&output);
    for line in [
        format!("GET {url}: attempt #1\n"),
        "GET result: Service Unavailable\n".into(),
        format!("GET {url}: attempt #2\n"),
        "GET result: OK\n".into(),
        format!("file matches expected sum of: {sum}\n"),
    ] {
        assert!(log.contains(&format!(": {line}")), "{line}\n{log}");
    }
    assert_eq!(machine.read("root/etc/motd"), "hello");
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
        told(&fails)
    );
    let mut off = machine.command("files");
    off.env("PATH", machine.path("bin"))
        .env("IGNITION_SELINUX_RELABEL", "false");
    let off = off.output().expect("start it");
    assert_eq!(off.status.code(), Some(0), "{}", told(&off));
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
            // Labels are wanted, and there is no policy.
            let unlabelled = name.ends_with("RELABEL") && matches!(value, "true" | "1");
            assert_eq!(
                fails,
                !good || unlabelled,
                "{name}={value}: {}",
                told(&output)
            );
        }
    }
}

#[test]
fn ssh_keys_go_to_a_fragment_unless_told_otherwise() {
    image::require_root();
    for (value, path) in [
        ("", ".ssh/authorized_keys.d/ignition"),
        ("false", ".ssh/authorized_keys"),
    ] {
        let machine = Machine::with_keys_of_root();
        machine.log("fetch");
        let mut command = machine.command("files");
        command.env("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT", value);
        let output = command.output().expect("start it");
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let name = format!("root/root/{path}");
        assert!(machine.read(&name).contains("ssh-ed25519 AAAA"), "{path}");
        assert_eq!(machine.mode(&name), 0o600);
    }
}

// ---- failures

#[test]
fn a_body_that_contradicts_its_hash_is_refused_before_any_file_is_written() {
    let wrong = "0".repeat(64);
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
        "storage": {{"files": [{{"path": "/etc/motd", "contents": {{"source": "data:,s3cret",
            "verification": {{"hash": "sha256-{wrong}"}}}}}}, {{"path": "/etc/other"}}]}}}}"#
    ));
    machine.log("fetch");
    let log = machine.failing_log("files");
    assert!(!machine.path("root/etc/other").exists());
    assert!(log.contains("CRITICAL : Ignition failed: "), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let screen = machine.read("kindling/failure.txt");
    assert!(screen.lines().count() <= 15, "{screen}");
    for text in [
        "stage         files",
        "contents of file /etc/motd",
        "config.ign:2:",
        "hash",
    ] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
}

#[test]
fn a_failure_is_told_everywhere_and_shows_no_secret() {
    let (url, wrong) = (server("s3cret"), "0".repeat(64));
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
        "storage": {{"files": [{{"path": "/etc/motd", "contents": {{"source": "{url}",
            "verification": {{"hash": "sha256-{wrong}"}}}}}}]}}}}"#
    ));
    machine.log("fetch");
    let output = machine.run("files");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let log = log_of(&output);
    for text in [
        "CRITICAL : files: createFilesystemsFiles: createFiles: op(1): [failed]   writing file ",
        "CRITICAL : Ignition failed: ",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
    assert!(!log.contains("finished successfully"), "{log}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("files failed\nFull config:"), "{stderr}");
    assert_eq!(machine.mode("kindling/failure.txt"), 0o600);
    let screen = machine.read("kindling/failure.txt");
    assert!(screen.lines().count() <= 15, "{screen}");
    for text in ["stage         files", "/etc/motd", "config.ign:2:", "hash"] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
    let report = machine.read("kindling/report.json");
    for text in [log, stderr, screen, report] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(!machine.path("root/etc/motd").exists());
}

#[test]
fn an_invalid_config_is_reported_in_the_log() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"}, "extra": 1, "storage": {"files": [{"path": "etc"}]}}"#,
    );
    let log = machine.failing_log("fetch");
    for text in [
        "CRITICAL : error at $.storage.files.0.path, line 1 col ",
        "WARNING  : warning at $.extra, line 1 col ",
        "CRITICAL : failed to acquire config: ",
        "CRITICAL : Ignition failed: ",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
}

// ---- reports, journal, system log

#[test]
fn the_report_has_a_section_per_stage_and_a_copy_in_the_real_root() {
    let machine = Machine::new(MOTD);
    for stage in ["fetch-offline", "kargs", "files"] {
        machine.log(stage);
    }
    let names = |report: &Value| -> Vec<String> {
        let stages = report["stages"].as_array().expect("a list");
        stages
            .iter()
            .map(|s| s["stage"].as_str().expect("a name").into())
            .collect()
    };
    let report = machine.json("kindling/report.json");
    assert_eq!(names(&report), ["fetch-offline", "kargs", "files"]);
    assert_eq!(machine.mode("kindling/report.json"), 0o600);
    let kept = "root/var/log/kindling/first-boot.json";
    assert_eq!(machine.json(kept), report);
    assert_eq!(machine.mode(kept), 0o600);
    let schema = serde_json::from_str(include_str!("../schemas/boot-report.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema.iter_errors(&report).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let output = image::kindling()
        .arg("report")
        .env("KINDLING_RUN_DIR", machine.path("kindling"))
        .output()
        .expect("start it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("STAGE") && text.contains("write file /etc/motd"),
        "{}",
        told(&output)
    );
}

#[test]
fn the_journal_and_the_system_log_get_what_is_theirs() {
    let machine = Machine::new(MOTD);
    let Heard {
        output,
        journal,
        syslog,
    } = machine.run_and_listen("fetch");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(log_of(&output), "", "nothing on standard output");
    assert_eq!(journal.len(), 2, "{journal:?}");
    for field in [
        "PRIORITY=6\n",
        "MESSAGE_ID=57124006b5c94805b77ce473e92a8aeb\n",
        "IGNITION_CONFIG_TYPE=user\n",
        "IGNITION_CONFIG_SRC=file\n",
        "IGNITION_CONFIG_REFERENCED=false\n",
        "MESSAGE=fetched user config from \"file\"\n",
    ] {
        assert!(journal[1].contains(field), "{field}: {journal:?}");
    }
    let first = syslog.first().expect("a record");
    assert!(
        first.starts_with("<6>") && first.contains(" ignition["),
        "{first}"
    );
    assert!(first.ends_with(&format!("]: {VERSION}\n")), "{first}");
}

#[test]
fn the_journal_hears_whose_keys_were_written() {
    let machine = Machine::with_keys_of_root();
    machine.log("fetch");
    let Heard {
        output, journal, ..
    } = machine.run_and_listen("files");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let path = machine.path("root/root/.ssh/authorized_keys.d/ignition");
    assert_eq!(journal.len(), 1, "{journal:?}");
    for field in [
        "MESSAGE_ID=225067b87bbd4a0cb6ab151f82fa364b\n".to_string(),
        "MESSAGE=wrote ssh authorized keys file for user: root\n".into(),
        "IGNITION_USER_NAME=root\n".into(),
        format!("IGNITION_PATH={}\n", path.display()),
    ] {
        assert!(journal[0].contains(&field), "{field}: {journal:?}");
    }
}

#[test]
fn without_a_log_socket_it_is_standard_output() {
    let machine = Machine::new(PLAIN);
    let script = r#"set -e
        mount -t tmpfs tmpfs /run
        if [ -S /dev/log ]; then mount --bind /dev/null /dev/log; fi
        exec ./program/ignition "$@""#;
    let output = machine
        .apart("fetch", script)
        .output()
        .expect("start unshare");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let log = log_of(&output);
    assert!(log.starts_with("ERROR    : "), "{log}");
    assert_eq!(log.matches("ERROR    : ").count(), 1, "{log}");
    assert!(log.contains(&format!("INFO     : {VERSION}\n")), "{log}");
}

/// A stage, and what came to the sockets of the journal and of the system's log meanwhile.
struct Heard {
    output: Output,
    journal: Vec<String>,
    syslog: Vec<String>,
}

impl Machine {
    /// A stage in a mount namespace of its own, started by a script.
    fn apart(&self, stage: &str, script: &str) -> Command {
        image::require_root();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", script, "sh"])
            .args(self.flags(stage));
        self.surround(&mut command);
        command
    }

    fn run_and_listen(&self, stage: &str) -> Heard {
        let over = Arc::new(AtomicBool::new(false));
        let listen = |name: &str| listen(&self.path(name), Arc::clone(&over));
        let (journal, syslog) = (listen("journal"), listen("syslog"));
        let script = r#"set -e
            mount -t tmpfs tmpfs /run
            mkdir -p /run/systemd/journal
            ln -s "$PWD/journal" /run/systemd/journal/socket
            ln -s "$PWD/syslog" /run/syslog
            if [ -S /dev/log ]; then mount --bind "$PWD/syslog" /dev/log; fi
            exec ./program/ignition "$@""#;
        let output = self.apart(stage, script).output().expect("start unshare");
        over.store(true, Ordering::Relaxed);
        Heard {
            output,
            journal: journal.join().expect("it listens"),
            syslog: syslog.join().expect("it listens"),
        }
    }
}

/// What comes to a socket until it is over; nobody has to wait to write to it.
fn listen(path: &Path, over: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let pause = Duration::from_millis(50);
    socket.set_read_timeout(Some(pause)).expect("it is ours");
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut datagram = vec![0; 1 << 16];
        loop {
            let last = over.load(Ordering::Relaxed);
            match socket.recv(&mut datagram) {
                Ok(length) => all.push(String::from_utf8_lossy(&datagram[..length]).into_owned()),
                Err(_) if last => return all,
                Err(_) => {}
            }
        }
    })
}
