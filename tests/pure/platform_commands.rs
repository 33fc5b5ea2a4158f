//! `kindling platform` and `kindling fetch`, as they are used interactively on a machine.

use crate::common::boot;
use crate::common::folder::Folder;
use crate::common::run::{Ended, kindling as program};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

const CONFIG: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}\n";

/// A machine with a kernel command line and directories of its own.
struct Machine(Folder);

impl Machine {
    fn new(command_line: &str) -> Self {
        Machine(Folder::with(&[("cmdline", command_line)]))
    }

    fn put(&self, name: &str, text: &str) {
        self.0.put(name, text);
    }

    fn fetch(&self, arguments: &[&str]) -> Ended {
        let mut command = program();
        command.arg("fetch").args(arguments);
        boot::set_environment(&mut command, self.0.directory());
        command
            .env("IGNITION_CONFIG_FILE", self.0.path("config.ign"))
            .env_remove("KINDLING_TRUSTED_KEYS_DIR");
        Ended::of(&mut command)
    }
}

fn kindling(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.args(arguments);
    Ended::of(&mut command)
}

#[test]
fn a_config_is_printed_unchanged() {
    let machine = Machine::new("quiet");
    machine.put("config.ign", CONFIG);
    let place = machine.0.path("config.ign");
    let from = format!("kindling: 35 bytes from file: {}\n", place.display());
    machine
        .fetch(&["--platform", "file"])
        .assert(0, CONFIG, &from);
    machine
        .fetch(&["--platform", "file", "--offline"])
        .assert(0, CONFIG, &from);
}

#[test]
fn sources_are_asked_in_the_order_of_a_boot() {
    let machine = Machine::new("ignition.config.url=data:,cmdline");
    machine.put("etc/user.ign", "user");
    machine.put("config.ign", "platform");
    let fetch = || machine.fetch(&["--platform", "file"]);
    fetch().assert(0, "cmdline", "7 bytes from cmdline: data:");
    machine.put("cmdline", "quiet");
    fetch().assert(0, "user", "4 bytes from system: ");
    fs::remove_file(machine.0.path("etc/user.ign")).expect("removed");
    fetch().assert(0, "platform", "8 bytes from file: ");
}

#[test]
fn a_rendered_config_is_merged() {
    let machine = Machine::new("quiet");
    let merged = r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/b"}]}}"#;
    let config = serde_json::json!({"ignition": {"version": "3.4.0",
        "config": {"merge": [{"source": format!("data:;base64,{}", STANDARD.encode(merged))}]}},
        "storage": {"files": [{"path": "/a"}]}});
    machine.put("config.ign", &config.to_string());
    machine.put(
        "usr/base.d/c.ign",
        r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/c"}]}}"#,
    );
    let ended = machine.fetch(&["--platform", "file", "--rendered"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let value: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let files = value["storage"]["files"].as_array().expect("a list");
    let mut paths: Vec<&str> = files
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/a", "/b", "/c"]);
    machine.put("config.ign", "{\"ignition\": {\"version\": \"9.9.9\"}}");
    let ended = machine.fetch(&["--platform", "file", "--rendered"]);
    ended.assert(3, "", "9.9.9");
    // An invalid config can still be printed.
    let ended = machine.fetch(&["--platform", "file"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn exit_codes_distinguish_why_there_is_no_config() {
    let machine = Machine::new("quiet");
    let none = "metal has no config; a boot would continue without one";
    machine.fetch(&["--platform", "metal"]).assert(1, "", none);
    let network = "kindling: a network is required: resource requires networking: cannot fetch http://169.254.169.254/";
    for id in ["gcp", "aws", "azure", "packet", "scaleway"] {
        let ended = machine.fetch(&["--platform", id, "--offline"]);
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{ended:?}");
        assert!(ended.err.contains("a network is required: "), "{ended:?}");
    }
    machine
        .fetch(&["--platform", "gcp", "--offline"])
        .assert(2, "", network);
    let missing = "cannot obtain the config from platform file: cannot read config ";
    machine
        .fetch(&["--platform", "file"])
        .assert(3, "", missing);
    let ended = machine.fetch(&["--platform", "gpc"]);
    ended.assert(64, "", "unknown platform \"gpc\"");
    let ended = machine.fetch(&["--platform", "file", "--timeout", "soon"]);
    ended.assert(64, "", "it must be a duration such as 30s or 2m, or 0");
}

#[test]
fn fetch_gives_up_after_the_timeout() {
    let machine = Machine::new("quiet");
    let drive = "gave up waiting for the config (--timeout): cannot obtain the config from platform nutanix: \
                 waiting for config drive /dev/disk/by-label/config-2 was cancelled";
    let ended = machine.fetch(&["--platform", "nutanix", "--timeout", "300ms"]);
    ended.assert(3, "", drive);
    let silent_server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent_server.local_addr().expect("bound");
    machine.put(
        "cmdline",
        &format!("ignition.config.url=http://{address}/c"),
    );
    let ended = machine.fetch(&["--platform", "metal", "--timeout", "300ms"]);
    ended.assert(3, "", "gave up waiting for the config (--timeout)");
}

#[test]
fn platforms_are_listed_and_shown() {
    let list = kindling(&["platform", "list"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    let json = kindling(&["platform", "list", "--format", "json"]);
    let all: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let all = all.as_array().expect("a list");
    assert_eq!(list.out.lines().count(), all.len());
    for platform in all {
        let id = platform["id"].as_str().expect("an id");
        let shown = kindling(&["platform", "show", id]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(
            shown.out.starts_with(&format!("platform   {id}\n")),
            "{shown:?}"
        );
        let shown = kindling(&["platform", "show", "--json", id]);
        let shown: serde_json::Value = serde_json::from_str(&shown.out).expect("JSON");
        assert_eq!(&shown, platform);
    }
    let table = kindling(&["platform", "list", "--format", "markdown"]).out;
    let documented = fs::read_to_string(Path::new("docs/platforms.md")).expect("read");
    assert!(
        documented.contains(&table),
        "docs/platforms.md has another table"
    );
    let unknown = kindling(&["platform", "show", "nosuch"]);
    unknown.assert(64, "", "unknown platform \"nosuch\"");
}

#[test]
fn guesses_come_with_reasons() {
    let ended = kindling(&["platform", "detect", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let found = found.as_array().expect("a list");
    assert_eq!(ended.code, Some(i32::from(found.is_empty())), "{ended:?}");
    for guess in found {
        for field in ["id", "certainty", "reason"] {
            assert!(
                guess[field].as_str().is_some_and(|text| !text.is_empty()),
                "{guess}"
            );
        }
    }
    let plain = kindling(&["platform", "detect"]);
    assert_eq!(plain.out.lines().count(), found.len().max(1));
}

#[test]
fn completions_offer_platforms_versions_and_languages() {
    let script = kindling(&["completions", "bash"]).out;
    let offers = |words: &[&str]| {
        let mut lines = script.lines();
        lines
            .any(|line| line.contains("compgen -W") && words.iter().all(|word| line.contains(word)))
    };
    for words in [
        &["akamai", "metal", "zvm"][..],
        &["3.0.0", "3.6.0", "1.7.0"],
        &["fcos", "flatcar", "openshift"],
        &["ignition2", "butane", "k3os", "cloud-config"],
        &["ignition=3.6.0", "butane=fcos:1.6.0"],
    ] {
        assert!(offers(words), "{words:?}");
    }
    // They are suggestions: other values are accepted as well.
    let ended = kindling(&["platform", "show", "qemuu"]);
    assert!(ended.err.contains("did you mean qemu?"), "{}", ended.err);
}
