//! Random trees: an image as distributions ship it, with trouble in it.

use crate::chance::Chance;
use crate::scene::{Rights, Step};
use crate::wishes::{CONTENTS, KEY, PATHS};

const OURS: Rights = Rights(0, 0, 0o755);
const TEXT: Rights = Rights(0, 0, 0o644);

/// Modes of nodes, sane ones more often.
const MODES: &[u32] = &[
    0o755, 0o755, 0o700, 0o711, 0o2775, 0o1777, 0o000, 0o4755, 0o644, 0o600,
];

/// Where links of the tree lead.
const LINK_TARGETS: &[&str] = &[
    "srv/d",
    "/srv/d",
    "var/home",
    "/var/home",
    "../../../../srv/d",
    "../var/opt",
    "var/nowhere/deep",
    "/nowhere",
    "/etc/a",
    "link2",
    "/link",
    "loop",
    ".",
    "/",
    "..",
    "var/lib/../opt",
    "/home",
    "/tmp",
    "",
];

/// The steps that make a tree.
pub fn random(chance: &mut Chance) -> Vec<Step> {
    let mut steps = Vec::new();
    if chance.percent(5) {
        return steps;
    }
    if chance.percent(15) {
        odd_nodes(chance, &mut steps);
    }
    top_directories(chance, &mut steps);
    accounts(chance, &mut steps);
    homes(chance, &mut steps);
    sshd(chance, &mut steps);
    systemd(chance, &mut steps);
    for _ in 0..chance.below(7) {
        let node = node(chance);
        steps.push(node);
    }
    if chance.percent(15) {
        mounts(chance, &mut steps);
    }
    steps
}

fn file(path: &str, text: &str) -> Step {
    Step::File(path.into(), text.into(), TEXT)
}

fn link(path: &str, target: &str) -> Step {
    Step::Link(path.into(), target.into())
}

fn directory(path: &str) -> Step {
    Step::Directory(path.into(), OURS)
}

/// Places that are looked at, whatever the config names.
const KNOWN_PLACES: &[&str] = &[
    "/etc",
    "/etc/default/useradd",
    "/etc/group",
    "/etc/gshadow",
    "/etc/login.defs",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/selinux/config",
    "/etc/shadow",
    "/etc/skel",
    "/etc/skel/.config",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/sysusers.d",
    "/etc/systemd/system",
    "/etc/systemd/system-preset",
    "/etc/systemd/system/a.service",
    "/etc/systemd/system/a.service.d",
    "/etc/systemd/system/multi-user.target.wants",
    "/home",
    "/home/alice",
    "/usr/lib/passwd",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system/b.service",
    "/usr/lib/sysusers.d",
    "/usr/lib/sysusers.d/x.conf",
];

/// Something else than what is expected at a place.
fn odd_nodes(chance: &mut Chance, steps: &mut Vec<Step>) {
    for _ in 0..=chance.below(2) {
        let path = chance.pick(KNOWN_PLACES);
        steps.push(match chance.below(8) {
            0 => Step::Fifo(path.into()),
            1 => Step::Device(path.into()),
            2 => Step::Socket(path.into()),
            3 => file(path, "\u{1}\u{ff}:\0:\n"),
            4 => directory(path),
            5 => link(path, "/nowhere/at/all"),
            6 => link(path, path),
            _ => link(path, chance.pick(LINK_TARGETS)),
        });
    }
}

fn top_directories(chance: &mut Chance, steps: &mut Vec<Step>) {
    for path in ["/etc", "/usr/bin", "/usr/lib", "/var", "/tmp", "/srv/d"] {
        if chance.percent(85) {
            steps.push(directory(path));
        }
    }
    if chance.percent(50) {
        steps.push(link("/bin", "usr/bin"));
        steps.push(file("/usr/bin/sh", "#!"));
        steps.push(file("/usr/bin/bash", "#!"));
    }
    for (path, inside) in [
        ("/home", "var/home"),
        ("/root", "var/roothome"),
        ("/opt", "var/opt"),
        ("/mnt", "var/mnt"),
        ("/srv", "var/srv"),
    ] {
        match chance.below(10) {
            0..=3 => {}
            4..=6 => steps.push(directory(path)),
            7 => {
                steps.push(directory(&format!("/{inside}")));
                steps.push(link(
                    path,
                    &chance.pick(&[
                        inside.to_owned(),
                        format!("/{inside}"),
                        format!("../../{inside}"),
                    ]),
                ));
            }
            8 => steps.push(link(
                path,
                &chance.pick(&[
                    inside.to_owned(),
                    format!("/{inside}"),
                    format!("../../{inside}"),
                ]),
            )),
            _ => steps.push(link(path, chance.pick(LINK_TARGETS))),
        }
    }
    for path in ["/link", "/link2", "/up", "/etc/l"] {
        if chance.percent(50) {
            steps.push(link(path, chance.pick(LINK_TARGETS)));
        }
    }
    if chance.percent(20) {
        steps.push(link("/loop", "loop2"));
        steps.push(link("/loop2", "/loop"));
    }
    if chance.percent(20) {
        steps.push(file("/etc/a", chance.pick(CONTENTS)));
        steps.push(link("/tofile", "etc/a"));
    }
    if chance.percent(20) {
        steps.push(link(
            "/dangling",
            chance.pick(&["var/nowhere/deep", "/nowhere", "../gone"]),
        ));
    }
}

const PASSWD: &[&str] = &[
    "root:x:0:0:root:/root:/bin/bash",
    "daemon:x:1:1::/:/usr/sbin/nologin",
    "alice:x:1000:1000:Alice:/home/alice:/bin/bash",
    "core:x:500:500:CoreOS Admin:/home/core:/bin/bash",
    "bob:x:1001:100::/srv/d:/bin/false",
    "carol:x:1002:4242::/nowhere/carol:/bin/sh",
    "sys:x:200:200::/:/sbin/nologin",
    "alice2:x:1000:1000::/home/alice:/bin/sh",
    "empty:x:1003:1003:::",
    "nobody:x:65534:65534:::/sbin/nologin",
    "top:x:65535:65535::/home/new/below:/bin/sh",
];
const GROUP: &[&str] = &[
    "root:x:0:",
    "daemon:x:1:",
    "alice:x:1000:",
    "core:x:500:",
    "users:x:100:",
    "wheel:x:10:alice,core",
    "docker:x:999:",
    "ops:x:1005:bob,ghost",
    "new2:x:65534:new,alice",
    "last:x:4294967294:carol",
    "sys:x:200:",
    "sudo:x:27:",
];

fn lines(chance: &mut Chance, all: &[&str], share: u64) -> String {
    let kept: Vec<&str> = all
        .iter()
        .copied()
        .filter(|line| line.starts_with("root") || chance.percent(share))
        .collect();
    let end = if chance.percent(95) { "\n" } else { "" };
    kept.join("\n") + end
}

/// The shadow database that belongs to the lines of another one.
fn shadow(chance: &mut Chance, of: &str, rest: &str) -> String {
    let names = of.lines().filter_map(|line| line.split(':').next());
    let hash = chance.pick(&["*", "!", "$6$salt$hash", ""]);
    names
        .map(|name| format!("{name}:{hash}:{rest}\n"))
        .collect()
}

fn accounts(chance: &mut Chance, steps: &mut Vec<Step>) {
    let kind = chance.below(20);
    if kind == 0 {
        return;
    }
    let passwd = lines(chance, PASSWD, 65);
    let group = lines(chance, GROUP, 70);
    let share = if kind < 15 { 97 } else { 60 };
    if kind >= 16 {
        image_layer(chance, steps);
    }
    if chance.percent(share) {
        steps.push(file("/etc/passwd", &passwd));
    }
    if chance.percent(share) {
        steps.push(file("/etc/group", &group));
    }
    if chance.percent(share) {
        let text = shadow(chance, &passwd, "19000:0:99999:7:::");
        steps.push(Step::File("/etc/shadow".into(), text, Rights(0, 0, 0o640)));
    }
    if chance.percent(share) {
        let text = shadow(chance, &group, ":");
        steps.push(Step::File("/etc/gshadow".into(), text, Rights(0, 0, 0o640)));
    }
    if chance.percent(60) {
        let more = chance.pick(&[
            "",
            "USERGROUPS_ENAB no\n",
            "CREATE_HOME yes\nHOME_MODE 0700\n",
            "GID_MAX 1006\nUID_MAX 1004\n",
        ]);
        let text = format!("UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n{more}");
        steps.push(file("/etc/login.defs", &text));
    }
    if chance.percent(30) {
        steps.push(file(
            "/etc/default/useradd",
            chance.pick(&[
                "HOME=/home\nGROUP=100\n",
                "SHELL=/bin/sh\n",
                "HOME=/srv\nSKEL=/etc/skel2\n",
                "SKEL=/etc/passwd\nCREATE_MAIL_SPOOL=yes\n",
                "HOME=/a:b\nSHELL=\u{1}\nEXPIRE=x:y\n",
            ]),
        ));
    }
    if chance.percent(40) {
        steps.push(file("/etc/skel/.bashrc", "skel"));
        steps.push(file("/etc/skel/.config/deep", "skel"));
    }
    if chance.percent(30) {
        steps.push(file(
            "/etc/subuid",
            chance.pick(&["", "alice:100000:65536\n"]),
        ));
        steps.push(file("/etc/subgid", ""));
    }
}

/// Accounts outside of `/etc`.
fn image_layer(chance: &mut Chance, steps: &mut Vec<Step>) {
    let place = chance.pick(&["/usr/lib", "/usr/share/baselayout"]);
    steps.push(file(&format!("{place}/passwd"), &lines(chance, PASSWD, 60)));
    steps.push(file(&format!("{place}/group"), &lines(chance, GROUP, 60)));
    if chance.percent(80) {
        steps.push(file(
            "/etc/nsswitch.conf",
            "passwd: files altfiles\ngroup: files altfiles\nshadow: files\n",
        ));
    }
    if chance.percent(30) {
        steps.push(file(
            "/usr/lib/sysusers.d/x.conf",
            "g ops 1005\nu sys 200 \"sys\" /\nm alice ops\n",
        ));
    }
}

fn homes(chance: &mut Chance, steps: &mut Vec<Step>) {
    for (path, uid) in [
        ("/home/alice", 1000),
        ("/home/core", 500),
        ("/root", 0),
        ("/home/new", 1000),
    ] {
        let owner = if chance.percent(80) { uid } else { 4711 };
        match chance.below(12) {
            0..=3 => steps.push(Step::Directory(
                path.into(),
                Rights(owner, owner, chance.pick(MODES)),
            )),
            4 => steps.push(file(path, "no home")),
            5 => steps.push(link(path, chance.pick(LINK_TARGETS))),
            _ => continue,
        }
        let ssh = format!("{path}/.ssh");
        match chance.below(8) {
            0 => steps.push(Step::Directory(ssh, Rights(owner, owner, 0o700))),
            1 => steps.push(Step::File(
                format!("{ssh}/authorized_keys"),
                format!("{KEY} old\n"),
                Rights(owner, owner, 0o600),
            )),
            2 => steps.push(file(
                &format!("{ssh}/authorized_keys.d/ignition"),
                &format!("{KEY} a\n"),
            )),
            3 => steps.push(file(&ssh, "no directory")),
            4 => steps.push(link(
                &ssh,
                chance.pick(&["/etc/ssh-keys", "../keys", "ssh2"]),
            )),
            5 => steps.push(Step::Directory(format!("{ssh}/authorized_keys"), OURS)),
            6 => steps.push(Step::Directory(
                format!("{ssh}/authorized_keys.d/ignition"),
                OURS,
            )),
            _ => {}
        }
    }
}

fn sshd(chance: &mut Chance, steps: &mut Vec<Step>) {
    if chance.percent(60) {
        return;
    }
    steps.push(file("/usr/sbin/sshd", "#!"));
    let text = chance.pick(&[
        "AuthorizedKeysFile .ssh/authorized_keys\n",
        "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition\n",
        "AuthorizedKeysFile /etc/ssh/keys/%u\n",
        "Include /etc/ssh/sshd_config.d/*.conf\n",
        "AuthorizedKeysFile none\n",
        "authorizedkeysfile = \"%h/.ssh/authorized_keys\"\nMatch User root\n  AuthorizedKeysFile /x/%u\n",
    ]);
    steps.push(file("/etc/ssh/sshd_config", text));
    if chance.percent(40) {
        steps.push(file(
            "/etc/ssh/sshd_config.d/40.conf",
            "AuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\nAuthorizedKeysCommandUser root\n",
        ));
    }
    if chance.percent(20) {
        steps.push(Step::File(
            "/usr/bin/update-ssh-keys".into(),
            "#!".into(),
            OURS,
        ));
    }
}

fn systemd(chance: &mut Chance, steps: &mut Vec<Step>) {
    if chance.percent(40) {
        return;
    }
    if chance.percent(70) {
        let id = chance.pick(&[
            "",
            "uninitialized\n",
            "0123456789abcdef0123456789abcdef\n",
            "not an id\n",
        ]);
        steps.push(file("/etc/machine-id", id));
    }
    let install = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    let units = [
        ("a.service", install.to_owned()),
        (
            "b.service",
            format!("{install}Alias=bee.service\nAlso=a.service\n"),
        ),
        ("tpl@.service", format!("{install}DefaultInstance=x\n")),
        (
            "c.socket",
            "[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target\nRequiredBy=a.service\n"
                .into(),
        ),
        ("d.service", "[Service]\nExecStart=/bin/true\n".into()),
    ];
    for (name, text) in units {
        if chance.percent(50) {
            let place = chance.pick(&[
                "/usr/lib/systemd/system",
                "/usr/lib/systemd/system",
                "/etc/systemd/system",
            ]);
            steps.push(file(&format!("{place}/{name}"), &text));
        }
        let own = format!("/etc/systemd/system/{name}");
        match chance.below(20) {
            0 => steps.push(link(&own, "/dev/null")),
            1 => steps.push(link(
                &own,
                chance.pick(&["/usr/lib/systemd/system/a.service", "a.service", "../gone"]),
            )),
            2 => steps.push(directory(&own)),
            3 => steps.push(file(&own, "")),
            4 => steps.push(file(&format!("{own}.d"), "no directory")),
            5 => steps.push(file(&format!("{own}.d/10.conf"), chance.pick(CONTENTS))),
            6 => steps.push(link(
                &format!("/etc/systemd/system/multi-user.target.wants/{name}"),
                &format!("/usr/lib/systemd/system/{name}"),
            )),
            7 => steps.push(file(
                &format!("/etc/systemd/system/multi-user.target.wants/{name}"),
                "",
            )),
            8 => steps.push(file("/etc/systemd/system/multi-user.target.wants", "")),
            9 => steps.push(link(&format!("{own}.d"), chance.pick(LINK_TARGETS))),
            10 => steps.push(link(
                &format!("{own}.d/10.conf"),
                chance.pick(&["/dev/null", "20.conf", "/etc/a"]),
            )),
            11 => steps.push(link(
                "/etc/systemd/system/multi-user.target.wants",
                chance.pick(&["/srv/d", "sockets.target.wants", "/nowhere"]),
            )),
            _ => {}
        }
    }
    match chance.below(10) {
        4 => steps.push(link("/etc/systemd/system-preset", "/srv/d")),
        0 => steps.push(file(
            "/etc/systemd/system-preset/20-ignition.preset",
            "enable a.service\n",
        )),
        1 => steps.push(file("/etc/systemd/system-preset/10.preset", "disable *\n")),
        2 => steps.push(file("/etc/systemd/system-preset", "")),
        3 => steps.push(link(
            "/etc/systemd/system-preset/20-ignition.preset",
            "/dev/null",
        )),
        _ => {}
    }
}

fn node(chance: &mut Chance) -> Step {
    let path = chance.pick(PATHS).to_owned();
    let rights = Rights(
        chance.pick(&[0, 0, 0, 1000, 4711]),
        chance.pick(&[0, 0, 0, 1000, 999]),
        chance.pick(MODES),
    );
    match chance.below(16) {
        0..=5 => {
            let whole = chance.pick(CONTENTS);
            let text = match chance.below(3) {
                0 => whole.chars().take(whole.chars().count() / 2).collect(),
                1 => format!("{whole}more"),
                _ => whole.to_owned(),
            };
            Step::File(path, text, rights)
        }
        6..=8 => Step::Directory(path, rights),
        9 => Step::File(format!("{path}/inside"), "inside".into(), rights),
        10..=11 => Step::Link(path, chance.pick(LINK_TARGETS).into()),
        12 => Step::HardLink(path, chance.pick(PATHS).into()),
        13 => Step::Fifo(path),
        14 => Step::Socket(path),
        _ => Step::Device(path),
    }
}

fn mounts(chance: &mut Chance, steps: &mut Vec<Step>) {
    let places = [
        "/srv",
        "/srv/d",
        "/home",
        "/var/home",
        "/home/alice",
        "/etc/a",
        "/opt/x",
        "/mnt/m",
        "/var",
        "/tmp",
        "/etc/systemd/system",
        "/home/alice/.ssh",
        "/home/new",
        "/etc",
    ];
    let place = chance.pick(&places);
    if chance.percent(60) {
        steps.push(directory(place));
    }
    if chance.percent(60) {
        steps.push(Step::Tmpfs(place.into()));
    } else {
        steps.push(Step::Bind(chance.pick(&places).into(), place.into()));
    }
    if chance.percent(50) {
        steps.push(file(
            &format!("{place}/{}", chance.pick(&["f", "b", "e", "g"])),
            chance.pick(CONTENTS),
        ));
    }
    if chance.percent(15) {
        steps.push(Step::ReadOnly(place.into()));
    }
}
