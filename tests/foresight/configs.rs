//! Random configs: entries that interact with each other and with the content of a tree.

use crate::common::gzip::gzipped;
use crate::rng::Rng;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling::config;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};

/// Paths, few enough to interact.
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

/// Contents of files.
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

/// Replaces names in a message by a placeholder.
pub fn anonymous(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    match USERS.contains(&bare) || GROUPS.contains(&bare) {
        true => word.replace(bare, "_"),
        false => word.to_owned(),
    }
}

/// A config that is valid, for a tree.
pub fn random(rng: &mut Rng) -> Value {
    valid(rng, |rng| {
        let mut builder = ConfigBuilder::default();
        let max = rng.pick(&[1, 2, 3, 5, 12]);
        for _ in 0..1 + rng.below(max) {
            builder.add(rng);
        }
        builder.config()
    })
}

/// The first generated config that validation accepts.
pub fn valid(rng: &mut Rng, one: impl Fn(&mut Rng) -> Value) -> Value {
    for _ in 0..200 {
        let config = one(rng);
        if is_valid(&config) {
            return config;
        }
    }
    json!({"ignition": {"version": "3.4.0"}})
}

/// True if kindling accepts this as a config.
pub fn is_valid(config: &Value) -> bool {
    config::parse("round.ign", config.to_string().as_bytes())
        .outcome
        .is_ok()
}

/// Entries by kind.
#[derive(Default)]
pub struct ConfigBuilder {
    users: Vec<Value>,
    groups: Vec<Value>,
    files: Vec<Value>,
    directories: Vec<Value>,
    links: Vec<Value>,
    units: Vec<Value>,
}

impl ConfigBuilder {
    /// Adds a random entry.
    pub fn add(&mut self, rng: &mut Rng) {
        match rng.below(20) {
            0..=3 => add(&mut self.users, user(rng), "name"),
            4..=5 => add(&mut self.groups, group(rng), "name"),
            6..=10 => self.files.push(file(rng)),
            11..=13 => self.directories.push(directory(rng)),
            14..=16 => self.links.push(link(rng)),
            _ => add(&mut self.units, unit(rng), "name"),
        }
    }

    /// The config with all entries.
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

/// Sets a key of an object in that share of cases.
macro_rules! maybe {
    ($rng:ident, $object:ident, $share:expr, $key:expr, $value:expr) => {
        if $rng.percent($share) {
            $object.insert($key.into(), json!($value));
        }
    };
}

fn group_name(rng: &mut Rng) -> &'static str {
    if rng.percent(4) {
        NOWHERE
    } else {
        rng.pick(GROUPS)
    }
}

fn user(rng: &mut Rng) -> Value {
    let mut user = Map::new();
    maybe!(rng, user, 99, "name", rng.pick(USERS));
    if rng.percent(10) {
        user.insert("shouldExist".into(), json!(false));
        return Value::Object(user);
    }
    maybe!(rng, user, 15, "uid", rng.pick(IDS));
    maybe!(rng, user, 15, "primaryGroup", group_name(rng));
    maybe!(rng, user, 25, "groups", {
        let first = group_name(rng);
        let second = group_name(rng);
        if first == second {
            vec![first]
        } else {
            vec![first, second]
        }
    });
    maybe!(
        rng,
        user,
        20,
        "homeDir",
        rng.pick(&[
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
    maybe!(rng, user, 20, "noCreateHome", true);
    maybe!(rng, user, 10, "noUserGroup", true);
    maybe!(rng, user, 15, "system", true);
    maybe!(rng, user, 10, "noLogInit", true);
    maybe!(
        rng,
        user,
        15,
        "shell",
        rng.pick(&["/bin/sh", "/bin/bash", "/bin/gone", ""])
    );
    maybe!(rng, user, 15, "gecos", rng.pick(&["A. B.", "", "Grün"]));
    maybe!(
        rng,
        user,
        15,
        "passwordHash",
        rng.pick(&["$6$a$b", "*", ""])
    );
    maybe!(
        rng,
        user,
        40,
        "sshAuthorizedKeys",
        rng.pick(&[
            vec![format!("{KEY} a")],
            vec![format!("{KEY} a"), format!("{KEY} b")],
            vec![]
        ])
    );
    Value::Object(user)
}

fn group(rng: &mut Rng) -> Value {
    let mut group = Map::new();
    group.insert("name".into(), json!(rng.pick(GROUPS)));
    if rng.percent(15) {
        group.insert("shouldExist".into(), json!(false));
        return Value::Object(group);
    }
    maybe!(rng, group, 25, "gid", rng.pick(IDS));
    maybe!(rng, group, 15, "system", true);
    maybe!(rng, group, 15, "passwordHash", rng.pick(&["$6$a$b", ""]));
    Value::Object(group)
}

/// A path, sometimes below one of the pool or through a link.
fn path(rng: &mut Rng) -> String {
    let path = rng.pick(PATHS);
    match rng.below(24) {
        0 => format!("{path}/sub"),
        1 => format!("{path}/sub/deep"),
        2 => format!("/link{path}"),
        _ => path.to_owned(),
    }
}

fn node(rng: &mut Rng) -> Map<String, Value> {
    let mut node = Map::new();
    node.insert("path".into(), json!(path(rng)));
    maybe!(rng, node, 30, "overwrite", rng.percent(80));
    maybe!(rng, node, 12, "user", owner(rng, USERS));
    maybe!(rng, node, 12, "group", owner(rng, GROUPS));
    node
}

fn owner(rng: &mut Rng, names: &[&str]) -> Value {
    match rng.below(20) {
        0 => json!({"name": NOWHERE}),
        1..=9 => json!({"name": rng.pick(names)}),
        _ => json!({"id": rng.pick(IDS)}),
    }
}

fn mode(rng: &mut Rng) -> u32 {
    rng.pick(&[
        0o644, 0o600, 0o755, 0o700, 0o000, 0o2755, 0o1777, 0o4711, 0o400,
    ])
}

/// Bytes from a `data:` URL.
fn resource(rng: &mut Rng) -> Value {
    let long = "line of a longer file\n".repeat(4000);
    let text = if rng.percent(5) {
        long.as_str()
    } else {
        rng.pick(CONTENTS)
    };
    let mut resource = Map::new();
    let is_packed = rng.percent(10);
    let bytes = match is_packed {
        true => {
            let mut bytes = gzipped(text);
            if rng.percent(10) {
                bytes.truncate(bytes.len() / 2);
            }
            bytes
        }
        false => text.as_bytes().to_vec(),
    };
    if is_packed || rng.percent(1) {
        resource.insert("compression".into(), json!("gzip"));
    }
    maybe!(rng, resource, 15, "verification", {
        let subject = if rng.percent(10) {
            b"other".as_slice()
        } else {
            &bytes
        };
        let hash = match rng.percent(50) {
            true => format!("sha256-{}", hex(&Sha256::digest(subject))),
            false => format!("sha512-{}", hex(&Sha512::digest(subject))),
        };
        json!({"hash": hash})
    });
    let source = match is_packed || rng.percent(30) {
        true => format!("data:;base64,{}", STANDARD.encode(&bytes)),
        false => format!(
            "data:,{}",
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        ),
    };
    resource.insert("source".into(), json!(source));
    if rng.percent(2) {
        resource.insert("source".into(), json!(null));
    }
    Value::Object(resource)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(rng: &mut Rng) -> Value {
    let mut file = node(rng);
    maybe!(rng, file, 40, "mode", mode(rng));
    maybe!(rng, file, 80, "contents", resource(rng));
    maybe!(
        rng,
        file,
        15,
        "append",
        (0..1 + rng.below(2))
            .map(|_| resource(rng))
            .collect::<Vec<_>>()
    );
    Value::Object(file)
}

fn directory(rng: &mut Rng) -> Value {
    let mut directory = node(rng);
    maybe!(rng, directory, 40, "mode", mode(rng));
    Value::Object(directory)
}

fn link(rng: &mut Rng) -> Value {
    let mut link = node(rng);
    let is_hard = rng.percent(30);
    let target = match rng.below(10) {
        0..=5 => path(rng),
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

fn dropins(rng: &mut Rng) -> Vec<Value> {
    let names = ["10.conf", "20.conf", "30.conf"];
    let some = &names[rng.below(3) as usize..];
    let dropin = |name: &&str| {
        let mut dropin = json!({"name": name});
        if rng.percent(80) {
            let text = rng.pick(&[
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

fn unit(rng: &mut Rng) -> Value {
    let mut unit = Map::new();
    unit.insert("name".into(), json!(rng.pick(UNITS)));
    let install = rng.pick(&[
        "",
        "[Install]\nWantedBy=multi-user.target\n",
        "[Install]\nWantedBy=multi-user.target graphical.target\nAlso=b.service\nAlias=other.service\n",
        "[Install]\nRequiredBy=a.service\nUpheldBy=b.service\nDefaultInstance=i\n",
    ]);
    maybe!(
        rng,
        unit,
        60,
        "contents",
        format!("[Service]\nExecStart=/bin/true\n{install}")
    );
    maybe!(rng, unit, 60, "enabled", rng.percent(80));
    maybe!(rng, unit, 10, "mask", rng.percent(90));
    maybe!(rng, unit, 25, "dropins", dropins(rng));
    Value::Object(unit)
}
