//! Detects the language of a text.

use super::family::{self, Family};
use super::languages::Language;
use super::mime;
use super::node::{Node, NodeContent};
use super::seen::TopLevelKeys;
use super::target::{Distribution, Target};
use super::yaml;
use crate::config::{self, Finding, LineStarts, Severity};

/// The text is in no known language.
#[derive(Debug)]
pub struct DetectError {
    /// What the text is instead.
    pub finding: Finding,
}

/// Beginnings of texts that only cloud-init accepts. The header of a cloud-config counts as one even with leading
/// blanks or trailing words.
const CLOUD_INIT_PREFIXES: [&str; 7] = [
    "#cloud-config",
    "#cloud-boothook",
    "#include",
    "#part-handler",
    "#upstart-job",
    "## template:",
    "##template:",
];

/// Media types of parts that only cloud-init accepts.
const CLOUD_INIT_TYPES: [&str; 11] = [
    "text/x-include-url",
    "text/x-include-once-url",
    "text/cloud-config-archive",
    "text/cloud-config-jsonp",
    "text/cloud-boothook",
    "text/part-handler",
    "text/upstart-job",
    "text/jinja2",
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
];

/// All top-level keys of a Container Linux Config.
const CONTAINER_LINUX_KEYS: [&str; 11] = [
    "version",
    "ignition",
    "storage",
    "systemd",
    "networkd",
    "passwd",
    "etcd",
    "flannel",
    "update",
    "docker",
    "locksmith",
];

const LANGUAGES: &str = "a config is in JSON with `ignition`, in YAML with `variant`, begins with #cloud-config, or is a \
                         Container Linux Config or a config of k3OS";

/// How deep messages may be nested.
const MAX_DEPTH: usize = 8;

/// How many characters of a key are shown.
const MAX_SHOWN: usize = 40;

/// [`detect_for`] an unknown system.
///
/// # Errors
/// As [`detect_for`].
pub fn detect(text: &[u8]) -> Result<Language, DetectError> {
    detect_for(text, &Target::default())
}

/// The language of `text`, decided by its contents, and by the system it is for if it can be in two languages.
///
/// # Errors
/// If the text is in no known language, or has keys of two.
pub fn detect_for(text: &[u8], target: &Target<'_>) -> Result<Language, DetectError> {
    detect_part(text, target, 0)
}

fn detect_part(text: &[u8], target: &Target<'_>, depth: usize) -> Result<Language, DetectError> {
    let body = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let start = body.trim_ascii_start();
    if start.is_empty() {
        return Ok(Language::Ignition);
    }
    if start.starts_with(b"{") {
        return Ok(detect_json(body));
    }
    if body.starts_with(b"#!") {
        return Ok(match target.distribution {
            Distribution::Unknown | Distribution::CoreOs | Distribution::Flatcar => {
                Language::CoreosCloudinit
            }
            _ => Language::CloudInit,
        });
    }
    let first_line = body.split(|b| *b == b'\n').next().unwrap_or_default();
    if first_line.trim_ascii_end() == b"#cloud-config" {
        return cloud_config(text, target);
    }
    let is_for_cloud_init = |prefix: &&str| {
        let head = start.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if CLOUD_INIT_PREFIXES.iter().any(is_for_cloud_init) {
        return Ok(Language::CloudInit);
    }
    if mime::is_multipart(body) {
        return detect_message(body, target, depth);
    }
    // coreos-cloudinit only supports multipart messages.
    if mime::single_part(body).is_some() {
        return Ok(Language::CloudInit);
    }
    detect_yaml(text)
}

/// The language of a cloud-config with its header.
fn cloud_config(text: &[u8], target: &Target<'_>) -> Result<Language, DetectError> {
    match yaml_root(text, family::of) {
        Some(Family::Of(language)) => Ok(language),
        Some(Family::Mixed) => {
            let message = "keys of coreos-cloudinit (`coreos`) and of k3OS are in one config";
            Err(undetected(
                message.into(),
                "name the language that it is in",
            ))
        }
        Some(Family::Shared) => Ok(family::of_target(target)),
        // The reader of the language reports what is wrong with the text.
        None => Ok(match has_line(text, "coreos:") {
            true => Language::CoreosCloudinit,
            false => family::of_target(target),
        }),
    }
}

fn yaml_root<T>(text: &[u8], inspect: impl FnOnce(&Node<'_>) -> T) -> Option<T> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = LineStarts::of(text.as_bytes());
    let document = yaml::read(text, &lines).ok()?;
    Some(inspect(&document.root))
}

fn has_line(text: &[u8], line: &str) -> bool {
    let mut lines = text.split(|b| *b == b'\n');
    lines.any(|candidate| candidate.trim_ascii_end() == line.as_bytes())
}

/// The language of a MIME message: that of a part which is in one language only.
fn detect_message(text: &[u8], target: &Target<'_>, depth: usize) -> Result<Language, DetectError> {
    let Some(message) = mime::message(text, 0..text.len()) else {
        return Ok(Language::CloudInit);
    };
    let parts = message.parts(text).unwrap_or_default();
    if message.media_type() != "multipart/mixed" || depth > MAX_DEPTH {
        return Ok(Language::CloudInit);
    }
    let mut is_for_cloud_init = false;
    for part in parts {
        let kind = part.media_type();
        let Ok(bytes) = part.decoded(text) else {
            continue;
        };
        let bytes: &[u8] = &bytes;
        let family = match &*kind {
            "text/cloud-config" => yaml_root(bytes, family::of),
            "text/x-shellscript" => None,
            kind if CLOUD_INIT_TYPES.contains(&kind) => Some(Family::Of(Language::CloudInit)),
            _ if bytes.starts_with(b"#!") => None,
            _ if bytes.trim_ascii_end().is_empty() => None,
            _ if bytes.starts_with(b"#cloud-config") => yaml_root(bytes, family::of),
            _ => detect_part(bytes, target, depth + 1).ok().map(Family::Of),
        };
        match family {
            Some(Family::Of(Language::CoreosCloudinit)) => return Ok(Language::CoreosCloudinit),
            Some(Family::Of(Language::CloudInit)) => is_for_cloud_init = true,
            _ => {}
        }
    }
    Ok(match is_for_cloud_init {
        true => Language::CloudInit,
        false => family::of_target(target),
    })
}

/// The language of a JSON object.
fn detect_json(text: &[u8]) -> Language {
    let mut seen = TopLevelKeys::default();
    let end = seen.read(text);
    match (seen, end) {
        (
            TopLevelKeys {
                has_old_version: true,
                ..
            },
            _,
        ) => Language::OldIgnition,
        (
            TopLevelKeys {
                has_ignition: true, ..
            },
            _,
        ) => Language::Ignition,
        (
            TopLevelKeys {
                has_variant: true, ..
            },
            _,
        ) => Language::Butane,
        // A YAML flow mapping looks the same, with unquoted keys. Anything else is broken JSON.
        _ => match yaml_root(text, by_keys) {
            Some(Some(language)) => language,
            _ => Language::Ignition,
        },
    }
}

/// The language of a mapping by its keys.
fn by_keys(root: &Node<'_>) -> Option<Language> {
    let entries = root.entries();
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    if has("variant") {
        return Some(Language::Butane);
    }
    if is_machine_config(root) {
        return Some(Language::MachineConfig);
    }
    if entries.iter().any(|entry| family::is_k3os_key(&entry.key)) {
        return Some(Language::K3os);
    }
    let is_ignition = root
        .get("ignition")
        .is_some_and(|ignition| ignition.get("version").is_some());
    let is_known = entries
        .iter()
        .all(|e| CONTAINER_LINUX_KEYS.contains(&&*e.key));
    (is_known && !entries.is_empty() && !is_ignition).then_some(Language::ContainerLinux)
}

/// The language of YAML without a header.
fn detect_yaml(text: &[u8]) -> Result<Language, DetectError> {
    // This key decides by itself, so a large config need not be parsed twice.
    if has_key_line(text, &["variant"]) {
        return Ok(Language::Butane);
    }
    let found = yaml_root(text, |root| match &root.value {
        NodeContent::Mapping(entries) if !entries.is_empty() => match by_keys(root) {
            Some(language) => Ok(language),
            None => Err(unknown_mapping(root, text)),
        },
        _ => Err(unknown(text)),
    });
    match found {
        Some(found) => found,
        // Broken YAML: the reader of the language reports what is wrong with it.
        None if has_key_line(text, &["k3os", "run_cmd", "boot_cmd", "init_cmd"]) => {
            Ok(Language::K3os)
        }
        None if has_key_line(text, &CONTAINER_LINUX_KEYS[2..]) => Ok(Language::ContainerLinux),
        None => Err(unknown(text)),
    }
}

fn has_key_line(text: &[u8], keys: &[&str]) -> bool {
    let mut lines = text.split(|b| *b == b'\n');
    lines.any(|line| {
        let mut rest = keys
            .iter()
            .filter_map(|key| line.strip_prefix(key.as_bytes()));
        rest.any(|rest| rest.starts_with(b":"))
    })
}

fn unknown_mapping(root: &Node<'_>, text: &[u8]) -> DetectError {
    let entries = root.entries();
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    if root
        .get("ignition")
        .is_some_and(|ignition| ignition.get("version").is_some())
    {
        let message = "this is an Ignition config in YAML; Ignition configs are JSON";
        let help = "give the JSON; a Butane config needs `variant` and `version` at its top";
        return undetected(message.into(), help);
    }
    if has("kind") && has("apiVersion") {
        return unknown(text);
    }
    let is_known = |key: &str| CONTAINER_LINUX_KEYS.contains(&key);
    let unexpected = entries.iter().find(|entry| !is_known(&entry.key));
    let message = match unexpected {
        Some(unexpected) => format!(
            "unrecognised format: YAML with the key `{}`",
            shortened(&unexpected.key)
        ),
        None => "unrecognised format: YAML".into(),
    };
    undetected(message, LANGUAGES)
}

fn shortened(key: &str) -> String {
    let shown: String = key.escape_debug().take(MAX_SHOWN).collect();
    match key.chars().count() > MAX_SHOWN {
        true => format!("{shown}..."),
        false => shown,
    }
}

/// The error for a text in no known language.
fn unknown(text: &[u8]) -> DetectError {
    match config::foreign(text) {
        Some((what, help)) => undetected(format!("unrecognised format: {what}"), help),
        None => {
            let is_text = std::str::from_utf8(text).is_ok();
            let what = match is_text {
                true => "text in an unknown language",
                false => "binary data",
            };
            undetected(format!("unrecognised format: {what}"), LANGUAGES)
        }
    }
}

fn undetected(message: String, help: &str) -> DetectError {
    DetectError {
        finding: Finding {
            severity: Severity::Error,
            path: None,
            position: None,
            message,
            help: Some(help.to_owned()),
        },
    }
}

/// True for the root of a MachineConfig.
fn is_machine_config(root: &Node<'_>) -> bool {
    root.get("apiVersion").is_some() && root.text_at("kind") == "MachineConfig"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        use Language::*;
        let cases = [
            ("", Ignition),
            (" \n", Ignition),
            (r#"{"ignition": {"version": "3.4.0"}}"#, Ignition),
            (
                r#"{"storage": {"a": []}, "ignition": {"x": [1], "version": "2.3.0"}}"#,
                OldIgnition,
            ),
            (r#"{"ignition": {"version": "2.9.0"}}"#, OldIgnition),
            (r#"{"ignitionVersion": 1}"#, OldIgnition),
            (r#"{"Ignition": {"Version": "2.0.0"}}"#, OldIgnition),
            (r#"{"variant": "fcos"}"#, Butane),
            (r#"{"a": 1,}"#, Ignition),
            ("{variant: fcos}", Butane),
            (r#"{"etcd": {}}"#, ContainerLinux),
            ("variant: fcos\n", Butane),
            ("\u{feff}variant: fcos\n", Butane),
            ("k3os: {}\n", K3os),
            ("runCmd: []\n", K3os),
            ("etcd:\n", ContainerLinux),
            ("storage: {}\nsystemd: {}\n", ContainerLinux),
            ("storage: [\n", ContainerLinux),
            ("#!/bin/sh\n", CoreosCloudinit),
            ("#cloud-config\ncoreos: {}\n", CoreosCloudinit),
            ("#cloud-config \r\ncoreos: {}\n", CoreosCloudinit),
            ("#cloud-config\ncoreos:\n\t- x\n", CoreosCloudinit),
            ("#cloud-config\nrun_cmd: []\n", K3os),
            ("#cloud-config\nruncmd: [[sh, -c, x]]\n", CloudInit),
            ("#cloud-config\nruncmd: []\nk3os: {}\n", K3os),
            ("#cloud-config\nca-certs: {}\n", CloudInit),
            ("#cloud-config\nhostname: a\n", CloudInit),
            ("#cloud-config\nusers: [default]\n", CloudInit),
            ("#cloud-config\nusers: [{name: a, uid: 1}]\n", CloudInit),
            (
                "#cloud-config\nusers: [{name: a, coreos-ssh-import-url: x}]\n",
                CoreosCloudinit,
            ),
            ("#cloud-config x\ncoreos: {}\n", CloudInit),
            (" #cloud-config\n", CloudInit),
            ("#include\nhttps://x\n", CloudInit),
            ("## template: jinja\n#cloud-config\n", CloudInit),
            (
                "Content-Type: multipart/alternative; boundary=x\n\n--x\n",
                CloudInit,
            ),
            (
                "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\n#cloud-config\n\
                 coreos: {}\n--x--\n",
                CoreosCloudinit,
            ),
        ];
        for (text, want) in cases {
            let found = detect(text.as_bytes()).map_err(|e| e.finding.message);
            assert_eq!(found, Ok(want), "{text}");
        }
    }

    #[test]
    fn a_message_without_parts_is_for_cloud_init() {
        let text = b"MIME-Version: 1.0\nContent-Type: text/cloud-config\n\nhostname: a\n";
        let found = detect(text).map_err(|e| e.finding.message);
        assert_eq!(found, Ok(Language::CloudInit));
    }

    #[test]
    fn the_target_decides_where_keys_do_not() {
        let flatcar = Target {
            distribution: Distribution::Flatcar,
            ..Target::default()
        };
        let text = b"#cloud-config\nhostname: a\n";
        let found = detect_for(text, &flatcar).map_err(|e| e.finding.message);
        assert_eq!(found, Ok(Language::CoreosCloudinit));
    }

    #[test]
    fn unknown_texts() {
        let cases: [(&[u8], &str); 7] = [
            (b"hello: 1\n", "`hello`"),
            (b"storage: {}\nfoo: 1\n", "`foo`"),
            (b"ignition: {version: 3.0.0}\n", "JSON"),
            (b"#cloud-config\ncoreos: {}\nk3os: {}\n", "k3OS"),
            (b"text", "unknown language"),
            (b"<html>", "HTML"),
            (b"\x7fELF", "program"),
        ];
        for (text, word) in cases {
            let message = detect(text).map_err(|e| e.finding.message).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
