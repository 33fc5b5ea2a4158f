//! Names and paths that no Linux file system takes: too long, or with a NUL character.

use super::{Rules, given};
use crate::config::model::{Dropin, Passwd, Unit};
use crate::config::path::Path;

/// Bytes of one component of a path (NAME_MAX).
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// Bytes of a path or of the target of a link (PATH_MAX without the NUL character that ends it).
pub(crate) const MAX_PATH_BYTES: usize = 4095;
/// What the directory of a unit's drop-ins is called: the name of the unit and this suffix.
const DROPIN_DIRECTORY_SUFFIX: &str = ".d";

/// Reports the first thing that makes it impossible to have a node at a path. True if there is none.
pub(super) fn path(rules: &mut Rules, path: &Path<'_>, text: &str) -> bool {
    let is_long = text.len() > MAX_NAME_BYTES;
    let mut names = text.split('/').filter(|_| is_long);
    if let Some(name) = names.find(|name| name.len() > MAX_NAME_BYTES) {
        too_long(rules, path, "a component of the path", name, MAX_NAME_BYTES);
        return false;
    }
    text_of_path(rules, path, "the path", text)
}

/// Reports what makes it impossible to have a link with a target.
pub(super) fn link_target(rules: &mut Rules, path: &Path<'_>, target: &str) {
    text_of_path(rules, path, "the link target", target);
}

/// Checks the homes of users. Control characters, NUL among them, are found with the other fields of accounts.
pub(super) fn passwd(rules: &mut Rules, passwd: &Passwd, at: &Path<'_>) {
    let users = at.member("users");
    for (i, user) in passwd.users.iter().enumerate() {
        if let Some(home) = given(&user.home_dir).filter(|home| !home.contains('\0')) {
            path(rules, &users.index(i).member("homeDir"), home);
        }
    }
}

/// Checks the name of a unit, and of the directory its drop-ins need. Control characters, NUL among them, are found
/// with what else would break a preset.
pub(super) fn unit(rules: &mut Rules, unit: &Unit, path: &Path<'_>) {
    let suffix = match unit.dropins.is_empty() {
        true => "",
        false => DROPIN_DIRECTORY_SUFFIX,
    };
    let longest = MAX_NAME_BYTES - suffix.len();
    if unit.name.len() > longest && !unit.name.contains('\0') {
        too_long(rules, path, "the unit name", &unit.name, longest);
    }
}

/// Checks the name of a drop-in.
pub(super) fn dropin(rules: &mut Rules, dropin: &Dropin, path: &Path<'_>) {
    let (what, name) = ("the drop-in name", &dropin.name);
    if name.contains('\0') {
        has_nul(rules, path, what);
    } else if name.len() > MAX_NAME_BYTES {
        too_long(rules, path, what, name, MAX_NAME_BYTES);
    }
}

fn text_of_path(rules: &mut Rules, path: &Path<'_>, what: &str, text: &str) -> bool {
    if text.contains('\0') {
        has_nul(rules, path, what);
    } else if text.len() > MAX_PATH_BYTES {
        too_long(rules, path, what, text, MAX_PATH_BYTES);
    } else {
        return true;
    }
    false
}

fn has_nul(rules: &mut Rules, path: &Path<'_>, what: &str) {
    rules.error(path, format!("{what} contains a NUL character"));
}

fn too_long(rules: &mut Rules, path: &Path<'_>, what: &str, text: &str, longest: usize) {
    let message = format!(
        "{what} has {} bytes, at most {longest} are possible",
        text.len()
    );
    rules.error(path, message);
}
