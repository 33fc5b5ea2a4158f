//! Ordinary configs that have to be accepted.

use crate::configs::KEY;
use crate::round::{Case, Target};
use crate::scene::{Rights, Step};
use serde_json::{Value, json};

const TEXT: Rights = Rights(0, 0, 0o644);

fn file(path: &str, text: &str) -> Step {
    Step::File(path.into(), text.into(), TEXT)
}

/// A tree as a distribution ships it.
fn distribution() -> Vec<Step> {
    let private = Rights(0, 0, 0o640);
    vec![
        file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        file("/etc/group", "root:x:0:\nwheel:x:10:\nusers:x:100:\n"),
        Step::File(
            "/etc/shadow".into(),
            "root:*:19000:0:99999:7:::\n".into(),
            private,
        ),
        Step::File(
            "/etc/gshadow".into(),
            "root:*::\nwheel:!::\nusers:!::\n".into(),
            private,
        ),
        file(
            "/etc/login.defs",
            "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUSERGROUPS_ENAB yes\n",
        ),
        Step::Directory("/usr/lib/systemd/system".into(), Rights(0, 0, 0o755)),
        file(
            "/usr/lib/systemd/system/a.service",
            "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
        ),
        Step::Directory("/var".into(), Rights(0, 0, 0o755)),
        Step::Link("/home".into(), "var/home".into()),
        Step::Link("/root".into(), "/var/roothome".into()),
        Step::Link("/opt".into(), "../../var/opt".into()),
    ]
}

fn config(rest: Value) -> Value {
    let mut config = json!({"ignition": {"version": "3.4.0"}});
    config
        .as_object_mut()
        .expect("an object")
        .extend(rest.as_object().expect("an object").clone());
    config
}

/// Names and cases.
pub fn accepted() -> Vec<(&'static str, Case)> {
    let tree = |rest| Case {
        target: Target::Tree,
        steps: distribution(),
        config: config(rest),
    };
    let image = |rest| Case {
        target: Target::Images(vec![(
            "/dev/vda".into(),
            "a.img".into(),
            Some("700M".into()),
        )]),
        steps: Vec::new(),
        config: config(rest),
    };
    vec![
        (
            "a user with a key",
            tree(
                json!({"passwd": {"users": [{"name": "core", "groups": ["wheel"], "sshAuthorizedKeys": [KEY]}]}}),
            ),
        ),
        (
            "a key for root",
            tree(json!({"passwd": {"users": [{"name": "root", "sshAuthorizedKeys": [KEY]}]}})),
        ),
        (
            "a new group and its member",
            tree(json!({"passwd": {
            "groups": [{"name": "ops", "gid": 2000}],
            "users": [{"name": "deploy", "uid": 2000, "primaryGroup": "ops", "homeDir": "/opt/deploy", "shell": "/bin/bash"}]}})),
        ),
        (
            "a file of a new user in its home",
            tree(json!({
            "passwd": {"users": [{"name": "core"}]},
            "storage": {"files": [{"path": "/home/core/f", "user": {"name": "core"}, "group": {"name": "core"}, "contents": {"source": "data:,f"}}]}})),
        ),
        (
            "nodes behind links of the image",
            tree(json!({"storage": {
            "directories": [{"path": "/opt/x", "mode": 448}],
            "files": [{"path": "/opt/x/y", "contents": {"source": "data:,f"}}, {"path": "/etc/hosts", "append": [{"source": "data:,f"}]}],
            "links": [{"path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC"}, {"path": "/opt/z", "target": "/opt/x/y", "hard": true}]}})),
        ),
        (
            "units",
            tree(json!({"systemd": {"units": [
            {"name": "a.service", "enabled": true},
            {"name": "b.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"},
            {"name": "c.service", "mask": true},
            {"name": "d.service", "dropins": [{"name": "x.conf", "contents": "[Unit]\n"}]}]}})),
        ),
        (
            "no accounts in the tree yet",
            Case {
                target: Target::Tree,
                steps: Vec::new(),
                config: config(
                    json!({"passwd": {"users": [{"name": "core", "sshAuthorizedKeys": [KEY]}]}}),
                ),
            },
        ),
        (
            "an image with every format",
            image(json!({"storage": {
            "disks": [{"device": "/dev/vda", "partitions": [
                {"number": 1, "label": "esp", "sizeMiB": 40}, {"number": 2, "label": "root", "sizeMiB": 100},
                {"number": 3, "label": "var", "sizeMiB": 310}, {"number": 4, "label": "swap", "sizeMiB": 8}, {"number": 5, "label": "srv"}]}],
            "filesystems": [
                {"device": "/dev/vda1", "format": "vfat", "label": "ESP"},
                {"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/", "label": "root"},
                {"device": "/dev/disk/by-partlabel/var", "format": "xfs", "path": "/var"},
                {"device": "/dev/vda4", "format": "swap"},
                {"device": "/dev/vda5", "format": "btrfs", "path": "/srv"}],
            "files": [{"path": "/var/lib/f", "contents": {"source": "data:,f"}}, {"path": "/srv/f", "mode": 384}]}})),
        ),
    ]
}
