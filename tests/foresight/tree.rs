//! Random trees: images as distributions ship them, with problems added.

use crate::configs::{CONTENTS, KEY, PATHS};
use crate::rng::Rng;
use crate::scene::{Rights, Step};

const ROOT_0755: Rights = Rights(0, 0, 0o755);
const ROOT_0644: Rights = Rights(0, 0, 0o644);

/// Modes of nodes; sane ones are more frequent.
const MODES: &[u32] = &[
    0o755, 0o755, 0o700, 0o711, 0o2775, 0o1777, 0o000, 0o4755, 0o644, 0o600,
];

/// Targets of links in the tree.
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

/// The steps that create a tree.
pub fn random(rng: &mut Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    if rng.percent(5) {
        return steps;
    }
    if rng.percent(15) {
        unexpected_nodes(rng, &mut steps);
    }
    top_directories(rng, &mut steps);
    accounts(rng, &mut steps);
    homes(rng, &mut steps);
    sshd(rng, &mut steps);
    systemd(rng, &mut steps);
    for _ in 0..rng.below(7) {
        let node = node(rng);
        steps.push(node);
    }
    if rng.percent(15) {
        mounts(rng, &mut steps);
    }
    steps
}

fn file(path: &str, text: &str) -> Step {
    Step::File(path.into(), text.into(), ROOT_0644)
}

fn link(path: &str, target: &str) -> Step {
    Step::Link(path.into(), target.into())
}

fn directory(path: &str) -> Step {
    Step::Directory(path.into(), ROOT_0755)
}

/// Paths that are inspected, whatever the config names.
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

/// Adds nodes of unexpected kinds at known paths.
fn unexpected_nodes(rng: &mut Rng, steps: &mut Vec<Step>) {
    for _ in 0..=rng.below(2) {
        let path = rng.pick(KNOWN_PLACES);
        steps.push(match rng.below(8) {
            0 => Step::Fifo(path.into()),
            1 => Step::Device(path.into()),
            2 => Step::Socket(path.into()),
            3 => file(path, "\u{1}\u{ff}:\0:\n"),
            4 => directory(path),
            5 => link(path, "/nowhere/at/all"),
            6 => link(path, path),
            _ => link(path, rng.pick(LINK_TARGETS)),
        });
    }
}

fn top_directories(rng: &mut Rng, steps: &mut Vec<Step>) {
    for path in ["/etc", "/usr/bin", "/usr/lib", "/var", "/tmp", "/srv/d"] {
        if rng.percent(85) {
            steps.push(directory(path));
        }
    }
    if rng.percent(50) {
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
        match rng.below(10) {
            0..=3 => {}
            4..=6 => steps.push(directory(path)),
            7 => {
                steps.push(directory(&format!("/{inside}")));
                steps.push(link(
                    path,
                    &rng.pick(&[
                        inside.to_owned(),
                        format!("/{inside}"),
                        format!("../../{inside}"),
                    ]),
                ));
            }
            8 => steps.push(link(
                path,
                &rng.pick(&[
                    inside.to_owned(),
                    format!("/{inside}"),
                    format!("../../{inside}"),
                ]),
            )),
            _ => steps.push(link(path, rng.pick(LINK_TARGETS))),
        }
    }
    for path in ["/link", "/link2", "/up", "/etc/l"] {
        if rng.percent(50) {
            steps.push(link(path, rng.pick(LINK_TARGETS)));
        }
    }
    if rng.percent(20) {
        steps.push(link("/loop", "loop2"));
        steps.push(link("/loop2", "/loop"));
    }
    if rng.percent(20) {
        steps.push(file("/etc/a", rng.pick(CONTENTS)));
        steps.push(link("/tofile", "etc/a"));
    }
    if rng.percent(20) {
        steps.push(link(
            "/dangling",
            rng.pick(&["var/nowhere/deep", "/nowhere", "../gone"]),
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

fn lines(rng: &mut Rng, all: &[&str], share: u64) -> String {
    let kept: Vec<&str> = all
        .iter()
        .copied()
        .filter(|line| line.starts_with("root") || rng.percent(share))
        .collect();
    let end = if rng.percent(95) { "\n" } else { "" };
    kept.join("\n") + end
}

/// The shadow database that belongs to the lines of another one.
fn shadow(rng: &mut Rng, of: &str, rest: &str) -> String {
    let names = of.lines().filter_map(|line| line.split(':').next());
    let hash = rng.pick(&["*", "!", "$6$salt$hash", ""]);
    names
        .map(|name| format!("{name}:{hash}:{rest}\n"))
        .collect()
}

fn accounts(rng: &mut Rng, steps: &mut Vec<Step>) {
    let kind = rng.below(20);
    if kind == 0 {
        return;
    }
    let passwd = lines(rng, PASSWD, 65);
    let group = lines(rng, GROUP, 70);
    let share = if kind < 15 { 97 } else { 60 };
    if kind >= 16 {
        image_layer(rng, steps);
    }
    if rng.percent(share) {
        steps.push(file("/etc/passwd", &passwd));
    }
    if rng.percent(share) {
        steps.push(file("/etc/group", &group));
    }
    if rng.percent(share) {
        let text = shadow(rng, &passwd, "19000:0:99999:7:::");
        steps.push(Step::File("/etc/shadow".into(), text, Rights(0, 0, 0o640)));
    }
    if rng.percent(share) {
        let text = shadow(rng, &group, ":");
        steps.push(Step::File("/etc/gshadow".into(), text, Rights(0, 0, 0o640)));
    }
    if rng.percent(60) {
        let more = rng.pick(&[
            "",
            "USERGROUPS_ENAB no\n",
            "CREATE_HOME yes\nHOME_MODE 0700\n",
            "GID_MAX 1006\nUID_MAX 1004\n",
        ]);
        let text = format!("UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n{more}");
        steps.push(file("/etc/login.defs", &text));
    }
    if rng.percent(30) {
        steps.push(file(
            "/etc/default/useradd",
            rng.pick(&[
                "HOME=/home\nGROUP=100\n",
                "SHELL=/bin/sh\n",
                "HOME=/srv\nSKEL=/etc/skel2\n",
                "SKEL=/etc/passwd\nCREATE_MAIL_SPOOL=yes\n",
                "HOME=/a:b\nSHELL=\u{1}\nEXPIRE=x:y\n",
            ]),
        ));
    }
    if rng.percent(40) {
        steps.push(file("/etc/skel/.bashrc", "skel"));
        steps.push(file("/etc/skel/.config/deep", "skel"));
    }
    if rng.percent(30) {
        steps.push(file("/etc/subuid", rng.pick(&["", "alice:100000:65536\n"])));
        steps.push(file("/etc/subgid", ""));
    }
}

/// Accounts outside of `/etc`.
fn image_layer(rng: &mut Rng, steps: &mut Vec<Step>) {
    let place = rng.pick(&["/usr/lib", "/usr/share/baselayout"]);
    steps.push(file(&format!("{place}/passwd"), &lines(rng, PASSWD, 60)));
    steps.push(file(&format!("{place}/group"), &lines(rng, GROUP, 60)));
    if rng.percent(80) {
        steps.push(file(
            "/etc/nsswitch.conf",
            "passwd: files altfiles\ngroup: files altfiles\nshadow: files\n",
        ));
    }
    if rng.percent(30) {
        steps.push(file(
            "/usr/lib/sysusers.d/x.conf",
            "g ops 1005\nu sys 200 \"sys\" /\nm alice ops\n",
        ));
    }
}

fn homes(rng: &mut Rng, steps: &mut Vec<Step>) {
    for (path, uid) in [
        ("/home/alice", 1000),
        ("/home/core", 500),
        ("/root", 0),
        ("/home/new", 1000),
    ] {
        let owner = if rng.percent(80) { uid } else { 4711 };
        match rng.below(12) {
            0..=3 => steps.push(Step::Directory(
                path.into(),
                Rights(owner, owner, rng.pick(MODES)),
            )),
            4 => steps.push(file(path, "no home")),
            5 => steps.push(link(path, rng.pick(LINK_TARGETS))),
            _ => continue,
        }
        let ssh = format!("{path}/.ssh");
        match rng.below(8) {
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
            4 => steps.push(link(&ssh, rng.pick(&["/etc/ssh-keys", "../keys", "ssh2"]))),
            5 => steps.push(Step::Directory(format!("{ssh}/authorized_keys"), ROOT_0755)),
            6 => steps.push(Step::Directory(
                format!("{ssh}/authorized_keys.d/ignition"),
                ROOT_0755,
            )),
            _ => {}
        }
    }
}

fn sshd(rng: &mut Rng, steps: &mut Vec<Step>) {
    if rng.percent(60) {
        return;
    }
    steps.push(file("/usr/sbin/sshd", "#!"));
    let text = rng.pick(&[
        "AuthorizedKeysFile .ssh/authorized_keys\n",
        "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition\n",
        "AuthorizedKeysFile /etc/ssh/keys/%u\n",
        "Include /etc/ssh/sshd_config.d/*.conf\n",
        "AuthorizedKeysFile none\n",
        "authorizedkeysfile = \"%h/.ssh/authorized_keys\"\nMatch User root\n  AuthorizedKeysFile /x/%u\n",
    ]);
    steps.push(file("/etc/ssh/sshd_config", text));
    if rng.percent(40) {
        steps.push(file(
            "/etc/ssh/sshd_config.d/40.conf",
            "AuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\nAuthorizedKeysCommandUser root\n",
        ));
    }
    if rng.percent(20) {
        steps.push(Step::File(
            "/usr/bin/update-ssh-keys".into(),
            "#!".into(),
            ROOT_0755,
        ));
    }
}

fn systemd(rng: &mut Rng, steps: &mut Vec<Step>) {
    if rng.percent(40) {
        return;
    }
    if rng.percent(70) {
        let id = rng.pick(&[
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
        if rng.percent(50) {
            let place = rng.pick(&[
                "/usr/lib/systemd/system",
                "/usr/lib/systemd/system",
                "/etc/systemd/system",
            ]);
            steps.push(file(&format!("{place}/{name}"), &text));
        }
        let own = format!("/etc/systemd/system/{name}");
        match rng.below(20) {
            0 => steps.push(link(&own, "/dev/null")),
            1 => steps.push(link(
                &own,
                rng.pick(&["/usr/lib/systemd/system/a.service", "a.service", "../gone"]),
            )),
            2 => steps.push(directory(&own)),
            3 => steps.push(file(&own, "")),
            4 => steps.push(file(&format!("{own}.d"), "no directory")),
            5 => steps.push(file(&format!("{own}.d/10.conf"), rng.pick(CONTENTS))),
            6 => steps.push(link(
                &format!("/etc/systemd/system/multi-user.target.wants/{name}"),
                &format!("/usr/lib/systemd/system/{name}"),
            )),
            7 => steps.push(file(
                &format!("/etc/systemd/system/multi-user.target.wants/{name}"),
                "",
            )),
            8 => steps.push(file("/etc/systemd/system/multi-user.target.wants", "")),
            9 => steps.push(link(&format!("{own}.d"), rng.pick(LINK_TARGETS))),
            10 => steps.push(link(
                &format!("{own}.d/10.conf"),
                rng.pick(&["/dev/null", "20.conf", "/etc/a"]),
            )),
            11 => steps.push(link(
                "/etc/systemd/system/multi-user.target.wants",
                rng.pick(&["/srv/d", "sockets.target.wants", "/nowhere"]),
            )),
            _ => {}
        }
    }
    match rng.below(10) {
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

fn node(rng: &mut Rng) -> Step {
    let path = rng.pick(PATHS).to_owned();
    let rights = Rights(
        rng.pick(&[0, 0, 0, 1000, 4711]),
        rng.pick(&[0, 0, 0, 1000, 999]),
        rng.pick(MODES),
    );
    match rng.below(16) {
        0..=5 => {
            let whole = rng.pick(CONTENTS);
            let text = match rng.below(3) {
                0 => whole.chars().take(whole.chars().count() / 2).collect(),
                1 => format!("{whole}more"),
                _ => whole.to_owned(),
            };
            Step::File(path, text, rights)
        }
        6..=8 => Step::Directory(path, rights),
        9 => Step::File(format!("{path}/inside"), "inside".into(), rights),
        10..=11 => Step::Link(path, rng.pick(LINK_TARGETS).into()),
        12 => Step::HardLink(path, rng.pick(PATHS).into()),
        13 => Step::Fifo(path),
        14 => Step::Socket(path),
        _ => Step::Device(path),
    }
}

fn mounts(rng: &mut Rng, steps: &mut Vec<Step>) {
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
    let place = rng.pick(&places);
    if rng.percent(60) {
        steps.push(directory(place));
    }
    if rng.percent(60) {
        steps.push(Step::Tmpfs(place.into()));
    } else {
        steps.push(Step::Bind(rng.pick(&places).into(), place.into()));
    }
    if rng.percent(50) {
        steps.push(file(
            &format!("{place}/{}", rng.pick(&["f", "b", "e", "g"])),
            rng.pick(CONTENTS),
        ));
    }
    if rng.percent(15) {
        steps.push(Step::ReadOnly(place.into()));
    }
}
