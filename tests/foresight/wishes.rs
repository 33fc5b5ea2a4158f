//! Random configs: entries that meet each other, and what a tree holds.

use crate::chance::Chance;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use kindling::config;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::io::Write;

/// Places, few enough to meet each other.
pub const PATHS: &[&str] = &[
    "/etc/a",
    "/etc/a/b",
    "/etc/a/b/c",
    "/etc/hostname",
    "/etc/motd",
    "/etc/kin dling",
    "/etc/grün",
    "/etc/two\nlines",
    "/opt/x",
    "/opt/x/y",
    "/srv/d",
    "/srv/d/e",
    "/srv",
    "/home",
    "/home/alice",
    "/home/alice/f",
    "/home/alice/.ssh",
    "/home/alice/.ssh/authorized_keys",
    "/home/new",
    "/home/new/f",
    "/home/bob/g",
    "/root/f",
    "/root",
    "/root/.ssh/authorized_keys.d/ignition",
    "/mnt/m",
    "/mnt/m/f",
    "/var/home/alice/f",
    "/var/home",
    "/var/d/e",
    "/var/opt/x",
    "/usr/local/bin/tool",
    "/link/a",
    "/link/a/b",
    "/link",
    "/link2/b",
    "/up/x",
    "/up/e",
    "/loop/x",
    "/dangling/x",
    "/dangling",
    "/tofile/x",
    "/tofile",
    "/etc/l/x",
    "/etc/l",
    "/etc/systemd/system/a.service",
    "/etc/systemd/system/b.service",
    "/etc/systemd/system/a.service.d/10.conf",
    "/etc/systemd/system",
    "/etc/systemd/system-preset/20-ignition.preset",
    "/etc/systemd/system/multi-user.target.wants/a.service",
    "/etc/passwd",
    "/etc/group",
    "/etc/machine-id",
    "/etc",
    "/bin/x",
    "/nowhere/deep/f",
    "/var/nowhere/deep/x",
    "/etc/sudoers.d/a",
    "/etc/localtime",
    "/etc/ssh/sshd_config",
    "/a/b/c/d/e/f",
    "/a/b",
    "/tmp/t",
    "/var/lib/f",
    "/etc/shadow",
    "/usr/lib/passwd",
    "/etc/systemd/system/a.service.d",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system-preset",
    "/etc/login.defs",
    "/etc/nsswitch.conf",
    "/usr/lib/group",
    "/home/core/.ssh/authorized_keys.d",
    "/srv/home/new",
];

/// What files hold.
pub const CONTENTS: &[&str] = &[
    "",
    "hello",
    "hello\nworld\n",
    "kept",
    "0123456789abcdef0123456789abcdef\n",
    "grün\n",
    "passwd: files altfiles\ngroup: altfiles files\n",
];

/// A public key.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvN1xWgU8rvSBFPYtQ8nCFDSQqnDI6n5RLbSh6A1L8m";

const USERS: &[&str] = &[
    "alice", "core", "root", "bob", "carol", "sys", "new", "new2", "empty", "daemon",
];
const GROUPS: &[&str] = &[
    "wheel", "docker", "alice", "core", "users", "ops", "sys", "new", "new2", "sudo", "root",
];
const NOWHERE: &str = "nowhere";
const IDS: &[u64] = &[
    0, 1, 10, 100, 200, 500, 999, 1000, 1001, 1005, 2000, 2001, 60001, 4242, 65534, 65535,
    4294967294,
];
const UNITS: &[&str] = &[
    "a.service",
    "b.service",
    "c.socket",
    "d.service",
    "tpl@.service",
    "tpl@x.service",
    "tpl@y.service",
    "made.service",
    "made.timer",
    "gone.service",
];

/// Stands for a name in a message.
pub fn anonymous(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    match USERS.contains(&bare) || GROUPS.contains(&bare) {
        true => word.replace(bare, "_"),
        false => word.to_owned(),
    }
}

/// A config that is valid, for a tree.
pub fn random(chance: &mut Chance) -> Value {
    valid(chance, |chance| {
        let mut wishes = Wishes::default();
        let most = chance.pick(&[1, 2, 3, 5, 12]);
        for _ in 0..1 + chance.below(most) {
            wishes.add(chance);
        }
        wishes.config()
    })
}

/// The first of these that validation accepts.
pub fn valid(chance: &mut Chance, one: impl Fn(&mut Chance) -> Value) -> Value {
    for _ in 0..200 {
        let config = one(chance);
        if is_valid(&config) {
            return config;
        }
    }
    json!({"ignition": {"version": "3.4.0"}})
}

/// True if kindling takes this as a config.
pub fn is_valid(config: &Value) -> bool {
    config::parse("round.ign", config.to_string().as_bytes())
        .outcome
        .is_ok()
}

/// Entries by kind.
#[derive(Default)]
pub struct Wishes {
    users: Vec<Value>,
    groups: Vec<Value>,
    files: Vec<Value>,
    directories: Vec<Value>,
    links: Vec<Value>,
    units: Vec<Value>,
}

impl Wishes {
    /// Adds a random entry.
    pub fn add(&mut self, chance: &mut Chance) {
        match chance.below(20) {
            0..=3 => add(&mut self.users, user(chance), "name"),
            4..=5 => add(&mut self.groups, group(chance), "name"),
            6..=10 => self.files.push(file(chance)),
            11..=13 => self.directories.push(directory(chance)),
            14..=16 => self.links.push(link(chance)),
            _ => add(&mut self.units, unit(chance), "name"),
        }
    }

    /// All of them, as a config.
    pub fn config(self) -> Value {
        let mut config = json!({"ignition": {"version": "3.4.0"}});
        for (section, list, entries) in [
            ("passwd", "users", self.users),
            ("passwd", "groups", self.groups),
            ("storage", "files", self.files),
            ("storage", "directories", self.directories),
            ("storage", "links", self.links),
            ("systemd", "units", self.units),
        ] {
            if !entries.is_empty() {
                config[section][list] = json!(entries);
            }
        }
        config
    }
}

/// Adds an entry, unless there is one of its name.
fn add(list: &mut Vec<Value>, entry: Value, key: &str) {
    if list.iter().all(|other| other[key] != entry[key]) {
        list.push(entry);
    }
}

/// Gives an object a key in that share of cases.
macro_rules! some {
    ($chance:ident, $object:ident, $share:expr, $key:expr, $value:expr) => {
        if $chance.percent($share) {
            $object.insert($key.into(), json!($value));
        }
    };
}

fn group_name(chance: &mut Chance) -> &'static str {
    if chance.percent(4) {
        NOWHERE
    } else {
        chance.pick(GROUPS)
    }
}

fn user(chance: &mut Chance) -> Value {
    let mut user = Map::new();
    some!(chance, user, 99, "name", chance.pick(USERS));
    if chance.percent(10) {
        user.insert("shouldExist".into(), json!(false));
        return Value::Object(user);
    }
    some!(chance, user, 15, "uid", chance.pick(IDS));
    some!(chance, user, 15, "primaryGroup", group_name(chance));
    some!(chance, user, 25, "groups", {
        let first = group_name(chance);
        let second = group_name(chance);
        if first == second {
            vec![first]
        } else {
            vec![first, second]
        }
    });
    some!(
        chance,
        user,
        20,
        "homeDir",
        chance.pick(&[
            "/",
            "/home/alice",
            "/srv/d",
            "/srv/d/home",
            "/var/home/new",
            "/link/home",
            "/etc/a/home",
            "/loop/home",
            "/dangling/home",
            "/opt/x",
            "/home/new/",
            "/home/alice/below",
            "/mnt/m/home",
            "/tofile/home",
            "/up/home",
            "/home/core",
            "/dev/null"
        ])
    );
    some!(chance, user, 20, "noCreateHome", true);
    some!(chance, user, 10, "noUserGroup", true);
    some!(chance, user, 15, "system", true);
    some!(chance, user, 10, "noLogInit", true);
    some!(
        chance,
        user,
        15,
        "shell",
        chance.pick(&["/bin/sh", "/bin/bash", "/bin/gone", ""])
    );
    some!(
        chance,
        user,
        15,
        "gecos",
        chance.pick(&["A. B.", "", "Grün"])
    );
    some!(
        chance,
        user,
        15,
        "passwordHash",
        chance.pick(&["$6$a$b", "*", ""])
    );
    some!(
        chance,
        user,
        40,
        "sshAuthorizedKeys",
        chance.pick(&[
            vec![format!("{KEY} a")],
            vec![format!("{KEY} a"), format!("{KEY} b")],
            vec![]
        ])
    );
    Value::Object(user)
}

fn group(chance: &mut Chance) -> Value {
    let mut group = Map::new();
    group.insert("name".into(), json!(chance.pick(GROUPS)));
    if chance.percent(15) {
        group.insert("shouldExist".into(), json!(false));
        return Value::Object(group);
    }
    some!(chance, group, 25, "gid", chance.pick(IDS));
    some!(chance, group, 15, "system", true);
    some!(
        chance,
        group,
        15,
        "passwordHash",
        chance.pick(&["$6$a$b", ""])
    );
    Value::Object(group)
}

/// A place, at times below or beside one of the pool, or spelt with dots.
fn path(chance: &mut Chance) -> String {
    let path = chance.pick(PATHS);
    match chance.below(24) {
        0 => format!("{path}/sub"),
        1 => format!("{path}/sub/deep"),
        2 => format!("/link{path}"),
        _ => path.to_owned(),
    }
}

fn node(chance: &mut Chance) -> Map<String, Value> {
    let mut node = Map::new();
    node.insert("path".into(), json!(path(chance)));
    some!(chance, node, 30, "overwrite", chance.percent(80));
    some!(chance, node, 12, "user", owner(chance, USERS));
    some!(chance, node, 12, "group", owner(chance, GROUPS));
    node
}

fn owner(chance: &mut Chance, names: &[&str]) -> Value {
    match chance.below(20) {
        0 => json!({"name": NOWHERE}),
        1..=9 => json!({"name": chance.pick(names)}),
        _ => json!({"id": chance.pick(IDS)}),
    }
}

fn mode(chance: &mut Chance) -> u32 {
    chance.pick(&[
        0o644, 0o600, 0o755, 0o700, 0o000, 0o2755, 0o1777, 0o4711, 0o400,
    ])
}

/// Bytes from a `data:` URL.
fn resource(chance: &mut Chance) -> Value {
    let long = "line of a longer file\n".repeat(4000);
    let text = if chance.percent(5) {
        long.as_str()
    } else {
        chance.pick(CONTENTS)
    };
    let mut resource = Map::new();
    let is_packed = chance.percent(10);
    let bytes = match is_packed {
        true => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text.as_bytes()).expect("memory");
            let mut bytes = encoder.finish().expect("memory");
            if chance.percent(10) {
                bytes.truncate(bytes.len() / 2);
            }
            bytes
        }
        false => text.as_bytes().to_vec(),
    };
    if is_packed || chance.percent(1) {
        resource.insert("compression".into(), json!("gzip"));
    }
    some!(chance, resource, 15, "verification", {
        let subject = if chance.percent(10) {
            b"other".as_slice()
        } else {
            &bytes
        };
        let hash = match chance.percent(50) {
            true => format!("sha256-{}", hex(&Sha256::digest(subject))),
            false => format!("sha512-{}", hex(&Sha512::digest(subject))),
        };
        json!({"hash": hash})
    });
    let source = match is_packed || chance.percent(30) {
        true => format!("data:;base64,{}", STANDARD.encode(&bytes)),
        false => format!(
            "data:,{}",
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        ),
    };
    resource.insert("source".into(), json!(source));
    if chance.percent(2) {
        resource.insert("source".into(), json!(null));
    }
    Value::Object(resource)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(chance: &mut Chance) -> Value {
    let mut file = node(chance);
    some!(chance, file, 40, "mode", mode(chance));
    some!(chance, file, 80, "contents", resource(chance));
    some!(
        chance,
        file,
        15,
        "append",
        (0..1 + chance.below(2))
            .map(|_| resource(chance))
            .collect::<Vec<_>>()
    );
    Value::Object(file)
}

fn directory(chance: &mut Chance) -> Value {
    let mut directory = node(chance);
    some!(chance, directory, 40, "mode", mode(chance));
    Value::Object(directory)
}

fn link(chance: &mut Chance) -> Value {
    let mut link = node(chance);
    let is_hard = chance.percent(30);
    let target = match chance.below(10) {
        0..=5 => path(chance),
        6 => "../a".into(),
        7 => "gone".into(),
        8 => "../../../../../srv/d".into(),
        _ => "/usr/share/zoneinfo/Etc/UTC".into(),
    };
    link.insert("target".into(), json!(target));
    if is_hard {
        link.insert("hard".into(), json!(true));
    }
    Value::Object(link)
}

fn dropins(chance: &mut Chance) -> Vec<Value> {
    let names = ["10.conf", "20.conf", "30.conf"];
    let some = &names[chance.below(3) as usize..];
    let dropin = |name: &&str| {
        let mut dropin = json!({"name": name});
        if chance.percent(80) {
            let text = chance.pick(&[
                "[Unit]\nDescription=x\n",
                "[Install]\nWantedBy=a.target\n",
                "",
            ]);
            dropin["contents"] = json!(text);
        }
        dropin
    };
    some.iter().map(dropin).collect()
}

fn unit(chance: &mut Chance) -> Value {
    let mut unit = Map::new();
    unit.insert("name".into(), json!(chance.pick(UNITS)));
    let install = chance.pick(&[
        "",
        "[Install]\nWantedBy=multi-user.target\n",
        "[Install]\nWantedBy=multi-user.target graphical.target\nAlso=b.service\nAlias=other.service\n",
        "[Install]\nRequiredBy=a.service\nUpheldBy=b.service\nDefaultInstance=i\n",
    ]);
    some!(
        chance,
        unit,
        60,
        "contents",
        format!("[Service]\nExecStart=/bin/true\n{install}")
    );
    some!(chance, unit, 60, "enabled", chance.percent(80));
    some!(chance, unit, 10, "mask", chance.percent(90));
    some!(chance, unit, 25, "dropins", dropins(chance));
    Value::Object(unit)
}
