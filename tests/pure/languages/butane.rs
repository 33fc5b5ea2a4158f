//! Butane: examples of the specification.

use kindling::config::Severity;
use kindling::language::{
    self, Language, LocalDirectory, LocalError, LocalKind, LocalNode, Surroundings,
};
use serde_json::{Value, json};

/// A folder with a few files.
struct Folder;

const LOCAL_BUTANE: &[u8] = b"variant: fcos\nversion: 1.1.0\nkernel_arguments: {}\n";
const LOCAL_JSON: &[u8] = br#"{"ignition": {"version": "3.6.0"}}"#;

impl LocalDirectory for Folder {
    fn inspect(&self, _: &str) -> Result<LocalNode, LocalError> {
        Ok(LocalNode {
            kind: LocalKind::File,
            mode: 0o644,
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, LocalError> {
        match path {
            "zeros" => Ok(vec![0; 3000]),
            "child.bu" => Ok(LOCAL_BUTANE.to_vec()),
            "child.ign" => Ok(LOCAL_JSON.to_vec()),
            _ => Err(LocalError::Outside { path: path.into() }),
        }
    }

    fn list(&self, _: &str) -> Result<Vec<String>, LocalError> {
        Ok(Vec::new())
    }
}

/// A folder that contains a directory with a program.
struct FolderWithTree;

impl LocalDirectory for FolderWithTree {
    fn inspect(&self, path: &str) -> Result<LocalNode, LocalError> {
        let kind = match path {
            "t" => LocalKind::Directory,
            _ => LocalKind::File,
        };
        Ok(LocalNode { kind, mode: 0o755 })
    }

    fn read(&self, _: &str) -> Result<Vec<u8>, LocalError> {
        Ok(b"x".to_vec())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, LocalError> {
        Ok(vec!["a".into()])
    }
}

fn translated(pair: (&str, &str), rest: &str) -> (Vec<String>, Option<Value>) {
    translated_in(&Folder, pair, rest)
}

fn translated_in(
    folder: &dyn LocalDirectory,
    pair: (&str, &str),
    rest: &str,
) -> (Vec<String>, Option<Value>) {
    let text = format!("variant: {}\nversion: {}\n{rest}", pair.0, pair.1);
    let surroundings = Surroundings {
        files: Some(folder),
        is_raw: true,
        ..Surroundings::default()
    };
    let result = language::translate(
        "a.bu",
        text.as_bytes(),
        Language::Butane,
        &surroundings,
        false,
    );
    let findings = result.findings.0.iter();
    let messages = findings
        .filter(|finding| finding.severity != Severity::Info)
        .map(ToString::to_string)
        .collect();
    let json = result
        .outcome
        .ok()
        .map(|json| serde_json::from_str(&json).expect("JSON"));
    (messages, json)
}

const FCOS: (&str, &str) = ("fcos", "1.7.0");

/// The value at a pointer in the result, without any finding.
#[test]
fn results() {
    let contents = "/storage/files/0/contents";
    let unit = "/systemd/units/0";
    let cases = [
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {inline: \"a b<>&\u{e9}\\n\"}}]}",
            contents,
            json!({"compression": "", "source": "data:;base64,YSBiPD4mw6kK"}),
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {inline: \"\"}}]}",
            contents,
            json!({"compression": "", "source": "data:,"}),
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {inline: xyz, compression: gzip}}]}",
            contents,
            json!({"compression": "gzip", "source": "data:,xyz"}),
        ),
        (
            ("fcos", "1.0.0"),
            "storage: {files: [{path: /a, contents: {inline: a b}}]}",
            contents,
            json!({"source": "data:,a%20b"}),
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {local: zeros}}]}",
            "/storage/files/0/contents/compression",
            json!("gzip"),
        ),
        (
            ("openshift", "4.9.0"),
            "metadata: {name: a, labels: {machineconfiguration.openshift.io/role: b}}\nstorage: {files: [{path: /a, contents: {local: zeros}}]}",
            "/storage/files/0/contents/compression",
            json!(""),
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, mode: 0644}]}",
            "/storage/files/0/mode",
            json!(0o644),
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, overwrite: \"no\"}]}",
            "/storage/files/0/overwrite",
            json!(false),
        ),
        (
            FCOS,
            "storage: {filesystems: [{device: /dev/vda1, format: swap, with_mount_unit: true}]}",
            "/systemd/units/0/name",
            json!("dev-vda1.swap"),
        ),
        (
            ("fcos", "1.5.0"),
            "storage: {filesystems: [{device: /dev/vda1, path: '', format: swap, with_mount_unit: true}]}",
            "/systemd/units/0/name",
            json!("dev-vda1.swap"),
        ),
        (
            FCOS,
            "storage: {disks: [{device: /dev/a, partitions: [{number: 1, size_mib: 0x10}]}]}",
            "/storage/disks/0/partitions/0",
            json!({"number": 1, "sizeMiB": 16}),
        ),
        (
            FCOS,
            "storage: {filesystems: [{device: /dev/md/md-var, path: /var, format: xfs, with_mount_unit: true}]}",
            unit,
            json!({"name": "var.mount", "enabled": true, "contents": "# Generated by Butane\n[Unit]\n\
                Requires=systemd-fsck@dev-md-md\\x2dvar.service\nAfter=systemd-fsck@dev-md-md\\x2dvar.service\n\n\
                [Mount]\nWhere=/var\nWhat=/dev/md/md-var\nType=xfs\n\n[Install]\nRequiredBy=local-fs.target"}),
        ),
        (
            FCOS,
            "storage: {filesystems: [{device: /dev/disk/by-partlabel/swap, format: swap, mount_options: [pri=5], with_mount_unit: true}]}",
            unit,
            json!({"name": "dev-disk-by\\x2dpartlabel-swap.swap", "enabled": true, "contents": "# Generated by Butane\n[Swap]\n\
                What=/dev/disk/by-partlabel/swap\nOptions=pri=5\n\n[Install]\nRequiredBy=swap.target"}),
        ),
        (
            FCOS,
            "storage: {filesystems: [{device: /dev/a, path: /etc/x-y, format: ext4, with_mount_unit: true}]}",
            "/systemd/units/0/name",
            json!("etc-x\\x2dy.mount"),
        ),
        (
            ("fcos", "1.8.0-experimental"),
            "systemd: {quadlets: [{name: foo@100.container, rootful: true}]}",
            "/storage/links/0",
            json!({"path": "/etc/containers/systemd/foo@100.container", "target": "foo@.container"}),
        ),
        (
            ("fcos", "1.8.0-experimental"),
            "systemd: {quadlets: [{name: a@b@c.d.container}]}",
            "/storage/links/0/target",
            json!("a@.container"),
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {layout: s390x-eckd, luks: {device: /dev/dasda, tpm2: true}}",
            "/storage/luks/0/device",
            json!("/dev/dasda2"),
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {layout: s390x-eckd, luks: {device: /dev/dasda, tpm2: true}}",
            "/storage/filesystems/0",
            json!({"device": "/dev/mapper/root", "format": "xfs", "label": "root", "wipeFilesystem": true}),
        ),
        (
            FCOS,
            "storage: ~\nx-anchors: {a: &a 0600}\n",
            "",
            json!({"ignition": {"version": "3.6.0"}}),
        ),
        (
            FCOS,
            "ignition: {config: {merge: [{local: child.ign}, {local: child.bu}]}}",
            "/ignition/config/merge/1/source",
            json!("data:;base64,eyJpZ25pdGlvbiI6eyJ2ZXJzaW9uIjoiMy4xLjAifX0="),
        ),
        (
            FCOS,
            "passwd: {users: [{name: a, groups: [b, ~, c]}]}",
            "/passwd/users/0/groups",
            json!(["b", "c"]),
        ),
        (
            ("flatcar", "1.1.0"),
            "storage: {filesystems: [{device: /dev/a, path: /opt, format: ext4, with_mount_unit: true}]}",
            "/systemd/units/0/name",
            json!("opt.mount"),
        ),
    ];
    for (pair, rest, pointer, want) in cases {
        let (messages, json) = translated(pair, rest);
        let json = json.unwrap_or_else(|| panic!("{rest}: {messages:#?}"));
        assert_eq!(json.pointer(pointer), Some(&want), "{rest}");
        let is_expected = |line: &String| line.contains("unused key `kernel_arguments`");
        assert!(messages.iter().all(is_expected), "{rest}: {messages:#?}");
    }
}

/// The first finding that is not a note, and whether there is a result nevertheless.
#[test]
fn findings() {
    let cases = [
        (
            FCOS,
            "storage: {files: [{path: /a, mode: 644}]}",
            "warning at $.storage.files.0.mode, line 3 col 36",
            true,
        ),
        (
            FCOS,
            "storage: {file: []}",
            "warning at $.storage.file, line 3 col 11",
            true,
        ),
        (FCOS, "a: &a 1\n", "warning at $.a, line 3 col 1", true),
        (
            FCOS,
            "storage: {files: [{path: /a, mode: \"0644\"}]}",
            "error at $.storage.files.0.mode",
            false,
        ),
        (
            FCOS,
            "storage: {files: {}}",
            "error at $.storage.files",
            false,
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {inline: a, local: \"\"}}]}",
            "error at $.storage.files.0.contents.inline",
            false,
        ),
        (
            FCOS,
            "storage: {files: [{path: /a, contents: {local: ../b}}]}",
            "error at $.storage.files.0.contents.local",
            false,
        ),
        (
            FCOS,
            "passwd: {users: [~, {name: a}]}",
            "warning at $.passwd.users.0, line 3 col 18",
            true,
        ),
        (
            FCOS,
            "storage: {filesystems: [{device: /dev/a, with_mount_unit: true}]}",
            "error at $.storage.filesystems.0.format, line 3 col 25",
            false,
        ),
        (
            FCOS,
            "grub: {users: [{name: a}]}",
            "error at $.grub.users.0.password_hash",
            false,
        ),
        (
            ("openshift", "4.14.0"),
            "",
            "error at $.metadata.name, line 1 col 1",
            false,
        ),
        (
            ("r4e", "1.0.0"),
            "storage:\n  disks:\n  - device: /dev/a\n",
            "error at $.storage.disks, line 5 col 5",
            false,
        ),
        (
            ("openshift", "4.14.0"),
            "metadata: {name: a, labels: {machineconfiguration.openshift.io/role: b}}\nopenshift:\n  extensions:\n  - a\n",
            "warning at $.openshift.extensions, line 6 col 5",
            true,
        ),
        (
            ("fcos", "1.8.0-experimental"),
            "systemd:\n  quadlets:\n  - name: a.pod\n  - rootful: false\n    name: a.pod\n",
            "error at $.systemd.quadlets.1, line 6 col 5",
            false,
        ),
        (FCOS, "storage: {files: []\n", "error", false),
        (
            ("fcos", "1.7"),
            "",
            "error at $.version, line 2 col 10",
            false,
        ),
        (("fcos", "1.99.0"), "", "error at $.", false),
        (("rhcos", "0.1.0"), "", "error at $.", false),
        (
            ("[fcos]", "1.7.0"),
            "",
            "error at $.variant, line 1 col 10: expected a string, found a list",
            false,
        ),
        (
            ("fcos", "{a: 1}"),
            "",
            "error at $.version, line 2 col 10: expected a string, found a mapping",
            false,
        ),
        (
            ("openshift", "5.0.0"),
            "metadata:\n  name: a\n  labels:\n    x: y\n",
            "error at $.metadata.labels, line 6 col 5",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "storage: {filesystems: [{device: /dev/a, path: /opt, format: ext4, with_mount_unit: true}]}",
            "error at $.storage.filesystems.0.path",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "storage: {filesystems: [{device: /dev/a, path: '', format: swap, with_mount_unit: true}]}",
            "error at $.storage.filesystems.0.path, line 3 col 48",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "storage: {filesystems: [{device: /dev/a, path: '', format: ext4, with_mount_unit: true}]}",
            "error at $.storage.filesystems.0.path, line 3 col 25: with_mount_unit needs a path",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {layout: x, mirror: {devices: [/dev/a]}}",
            "error at $.boot_device.layout",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {mirror: {devices: [/dev/a]}, layout: x}",
            "error at $.boot_device.mirror.devices",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "storage: {disks: [{device: /dev/a, partitions: [{label: a}]}]}",
            "warning at $.storage.disks.0.partitions.0.number, line 3 col 49",
            true,
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {layout: s390x-eckd}",
            "error at $.boot_device.layout",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {layout: s390x-zfcp, luks: {device: /dev/dasda}}",
            "error at $.boot_device.luks.device",
            false,
        ),
        (
            ("fcos", "1.5.0"),
            "boot_device: {layout: \"\"}",
            "error at $.boot_device.layout",
            false,
        ),
        (
            FCOS,
            "boot_device: {mirror: {devices: [/dev/a, /dev/b]}}",
            "error at $.boot_device.mirror, line 3 col 23",
            false,
        ),
        (
            ("fcos", "1.6.0"),
            "boot_device: {mirror: {devices: [/dev/a, /dev/b]}}",
            "warning at $.boot_device.mirror, line 3 col 23",
            true,
        ),
        (
            ("flatcar", "1.0.0"),
            "storage: {luks: [{name: a, device: /dev/a, clevis: {tpm2: true}}]}",
            "error at $.storage.luks.0.clevis",
            false,
        ),
        (
            ("fiot", "1.0.0"),
            "kernel_arguments: {should_exist: [a]}",
            "error at $.kernel_arguments",
            false,
        ),
        (
            ("openshift", "4.14.0"),
            "metadata: {name: a, labels: {machineconfiguration.openshift.io/role: b}}\nstorage: {files: [{path: /a, contents: {source: \"\"}}]}",
            "error at $.storage.files.0.contents.source, line 4",
            false,
        ),
    ];
    for (pair, rest, want, has_result) in cases {
        let (messages, json) = translated(pair, rest);
        let line = messages
            .first()
            .unwrap_or_else(|| panic!("{rest}: no finding"));
        assert!(line.starts_with(want), "{rest}: {line}");
        assert_eq!(json.is_some(), has_result, "{rest}");
    }
}

#[test]
fn of_many_unused_keys_most_are_only_counted() {
    let keys: String = (0..1500).map(|n| format!("k{n}: 0\n")).collect();
    let (findings, json) = translated(FCOS, &keys);
    assert!(json.is_some());
    assert_eq!(findings.len(), 1001);
    let last = findings.last().expect("a finding");
    let expected = "warning at $, line 1003 col 1: 500 more unused keys from here on";
    assert_eq!(last, expected);
}

#[test]
fn a_label_without_a_value_is_empty() {
    let text = "variant: openshift\nversion: 4.14.0\nmetadata:\n  name: a\n  labels:\n    \
                machineconfiguration.openshift.io/role: b\n    x:\n";
    let (language, surroundings) = (Language::Butane, Surroundings::default());
    let result = language::translate("a.bu", text.as_bytes(), language, &surroundings, false);
    let text = result.outcome.expect("a MachineConfig");
    assert!(text.contains("\n    x: \"\"\n"), "{text}");
}

#[test]
fn the_last_value_of_a_machine_config_keeps_its_blanks() {
    for (value, end) in [("\"a\\n\\n\"", "a\n"), ("'a '", "\"a \""), ("a", "a")] {
        let text = format!(
            "variant: openshift\nversion: 4.14.0\nmetadata:\n  name: a\n  labels:\n    \
             machineconfiguration.openshift.io/role: b\nopenshift:\n  kernel_arguments: [{value}]\n"
        );
        let (language, surroundings) = (Language::Butane, Surroundings::default());
        let result = language::translate("a.bu", text.as_bytes(), language, &surroundings, false);
        let text = result.outcome.expect("a MachineConfig");
        assert!(text.ends_with(end), "{text:?}");
    }
}

#[test]
fn findings_about_generated_nodes_are_at_the_sugar() {
    let text = "variant: openshift\nversion: 4.14.0\nmetadata:\n  name: a\n  labels:\n    \
                machineconfiguration.openshift.io/role: b\ngrub:\n  users:\n  - name: a\n    password_hash: c\n";
    let (language, surroundings) = (Language::Butane, Surroundings::default());
    let result = language::translate("a.bu", text.as_bytes(), language, &surroundings, false);
    assert!(result.outcome.is_err());
    let finding = result.findings.0.first().expect("a finding").to_string();
    assert!(
        finding.starts_with("error at $.grub.users, line 9 col 5"),
        "{finding}"
    );
}

/// Trees fill entries that have no contents yet. Others are not changed, which is an error at the tree.
#[test]
fn trees_fill_empty_entries() {
    let filled =
        json!({"path": "/a", "mode": 0o755, "contents": {"compression": "", "source": "data:,x"}});
    for contents in ["", ", contents: {}", ", contents: {source: \"\"}"] {
        let rest = format!("storage: {{files: [{{path: /a{contents}}}], trees: [{{local: t}}]}}");
        let (findings, json) = translated_in(&FolderWithTree, FCOS, &rest);
        assert_eq!(findings, [""; 0], "{rest}");
        let json = json.expect("a config");
        assert_eq!(json.pointer("/storage/files/0"), Some(&filled), "{rest}");
    }
    let rest = "storage: {files: [{path: /a, contents: {inline: y}}], trees: [{local: t}]}";
    let (findings, json) = translated_in(&FolderWithTree, FCOS, rest);
    assert!(
        findings[0].starts_with("error at $.storage.trees.0, line 3"),
        "{findings:?}"
    );
    assert!(json.is_none());
}
