//! Options that describe the system and the machine that a config is for.

use crate::common::folder::Folder;
use crate::common::run::{self, Ended};
use std::path::Path;

/// Runs the program; returns its exit code and its output.
fn kindling(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = Ended::of(run::kindling().args(arguments).current_dir(directory));
    (ended.code, ended.all())
}

#[test]
fn sizes_in_percent_are_those_of_the_image() {
    let config =
        "#cloud-config\nusers: []\ndisk_setup:\n  /dev/vda: {table_type: gpt, layout: [25, 75]}\n";
    let desk = Folder::with(&[("c.yaml", config)]);
    let image = ["plan", "--image", "/dev/vda=d.img,size=1G", "c.yaml"];
    let (code, out) = kindling(desk.directory(), &image);
    assert_eq!(code, Some(2), "{out}");
    for size in ["255 MiB at 1 MiB", "767.9 MiB at 256 MiB"] {
        assert!(out.contains(size), "{size}\n{out}");
    }
    let (code, out) = kindling(desk.directory(), &["validate", "c.yaml"]);
    assert_eq!(code, Some(1), "{out}");
    let want = "a size in percent needs a disk whose size is known";
    assert!(out.contains(want), "{out}");
}

#[test]
fn the_name_and_the_keys_are_in_a_file() {
    let meta = "instance-id: i-1\nlocal-hostname: web\npublic-keys: [ssh-rsa A]\n";
    let json = r#"{"version": 1, "platform": "aws", "hostname": "web", "sshKeys": ["ssh-rsa A"],
        "attributes": {"AWS_INSTANCE_ID": "i-1"}}"#;
    let desk = Folder::with(&[
        ("c.yaml", "#cloud-config\nbootcmd: [a]\n"),
        ("meta-data", meta),
        ("metadata.json", json),
        ("bad", "- a"),
    ]);
    for file in ["meta-data", "metadata.json"] {
        let command = ["translate", "--to", "butane", "--metadata", file, "c.yaml"];
        let (code, out) = kindling(desk.directory(), &command);
        assert_eq!(code, Some(0), "{out}");
        for want in ["ssh-rsa A", "INSTANCE_ID='i-1'", "web\n"] {
            assert!(out.contains(want), "{file}: {want}\n{out}");
        }
    }
    for file in ["bad", "absent"] {
        let command = ["validate", "--metadata", file, "c.yaml"];
        let (code, out) = kindling(desk.directory(), &command);
        assert_eq!(code, Some(64), "{out}");
        assert!(out.contains(&format!("'{file}'")), "{out}");
    }
}

#[test]
fn the_default_account_has_a_name_of_choice() {
    let desk = Folder::with(&[
        (
            "c.yaml",
            "#cloud-config\nssh_authorized_keys: [ssh-rsa A]\n",
        ),
        ("k.yaml", "ssh_authorized_keys: [ssh-rsa A]\nrun_cmd: [a]\n"),
    ]);
    for (file, usual) in [("c.yaml", "debian"), ("k.yaml", "rancher")] {
        let name = |more: &[&str]| {
            let mut command = vec!["translate", "--pretty"];
            command.extend(more);
            command.push(file);
            let (code, out) = kindling(desk.directory(), &command);
            assert_eq!(code, Some(0), "{out}");
            let name = |name: &str| out.contains(&format!("\"name\": \"{name}\""));
            (name(usual), name("core"))
        };
        assert_eq!(name(&[]), (true, false), "{file}");
        assert_eq!(name(&["--default-user", "core"]), (false, true), "{file}");
    }
}

#[test]
fn the_system_is_that_of_a_tree() {
    let desk = Folder::with(&[
        ("system/etc/os-release", "ID=fedora\n"),
        (
            "system/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nada:x:7:7::/:/bin/sh\n",
        ),
        ("system/k3os/system/config.yaml", "hostname: of-the-image\n"),
        (
            "c.yaml",
            "#cloud-config\nfqdn: web.example.com\nusers: [{name: ada, shell: /bin/zsh}]\n",
        ),
        ("k.yaml", "run_cmd: [a]\n"),
        ("zone.yaml", "#cloud-config\ntimezone: Europe/Berlin\n"),
    ]);
    let of = |file: &str, more: &[&str]| {
        let mut command = vec!["translate", "--to", "butane"];
        command.extend(more);
        command.push(file);
        let (code, out) = kindling(desk.directory(), &command);
        assert_eq!(code, Some(0), "{out}");
        out
    };
    let unknown = of("c.yaml", &[]);
    assert!(unknown.contains("web\n") && unknown.contains("/bin/zsh"));
    let known = of("c.yaml", &["--system", "system"]);
    assert!(known.contains("web.example.com\n"), "{known}");
    // The account exists, so its shell is kept.
    let want = "shell does nothing for ada, which exists already";
    assert!(known.contains(want), "{known}");
    let zone = ["validate", "--system", "system", "zone.yaml"];
    let (code, out) = kindling(desk.directory(), &zone);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("the system has no time zone Europe/Berlin"),
        "{out}"
    );
    let arguments = ["--system", "system", "--kernel-arguments", "k3os.token=t"];
    let k3os = of("k.yaml", &arguments);
    assert!(k3os.contains("of-the-image"), "{k3os}");
    assert!(k3os.contains("token:"), "{k3os}");
}

/// Findings show the line that they are about without its secrets, in all languages.
#[test]
fn lines_are_shown_without_their_secrets() {
    let texts = [
        (
            "a.yaml",
            "#cloud-config\nusers: [{name: bob, plain_text_passwd: s3cret, foo: 1}]\n\
             password: s3cret\nchpasswd: {list: 'root:s3cret', foo: 1}\n",
        ),
        (
            "b.bu",
            "variant: fcos\nversion: 1.5.0\npasswd: {users: [{name: bob, password_hash: s3cret, foo: 1}]}\n\
             storage: {luks: [{name: x, key_file: {inline: s3cret}, foo: 1}], \
             files: [{path: a, contents: {source: 'http://u:s3cret@h/'}, foo: 1}]}\n",
        ),
        (
            "c.bu",
            "variant: fcos\nversion: 1.5.0\nignition: {proxy: {http_proxy: \"user:s3cret@h:3128\"}}\n",
        ),
        (
            "d.bu",
            "variant: fcos\nversion: 1.5.0\npasswd:\n  users:\n  - password_hash: s3cret  s: 1\n",
        ),
        (
            "e.yaml",
            "k3os: {token: s3cret, foo: 1, wifi: [{name: x, passphrase: s3cret}]}\n",
        ),
        (
            "f.ign",
            r#"{"ignition": {"version": "3.4.0", "proxy": {"httpProxy": "user:s3cret@h:3128"}}}"#,
        ),
    ];
    let desk = Folder::with(&texts);
    for (file, _) in texts {
        for command in ["validate", "plan --root ."] {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.push(file);
            let (_, out) = kindling(desk.directory(), &words);
            assert!(out.contains(" | "), "{file} {command}: {out}");
            assert!(!out.contains("s3cret"), "{file} {command}: {out}");
        }
    }
}

/// JSON output is valid, and harmless on a terminal as well.
#[test]
fn json_findings_do_not_control_terminals() {
    let config = "variant: fcos\nversion: 1.5.0\n\"k\\u202e\\x9b2J\": 1\n";
    let desk = Folder::with(&[("c.bu", config)]);
    for command in ["validate", "translate"] {
        let words = [command, "--format", "json", "c.bu"];
        let ended = Ended::of(run::kindling().args(words).current_dir(desk.directory()));
        let found = match command {
            "validate" => &ended.out,
            _ => &ended.err,
        };
        assert!(found.contains(r"k\u202e\u009b2J"), "{command}: {found}");
        let document: serde_json::Value = serde_json::from_str(found).expect("JSON");
        let judged = document.get(0).unwrap_or(&document);
        assert_eq!(
            judged["findings"][0]["path"], "$.k\u{202e}\u{9b}2J",
            "{command}"
        );
    }
}

#[test]
fn what_ignition_accepts_silently_is_a_warning() {
    let ign = r#"{"ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "a", "uid": 7}, {"name": "b", "uid": 7}]},
        "storage": {"files": [{"path": "/a", "mode": 420, "mode": 384}]}}"#;
    let old = "{\"ignition\": {\"version\": \"2.3.0\"},\n\"systemd\": {},\n\"systemd\": {}}";
    let bu =
        "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n    - path: /a\n    - path: /a/b\n";
    let desk = Folder::with(&[("c.ign", ign), ("old.ign", old), ("c.bu", bu)]);
    for (file, wanted) in [
        (
            "c.ign",
            &[
                "warning at $.passwd.users.1.uid, line 2 col 76: uid 7 is also that of \"a\" in line 2 column 51",
                "warning at $.storage.files.0.mode, line 3 col 59: key `mode` is repeated; it is also in line 3 column 46",
            ][..],
        ),
        (
            "old.ign",
            &[
                "warning at $.systemd, line 3 col 1: key `systemd` is repeated; it is also in line 2 column 1",
            ],
        ),
        (
            "c.bu",
            &[
                "warning at $.storage.files.1.path, line 6 col 13: the path leads through the file /a of line 5 column 13",
            ],
        ),
    ] {
        let (code, out) = kindling(desk.directory(), &["validate", "--format", "plain", file]);
        assert_eq!(code, Some(0), "{out}");
        for want in wanted {
            assert!(out.contains(want), "{want}\n{out}");
        }
    }
}

#[test]
fn huge_keys_are_truncated() {
    let key = "k\u{e9}".repeat(500_000);
    let ign = format!(r#"{{"ignition": {{"version": "3.4.0"}}, "{key}": 1}}"#);
    let bu = format!("variant: fcos\nversion: 1.5.0\n? {key}\n: 1\n");
    let desk = Folder::with(&[("c.ign", ign.as_str()), ("c.bu", bu.as_str())]);
    for file in ["c.ign", "c.bu"] {
        let (code, out) = kindling(desk.directory(), &["validate", file]);
        assert_eq!(code, Some(0), "{file}");
        assert!(out.contains(" key `k\u{e9}k\u{e9}") && out.contains('…'));
        assert!(out.len() < 5_000, "{file}: {} bytes", out.len());
    }
}
