//! What takes effect in a target: keys go where its ssh server reads them, and there are warnings about what will have
//! no effect.

use crate::common::run::{kindling, on_tree, printed};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtpbmRsaW5nLXRlc3Qta2V5LW5vdC1yZWFsLTAwMDAw test";
const FRAGMENT: &str = "home/core/.ssh/authorized_keys.d/ignition";
const FILE: &str = "home/core/.ssh/authorized_keys";

/// A target with accounts, a shell, and more files.
fn create_tree(root: &Path, files: &[(&str, &str)]) {
    let accounts = [
        (
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\ncore:x:1000:1000::/home/core:/bin/sh\n",
        ),
        ("etc/group", "root:x:0:\ncore:x:1000:\n"),
        ("usr/bin/sh", ""),
        ("home/core/.profile", ""),
    ];
    for (path, text) in accounts.iter().chain(files) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    for path in ["home/core", "home/core/.ssh", FILE] {
        if root.join(path).exists() {
            std::os::unix::fs::chown(root.join(path), Some(1000), Some(1000)).expect("an owner");
        }
    }
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).expect("a link");
}

/// Plans, applies, plans again; returns the warnings of the first plan.
fn apply(root: &Path, config: &Value) -> Vec<String> {
    let plan = on_tree("plan", root, config);
    let done = on_tree("apply", root, config);
    assert_eq!(done.status.code(), Some(0), "{}", printed(&done));
    let again = on_tree("plan", root, config);
    assert_eq!(again.status.code(), Some(0), "{}", printed(&again));
    let warnings = |output: &Output| {
        let text = printed(output);
        let lines = text.lines().filter(|line| line.starts_with("warning: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        warnings(&plan),
        warnings(&done),
        "what is planned is what is said before a run"
    );
    warnings(&plan)
}

fn with_keys(storage: Value) -> Value {
    let users = json!([{"name": "core", "sshAuthorizedKeys": [KEY]}]);
    json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": users}, "storage": storage})
}

#[test]
fn keys_go_where_the_server_reads_them() {
    let main = "etc/ssh/sshd_config";
    let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
    let drop_in = "etc/ssh/sshd_config.d/40-keys.conf";
    let server = ("usr/sbin/sshd", "");
    let sets = |value: &str| json!({"files": [{"path": format!("/{drop_in}"), "contents": {"source": format!("data:,{value}%0A")}}]});
    for (what, files, storage, place, is_read) in [
        ("no server", &[][..], json!({}), FRAGMENT, true),
        (
            "a server with its defaults",
            &[server],
            json!({}),
            FILE,
            true,
        ),
        (
            "a server that is only configured",
            &[(main, "UsePAM yes\n")],
            json!({}),
            FILE,
            true,
        ),
        (
            "the fragment is named",
            &[
                server,
                (
                    main,
                    "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition\n",
                ),
            ],
            json!({}),
            FRAGMENT,
            true,
        ),
        (
            "a helper in a drop-in, as on Fedora CoreOS",
            &[
                server,
                (main, include),
                (
                    drop_in,
                    "AuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\n",
                ),
            ],
            json!({}),
            FRAGMENT,
            true,
        ),
        (
            "an assembler, as on Flatcar",
            &[server, ("usr/bin/update-ssh-keys", "")],
            json!({}),
            FRAGMENT,
            true,
        ),
        (
            "another place",
            &[server, (main, "AuthorizedKeysFile /etc/keys/%u\n")],
            json!({}),
            FILE,
            false,
        ),
        (
            "no place",
            &[server, (main, "AuthorizedKeysFile none\n")],
            json!({}),
            FILE,
            false,
        ),
        (
            "a block for a group of the user",
            &[
                server,
                (
                    main,
                    "Match Group core\nAuthorizedKeysFile .ssh/authorized_keys.d/ignition\n",
                ),
            ],
            json!({}),
            FRAGMENT,
            true,
        ),
        (
            "a block for another user",
            &[server, (main, "Match User git\nAuthorizedKeysFile none\n")],
            json!({}),
            FILE,
            true,
        ),
        (
            "a drop-in of the config",
            &[server, (main, include)],
            sets("AuthorizedKeysFile%20.ssh/authorized_keys.d/ignition"),
            FRAGMENT,
            true,
        ),
        (
            "a link to nothing in place of the configuration",
            &[server, (main, "AuthorizedKeysFile none\n")],
            json!({"links": [{"path": format!("/{main}"), "target": "../nothing", "overwrite": true}]}),
            FILE,
            true,
        ),
        (
            "a link to a file of the config in place of the configuration",
            &[server, (main, "AuthorizedKeysFile none\n")],
            json!({
                "links": [{"path": format!("/{main}"), "target": "own", "overwrite": true}],
                "files": [{
                    "path": "/etc/ssh/own",
                    "contents": {"source": "data:,AuthorizedKeysFile%20.ssh/authorized_keys.d/ignition%0A"},
                }],
            }),
            FRAGMENT,
            true,
        ),
        (
            "a bad drop-in of the config",
            &[server, (main, include)],
            sets("AuthorizedKeysFile%20/x"),
            FILE,
            false,
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(&root, files);
        let warnings = apply(&root, &with_keys(storage));
        let written: Vec<&str> = [FRAGMENT, FILE]
            .into_iter()
            .filter(|path| root.join(path).exists())
            .collect();
        assert_eq!(written, [place], "{what}");
        let is_warned = warnings
            .iter()
            .any(|line| line.contains("does not read /home/core/.ssh/authorized_keys;"));
        assert_eq!(
            warnings.len(),
            usize::from(!is_read),
            "{what}: {warnings:?}"
        );
        assert_eq!(is_warned, !is_read, "{what}: {warnings:?}");
    }
}

#[test]
fn keys_that_are_replaced_are_warned_about() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("root");
    create_tree(
        &root,
        &[("usr/sbin/sshd", ""), (FILE, "ssh-ed25519 AAAA other\n")],
    );
    let warnings = apply(&root, &with_keys(json!({})));
    assert!(
        matches!(&warnings[..], [one] if one.contains("authorized_keys is replaced")),
        "{warnings:?}"
    );
    assert_eq!(
        fs::read_to_string(root.join(FILE)).expect("keys"),
        format!("{KEY}\n")
    );
    assert_eq!(apply(&root, &with_keys(json!({}))), Vec::<String>::new());
}

#[test]
fn shells_that_do_not_exist_are_warned_about() {
    let made = json!({"files": [{"path": "/usr/bin/zsh", "mode": 493, "contents": {"source": "data:,x"}}]});
    for (shell, storage, want) in [
        ("/bin/sh", json!({}), 0),
        ("/bin/zsh", json!({}), 1),
        ("/bin/zsh", made.clone(), 0),
        ("/usr/bin/zsh", made, 0),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(&root, &[]);
        let users = json!([{"name": "core", "shell": shell}]);
        let config = json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": users}, "storage": storage});
        let warnings = apply(&root, &config);
        assert_eq!(warnings.len(), want, "{shell}: {warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|line| line.starts_with("warning: shell /bin/zsh of user core: "))
        );
    }
}

#[test]
fn directories_of_root_in_homes_are_warned_about() {
    let file =
        json!({"path": "/home/core/.config/app/settings", "contents": {"source": "data:,x"}});
    let owned = |path: &str| json!({"path": path, "user": {"name": "core"}});
    let users = json!([{"name": "core"}]);
    for (directories, want) in [
        (
            json!([]),
            &["/home/core/.config", "/home/core/.config/app"][..],
        ),
        (
            json!([owned("/home/core/.config")]),
            &["/home/core/.config/app"],
        ),
        (
            json!([owned("/home/core/.config"), owned("/home/core/.config/app")]),
            &[],
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(&root, &[]);
        let storage = json!({"files": [file], "directories": directories});
        let config = json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": users}, "storage": storage});
        let warnings = apply(&root, &config);
        let named = warnings
            .iter()
            .filter_map(|line| line.strip_prefix("warning: directory ")?.split(':').next());
        assert_eq!(named.collect::<Vec<_>>(), want, "{warnings:?}");
    }
}

#[test]
fn warnings_are_in_the_json_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("root");
    create_tree(&root, &[]);
    let users = json!([{"name": "core", "shell": "/bin/zsh"}]);
    let config = json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": users}});
    let file = root.with_extension("ign");
    fs::write(&file, config.to_string()).expect("the config is written");
    for command in ["plan", "apply"] {
        let done = kindling()
            .args([command, "--json", "--root"])
            .args([&root, &file])
            .output()
            .expect("kindling runs");
        let printed: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        let warning = &printed["warnings"][0];
        assert_eq!(warning["what"], "shell /bin/zsh of user core", "{printed}");
        assert_eq!(
            warning["origin"]["path"], "$.passwd.users.0.shell",
            "{printed}"
        );
        let schema = match command {
            "plan" => include_str!("../../schemas/plan.json"),
            _ => include_str!("../../schemas/report.json"),
        };
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        assert!(schema.is_valid(&printed), "{printed}");
    }
}

#[test]
fn passwords_and_keys_that_nobody_can_use_are_warned_about() {
    let root = tempfile::tempdir().expect("a directory");
    create_tree(root.path(), &[]);
    let users = json!([
        {"name": "core", "passwordHash": "hunter2", "sshAuthorizedKeys": [KEY, "~/.ssh/id.pub"]},
        {"name": "right", "passwordHash": "!", "sshAuthorizedKeys": [KEY]},
    ]);
    let config = json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": users}});
    assert_eq!(
        apply(root.path(), &config),
        [
            "warning: password of user core: it is not a hash, so nobody can log in with it",
            "warning: ssh key 1 of user core: it is not a public key, and the ssh server ignores it",
        ]
    );
}

/// sgdisk, too, finds only the free space in front of the first partition.
#[test]
fn a_partition_in_front_of_the_first_is_warned_about() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = directory.path().join("disk.img");
    let bind = format!("/dev/vda={},size=64M", image.display());
    let file = directory.path().join("config.ign");
    let mut warned = Vec::new();
    for partitions in [
        json!([{"label": "all"}]),
        json!([{"label": "all"}, {"label": "var", "sizeMiB": 0}]),
    ] {
        let disks = json!([{"device": "/dev/vda", "partitions": partitions}]);
        let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"disks": disks}});
        fs::write(&file, config.to_string()).expect("a config");
        let output = kindling()
            .args(["apply", "--image", &bind])
            .arg(&file)
            .output()
            .expect("kindling runs");
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        warned.push(printed(&output).contains(
            "warning: partition 2 of /dev/vda: it has no size and gets 1007 KiB in front of the first partition",
        ));
    }
    assert_eq!(warned, [false, true]);
}

#[test]
fn numbers_that_are_not_ids_are_refused() {
    let root = tempfile::tempdir().expect("a directory");
    create_tree(root.path(), &[]);
    let node = |id: i64| json!({"directories": [{"path": "/srv/a", "group": {"id": id}}]});
    for (passwd, storage, words) in [
        (
            json!({"users": [{"name": "new", "uid": -1}]}),
            json!({}),
            "cannot create user new: -1 is not an id",
        ),
        (
            json!({"groups": [{"name": "new", "gid": u32::MAX}]}),
            json!({}),
            "cannot create group new: 4294967295 is not an id",
        ),
        (
            json!({}),
            node(1 << 32),
            "cannot set the owner of /srv/a: 4294967296 is not an id",
        ),
    ] {
        let config =
            json!({"ignition": {"version": "3.4.0"}, "passwd": passwd, "storage": storage});
        for command in ["plan", "apply"] {
            let output = on_tree(command, root.path(), &config);
            assert_eq!(output.status.code(), Some(6), "{}", printed(&output));
            assert!(printed(&output).contains(words), "{}", printed(&output));
        }
    }
    // The id that leaves the owner alone, and an account that should not exist.
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "gone", "uid": -1, "shouldExist": false}]},
        "storage": node(-1),
    });
    assert_eq!(apply(root.path(), &config), [""; 0]);
}
