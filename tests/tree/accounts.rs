//! Users, groups and ssh keys, through the shadow tools and by ourselves.

use super::Target;
use kindling::plan::op::{AccountBackend, OpKind, Operation};
use serde_json::{Value, json};

fn passwd(passwd: Value) -> Value {
    json!({ "passwd": passwd })
}

/// A root as a distribution ships it: databases, policy, skeleton.
fn distribution() -> Target {
    let target = Target::blank();
    target
        .write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nmail:x:8:8:mail:/var/mail:/bin/false\n")
        .write("/etc/group", "root:x:0:\nmail:x:8:\nusers:x:100:\nsudo:x:27:\nadm:x:4:mail\n")
        .write("/etc/shadow", "root:*:19000:0:99999:7:::\nmail:*:19000:0:99999:7:::\n")
        .write("/etc/gshadow", "root:*::\nmail:*::\nusers:*::\nsudo:*::\nadm:*::mail\n")
        .write(
            "/etc/login.defs",
            "# policy\nUID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nPASS_MAX_DAYS 99999\n\
             PASS_MIN_DAYS 0\nPASS_WARN_AGE 7\nUSERGROUPS_ENAB yes\nUMASK 022\nHOME_MODE 0750\n",
        )
        .write("/etc/default/useradd", "SHELL=/bin/sh\n")
        .write("/etc/skel/.profile", "# profile\n")
        .write("/etc/skel/.config/x", "")
        .link("/etc/skel/.link", ".profile")
        .chmod("/etc/shadow", 0o640)
        .mkdir("/home")
        .mkdir("/root");
    target
}

const DATABASES: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// The operations, all by ourselves.
fn native(mut operations: Vec<Operation>) -> Vec<Operation> {
    for operation in &mut operations {
        match &mut operation.kind {
            OpKind::Group(act) => act.backend = AccountBackend::Native,
            OpKind::User(act) => act.backend = AccountBackend::Native,
            _ => {}
        }
    }
    operations
}

/// All below a directory: path, mode and owner.
fn listing(target: &Target, path: &str) -> Vec<String> {
    let mut entries = vec![format!("{path} {}", target.owner_and_mode(path))];
    let at = target.at(path);
    if at.is_dir() && !at.is_symlink() {
        let children = std::fs::read_dir(at)
            .expect("readable")
            .map(|entry| entry.expect("an entry"));
        let mut names: Vec<_> = children.map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            entries.extend(listing(
                target,
                &format!("{path}/{}", name.to_string_lossy()),
            ));
        }
    }
    entries
}

#[test]
fn both_ways_give_the_same_result() {
    let steps = [
        passwd(json!({
            "groups": [{"name": "ops"}, {"name": "sys", "system": true}, {"name": "fixed", "gid": 1500},
                       {"name": "locked", "gid": 1600, "passwordHash": "$6$g$h"}],
            "users": [
                {"name": "core", "groups": ["sudo", "ops"], "passwordHash": "$6$salt$hash", "gecos": "The Core"},
                {"name": "agent", "system": true, "noCreateHome": true, "shell": "/bin/false"},
                {"name": "web", "uid": 1500, "homeDir": "/srv/www/home", "primaryGroup": "fixed"},
                {"name": "guest", "noUserGroup": true, "passwordHash": ""},
            ],
        })),
        passwd(json!({
            "groups": [{"name": "fixed", "gid": 1501}, {"name": "locked", "shouldExist": false},
                       {"name": "none", "shouldExist": false}],
            "users": [
                {"name": "core", "uid": 1234, "groups": ["adm"], "homeDir": "/home/moved", "shell": "/bin/zsh",
                 "gecos": "Moved", "passwordHash": "$6$salt$other"},
                {"name": "guest", "shouldExist": false},
                {"name": "nobody-there", "shouldExist": false},
            ],
        })),
    ];
    let (by_tools, by_us) = (distribution(), distribution());
    for step in &steps {
        let ours = by_us.plan(step);
        by_tools.apply(step);
        by_us
            .execute(native(ours.operations))
            .unwrap_or_else(|error| panic!("{error}"));
        for database in DATABASES {
            assert_eq!(by_us.read(database), by_tools.read(database), "{database}");
            assert_eq!(
                by_us.owner_and_mode(database),
                by_tools.owner_and_mode(database),
                "{database}"
            );
        }
        for directory in ["/home", "/srv"] {
            assert_eq!(listing(&by_us, directory), listing(&by_tools, directory));
        }
        assert_eq!(by_us.plan(step).changes(), Vec::<String>::new());
    }
}

#[test]
fn a_blank_root_gets_databases() {
    let target = Target::blank();
    target.apply(&json!({
        "passwd": {
            "groups": [{"name": "ops", "gid": 2000}],
            "users": [
                {"name": "root", "sshAuthorizedKeys": ["ssh-ed25519 ROOT"]},
                {"name": "core", "groups": ["ops"], "sshAuthorizedKeys": ["ssh-ed25519 A", "ssh-ed25519 B\n"]},
            ],
        },
        "storage": {
            "directories": [{"path": "/home/core/work", "user": {"name": "core"}, "group": {"name": "ops"}}],
            "files": [{"path": "/home/core/.hushlogin", "user": {"name": "core"}}],
        },
    }));
    assert_eq!(
        target.read("/etc/passwd"),
        "root:x:0:0:root:/root:/bin/bash\ncore:x:1000:1000::/home/core:/bin/sh\n"
    );
    assert_eq!(
        target.read("/etc/group"),
        "root:x:0:\nops:x:2000:core\ncore:x:1000:\n"
    );
    assert_eq!(target.owner_and_mode("/etc/passwd"), "0644 0 0");
    assert_eq!(target.owner_and_mode("/etc/shadow"), "0640 0 0");
    assert_eq!(
        listing(&target, "/home"),
        [
            "/home 0755 0 0",
            "/home/core 0700 1000 1000",
            "/home/core/.hushlogin 0644 1000 0",
            "/home/core/.ssh 0700 1000 1000",
            "/home/core/.ssh/authorized_keys.d 0700 1000 1000",
            "/home/core/.ssh/authorized_keys.d/ignition 0600 1000 1000",
            "/home/core/work 0755 1000 2000",
        ]
    );
    let keys = "/home/core/.ssh/authorized_keys.d/ignition";
    assert_eq!(target.read(keys), "ssh-ed25519 A\nssh-ed25519 B\n");
    assert_eq!(
        target.read("/root/.ssh/authorized_keys.d/ignition"),
        "ssh-ed25519 ROOT\n"
    );
}

#[test]
fn keys_of_a_present_user_are_replaced() {
    let target = distribution();
    target.write("/root/.ssh/authorized_keys.d/ignition", "old\n");
    let planned = target.apply(&passwd(json!({
        "users": [{"name": "root", "sshAuthorizedKeys": ["ssh-ed25519 NEW"]}],
    })));
    assert_eq!(planned.changes(), ["Change write ssh keys of user root"]);
    assert_eq!(
        target.read("/root/.ssh/authorized_keys.d/ignition"),
        "ssh-ed25519 NEW\n"
    );
    assert_eq!(
        target.owner_and_mode("/root/.ssh/authorized_keys.d/ignition"),
        "0600 0 0"
    );
}

#[test]
fn a_home_full_of_links_gains_nothing() {
    let target = distribution();
    target.apply(&passwd(json!({ "users": [{"name": "eve"}] })));
    target.link("/home/eve/.ssh", "/root").chmod("/root", 0o700);
    let planned = target.plan(&passwd(json!({
        "users": [{"name": "eve", "sshAuthorizedKeys": ["ssh-ed25519 EVE"]}],
    })));
    let error = target
        .execute(planned.operations)
        .expect_err("eve may not write there");
    assert_eq!(
        error,
        "write ssh keys of user eve: cannot write ssh keys of user eve to \
         /home/eve/.ssh/authorized_keys.d/ignition: cannot make directory .ssh/authorized_keys.d: \
         EACCES: Permission denied"
    );
    assert_eq!(listing(&target, "/root"), ["/root 0700 0 0"]);
}

#[test]
fn homes_and_entries_agree_on_order() {
    // A wish for a directory above the home, owned by number, comes before the home; one owned by
    // the new user comes after.
    for (entry, want) in [
        (json!({"path": "/var/home", "mode": 0o711}), "0711 0 0"),
        (
            json!({"path": "/var/home", "mode": 0o711, "user": {"name": "core"}}),
            "0711 1000 0",
        ),
    ] {
        for target in [Target::blank(), distribution()] {
            target.apply(&json!({
                "passwd": {"users": [{"name": "core", "homeDir": "/var/home/core"}]},
                "storage": {"directories": [entry.clone(), {"path": "/var/home/core", "mode": 0o750}]},
            }));
            assert_eq!(target.owner_and_mode("/var/home"), want);
            assert_eq!(target.owner_and_mode("/var/home/core"), "0750 1000 1000");
        }
    }
}

#[test]
fn errors_hide_hashes() {
    let target = distribution();
    let config = passwd(json!({
        "users": [{"name": "core", "passwordHash": "$6$very$secret", "groups": ["none"]}],
    }));
    for operations in [
        target.plan(&config).operations,
        native(target.plan(&config).operations),
    ] {
        let error = target
            .execute(operations)
            .expect_err("there is no such group");
        assert!(error.contains("none") && error.contains("core"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_deleted_user_takes_the_home_along() {
    for by_us in [false, true] {
        let target = distribution();
        target.apply(&passwd(json!({ "users": [{"name": "core"}] })));
        target.link("/home/core/out", "/etc");
        let planned = target.plan(&json!({
            "passwd": {"users": [{"name": "core", "shouldExist": false}]},
            "storage": {"files": [{"path": "/home/core/keep"}]},
        }));
        assert_eq!(planned.losses(), ["home /home/core of user core"]);
        let operations = if by_us {
            native(planned.operations)
        } else {
            planned.operations
        };
        target
            .execute(operations)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            listing(&target, "/home"),
            [
                "/home 0755 0 0",
                "/home/core 0755 0 0",
                "/home/core/keep 0644 0 0"
            ]
        );
        assert!(target.exists("/etc/passwd"), "links are not followed");
        assert!(!target.read("/etc/group").contains("core"));
    }
}
