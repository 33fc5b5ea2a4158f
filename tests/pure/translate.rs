//! `kindling translate`, and the names of other translators: what is written where, and when nothing is written.

use crate::common::folder::Folder;
use crate::common::gzip::gzipped;
use crate::common::run::{Ended, KINDLING};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A folder with files, in which the program is run.
struct Desk(Folder);

impl Desk {
    fn with(files: &[(&str, &str)]) -> Self {
        Desk(Folder::with(files))
    }

    fn path(&self) -> &Path {
        self.0.directory()
    }

    /// Runs under the name `program`, with `input` on standard input.
    fn run_as(&self, program: &str, arguments: &[&str], input: &str) -> Ended {
        let mut child = Command::new(KINDLING)
            .arg0(program)
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kindling starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // The program need not read its input.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ended::from(child.wait_with_output().expect("kindling ends"))
    }

    fn translate(&self, arguments: &[&str]) -> Ended {
        let all: Vec<&str> = ["translate"].iter().chain(arguments).copied().collect();
        self.run_as("kindling", &all, "")
    }
}

const BUTANE: &str = "variant: fcos\nversion: 1.4.0\nstorage:\n  files:\n    - path: /etc/a\n      contents:\n        inline: a\n";
const IGNITION: &str = "{\"ignition\":{\"version\":\"3.3.0\"},\"storage\":{\"files\":[{\"path\":\"/etc/a\",\"contents\":{\"compression\":\"\",\"source\":\"data:,a\"}}]}}\n";

#[test]
fn butane_is_translated_from_a_file_and_from_standard_input() {
    let desk = Desk::with(&[("a.bu", BUTANE)]);
    desk.translate(&["a.bu"]).assert(0, IGNITION, "");
    desk.run_as("kindling", &["translate"], BUTANE)
        .assert(0, IGNITION, "");
    desk.run_as("kindling", &["translate", "--from", "butane", "-"], BUTANE)
        .assert(0, IGNITION, "");
    let pretty = desk.translate(&["--pretty", "a.bu"]);
    assert!(
        pretty.out.starts_with("{\n  \"ignition\": {\n"),
        "{}",
        pretty.out
    );
}

#[test]
fn the_output_file_is_written_only_without_errors() {
    let desk = Desk::with(&[
        ("good.bu", BUTANE),
        ("bad.bu", &BUTANE.replace("/etc/a", "etc/a")),
        ("odd.bu", &format!("{BUTANE}odd: 1\n")),
    ]);
    let output = desk.path().join("out");
    desk.translate(&["bad.bu", "-o", "out"]).assert(3, "", "");
    desk.translate(&["good.bu", "--check", "-o", "out"])
        .assert(0, "", "");
    desk.translate(&["odd.bu", "--strict", "-o", "out"])
        .assert(3, "", "");
    assert!(!output.exists());
    desk.translate(&["odd.bu", "-o", "out"]).assert(0, "", "");
    assert_eq!(fs::read_to_string(output).expect("written"), IGNITION);
}

#[test]
fn findings_name_the_line_and_the_path_of_the_yaml() {
    let desk = Desk::with(&[("bad.bu", &BUTANE.replace("/etc/a", "etc/a"))]);
    let plain = desk.translate(&["--format", "plain", "bad.bu"]);
    let want = "error at $.storage.files.0.path, line 5 col 13: path is not absolute";
    assert!(plain.err.contains(want), "{}", plain.err);
    let json = desk.translate(&["--format", "json", "bad.bu"]);
    let value: serde_json::Value = serde_json::from_str(&json.err).expect("JSON");
    assert_eq!(value["findings"][0]["line"], 5, "{value}");
    let human = desk.translate(&["bad.bu"]);
    assert!(human.err.contains("- path: etc/a"), "{}", human.err);
}

#[test]
fn local_files_come_from_the_files_directory() {
    let text = BUTANE.replace("inline: a", "local: sub/a");
    let desk = Desk::with(&[
        ("a.bu", &text),
        ("out.bu", &BUTANE.replace("inline: a", "local: ../a.bu")),
        ("files/sub/a", "a"),
    ]);
    desk.translate(&["-d", "files", "a.bu"])
        .assert(0, IGNITION, "");
    for arguments in [
        &["a.bu"][..],
        &["-d", "nowhere", "a.bu"],
        &["-d", "files", "out.bu"],
    ] {
        let ended = desk.translate(arguments);
        ended.assert(3, "", "");
        assert!(ended.err.contains(":7:"), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn snippets_are_merged_and_the_highest_version_is_written() {
    let snippet = "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /etc/a\n      mode: 0600\n    - path: /etc/b\n";
    let json = r#"{"ignition": {"version": "3.0.0"}, "storage": {"files": [{"path": "/etc/c"}]}}"#;
    let desk = Desk::with(&[("a.bu", BUTANE), ("b.bu", snippet), ("c.ign", json)]);
    let ended = desk.translate(&["a.bu", "--snippet", "b.bu", "--snippet", "c.ign"]);
    let value: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(value["ignition"]["version"], "3.4.0");
    let files = value["storage"]["files"].as_array().expect("files");
    let paths: Vec<_> = files.iter().map(|file| file["path"].clone()).collect();
    assert_eq!(paths, ["/etc/a", "/etc/b", "/etc/c"]);
    assert_eq!(files[0]["mode"], 0o600);
    assert_eq!(files[0]["contents"]["source"], "data:,a");
}

#[test]
fn local_configs_are_merged_on_request() {
    let parent = "variant: fcos\nversion: 1.4.0\nignition:\n  config:\n    merge:\n      - local: child.bu\n      - source: https://h/c\n      - inline: '{\"ignition\": {\"version\": \"3.3.0\"}, \"storage\": {\"files\": [{\"path\": \"/etc/b\"}]}}'\n";
    let desk = Desk::with(&[("a.bu", parent), ("files/child.bu", BUTANE)]);
    let ended = desk.translate(&["-d", "files", "--merge-local", "a.bu"]);
    let value: serde_json::Value = serde_json::from_str(&ended.out).expect(&ended.err);
    let files = value["storage"]["files"].as_array().expect("files");
    let paths: Vec<_> = files.iter().map(|file| file["path"].clone()).collect();
    assert_eq!(paths, ["/etc/a", "/etc/b"]);
    let merged = value["ignition"]["config"]["merge"]
        .as_array()
        .expect("references");
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0]["source"], "https://h/c");
}

#[test]
fn an_older_version_is_written_unless_it_lacks_something() {
    let text = "variant: fcos\nversion: 1.5.0\nstorage:\n  luks:\n    - name: a\n      device: /dev/vda\n      discard: true\n";
    let desk = Desk::with(&[("a.bu", BUTANE), ("b.bu", text)]);
    let ended = desk.translate(&["--to", "ignition=3.0.0", "a.bu"]);
    assert!(
        ended.out.contains("\"version\":\"3.0.0\""),
        "{}{}",
        ended.out,
        ended.err
    );
    let refused = desk.translate(&["--to", "ignition=3.3.0", "b.bu"]);
    refused.assert(3, "", "");
    for word in [
        "`discard` exists since version 3.4.0",
        "b.bu:7:16",
        "$.storage.luks.0.discard",
    ] {
        assert!(refused.err.contains(word), "{word}: {}", refused.err);
    }
    desk.translate(&["--to", "ignition=9.9.9", "a.bu"])
        .assert(64, "", "");
}

#[test]
fn ignition_becomes_butane_and_back() {
    let desk = Desk::with(&[("a.ign", IGNITION)]);
    let butane = desk.translate(&["a.ign"]);
    assert_eq!(butane.code, Some(0), "{}", butane.err);
    assert!(
        butane.out.starts_with("variant: fcos\nversion: 1.4.0\n"),
        "{}",
        butane.out
    );
    assert!(butane.out.contains("inline: a\n"), "{}", butane.out);
    desk.run_as("kindling", &["translate", "-"], &butane.out)
        .assert(0, IGNITION, "");
}

#[test]
fn the_names_of_other_translators_take_their_flags() {
    let desk = Desk::with(&[
        ("a.bu", BUTANE),
        ("odd.bu", &format!("{BUTANE}odd: 1\n")),
        ("a.ign2", r#"{"ignition": {"version": "2.3.0"}}"#),
        (
            "a.clc",
            "storage:\n  files:\n    - path: /etc/a\n      mode: 0644\n      filesystem: root\n      contents: {inline: a}\n",
        ),
    ]);
    desk.run_as("butane", &["a.bu"], "").assert(0, IGNITION, "");
    desk.run_as("butane", &[], BUTANE).assert(0, IGNITION, "");
    desk.run_as("butane", &["--strict", "odd.bu"], "")
        .assert(1, "", "");
    desk.run_as("butane", &["-c", "a.bu"], "").assert(0, "", "");
    desk.run_as("butane", &["a.bu", "b.bu"], "")
        .assert(2, "", "");
    desk.run_as("butane", &["nowhere.bu"], "").assert(1, "", "");
    let raw = desk.run_as("/usr/bin/butane", &["--raw-errors", "odd.bu"], "");
    assert!(
        raw.err.starts_with("warning at $.odd, line 8 col "),
        "{}",
        raw.err
    );
    let ct = desk.run_as("ct", &["-in-file", "a.clc"], "");
    assert!(ct.out.contains("\"/etc/a\""), "{}{}", ct.out, ct.err);
    let converted = desk.run_as("ign-converter", &["-input", "a.ign2"], "");
    assert!(
        converted.out.starts_with("{\"ignition\":{\"version\":\"3."),
        "{}{}",
        converted.out,
        converted.err
    );
    for (program, arguments) in [("butane", "--version"), ("ct", "-version")] {
        let ended = desk.run_as(program, &[arguments], "");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn packed_configs_are_read_in_every_language() {
    let desk = Desk::with(&[("a.bu", BUTANE)]);
    fs::write(desk.path().join("a.bu.gz"), gzipped(BUTANE)).expect("written");
    desk.translate(&["a.bu.gz"]).assert(0, IGNITION, "");
}

#[test]
fn a_migration_is_explained_line_by_line() {
    let text = "{\n\"ignition\": {\"version\": \"2.3.0\"},\n\"storage\": {\"files\": [{\"filesystem\": \"root\",\n\"path\": \"/etc/a\",\n\"contents\": {\"source\": \"data:,a\"}}]}\n}\n";
    let desk = Desk::with(&[("old.ign", text)]);
    let page = desk.run_as("kindling", &["explain-migration", "old.ign"], "");
    assert_eq!(page.code, Some(0), "{}{}", page.out, page.err);
    assert!(
        page.out
            .contains("line 4: $.storage.files.0.path -> $.storage.files.0.path"),
        "{}",
        page.out
    );
    let json = desk.run_as("kindling", &["explain-migration", "--json", "old.ign"], "");
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(value["language"], "ignition2");
    assert_eq!(value["possible"], true);
}

#[test]
fn sectors_have_the_size_that_the_option_says() {
    let text = |size: u32| {
        format!(
            "{{\"ignition\": {{\"version\": \"2.2.0\"}}, \"storage\": {{\"disks\": [{{\"device\": \"/dev/sda\", \"partitions\": \
             [{{\"number\": 1, \"start\": 2048, \"size\": {size}}}]}}]}}}}"
        )
    };
    let (whole, odd) = (text(2048), text(512));
    let desk = Desk::with(&[("whole.ign", &whole), ("odd.ign", &odd)]);
    for (option, want) in [
        (None, "\"sizeMiB\":1,\"startMiB\":1"),
        (Some("--sector-size=512"), "\"sizeMiB\":1,\"startMiB\":1"),
        (Some("--sector-size=4096"), "\"sizeMiB\":8,\"startMiB\":8"),
    ] {
        let arguments: Vec<&str> = option.into_iter().chain(["whole.ign"]).collect();
        let ended = desk.translate(&arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out.contains(want), "{}", ended.out);
    }
    let refused = desk.translate(&["odd.ign"]);
    assert_ne!(refused.code, Some(0));
    let words = "512 sectors of 512 bytes are not a whole number of MiB";
    assert!(refused.err.contains(words), "{}", refused.err);
    let ended = desk.translate(&["--sector-size=4096", "odd.ign"]);
    assert!(
        ended.out.contains("\"sizeMiB\":2"),
        "{}{}",
        ended.out,
        ended.err
    );
    desk.translate(&["--sector-size=520", "odd.ign"])
        .assert(64, "", "");
}

#[test]
fn scripts_are_refused_on_request() {
    let script = "#!/bin/sh\ntrue\n";
    let message = "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n--b\nContent-Type: text/cloud-config\n\n\
                   #cloud-config\nhostname: web\n--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\ntrue\n--b--\n";
    let desk = Desk::with(&[
        ("script", script),
        ("message", message),
        ("config", "#cloud-config\nhostname: web\n"),
    ]);
    let words = "this is a script, and scripts among user data are refused";
    for language in ["--from=coreos-cloudinit", "--from=cloud-init"] {
        for name in ["script", "message"] {
            for allowed in [&[language, name][..], &[language, "--scripts=run", name]] {
                let ended = desk.translate(allowed);
                assert_eq!(ended.code, Some(0), "{language} {name}: {}", ended.err);
            }
            let refused = desk.translate(&[language, "--scripts=refuse", name]);
            assert_ne!(refused.code, Some(0), "{language} {name}");
            assert!(
                refused.err.contains(words),
                "{language} {name}: {}",
                refused.err
            );
        }
        let ended = desk.translate(&[language, "--scripts=refuse", "config"]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    desk.translate(&["--scripts=maybe", "config"])
        .assert(64, "", "");
}

#[test]
fn the_config_of_a_machine_config_is_extracted() {
    let text = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata: {name: 50-x}\nspec:\n  config:\n    \
                ignition: {version: 3.2.0}\n    storage:\n      files:\n      - {path: /etc/a, mode: 0644, contents: {source: 'data:,a'}}\n";
    let json = "{\"ignition\":{\"version\":\"3.2.0\"},\"storage\":{\"files\":[{\"path\":\"/etc/a\",\"contents\":{\"source\":\"data:,a\"},\"mode\":420}]}}\n";
    let desk = Desk::with(&[("mc.yaml", text)]);
    for arguments in [&["mc.yaml"][..], &["--from=machineconfig", "mc.yaml"]] {
        let ended = desk.translate(arguments);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!(
            (ended.code, value(&ended.out)),
            (Some(0), value(json)),
            "{}",
            ended.err
        );
    }
    let butane = desk.translate(&["--to=butane", "mc.yaml"]);
    assert!(
        butane.out.contains("path: /etc/a"),
        "{}{}",
        butane.out,
        butane.err
    );
}
