//! Users, groups and ssh keys.

use super::Target;
use kindling::host::sys;
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

/// Everything below a directory: path, mode and owner.
pub(crate) fn listing(target: &Target, path: &str) -> Vec<String> {
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
    assert_eq!(
        planned.refused(),
        "cannot write ssh keys of user eve: the user may not write to /root"
    );
    // Whatever appears after planning, the permissions are those of the user.
    let honest = Target::blank();
    honest.write("/etc/passwd", &target.read("/etc/passwd"));
    honest.mkdir("/home/eve");
    let planned = honest.plan(&passwd(json!({
        "users": [{"name": "eve", "noUserGroup": true, "sshAuthorizedKeys": ["ssh-ed25519 EVE"]}],
    })));
    let error = target
        .execute(planned.operations)
        .expect_err("eve may not write there");
    assert_eq!(
        error,
        "write ssh keys of user eve: cannot write /home/eve/.ssh/authorized_keys.d/ignition: cannot create \
         directory .ssh/authorized_keys.d: EACCES: Permission denied"
    );
    assert_eq!(listing(&target, "/root"), ["/root 0700 0 0"]);
}

#[test]
fn homes_and_entries_agree_on_order() {
    // A directory above the home that is owned by an id comes before the home; one that is owned by the new user comes
    // after.
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
fn refusals_hide_hashes() {
    let planned = distribution().plan(&passwd(json!({
        "users": [{"name": "core", "passwordHash": "$6$very$secret", "groups": ["none"]}],
    })));
    let want = "cannot create user core: there is no group \"none\"";
    assert_eq!(planned.refused(), want);
}

#[test]
fn deleting_a_user_removes_the_home() {
    let target = distribution();
    target.apply(&passwd(json!({ "users": [{"name": "core"}] })));
    target.link("/home/core/out", "/etc");
    let planned = target.plan(&json!({
        "passwd": {"users": [{"name": "core", "shouldExist": false}]},
        "storage": {"files": [{"path": "/home/core/keep"}]},
    }));
    assert_eq!(planned.losses(), ["home /home/core of user core"]);
    target
        .execute(planned.operations)
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

#[test]
fn impossible_accounts_are_refused() {
    let cases = [
        (
            json!({"groups": [{"name": "g", "gid": 27}]}),
            "cannot create group g: gid 27 belongs to group \"sudo\"",
        ),
        (
            json!({"groups": [{"name": "a", "gid": 1500}, {"name": "b", "gid": 1500}]}),
            "cannot create group b: gid 1500 belongs to group \"a\"",
        ),
        (
            json!({"groups": [{"name": "mail", "shouldExist": false}]}),
            "cannot delete group mail: it is the primary group of user \"mail\"",
        ),
        (
            json!({"groups": [{"name": "12"}]}),
            "cannot create group 12: \"12\" is not a valid name: a name of digits is taken for a number",
        ),
        (
            json!({"users": [{"name": "u", "uid": 8}]}),
            "cannot create user u: uid 8 belongs to user \"mail\"",
        ),
        (
            json!({"users": [{"name": "u"}, {"name": "v", "uid": 1000}]}),
            "cannot create user v: uid 1000 belongs to user \"u\"",
        ),
        (
            json!({"users": [{"name": "u", "primaryGroup": "none"}]}),
            "cannot create user u: there is no group \"none\"",
        ),
        (
            json!({"users": [{"name": "u", "groups": ["v"]}, {"name": "v"}]}),
            "cannot create user u: there is no group \"v\"",
        ),
        (
            json!({"users": [{"name": "u", "primaryGroup": "101"}]}),
            "cannot create user u: there is no group \"101\"",
        ),
        (
            json!({"users": [{"name": "sudo"}]}),
            "cannot create user sudo: group \"sudo\" exists, so that the user cannot have a new one of its name",
        ),
        (
            json!({"users": [{"name": "u", "homeDir": "/etc/passwd"}]}),
            "cannot place /etc/passwd: /etc/passwd is not a directory",
        ),
        (
            json!({"users": [{"name": "u", "homeDir": "/etc/passwd/u"}]}),
            "cannot place /etc/passwd/u: /etc/passwd is not a directory",
        ),
        (
            json!({"users": [{"name": "u", "homeDir": "here"}]}),
            "cannot create user u: home \"here\" is not an absolute path",
        ),
        (
            json!({"users": [{"name": "u", "homeDir": "/", "sshAuthorizedKeys": ["k"]}]}),
            "cannot write ssh keys of user u: its home is the root directory",
        ),
        (
            json!({"users": [{"name": "u", "noCreateHome": true, "sshAuthorizedKeys": ["k"]}]}),
            "cannot write ssh keys of user u: home /home/u does not exist and is not created",
        ),
        (
            json!({"users": [{"name": "u", "homeDir": "/home/mail", "sshAuthorizedKeys": ["k"]}]}),
            "cannot write ssh keys of user u: home /home/mail belongs to uid 8, and the ssh server accepts only \
             files owned by the user or by root",
        ),
        (
            json!({"users": [{"name": "mail", "homeDir": "/home/mail/below"}]}),
            "cannot change home of user mail: /home/mail cannot be moved to /home/mail/below, which is below it",
        ),
    ];
    for (config, want) in cases {
        let target = distribution();
        target.mkdir("/home/mail");
        std::os::unix::fs::chown(target.at("/home/mail"), Some(8), Some(8)).expect("an owner");
        let passwd_text = target
            .read("/etc/passwd")
            .replace("/var/mail", "/home/mail");
        target.write("/etc/passwd", &passwd_text);
        assert_eq!(
            target.plan(&passwd(config.clone())).refused(),
            want,
            "{config}"
        );
    }
}

#[test]
fn unusable_databases_are_refused() {
    let user = passwd(json!({"users": [{"name": "u"}]}));
    let target = distribution();
    target.write(
        "/etc/login.defs",
        "UID_MIN 1000\nUID_MAX 1000\nGID_MIN 1000\nUSERGROUPS_ENAB yes\n",
    );
    target.apply(&user);
    let two = passwd(json!({"users": [{"name": "u"}, {"name": "v"}]}));
    assert_eq!(
        target.plan(&two).refused(),
        "cannot create user v: all ids from 1000 to 1000 are taken"
    );
    let target = distribution();
    std::fs::remove_file(target.at("/etc/shadow")).expect("it is there");
    target.mkdir("/etc/shadow");
    assert_eq!(
        target.plan(&user).refused(),
        "cannot create user u: /etc/shadow of the target is not a regular file"
    );
    let target = distribution();
    let twice = target
        .read("/etc/passwd")
        .replace("mail:x:8:8:", "root:x:8:8:");
    target.write("/etc/passwd", &twice);
    let root = passwd(json!({"users": [{"name": "root", "shell": "/bin/zsh"}]}));
    assert_eq!(
        target.plan(&root).refused(),
        "cannot change user root: its entry in /etc/passwd is not the only one of that name"
    );
}

#[test]
fn one_error_is_refused_once() {
    let planned = distribution().plan(&json!({
        "passwd": {
            "groups": [{"name": "g", "gid": 27}],
            "users": [{"name": "u", "groups": ["g"], "sshAuthorizedKeys": ["k"]}],
        },
        "storage": {"files": [{"path": "/etc/x", "user": {"name": "u"}, "group": {"name": "u"}}]},
    }));
    assert_eq!(
        planned.refused(),
        "cannot create group g: gid 27 belongs to group \"sudo\""
    );
}

#[test]
fn accounts_of_the_image_are_copied() {
    let target = distribution();
    target
        .write(
            "/etc/nsswitch.conf",
            "passwd: files altfiles\ngroup: files altfiles\n",
        )
        .write(
            "/usr/lib/passwd",
            "ops:x:990:990:Ops:/var/ops:/sbin/nologin\n",
        )
        .write(
            "/usr/lib/group",
            "ops:x:990:\ndialout:x:18:ops\nmedia:x:19:\n",
        )
        .write(
            "/usr/lib/sysusers.d/docker.conf",
            "g docker 233\nu etcd 232 \"etcd user\" /var/lib/etcd\n",
        );
    let config = json!({
        "passwd": {"users": [
            {"name": "ops", "shell": "/bin/bash", "groups": ["dialout", "sudo"]},
            {"name": "core", "groups": ["docker", "19"], "primaryGroup": "ops"},
        ]},
        "storage": {"files": [{"path": "/etc/x", "user": {"name": "etcd"}, "group": {"name": "dialout"}}]},
    });
    target.apply(&config);
    assert!(target.read("/etc/passwd").ends_with(
        "ops:x:990:990:Ops:/var/ops:/bin/bash\ncore:x:1000:990::/home/core:/bin/sh\n\
         etcd:x:232:232:etcd user:/var/lib/etcd:/usr/sbin/nologin\n"
    ));
    assert!(target.read("/etc/group").ends_with(
        "sudo:x:27:ops\nadm:x:4:mail\ndialout:x:18:ops\ndocker:x:233:core\nmedia:x:19:core\netcd:x:232:\n"
    ));
    assert!(target.read("/etc/gshadow").contains("dialout:!::ops\n"));
    assert!(target.read("/etc/shadow").contains("\nops:*:"));
    assert_eq!(target.owner_and_mode("/etc/x"), "0644 232 18");
    assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
}

#[test]
fn keys_are_written_below_private_directories() {
    let keys = "/home/core/.ssh/authorized_keys.d/ignition";
    let config = json!({
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 A"]}]},
        "storage": {"directories": [{"path": "/home", "mode": 0o700}]},
    });
    let private = distribution();
    private.chmod("/", 0o700).chmod("/home", 0o700);
    // A home that is part of the image belongs to root.
    let foreign = distribution();
    foreign.mkdir("/home/core");
    // Links that stay in the home are followed there.
    let linked = distribution();
    linked.apply(&passwd(json!({"users": [{"name": "core"}]})));
    linked
        .mkdir("/home/core/dot")
        .link("/home/core/.ssh", "dot")
        .chmod("/home", 0o700);
    std::os::unix::fs::chown(linked.at("/home/core/dot"), Some(1000), Some(1000))
        .expect("an owner");
    for target in [private, foreign, linked] {
        target.apply(&config);
        assert_eq!(target.owner_and_mode(keys), "0600 1000 1000");
        assert_eq!(
            target.owner_and_mode("/home/core/.ssh/authorized_keys.d"),
            "0700 1000 1000"
        );
        assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
    }
}

#[test]
fn homes_move() {
    let target = distribution();
    target.apply(&passwd(
        json!({"users": [{"name": "a"}, {"name": "b"}, {"name": "c", "noCreateHome": true}]}),
    ));
    target.write("/home/a/mine", "").mkdir("/srv/b");
    std::os::unix::fs::chown(target.at("/home/a/mine"), Some(1000), Some(1000)).expect("an owner");
    let config = passwd(json!({"users": [
        {"name": "a", "homeDir": "/srv/new/a", "uid": 2000, "sshAuthorizedKeys": ["k"]},
        {"name": "b", "homeDir": "/srv/b"},
        {"name": "c", "homeDir": "/srv/c"},
    ]}));
    target.apply(&config);
    assert_eq!(target.owner_and_mode("/srv/new/a"), "0750 2000 1000");
    assert_eq!(target.owner_and_mode("/srv/new/a/mine"), "0644 2000 1000");
    assert!(!target.exists("/home/a") && target.exists("/home/b"));
    assert_eq!(target.owner_and_mode("/srv/c"), "0750 1002 1002");
    assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
}

#[test]
fn the_content_of_a_moved_home_counts() {
    let moved = json!({"name": "a", "homeDir": "/srv/a", "sshAuthorizedKeys": ["k"]});
    let target = distribution();
    target.apply(&passwd(json!({"users": [{"name": "a"}]})));
    target
        .link("/home/a/.ssh", "/nowhere")
        .write("/home/a/mine", "old");
    assert_eq!(
        target
            .plan(&passwd(json!({"users": [moved.clone()]})))
            .refused(),
        "cannot write ssh keys of user a: /srv/a/.ssh is a link to /nowhere, which does not exist"
    );
    std::fs::remove_file(target.at("/home/a/.ssh")).expect("removed");
    let config = |overwrite: bool| {
        json!({
            "passwd": {"users": [moved.clone()]},
            "storage": {"files": [
                {"path": "/srv/a/mine", "overwrite": overwrite, "contents": {"source": "data:,new"}}
            ]},
        })
    };
    let refused = target.plan(&config(false)).refused();
    assert!(
        refused.starts_with("cannot create file /srv/a/mine"),
        "{refused}"
    );
    target.apply(&config(true));
    assert_eq!(target.read("/srv/a/mine"), "new");
    assert_eq!(target.plan(&config(true)).changes(), Vec::<String>::new());
}

#[test]
fn keys_go_into_a_home_that_follows_new_ids() {
    let target = distribution();
    let with_key = |uid: u32, key: &str| {
        passwd(json!({"users": [{"name": "a", "uid": uid, "sshAuthorizedKeys": [key]}]}))
    };
    target.apply(&with_key(1000, "k"));
    for key in ["k", "other"] {
        let uid = if key == "k" { 2000 } else { 3000 };
        target.apply(&with_key(uid, key));
        let file = "/home/a/.ssh/authorized_keys.d/ignition";
        assert_eq!(target.read(file), format!("{key}\n"));
        assert_eq!(target.owner_and_mode(file), format!("0600 {uid} 1000"));
        assert_eq!(
            target.plan(&with_key(uid, key)).changes(),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_home_of_a_user_of_the_image_is_created() {
    let target = distribution();
    target
        .write("/etc/nsswitch.conf", "passwd: files altfiles\n")
        .write("/usr/lib/passwd", "ops:x:1990:990:Ops:/var/ops:/bin/sh\n");
    std::fs::remove_file(target.at("/etc/passwd")).expect("removed");
    let config = passwd(json!({"users": [{"name": "ops"}]}));
    target.apply(&config);
    assert_eq!(target.owner_and_mode("/var/ops"), "0750 1990 990");
    assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
}

#[test]
fn databases_in_which_owners_are_looked_up_are_kept() {
    let owned = |entry: Value| {
        let mut config = json!({"storage": {"files": [
            {"path": "/srv/f", "user": {"name": "mail"}, "contents": {"source": "data:,f"}}
        ]}});
        let list = if entry["contents"].is_null() {
            "directories"
        } else {
            "files"
        };
        let entries = config["storage"][list].as_array().cloned();
        let entries = entries.into_iter().flatten().chain([entry]);
        config["storage"][list] = entries.collect();
        config
    };
    let passwd = "data:,root:x:0:0::/:/bin/sh%0A";
    for (entry, object) in [
        (
            json!({"path": "/etc/passwd", "overwrite": true, "contents": {"source": passwd}}),
            "/etc/passwd",
        ),
        (json!({"path": "/etc", "overwrite": true}), "/etc"),
    ] {
        assert_eq!(
            distribution().plan(&owned(entry)).refused(),
            format!(
                "cannot replace {object}: owners that this config gives by name are looked up in it"
            )
        );
    }
    let text = distribution().read("/etc/passwd").replace('\n', "%0A");
    let same = json!({"path": "/etc/passwd", "contents": {"source": format!("data:,{text}")}});
    distribution().apply(&owned(same));
}

/// Changing accounts replaces the database by a new file, so other changes to it come after them.
#[test]
fn the_mode_of_a_database_is_set_after_the_accounts() {
    let target = distribution();
    let planned = target.apply(&json!({
        "passwd": {"users": [{"name": "core"}]},
        "storage": {"files": [{"path": "/etc/passwd", "mode": 0o600}]},
    }));
    assert_eq!(target.owner_and_mode("/etc/passwd"), "0600 0 0");
    let is = |text: &'static str| {
        move |operation: &&kindling::plan::Operation| operation.kind.describe().contains(text)
    };
    let user = planned.operations.iter().find(is("user core"));
    let file = planned.operations.iter().find(is("/etc/passwd"));
    let user = user.expect("a user").id;
    assert!(file.expect("a file").after.contains(&user));
}

#[test]
fn homes_that_are_kept() {
    // A home of another user, one with another home in it, and the root directory.
    for (homes, stays) in [
        (["/srv/a", "/srv/b"], "/srv/a"),
        (["/home/a", "/home/a/b"], "/home/a"),
        (["/", "/srv/b"], "/etc"),
    ] {
        let target = distribution();
        target.mkdir("/srv/a");
        target.apply(&passwd(json!({"users": [
            {"name": "a", "homeDir": homes[0]}, {"name": "b", "homeDir": homes[1]},
        ]})));
        let config = passwd(json!({"users": [{"name": "a", "shouldExist": false}]}));
        let planned = target.apply(&config);
        assert_eq!(planned.losses(), Vec::<String>::new());
        assert!(target.exists(stays), "{stays}");
        assert!(!target.read("/etc/group").contains("a:x:1000"));
        assert_eq!(target.plan(&config).changes(), Vec::<String>::new());
    }
}

#[test]
fn links_and_foreign_bytes_of_databases_are_kept() {
    let target = distribution();
    let mut text = target.read("/etc/passwd").into_bytes();
    text.extend(b"# note\nold:x:50:50:M\xfcller:/:/bin/sh\n+::::::\n");
    std::fs::write(target.at("/etc/passwd"), &text).expect("a written file");
    std::fs::rename(target.at("/etc/group"), target.at("/etc/group.real")).expect("renamed");
    target.link("/etc/group", "/etc/group.real");
    std::os::unix::fs::chown(target.at("/etc/shadow"), Some(0), Some(42)).expect("an owner");
    target.apply(&passwd(json!({"users": [{"name": "core"}]})));
    let end = text.len() - b"+::::::\n".len();
    text.splice(end..end, *b"core:x:1000:1000::/home/core:/bin/sh\n");
    assert_eq!(
        std::fs::read(target.at("/etc/passwd")).expect("readable"),
        text
    );
    assert!(target.at("/etc/group").is_symlink());
    assert!(target.read("/etc/group.real").ends_with("core:x:1000:\n"));
    assert_eq!(target.owner_and_mode("/etc/shadow"), "0640 0 42");
}

#[test]
fn a_skeleton_of_any_shape_is_copied() {
    use std::os::unix::ffi::OsStrExt;
    let target = distribution();
    let odd = std::ffi::OsStr::from_bytes(b"x\xff");
    std::fs::create_dir(target.at("/etc/skel").join(odd)).expect("a directory");
    std::fs::write(target.at("/etc/skel").join(odd).join(odd), "odd").expect("a file");
    target.mkdir(&format!("/etc/skel{}", "/deep".repeat(300)));
    let user = json!({"name": "core"});
    target.apply(&passwd(json!({ "users": [user] })));
    let copy = target.at("/home/core").join(odd).join(odd);
    assert_eq!(std::fs::read_to_string(copy).expect("the copy"), "odd");
    let deepest = format!("/home/core{}", "/deep".repeat(300));
    assert_eq!(target.owner_and_mode(&deepest), "0755 1000 1000");
    // All of it follows the user's new uid, except other names of a foreign file.
    std::os::unix::fs::chown(target.at("/etc/skel/.profile"), Some(5), Some(5)).expect("an owner");
    let linked = target.at("/home/core/.other");
    std::fs::hard_link(target.at("/etc/skel/.profile"), linked).expect("a hard link");
    target.apply(&passwd(json!({ "users": [{"name": "core", "uid": 1700}] })));
    assert_eq!(target.owner_and_mode(&deepest), "0755 1700 1000");
    assert_eq!(
        target.owner_and_mode("/home/core/.profile"),
        "0644 1700 1000"
    );
    assert_eq!(target.owner_and_mode("/home/core/.other"), "0644 5 5");
}

#[test]
fn homes_without_a_usable_skeleton_are_empty() {
    for skeleton in ["/etc/passwd", "/etc/fifo", "/loop", "/nowhere"] {
        let target = distribution();
        target
            .link("/loop", "loop")
            .write("/etc/default/useradd", &format!("SKEL={skeleton}\n"));
        let fifo = target.at("/etc/fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        target.apply(&passwd(json!({ "users": [{"name": "core"}] })));
        assert_eq!(
            listing(&target, "/home"),
            ["/home 0755 0 0", "/home/core 0750 1000 1000"]
        );
    }
}

#[test]
fn databases_are_created_where_etc_leads() {
    for (to, place) in [
        ("nowhere/at/all", "/nowhere/at/all"),
        ("/srv/etc", "/srv/etc"),
    ] {
        let target = Target::blank();
        target.link("/etc", to);
        target.apply(&passwd(json!({ "users": [{"name": "core"}] })));
        let users = target.read(&format!("{place}/passwd"));
        assert!(users.contains("core:x:1000:"), "{users}");
        assert!(target.at("/etc").is_symlink());
    }
}

#[test]
fn a_skeleton_that_holds_the_home_is_refused() {
    for skeleton in ["/home", "/", "/link"] {
        let target = distribution();
        target
            .link("/link", "home")
            .write("/etc/default/useradd", &format!("SKEL={skeleton}\n"));
        let refused = target
            .plan(&passwd(json!({ "users": [{"name": "core"}] })))
            .refused();
        let place = skeleton.replace("/link", "/home");
        let cause =
            format!("/home/core is below {place}, the skeleton that new homes are copied from");
        assert_eq!(refused, format!("cannot create home of user core: {cause}"));
    }
}

/// An SELinux label, and an ACL that lets user 7 read and denies the group everything.
#[test]
fn replaced_files_keep_label_and_access_list() {
    const LIST: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\x07\0\0\0\
        \x04\0\0\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    let attributes = [
        (c"security.selinux", &b"system_u:object_r:shadow_t:s0\0"[..]),
        (c"system.posix_acl_access", LIST),
    ];
    let target = distribution();
    target.write("/etc/list", "a").chmod("/etc/list", 0o640);
    let places = ["/etc/shadow", "/etc/list"];
    let open = |path: &str| std::fs::File::open(target.at(path)).expect("there");
    let mut kept = Vec::new();
    for place in places {
        for (name, value) in attributes {
            // Not every file system supports both.
            if sys::set_extended_attribute(&open(place), name, value).is_ok() {
                kept.push((place, name, value));
            }
        }
    }
    assert!(!kept.is_empty(), "this file system keeps no attributes");
    target.apply(&json!({
        "passwd": {"users": [{"name": "ada"}]},
        "storage": {"files": [{"path": "/etc/list", "append": [{"source": "data:,b"}]}]},
    }));
    assert!(target.read("/etc/shadow").contains("ada:") && target.read("/etc/list") == "ab");
    for (place, name, value) in kept {
        let found = sys::extended_attribute(&open(place), name);
        assert_eq!(found, Ok(Some(value.to_vec())), "{place} {name:?}");
    }
}
