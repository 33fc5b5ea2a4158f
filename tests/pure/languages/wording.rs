//! Findings name the keys of the language that a config is written in.

use kindling::config::Finding;
use kindling::language::{self, Language, Surroundings};

const BUTANE: &str = "variant: fcos\nversion: 1.5.0\n";

fn findings(language: Language, text: &str) -> Vec<Finding> {
    let surroundings = Surroundings::default();
    language::translate("a", text.as_bytes(), language, &surroundings, false)
        .findings
        .0
}

/// The only finding, with its help in a second line.
fn only(language: Language, text: &str) -> String {
    let found = findings(language, text);
    let [finding] = &found[..] else {
        panic!("{text}: {found:#?}");
    };
    match &finding.help {
        Some(help) => format!("{finding}\n{help}"),
        None => finding.to_string(),
    }
}

#[test]
fn butane_has_keys_in_snake_case() {
    let cases = [
        (
            "storage: {files: [{path: /a, overwrite: true}]}",
            "error at $.storage.files.0.overwrite, line 3 col 41: overwrite is true but there is no contents.inline to \
             write\ngive contents.inline; an empty one makes an empty file",
        ),
        (
            "storage: {disks: [{device: /dev/a, wipe_table: true}], filesystems: [{device: /dev/a, format: ext4}]}",
            "warning at $.storage.filesystems.0.device, line 3 col 79: wipe_table of this disk wipes the file system as \
             well",
        ),
        (
            "storage: {files: [{path: /a, mode: 01755}]}",
            "warning at $.storage.files.0.mode, line 3 col 36: setuid, setgid and sticky bits do nothing in Ignition \
             3.4.0 (this is octal 01755)",
        ),
        (
            "storage: {files: [{path: /a, mode: 0o17777}]}",
            "error at $.storage.files.0.mode, line 3 col 36: illegal file mode\nmodes are from 0 to 07777",
        ),
        (
            "storage: {disks: [{device: /dev/a, wipeTable: true}]}",
            "warning at $.storage.disks.0.wipeTable, line 3 col 36: unused key `wipeTable`\ndid you mean `wipe_table`?",
        ),
        (
            "storage: {luks: [{name: a, device: /dev/a, clevis: {custom: {pin: x, config: y}}}]}",
            "error at $.storage.luks.0.clevis.custom.pin, line 3 col 67: unsupported clevis pin\nuse tpm2, tang or sss; \
             other pins need Ignition 3.6.0",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(only(Language::Butane, &format!("{BUTANE}{text}")), want);
    }
}

/// Sugar puts elements before those of the user, so an index in the result means nothing to the user.
#[test]
fn repeated_elements_name_each_other_by_their_places() {
    let cases = [
        (
            "passwd: {users: [{name: a, ssh_authorized_keys: [b, b]}]}",
            "error at $.passwd.users.0.ssh_authorized_keys.1, line 3 col 53: duplicate entry: same value (the other one: \
             $.passwd.users.0.ssh_authorized_keys.0, line 3)\nonly one is allowed; remove one, or merge them",
        ),
        (
            "storage:\n  filesystems:\n  - {device: /dev/a, path: /var, format: ext4, with_mount_unit: true}\n  \
             - {device: /dev/b, path: /var, format: ext4, with_mount_unit: true}\n",
            "error at $.storage.filesystems.1.with_mount_unit, line 6 col 65: duplicate entry: same name (the other one: \
             $.storage.filesystems.0.with_mount_unit, line 5)\nonly one is allowed; remove one, or merge them",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(only(Language::Butane, &format!("{BUTANE}{text}")), want);
    }
}

#[test]
fn a_decimal_mode_is_reported_once_and_in_octal() {
    for (list, mode, octal) in [
        ("files", "644", "01204"),
        ("files", "775", "01407"),
        ("directories", "755", "01363"),
        ("directories", "1777", "03361"),
    ] {
        let text = format!("{BUTANE}storage: {{{list}: [{{path: /a, mode: {mode}}}]}}");
        let want = format!(
            "mode {mode} is a decimal number; in octal it is {octal}\nwrite 0{mode} if that is meant"
        );
        let found = only(Language::Butane, &text);
        assert!(found.ends_with(&want), "{found}");
    }
    let text = "storage: {directories: [{path: /a, mode: 755}]}";
    let found = only(Language::ContainerLinux, text);
    let want = "mode 755 is octal 01363, which is unusual\nwrite 0755 if that is meant";
    assert!(found.ends_with(want), "{found}");
}

#[test]
fn container_linux_configs_have_their_keys_in_messages_of_ignition_2() {
    let text = "storage:\n  filesystems:\n  - {name: a, mount: {device: /dev/a, format: ext4, create: {force: true}, \
                wipe_filesystem: true}}\n";
    let found = findings(Language::ContainerLinux, text);
    let messages: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert!(
        messages.contains(&"`create` and `wipe_filesystem` exclude each other"),
        "{messages:?}"
    );
    let text = "storage:\n  filesystems:\n  - {name: a, mount: {device: /dev/a, format: ext4, create: {force: true}}}\n";
    let want = "`create` is deprecated\nuse `wipe_filesystem` and `options` of the mount";
    let found = only(Language::ContainerLinux, text);
    assert!(found.ends_with(want), "{found}");
}

/// A config inside another one is in a language of its own.
#[test]
fn nested_configs_are_in_their_own_words() {
    let child = "variant: fcos\\nversion: 1.5.0\\nstorage: {files: [{path: /a, overwrite: true}]}";
    let text = format!("{BUTANE}ignition: {{config: {{merge: [{{inline: \"{child}\"}}]}}}}");
    let found = only(Language::Butane, &text);
    assert!(found.contains("give contents.inline"), "{found}");
    let child = r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/a", "overwrite": true}]}}"#;
    let text = format!("{BUTANE}ignition: {{config: {{merge: [{{inline: '{child}'}}]}}}}");
    let found = only(Language::Butane, &text);
    assert!(found.contains("give contents.source"), "{found}");
}
