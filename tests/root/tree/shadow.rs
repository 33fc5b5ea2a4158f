//! Random requests through the shadow tools, as Ignition runs them, and through kindling: the databases and homes must
//! be the same.
//!
//! `KINDLING_SHADOW_SEED` sets the seed, `KINDLING_SHADOW_ROUNDS` the number of rounds.
//!
//! Intended differences, which are not compared here:
//! - Backups (`passwd-`) are not created, since every file is replaced as a whole; nor is `.pwd.lock`, in a tree.
//! - `lastlog` and `faillog` are left alone.
//! - If the target has no `shadow` or `gshadow`, hashes are not written to the world-readable file: the secret one is
//!   created. So every target here has a `shadow`, and groups get no hash if there is no `gshadow`.
//! - An entry of `passwd` without one in `shadow` gets one with a new hash; the tools leave the hash in `passwd`.
//! - Names that Debian's tools allow and upstream's do not (digits only, quotes) are refused.
//! - A home that should be moved to an existing directory stays, and that directory is the new home; the tools fail.
//! - A missing home of an existing user is created; the tools do not create it.
//! - An unused group with the name and id of a new user, which a killed run may have left, becomes the user's own;
//!   useradd fails.
//! - Directories above a home that is moved are created; usermod fails. So they exist in every target here.
//! - A password that is already set keeps its date.
//! - Blanks around names in the list of members are removed when the list changes.
//! - A home that another user owns is kept when its user is deleted; so it is by the tools, which fail.

use super::Target;
use crate::common::run::{number_from, stderr};
use serde_json::{Map, Value, json};
use std::process::Command;

const SEED: u64 = 0x5EED_ACC0;
const ROUNDS: u64 = 150;
const REQUESTS_PER_ROUND: usize = 6;
const DATABASES: [&str; 6] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
];
/// Message of useradd about an existing group with the user's name.
const GROUP_EXISTS: &str = "exists - if you want to add this user to that group, use -g";
const NAMES: [&str; 6] = ["a", "b", "core", "ops", "mail", "sudo"];
const IDS: [u32; 9] = [0, 8, 27, 100, 500, 998, 1000, 1001, 1003];

struct Random(fastrand::Rng);

impl Random {
    fn one_in(&mut self, count: u32) -> bool {
        self.0.u32(0..count) == 0
    }
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.usize(0..from.len())]
    }
}

/// A target with a random policy.
fn target(random: &mut Random) -> Target {
    let target = Target::blank();
    target
        .write(
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nmail:x:8:8:mail:/var/mail:/bin/false\n",
        )
        .write(
            "/etc/shadow",
            "root:*:19000:0:99999:7:::\nmail:*:19000:0:99999:7:::\n",
        )
        .write("/etc/skel/.profile", "# profile\n")
        .mkdir("/home")
        .mkdir("/srv")
        .mkdir("/var/mail")
        .mkdir("/root");
    let group = match random.one_in(2) {
        true => "root:x:0:\nmail:x:8:\nusers:x:100:\nsudo:x:27:mail\nadm:x:4:mail\n",
        false => {
            "root:x:0:\nmail:x:8:\nusers:x:100:\nsudo:x:27:\n# note\nodd:line\nadm:x:4:mail,x\n+:::\n"
        }
    };
    target.write("/etc/group", group);
    if !random.one_in(4) {
        let text = "root:*::\nmail:*::\nusers:*::\nsudo:*:a,mail:mail\nadm:*::mail\n";
        target.write("/etc/gshadow", text);
    }
    if random.one_in(2) {
        let ranges = random.pick(&["", "x:165536:65536\ny:100000:65536\n", "x:100000:70000\n"]);
        target.write("/etc/subuid", ranges);
        target.write("/etc/subgid", ranges);
    }
    let mut policy = String::from("# policy\n");
    let settings: [(&str, &[&str]); 12] = [
        ("UID_MIN", &["1000", "500"]),
        ("UID_MAX", &["60000", "1003"]),
        ("GID_MIN", &["1000"]),
        ("GID_MAX", &["60000", "1003"]),
        ("SYS_UID_MAX", &["999"]),
        ("SYS_GID_MIN", &["201"]),
        ("PASS_MAX_DAYS", &["99999", "90", "-1"]),
        ("PASS_MIN_DAYS", &["0", "-1"]),
        ("USERGROUPS_ENAB", &["yes", "no"]),
        ("HOME_MODE", &["0750", "0700"]),
        ("UMASK", &["022", "077"]),
        ("SUB_UID_COUNT", &["65536", "1000"]),
    ];
    for (key, values) in settings {
        if !random.one_in(3) {
            policy += &format!("{key} {}\n", random.pick(values));
        }
    }
    target.write("/etc/login.defs", &policy);
    let mut defaults = String::new();
    let settings: [(&str, &[&str]); 5] = [
        ("SHELL", &["/bin/sh", "/bin/bash"]),
        ("GROUP", &["100"]),
        ("INACTIVE", &["-1", "30"]),
        ("CREATE_MAIL_SPOOL", &["yes", "no"]),
        ("HOME", &["/home"]),
    ];
    for (key, values) in settings {
        if random.one_in(2) {
            defaults += &format!("{key}={}\n", random.pick(values));
        }
    }
    target.write("/etc/default/useradd", &defaults);
    target
}

fn group(random: &mut Random, has_secrets: bool) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), json!(random.pick(&NAMES)));
    if random.one_in(4) {
        entry.insert("shouldExist".into(), json!(false));
        return entry.into();
    }
    if random.one_in(2) {
        entry.insert("gid".into(), json!(random.pick(&IDS)));
    }
    if random.one_in(3) {
        entry.insert("system".into(), json!(true));
    }
    if has_secrets && random.one_in(4) {
        entry.insert("passwordHash".into(), json!("$6$g$hash"));
    }
    entry.into()
}

fn user(random: &mut Random) -> Value {
    let mut entry = Map::new();
    let name = random.pick(&NAMES);
    entry.insert("name".into(), json!(name));
    if random.one_in(4) {
        entry.insert("shouldExist".into(), json!(false));
        return entry.into();
    }
    let mut set = |random: &mut Random, one_in: u32, key: &str, value: Value| {
        if random.one_in(one_in) {
            entry.insert(key.into(), value);
        }
    };
    let id = random.pick(&IDS);
    set(random, 3, "uid", json!(id));
    set(random, 4, "gecos", json!("A Person"));
    let home = random.pick(&["/home/x", "/srv/y", "/home/core"]);
    set(random, 4, "homeDir", json!(home));
    set(random, 4, "noCreateHome", json!(true));
    let groups = random.pick(&["sudo", "ops", "100", "none"]);
    set(random, 4, "primaryGroup", json!(groups));
    let groups = random.pick(&[
        &["sudo", "adm"][..],
        &["ops"],
        &["27"],
        &["none"],
        &["adm", "users"],
    ]);
    set(random, 3, "groups", json!(groups));
    set(random, 4, "noUserGroup", json!(true));
    set(random, 4, "system", json!(true));
    set(random, 4, "shell", json!("/bin/zsh"));
    let hash = random.pick(&["", "$6$salt$hash"]);
    set(random, 2, "passwordHash", json!(hash));
    entry.into()
}

/// The command that Ignition runs; `None` if there is nothing to do.
fn command(target: &Target, list: &str, entry: &Value) -> Option<Command> {
    let name = entry["name"].as_str().expect("a name");
    let (kind, file) = match list {
        "groups" => ("group", "/etc/group"),
        _ => ("user", "/etc/passwd"),
    };
    let start = format!("{name}:");
    let is_there = target
        .read(file)
        .lines()
        .any(|line| line.starts_with(&start));
    let verb = match (entry["shouldExist"] == json!(false), is_there) {
        (true, false) => return None,
        (true, true) => "del",
        (false, true) => "mod",
        (false, false) => "add",
    };
    let mut command = Command::new(format!("{kind}{verb}"));
    command.arg("--root").arg(target.at("/"));
    if verb == "del" && kind == "user" {
        command.arg("--remove");
    }
    if verb != "del" {
        options(&mut command, kind, verb, entry);
    }
    command.arg(name);
    Some(command)
}

fn options(command: &mut Command, kind: &str, verb: &str, entry: &Value) {
    let is_set = |key: &str| entry[key] == json!(true);
    let texts: &[(&str, &str)] = match kind {
        "group" => &[("--gid", "gid")],
        _ => &[
            ("--uid", "uid"),
            ("--comment", "gecos"),
            ("--gid", "primaryGroup"),
            ("--shell", "shell"),
        ],
    };
    for (option, key) in texts {
        match &entry[*key] {
            Value::Null => {}
            Value::String(text) => {
                command.args([*option, text.as_str()]);
            }
            other => {
                command.args([option.to_string(), other.to_string()]);
            }
        }
    }
    if let Some(groups) = entry["groups"].as_array() {
        let groups: Vec<&str> = groups.iter().filter_map(Value::as_str).collect();
        command.args(["--groups", &groups.join(",")]);
    }
    if let Some(home) = entry["homeDir"].as_str() {
        command.args(["--home", home]);
        if verb == "mod" {
            command.arg("--move-home");
        }
    }
    let hash = match entry["passwordHash"].as_str() {
        None if kind == "user" && verb == "add" => Some("*"),
        Some("") => Some("*"),
        other => other,
    };
    if let Some(hash) = hash {
        command.args(["--password", hash]);
    }
    if verb == "add" {
        if is_set("system") {
            command.arg("--system");
        }
        if kind == "user" {
            command.arg(if is_set("noCreateHome") {
                "--no-create-home"
            } else {
                "--create-home"
            });
            if is_set("noUserGroup") {
                command.arg("--no-user-group");
            }
        }
    }
}

/// True if a request has an intentionally different outcome; see the head of this file.
fn differs_on_purpose(ours: &Target, list: &str, entry: &Value) -> bool {
    let name = entry["name"].as_str().expect("a name");
    let line = ours.read("/etc/passwd");
    let start = format!("{name}:");
    let present = line
        .lines()
        .find(|line| line.starts_with(&start) && list == "users");
    let Some(home) = present.and_then(|line| line.split(':').nth(5)) else {
        return false;
    };
    let uid: Option<u32> = present.and_then(|line| line.split(':').nth(2)?.parse().ok());
    if entry["shouldExist"] == json!(false) {
        let owner = ours.exists(home).then(|| ours.owner_and_mode(home));
        let is_own =
            |owner: &String| owner.split(' ').nth(1) == uid.map(|uid| uid.to_string()).as_deref();
        let others = line.lines().filter(|line| !line.starts_with(&start));
        let is_shared = others
            .filter_map(|line| line.split(':').nth(5))
            .any(|other| other == home);
        return is_shared || owner.is_some_and(|owner| !is_own(&owner));
    }
    match entry["homeDir"].as_str() {
        Some(new) if new != home => ours.exists(new) || !ours.exists(home),
        _ => !ours.exists(home),
    }
}

/// A line of `shadow` without the date of the last change.
fn undated(path: &str, line: &str) -> String {
    let fields = line.split(':').enumerate();
    let kept = fields.filter(|(index, _)| path != "/etc/shadow" || *index != 2);
    kept.map(|(_, field)| field).collect::<Vec<_>>().join(":")
}

/// All lines of all databases, and all nodes of homes.
fn state(target: &Target) -> Vec<String> {
    let mut state = Vec::new();
    for path in DATABASES {
        if target.exists(path) {
            state.push(format!("{path} {}", target.owner_and_mode(path)));
            let text = target.read(path);
            state.extend(
                text.lines()
                    .map(|line| format!("{path}: {}", undated(path, line))),
            );
        }
    }
    for directory in ["/home", "/srv", "/var/mail"] {
        if target.exists(directory) {
            state.extend(super::accounts::listing(target, directory));
        }
    }
    state
}

/// Copies one target to another.
fn copy(from: &Target, to: &Target) {
    for path in ["/etc", "/home", "/srv", "/var", "/root"] {
        let _ = std::fs::remove_dir_all(to.at(path));
        if from.exists(path) {
            let status = Command::new("cp")
                .arg("-a")
                .arg(from.at(path))
                .arg(to.at(path))
                .status();
            assert!(status.expect("cp runs").success());
        }
    }
}

/// Runs one request both ways. Both targets are the same before and after.
fn request(ours: &Target, theirs: &Target, list: &str, entry: &Value) -> Result<(), String> {
    let skipped = differs_on_purpose(ours, list, entry);
    let config = json!({"passwd": {list: [entry]}});
    let planned = ours.plan(&config);
    let refused = planned
        .refusals
        .first()
        .map(|refusal| refusal.cause.clone());
    if refused.is_none() {
        let done = ours.execute(planned.operations);
        done.map_err(|error| format!("planned, and failed: {error}"))?;
        let second = ours.plan(&config);
        let changes = second.changes();
        if !second.refusals.is_empty() || !changes.is_empty() {
            return Err(format!("planned again: {changes:?} {:?}", second.refusals));
        }
    }
    let output = command(theirs, list, entry)
        .map(|mut command| command.output().expect("the shadow tools run"));
    let failed = output
        .as_ref()
        .filter(|output| !output.status.success())
        .map(stderr);
    if skipped || (refused.is_some() && failed.is_some()) {
        copy(ours, theirs);
        return Ok(());
    }
    match (refused, failed) {
        (Some(cause), None) => return Err(format!("only we refuse: {cause}")),
        (None, Some(error)) if error.contains(GROUP_EXISTS) => {
            copy(ours, theirs);
            return Ok(());
        }
        (None, Some(error)) => return Err(format!("only the tools refuse: {error}")),
        _ => {}
    }
    let (ours, theirs) = (state(ours), state(theirs));
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        let lines = from.iter().filter(|line| !of.contains(line));
        lines.cloned().collect()
    };
    match ours == theirs {
        true => Ok(()),
        false => Err(format!(
            "only ours: {:#?}\nonly theirs: {:#?}",
            missing(&ours, &theirs),
            missing(&theirs, &ours)
        )),
    }
}

#[test]
fn the_shadow_tools_do_the_same() {
    let seed = number_from("KINDLING_SHADOW_SEED").unwrap_or(SEED);
    let rounds = number_from("KINDLING_SHADOW_ROUNDS").unwrap_or(ROUNDS);
    let mut failures = Vec::new();
    for round in 0..rounds {
        let mut random = Random(fastrand::Rng::with_seed(
            seed.wrapping_mul(1_000_003) + round,
        ));
        let ours = target(&mut random);
        let theirs = Target::blank();
        copy(&ours, &theirs);
        let mut entries = Vec::new();
        for _ in 0..REQUESTS_PER_ROUND {
            let (list, entry) = match random.one_in(3) {
                true => ("groups", group(&mut random, ours.exists("/etc/gshadow"))),
                false => ("users", user(&mut random)),
            };
            entries.push(format!("{list}: {entry}"));
            if let Err(failure) = request(&ours, &theirs, list, &entry) {
                let policy = ours.read("/etc/login.defs") + &ours.read("/etc/default/useradd");
                failures.push(format!(
                    "round {round} of seed {seed}:\n{}\n{policy}{failure}",
                    entries.join("\n")
                ));
                break;
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {rounds} rounds differ\n{}",
        failures.len(),
        failures
            .iter()
            .take(8)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
}
