//! Values that become part of a line in some file: an entry of passwd or crypttab, a preset, a kernel argument. They
//! must not contain anything that would end the line or the field, or change the meaning of the line.

use super::Rules;
use crate::config::model::{Config, Passwd, Storage};
use crate::config::path::Path;

/// What a value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinePart {
    /// A field of an account, ended by a colon.
    Field,
    /// The name of an account, which also appears in comma-separated lists and in file paths.
    Account,
    /// A word between blanks.
    Word,
    /// A name that a preset line treats as a pattern.
    Unit,
    /// Text up to the end of a line.
    Text,
}

impl LinePart {
    /// Why a value cannot be used as such a part, if so.
    fn problem(self, value: &str) -> Option<&'static str> {
        let has = |is_bad: fn(char) -> bool| value.chars().any(is_bad);
        if has(char::is_control) {
            return Some("control characters are not allowed here");
        }
        match self {
            LinePart::Field | LinePart::Account if has(|c| c == ':') => {
                Some("a colon would end this field of its database")
            }
            LinePart::Account | LinePart::Word | LinePart::Unit if has(char::is_whitespace) => {
                Some("blanks are not allowed in this name")
            }
            LinePart::Account if has(|c| c == ',' || c == '/') => {
                Some("commas and slashes are not allowed in the name of an account")
            }
            LinePart::Account if value.starts_with(['-', '+', '#']) => {
                Some("the name of an account cannot start with `-`, `+` or `#`")
            }
            LinePart::Word if value.starts_with('#') || has(|c| c == '"' || c == '\'') => {
                Some("quotes, and `#` at the start, are not allowed in this name")
            }
            LinePart::Unit if has(|c| "*?[]".contains(c)) => {
                Some("patterns are not allowed in the name of a unit")
            }
            _ => None,
        }
    }
}

pub(super) fn check(rules: &mut Rules, config: &Config, path: &Path<'_>) {
    let place = path.member("kernelArguments");
    let arguments = &config.kernel_arguments;
    check_values(
        rules,
        LinePart::Text,
        &arguments.should_exist,
        &place.member("shouldExist"),
    );
    check_values(
        rules,
        LinePart::Text,
        &arguments.should_not_exist,
        &place.member("shouldNotExist"),
    );
    check_passwd(rules, &config.passwd, &path.member("passwd"));
    check_storage(rules, &config.storage, &path.member("storage"));
    let systemd = path.member("systemd");
    let units = systemd.member("units");
    for (i, unit) in config.systemd.units.iter().enumerate() {
        check_value(
            rules,
            LinePart::Unit,
            &unit.name,
            &units.index(i).member("name"),
        );
    }
}

fn check_passwd(rules: &mut Rules, passwd: &Passwd, path: &Path<'_>) {
    let groups = path.member("groups");
    for (i, group) in passwd.groups.iter().enumerate() {
        let path = groups.index(i);
        let name = account_name(group.should_exist);
        check_value(rules, name, &group.name, &path.member("name"));
        check_optional(
            rules,
            LinePart::Field,
            &group.password_hash,
            &path.member("passwordHash"),
        );
    }
    let users = path.member("users");
    for (i, user) in passwd.users.iter().enumerate() {
        let path = users.index(i);
        let name = account_name(user.should_exist);
        check_optional(rules, LinePart::Field, &user.gecos, &path.member("gecos"));
        check_values(
            rules,
            LinePart::Account,
            &user.groups,
            &path.member("groups"),
        );
        check_optional(
            rules,
            LinePart::Field,
            &user.home_dir,
            &path.member("homeDir"),
        );
        check_value(rules, name, &user.name, &path.member("name"));
        check_optional(
            rules,
            LinePart::Field,
            &user.password_hash,
            &path.member("passwordHash"),
        );
        check_optional(
            rules,
            LinePart::Account,
            &user.primary_group,
            &path.member("primaryGroup"),
        );
        check_optional(rules, LinePart::Field, &user.shell, &path.member("shell"));
    }
}

/// An account to delete may have been created under other rules.
fn account_name(should_exist: Option<bool>) -> LinePart {
    match should_exist {
        Some(false) => LinePart::Field,
        _ => LinePart::Account,
    }
}

fn check_storage(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    let disks = path.member("disks");
    for (i, disk) in storage.disks.iter().enumerate() {
        let disk_path = disks.index(i);
        let partitions = disk_path.member("partitions");
        for (i, partition) in disk.partitions.iter().enumerate() {
            let path = partitions.index(i);
            check_optional(
                rules,
                LinePart::Text,
                &partition.label,
                &path.member("label"),
            );
        }
    }
    let filesystems = path.member("filesystems");
    for (i, filesystem) in storage.filesystems.iter().enumerate() {
        let path = filesystems.index(i);
        check_optional(
            rules,
            LinePart::Text,
            &filesystem.label,
            &path.member("label"),
        );
    }
    let volumes = path.member("luks");
    for (i, volume) in storage.luks.iter().enumerate() {
        let path = volumes.index(i);
        check_optional(rules, LinePart::Text, &volume.label, &path.member("label"));
        check_value(rules, LinePart::Word, &volume.name, &path.member("name"));
    }
    let arrays = path.member("raid");
    for (i, array) in storage.raid.iter().enumerate() {
        check_value(
            rules,
            LinePart::Word,
            &array.name,
            &arrays.index(i).member("name"),
        );
    }
}

fn check_value(rules: &mut Rules, part: LinePart, value: &str, path: &Path<'_>) {
    if let Some(problem) = part.problem(value) {
        rules.error(path, problem);
    }
}

fn check_optional(rules: &mut Rules, part: LinePart, value: &Option<String>, path: &Path<'_>) {
    if let Some(value) = value {
        check_value(rules, part, value, path);
    }
}

fn check_values(rules: &mut Rules, part: LinePart, values: &[String], path: &Path<'_>) {
    for (i, value) in values.iter().enumerate() {
        check_value(rules, part, value, &path.index(i));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    /// Paths of the errors of a config with these members.
    fn findings(members: &str) -> Vec<String> {
        let text = format!(r#"{{"ignition": {{"version": "3.5.0"}}, {members}}}"#);
        let parsed = parse("c.ign", text.as_bytes());
        let findings = parsed.findings.0.into_iter().filter(|finding| {
            assert!(finding.position.is_some(), "{finding}");
            finding.severity == crate::config::Severity::Error
        });
        findings
            .filter_map(|finding| Some(finding.path?.as_str().to_owned()))
            .collect()
    }

    #[test]
    fn values_that_break_a_line_are_reported_with_their_path() {
        let user = |member: &str| format!(r#""passwd": {{"users": [{{{member}}}]}}"#);
        let group = |member: &str| format!(r#""passwd": {{"groups": [{{{member}}}]}}"#);
        let storage = |member: &str| format!(r#""storage": {{{member}}}"#);
        let unit = |name: &str| format!(r#""systemd": {{"units": [{{"name": "{name}"}}]}}"#);
        for (members, expected) in [
            (
                user(r#""name": "a\ntoor::0:0::/:/bin/sh""#),
                "$.passwd.users.0.name",
            ),
            (user(r#""name": "a:b""#), "$.passwd.users.0.name"),
            (user(r#""name": "a b""#), "$.passwd.users.0.name"),
            (user(r#""name": "a,b""#), "$.passwd.users.0.name"),
            (user(r#""name": "a/../b""#), "$.passwd.users.0.name"),
            (user(r#""name": "-a""#), "$.passwd.users.0.name"),
            (user(r#""name": "+a""#), "$.passwd.users.0.name"),
            (
                user(r#""name": "a\u0000", "shouldExist": false"#),
                "$.passwd.users.0.name",
            ),
            (
                user(r#""name": "a", "homeDir": "/h\u0000""#),
                "$.passwd.users.0.homeDir",
            ),
            (unit(r"a\u0000.service"), "$.systemd.units.0.name"),
            (
                user(r#""name": "a", "gecos": "x\ny""#),
                "$.passwd.users.0.gecos",
            ),
            (
                user(r#""name": "a", "gecos": "x:y""#),
                "$.passwd.users.0.gecos",
            ),
            (
                user(r#""name": "a", "homeDir": "/h\n""#),
                "$.passwd.users.0.homeDir",
            ),
            (
                user(r#""name": "a", "shell": "/s:t""#),
                "$.passwd.users.0.shell",
            ),
            (
                user(r#""name": "a", "passwordHash": "*:1""#),
                "$.passwd.users.0.passwordHash",
            ),
            (
                user(r#""name": "a", "primaryGroup": "b\nc""#),
                "$.passwd.users.0.primaryGroup",
            ),
            (
                user(r#""name": "a", "groups": ["b", "c,d"]"#),
                "$.passwd.users.0.groups.1",
            ),
            (
                group(r#""name": "a\ntoor:x:0:a""#),
                "$.passwd.groups.0.name",
            ),
            (
                group(r#""name": "a", "passwordHash": "x\r""#),
                "$.passwd.groups.0.passwordHash",
            ),
            (
                storage(r#""luks": [{"name": "a b", "device": "/dev/a"}]"#),
                "$.storage.luks.0.name",
            ),
            (
                storage(r##""luks": [{"name": "#a", "device": "/dev/a"}]"##),
                "$.storage.luks.0.name",
            ),
            (
                storage(r#""luks": [{"name": "a", "label": "\u001b", "device": "/dev/a"}]"#),
                "$.storage.luks.0.label",
            ),
            (
                storage(r#""raid": [{"name": "a\nb", "level": "raid1", "devices": ["/dev/a"]}]"#),
                "$.storage.raid.0.name",
            ),
            (
                storage(r#""filesystems": [{"device": "/dev/a", "format": "xfs", "label": "\t"}]"#),
                "$.storage.filesystems.0.label",
            ),
            (
                storage(r#""disks": [{"device": "/dev/a", "partitions": [{"label": "a\nb"}]}]"#),
                "$.storage.disks.0.partitions.0.label",
            ),
            (unit(r"a\ndisable *.service"), "$.systemd.units.0.name"),
            (unit("*.service"), "$.systemd.units.0.name"),
            (unit("a b.service"), "$.systemd.units.0.name"),
            (
                r#""kernelArguments": {"shouldExist": ["a\nb"]}"#.to_owned(),
                "$.kernelArguments.shouldExist.0",
            ),
        ] {
            assert_eq!(findings(&members), [expected], "{members}");
        }
    }

    #[test]
    fn values_that_fit_a_line_are_accepted() {
        for members in [
            r#""passwd": {"users": [{"name": "a.b-c_d$", "gecos": "A B, room 5, müller", "shell": "/bin/sh",
               "homeDir": "/home/a b", "passwordHash": "$6$salt$hash", "primaryGroup": "100", "groups": ["wheel"],
               "sshAuthorizedKeys": ["from=\"10.0.0.0/8\" ssh-ed25519 AAAA a b\nssh-ed25519 B\n"]},
               {"name": "DOM\\us er", "shouldExist": false}]}"#,
            r#""systemd": {"units": [{"name": "a@b:c\\x2d.service"}]}"#,
            r#""kernelArguments": {"shouldExist": ["console=ttyS0,115200 quiet", "a=\"b c\""]}"#,
        ] {
            assert_eq!(findings(members), [""; 0], "{members}");
        }
    }
}
