//! Names and paths that no Linux file system accepts: too long, or with a NUL character.

use super::{Rules, non_empty};
use crate::config::model::{Dropin, Passwd, Unit};
use crate::config::path::Path;

/// Maximum length of one component of a path in bytes (NAME_MAX).
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// Maximum length of a path or link target in bytes (PATH_MAX without the terminating NUL character).
pub(crate) const MAX_PATH_BYTES: usize = 4095;
/// The drop-in directory of a unit is the name of the unit with this suffix.
const DROPIN_DIRECTORY_SUFFIX: &str = ".d";

/// Reports the first reason why nothing can be created at a path. True if there is none.
pub(super) fn check_path(rules: &mut Rules, path: &Path<'_>, text: &str) -> bool {
    let is_long = text.len() > MAX_NAME_BYTES;
    let mut names = text.split('/').filter(|_| is_long);
    if let Some(name) = names.find(|name| name.len() > MAX_NAME_BYTES) {
        report_too_long(rules, path, "a component of the path", name, MAX_NAME_BYTES);
        return false;
    }
    check_path_text(rules, path, "the path", text)
}

/// Reports why no link can have a target, if so.
pub(super) fn check_link_target(rules: &mut Rules, path: &Path<'_>, target: &str) {
    check_path_text(rules, path, "the link target", target);
}

/// Checks the home directories of users. `lines` reports control characters, NUL among them.
pub(super) fn check_homes(rules: &mut Rules, passwd: &Passwd, at: &Path<'_>) {
    let users = at.member("users");
    for (i, user) in passwd.users.iter().enumerate() {
        if let Some(home) = non_empty(&user.home_dir).filter(|home| !home.contains('\0')) {
            check_path(rules, &users.index(i).member("homeDir"), home);
        }
    }
}

/// Checks the name of a unit, and of its drop-in directory if it needs one. `lines` reports control characters, NUL
/// among them.
pub(super) fn check_unit_name(rules: &mut Rules, unit: &Unit, path: &Path<'_>) {
    let suffix = match unit.dropins.is_empty() {
        true => "",
        false => DROPIN_DIRECTORY_SUFFIX,
    };
    let max_bytes = MAX_NAME_BYTES - suffix.len();
    if unit.name.len() > max_bytes && !unit.name.contains('\0') {
        report_too_long(rules, path, "the unit name", &unit.name, max_bytes);
    }
}

/// Checks the name of a drop-in.
pub(super) fn check_dropin_name(rules: &mut Rules, dropin: &Dropin, path: &Path<'_>) {
    let (what, name) = ("the drop-in name", &dropin.name);
    if name.contains('\0') {
        report_nul(rules, path, what);
    } else if name.len() > MAX_NAME_BYTES {
        report_too_long(rules, path, what, name, MAX_NAME_BYTES);
    }
}

fn check_path_text(rules: &mut Rules, path: &Path<'_>, what: &str, text: &str) -> bool {
    if text.contains('\0') {
        report_nul(rules, path, what);
    } else if text.len() > MAX_PATH_BYTES {
        report_too_long(rules, path, what, text, MAX_PATH_BYTES);
    } else {
        return true;
    }
    false
}

fn report_nul(rules: &mut Rules, path: &Path<'_>, what: &str) {
    rules.error(path, format!("{what} contains a NUL character"));
}

fn report_too_long(rules: &mut Rules, path: &Path<'_>, what: &str, text: &str, max_bytes: usize) {
    let message = format!(
        "{what} has {} bytes, at most {max_bytes} are possible",
        text.len()
    );
    rules.error(path, message);
}
