//! What planning refuses because writing it would fail, or would undo other parts of the same config.

use super::{Target, texts};
use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;

const ACCOUNTS: &str = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";

/// A tree with one user, and a link at `/home`.
fn tree() -> Target {
    let target = Target::blank();
    target
        .write("/etc/passwd", ACCOUNTS)
        .write("/etc/group", "root:x:0:\nalice:x:1000:\n")
        .mkdir("/var/home")
        .link("/home", "var/home");
    target
}

/// A tree whose databases are reached through links.
fn linked() -> Target {
    let target = Target::blank();
    target
        .write("/real/etc/passwd.real", ACCOUNTS)
        .write("/real/etc/group", "root:x:0:\nalice:x:1000:\n")
        .link("/real/etc/passwd", "passwd.real")
        .link("/etc", "real/etc");
    target
}

/// A tree that cannot have databases.
fn without_etc() -> Target {
    let target = Target::blank();
    target.write("/etc", "");
    target
}

fn file(path: &str) -> Value {
    json!({"path": path, "overwrite": true, "contents": {"source": "data:,x"}})
}

fn users(users: Value) -> Value {
    json!({ "users": users })
}

/// A tree, a config for it, and a text of its refusal.
type Case<'c> = (fn() -> Target, Value, &'c str);

#[test]
fn impossible_requests_are_refused() {
    let owned = json!({"path": "/srv/a", "user": {"name": "alice"}});
    let core = || users(json!([{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 A"]}]));
    let shared = json!([
        {"name": "core", "homeDir": "/srv/h"},
        {"name": "other", "homeDir": "/srv/h", "sshAuthorizedKeys": ["ssh-ed25519 A"]},
    ]);
    let in_root = json!([
        {"name": "alice", "homeDir": "/root", "sshAuthorizedKeys": ["ssh-ed25519 A"]},
    ]);
    let groups = |groups: Value| json!({ "groups": groups });
    let cases: Vec<Case<'_>> = vec![
        (
            without_etc,
            json!({"passwd": groups(json!([{"name": "ops"}]))}),
            "/etc is not a directory",
        ),
        (
            tree,
            json!({"storage": {"files": [file("/home")]}, "passwd": core()}),
            "/home is not a directory",
        ),
        (
            tree,
            json!({"storage": {"files": [file("/etc/passwd")], "directories": [owned.clone()]}}),
            "owners that this config gives by name are looked up in it",
        ),
        (
            tree,
            json!({"storage": {"links": [{"path": "/srv/l", "target": "/etc/group", "hard": true}]},
                   "passwd": core()}),
            "/etc/group becomes another file",
        ),
        (
            linked,
            json!({"storage": {"files": [file("/real/etc/group")]}, "passwd": core()}),
            "cannot replace /real/etc/group",
        ),
        (
            linked,
            json!({"storage": {"files": [file("/etc/passwd.real")], "directories": [owned.clone()]}, "passwd": core()}),
            "cannot replace /etc/passwd.real",
        ),
        (
            linked,
            json!({"storage": {"directories": [{"path": "/real", "overwrite": true}, owned.clone()]}}),
            "cannot replace /real",
        ),
        (
            linked,
            json!({"storage": {"directories": [{"path": "/etc", "overwrite": true}, owned]}}),
            "cannot replace /etc",
        ),
        (
            tree,
            json!({"passwd": users(shared)}),
            "home /srv/h is created for user core",
        ),
        (
            || {
                let target = tree();
                target.mkdir("/root").chmod("/root", 0o700);
                target
            },
            json!({"passwd": users(in_root)}),
            "the user may not enter home /root",
        ),
    ];
    assert_refused(cases);
}

#[track_caller]
fn assert_refused(cases: Vec<Case<'_>>) {
    for (make, config, words) in cases {
        let refusals = texts(&make().plan(&config).refusals).join("\n");
        assert!(
            refusals.contains(words),
            "{words:?} is not in\n{refusals}\n{config}"
        );
    }
}

#[test]
fn keys_go_into_a_home_that_follows_its_user() {
    let target = tree();
    target.mkdir("/var/home/alice");
    std::os::unix::fs::chown(target.at("/var/home/alice"), Some(1000), Some(1000))
        .expect("an owner");
    target.chmod("/var/home/alice", 0o700);
    let keys = json!(["ssh-ed25519 A"]);
    target.apply(&json!({"passwd": users(json!([
        {"name": "alice", "uid": 3001, "sshAuthorizedKeys": keys},
    ]))}));
    let path = "/var/home/alice/.ssh/authorized_keys.d/ignition";
    assert_eq!(target.owner_and_mode(path), "0600 3001 1000");
}

/// A home holds more than the config requests, which is no reason to empty the directory again.
#[test]
fn an_emptied_directory_keeps_the_homes_of_the_config() {
    let target = tree();
    target.write("/home/old", "x");
    let config = json!({
        "passwd": users(json!([{"name": "bob", "homeDir": "/home/bob"}])),
        "storage": {"directories": [{"path": "/home", "overwrite": true}]},
    });
    target.apply(&config);
    assert!(!target.exists("/home/old"));
    target.write("/home/bob/own", "x");
    assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
}

/// A link in a home that is deleted with its user leads nowhere afterwards.
#[test]
fn what_a_deleted_home_held_is_not_followed() {
    let target = tree();
    target
        .mkdir("/var/home/alice")
        .link("/var/home/alice/.ssh", "ssh2");
    std::os::unix::fs::chown(target.at("/var/home/alice"), Some(1000), Some(1000))
        .expect("an owner");
    target.apply(&json!({
        "passwd": users(json!([{"name": "alice", "shouldExist": false}])),
        "storage": {"files": [{"path": "/home/alice/.ssh/x"}]},
    }));
    assert!(target.exists("/var/home/alice/.ssh/x"));
    assert!(!target.exists("/var/home/alice/ssh2"));
}

#[test]
fn names_that_are_not_utf8_do_not_matter() {
    let target = tree();
    target.mkdir("/etc/systemd/system");
    let name = std::ffi::OsStr::from_bytes(b"n\xff.service");
    std::fs::write(target.at("/etc/systemd/system").join(name), "").expect("a file");
    let planned =
        target.plan(&json!({"systemd": {"units": [{"name": "a.service", "enabled": false}]}}));
    assert!(planned.refusals.is_empty());
}

/// A tree with accounts in the image.
fn layered() -> Target {
    let target = Target::blank();
    target
        .write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .write("/etc/group", "root:x:0:\n")
        .write("/etc/nsswitch.conf", "passwd: files altfiles\n")
        .write("/usr/lib/passwd", "carol:x:1002:0::/srv/carol:/bin/sh\n");
    target
}

#[test]
fn files_with_accounts_of_the_image_are_kept() {
    let carol = || users(json!([{"name": "carol", "passwordHash": "*"}]));
    let owned = json!([{"path": "/srv/x", "user": {"name": "carol"}}]);
    let order = json!({"path": "/etc/nsswitch.conf", "overwrite": true,
                       "contents": {"source": "data:,passwd:%20files%0A"}});
    let link = json!({"path": "/usr/lib/passwd", "target": "/x", "overwrite": true});
    let in_the_image = "/usr/lib/passwd: accounts of the target are looked up in it";
    assert_refused(vec![
        (
            layered,
            json!({"storage": {"files": [file("/usr/lib/passwd")]}, "passwd": carol()}),
            in_the_image,
        ),
        (
            layered,
            json!({"storage": {"links": [link.clone()], "directories": owned}}),
            in_the_image,
        ),
        (
            layered,
            json!({"storage": {"files": [order]}, "passwd": carol()}),
            "cannot replace /etc/nsswitch.conf: accounts of the target would then be looked up in other files",
        ),
    ]);
    layered().apply(&json!({"storage": {"links": [link]}}));
    let same = json!({"path": "/etc/nsswitch.conf", "overwrite": true,
                      "contents": {"source": "data:,passwd:%20sss%20files%20altfiles%0A"}});
    let target = layered();
    target.apply(&json!({"storage": {"files": [same]}, "passwd": carol()}));
    assert!(target.read("/etc/passwd").contains("carol:x:1002:"));
}

/// Nothing is drafted for an entry of root if no account changes.
#[test]
fn creating_a_home_does_not_restore_a_user() {
    let target = tree();
    target.apply(&json!({"passwd": users(json!([
        {"name": "root", "shouldExist": false},
        {"name": "alice"},
    ]))}));
    assert!(!target.read("/etc/passwd").contains("root:"));
    assert!(target.exists("/var/home/alice"));
}

#[test]
fn databases_that_accounts_create_are_no_directories() {
    let groups = json!({"groups": [{"name": "wheel", "gid": 2000}]});
    assert_refused(vec![
        (
            Target::blank,
            json!({"passwd": groups.clone(), "storage": {"directories": [{"path": "/etc/shadow/sub"}]}}),
            "/etc/shadow is not a directory",
        ),
        (
            Target::blank,
            json!({"passwd": groups, "storage": {"files": [{"path": "/etc"}]}}),
            "cannot replace /etc",
        ),
    ]);
}

/// A masked unit is a link, whatever else the config has at its path.
#[test]
fn masked_units_and_directories_contradict_each_other() {
    let unit = "/etc/systemd/system/b.service";
    let config = json!({
        "storage": {"directories": [{"path": unit}]},
        "systemd": {"units": [{"name": "b.service", "mask": true}]},
    });
    let present = || {
        let target = Target::blank();
        target.mkdir("/etc/systemd/system/b.service");
        target
    };
    let words = "the config has something else there";
    assert_refused(vec![
        (Target::blank, config.clone(), words),
        (present, config, words),
    ]);
}

#[test]
fn a_home_that_follows_new_ids_keeps_its_mode() {
    let make = || {
        let target = tree();
        target.mkdir("/root").chmod("/root", 0o644);
        target
            .mkdir("/var/home/alice")
            .chmod("/var/home/alice", 0o600);
        std::os::unix::fs::chown(target.at("/var/home/alice"), Some(1000), Some(1000))
            .expect("an owner");
        target
    };
    let user = |name: &str, more: Value| {
        let mut user = json!({"name": name, "sshAuthorizedKeys": ["ssh-ed25519 A"]});
        for (key, value) in more.as_object().into_iter().flatten() {
            user[key] = value.clone();
        }
        json!({"passwd": users(json!([user]))})
    };
    assert_refused(vec![
        (
            make,
            user("root", json!({"uid": 999})),
            "the user may not enter home /root",
        ),
        (
            make,
            user("alice", json!({"homeDir": "/home/new"})),
            "the user may not enter home /var/home/new",
        ),
    ]);
}

/// Settings for the creation of accounts are written after the accounts.
#[test]
fn settings_for_accounts_come_after_the_accounts() {
    let config = json!({
        "passwd": {"groups": [{"name": "wheel"}], "users": [{"name": "new"}]},
        "storage": {"files": [
            {"path": "/etc/login.defs", "contents": {"source": "data:,UID_MIN%207000%0A"}},
            {"path": "/etc/default/useradd", "contents": {"source": "data:,SKEL=/gone%0A"}},
            {"path": "/etc/skel/a", "contents": {"source": "data:,a"}},
            {"path": "/etc/subuid", "contents": {"source": "data:,new:5000:10%0A"}},
        ]},
    });
    for _ in 0..10 {
        let target = Target::blank();
        target.apply(&config);
        assert!(!target.exists("/home/new/a"));
        assert_eq!(target.read("/etc/subuid"), "new:5000:10\n");
    }
}

/// Nothing of it is in `/etc`, and it cannot be removed from the image.
#[test]
fn accounts_of_the_image_that_should_not_exist_stay_with_a_warning() {
    let target = layered();
    target
        .write(
            "/etc/nsswitch.conf",
            "passwd: files altfiles\ngroup: files altfiles\n",
        )
        .write("/usr/lib/group", "staff:x:50:\n");
    let planned = target.plan(&json!({"passwd": {
        "users": [{"name": "carol", "shouldExist": false}],
        "groups": [{"name": "staff", "shouldExist": false}],
    }}));
    assert_eq!(texts(&planned.refusals), Vec::<String>::new());
    assert_eq!(planned.changes(), Vec::<String>::new());
    let warnings: Vec<String> = planned.warnings.iter().map(|w| w.line()).collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    for name in ["user carol", "group staff"] {
        let start = format!("{name}: it stays, since the image has it in /usr/lib/");
        assert!(
            warnings.iter().any(|line| line.starts_with(&start)),
            "{warnings:#?}"
        );
    }
}

/// A loop of links has no text, wherever a file is read; a database that is one cannot be written.
#[test]
fn loops_of_links_count_as_empty() {
    let looped = |path: &'static str| {
        let target = tree();
        let at = target.at(path);
        let _ = std::fs::remove_file(at);
        let name = path.rsplit('/').next().expect("a name");
        target.link(path, name);
        target
    };
    for path in [
        "/etc/nsswitch.conf",
        "/etc/login.defs",
        "/etc/default/useradd",
        "/etc/ssh/sshd_config",
    ] {
        let config = json!({"passwd": users(json!([
            {"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 A"]},
        ]))});
        looped(path).apply(&config);
    }
    let refusals = texts(
        &looped("/etc/group")
            .plan(&json!({"passwd": users(json!([{"name": "core"}]))}))
            .refusals,
    );
    let cause = "/etc/group of the target is not a regular file";
    assert!(refusals.join("\n").contains(cause), "{refusals:#?}");
}

/// The ssh server is looked for in the target as the config leaves it, so that the next run has the same result.
#[test]
fn only_a_server_configuration_selects_the_file_for_keys() {
    let core = users(json!([{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 A"]}]));
    let path = "/etc/ssh/sshd_config";
    for (storage, is_server) in [
        (json!({"directories": [{"path": path}]}), false),
        (json!({"links": [{"path": path, "target": "/gone"}]}), false),
        (
            json!({"links": [{"path": path, "target": "../c"}], "files": [{"path": "/etc/c"}]}),
            true,
        ),
        (json!({"files": [{"path": path}]}), true),
    ] {
        let target = tree();
        target.apply(&json!({"passwd": core, "storage": storage}));
        let fragment = target.exists("/var/home/core/.ssh/authorized_keys.d");
        assert_eq!(fragment, !is_server, "{storage}");
    }
}

/// A NUL in the line of an account that is not in the config does not matter; the line is kept.
#[test]
fn lines_with_a_nul_are_kept() {
    let target = tree();
    let odd = "odd:x:7:7:\0:/:/bin/sh\n";
    target.write("/etc/passwd", &format!("{ACCOUNTS}{odd}"));
    target.apply(&json!({"passwd": users(json!([{"name": "core"}]))}));
    assert!(target.read("/etc/passwd").contains(odd));
    let refusals = texts(
        &target
            .plan(&json!({"passwd": users(json!([{"name": "odd", "shell": "/bin/a"}]))}))
            .refusals,
    );
    assert!(
        refusals.join("\n").contains("has a NUL character"),
        "{refusals:#?}"
    );
}
