//! Directories, files and links, each by itself.

use super::resource::{self, ResourceUse};
use super::{Rules, lengths, non_empty};
use crate::config::finding::Severity;
use crate::config::model::{Directory, File, Link, NodeOwner};
use crate::config::path::Path;
use crate::config::version::Version;

/// Highest valid mode.
const MAX_MODE: i64 = 0o7777;
/// Permissions that files and directories of a system usually have.
const USUAL_MODES: [i64; 25] = [
    0o400, 0o440, 0o444, 0o500, 0o550, 0o551, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666,
    0o700, 0o710, 0o711, 0o750, 0o751, 0o755, 0o770, 0o771, 0o775, 0o777, 0o200, 0o220,
];
/// The special bits that executable ones of them may have.
const USUAL_SPECIAL: [i64; 4] = [0o1000, 0o2000, 0o4000, 0o6000];
/// Execute permission of the owner, without which special bits are unusual.
const OWNER_EXECUTES: i64 = 0o100;
/// Set-user-ID, set-group-ID, sticky.
const SPECIAL_BITS: i64 = 0o7000;

pub(super) fn check_directory(rules: &mut Rules, directory: &Directory, path: &Path<'_>) {
    rules.check_path(&path.member("path"), &directory.path);
    check_mode(rules, directory.mode, &path.member("mode"));
    check_owner(rules, &directory.group, &path.member("group"));
    check_owner(rules, &directory.user, &path.member("user"));
}

pub(super) fn check_file(rules: &mut Rules, file: &File, path: &Path<'_>) {
    rules.check_path(&path.member("path"), &file.path);
    check_mode(rules, file.mode, &path.member("mode"));
    if file.overwrite == Some(true) && file.contents.source.is_none() {
        let help = "give contents.source; an empty one makes an empty file".into();
        let message = "overwrite is true but there is no contents.source to write";
        rules.error_with_help(&path.member("overwrite"), message, help);
    }
    check_owner(rules, &file.group, &path.member("group"));
    check_owner(rules, &file.user, &path.member("user"));
    let append = path.member("append");
    for (i, fragment) in file.append.iter().enumerate() {
        resource::check(rules, fragment, ResourceUse::Contents, &append.index(i));
    }
    resource::check(
        rules,
        &file.contents,
        ResourceUse::Contents,
        &path.member("contents"),
    );
}

pub(super) fn check_link(rules: &mut Rules, link: &Link, path: &Path<'_>) {
    rules.check_path(&path.member("path"), &link.path);
    if let Some(target) = &link.target {
        lengths::check_link_target(rules, &path.member("target"), target);
    }
    check_owner(rules, &link.group, &path.member("group"));
    check_owner(rules, &link.user, &path.member("user"));
}

fn check_mode(rules: &mut Rules, mode: Option<i64>, path: &Path<'_>) {
    let Some(mode) = mode else { return };
    let octal = meant_as_octal(mode);
    if !(0..=MAX_MODE).contains(&mode) {
        let help = match octal {
            Some(meant) => octal_help(rules, mode, meant),
            None if rules.wording.has_octal_numbers() => {
                format!("modes are from 0 to 0{MAX_MODE:o}")
            }
            None => format!("modes are decimal numbers from 0 to {MAX_MODE} (octal 07777)"),
        };
        return rules.error_with_help(path, "illegal file mode", help);
    }
    if let Some(meant) = octal {
        let message = format!("mode {mode} is octal 0{mode:o}, which is unusual");
        let help = octal_help(rules, mode, meant);
        rules.report(Severity::Warning, path, message, Some(help));
    } else if rules.version < Version::V3_6 && mode & SPECIAL_BITS != 0 {
        let message = format!(
            "setuid, setgid and sticky bits do nothing in {} (this is octal 0{mode:o})",
            rules.name_of(rules.version),
        );
        rules.warn(path, message);
    }
}

/// How to write the mode `meant`, whose octal digits are those of `mode`.
fn octal_help(rules: &Rules, mode: i64, meant: i64) -> String {
    match rules.wording.has_octal_numbers() {
        true => format!("write 0{mode} if that is meant"),
        false => format!("modes are decimal numbers; for 0{mode} write {meant}"),
    }
}

/// The mode that the digits of a decimal number give when read as octal, if that is a usual mode and the number itself
/// is not: for 755 and 400, but not for 420 (0644).
fn meant_as_octal(mode: i64) -> Option<i64> {
    let digits = mode.to_string();
    let meant = i64::from_str_radix(&digits, 8).ok()?;
    (digits.len() >= 3 && is_usual(meant) && !is_usual(mode)).then_some(meant)
}

/// True for modes that files and directories of a system usually have.
fn is_usual(mode: i64) -> bool {
    let (special, permissions) = (mode & !0o777, mode & 0o777);
    let is_special = mode & OWNER_EXECUTES != 0 && USUAL_SPECIAL.contains(&special);
    USUAL_MODES.contains(&permissions) && (special == 0 || is_special)
}

fn check_owner(rules: &mut Rules, owner: &NodeOwner, path: &Path<'_>) {
    if owner.id.is_some() && non_empty(&owner.name).is_some() {
        rules.error(path, "id and name exclude each other");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digits of every usual mode, read as a decimal number like in JSON. A number that is a usual mode itself
    /// could not be distinguished from a correct one; there is none.
    #[test]
    fn digits_of_usual_modes_are_recognized() {
        for special in [0].iter().chain(&USUAL_SPECIAL) {
            for mode in USUAL_MODES.map(|mode| mode | special) {
                if !is_usual(mode) {
                    continue;
                }
                let as_decimal: i64 = format!("{mode:o}").parse().expect("digits");
                assert_eq!(meant_as_octal(as_decimal), Some(mode), "{as_decimal}");
                assert_eq!(meant_as_octal(mode), None, "0{mode:o} is right as {mode}");
            }
        }
    }

    #[test]
    fn other_numbers_are_not_taken_for_octal() {
        for mode in [0, 7, 64, 77, 100, 123, 302, 488, 755_755, -755, i64::MIN] {
            assert_eq!(meant_as_octal(mode), None, "{mode}");
        }
    }
}
