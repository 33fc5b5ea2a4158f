//! Directories, files and links, each by itself.

use super::resource::{self, Holder};
use super::{Rules, given};
use crate::config::model::{Directory, File, Link, NodeOwner};
use crate::config::path::Path;
use crate::config::version::Version;

/// Highest mode there is.
const MODE_MAX: i64 = 0o7777;
/// Set-user-ID, set-group-ID, sticky.
const SPECIAL_BITS: i64 = 0o7000;

pub(super) fn directory(rules: &mut Rules, directory: &Directory, path: &Path<'_>) {
    rules.path(&path.member("path"), &directory.path);
    mode(rules, directory.mode, &path.member("mode"));
    owner(rules, &directory.group, &path.member("group"));
    owner(rules, &directory.user, &path.member("user"));
}

pub(super) fn file(rules: &mut Rules, file: &File, path: &Path<'_>) {
    rules.path(&path.member("path"), &file.path);
    mode(rules, file.mode, &path.member("mode"));
    if file.overwrite == Some(true) && file.contents.source.is_none() {
        let help = "give contents.source; an empty one makes an empty file".into();
        let message = "overwrite is true but there is no contents.source to write";
        rules.error_with_help(&path.member("overwrite"), message, help);
    }
    owner(rules, &file.group, &path.member("group"));
    owner(rules, &file.user, &path.member("user"));
    let append = path.member("append");
    for (i, fragment) in file.append.iter().enumerate() {
        resource::check(rules, fragment, Holder::Contents, &append.index(i));
    }
    resource::check(
        rules,
        &file.contents,
        Holder::Contents,
        &path.member("contents"),
    );
}

pub(super) fn link(rules: &mut Rules, link: &Link, path: &Path<'_>) {
    rules.path(&path.member("path"), &link.path);
    owner(rules, &link.group, &path.member("group"));
    owner(rules, &link.user, &path.member("user"));
}

fn mode(rules: &mut Rules, mode: Option<i64>, path: &Path<'_>) {
    let Some(mode) = mode else { return };
    if !(0..=MODE_MAX).contains(&mode) {
        let help = format!("modes are decimal numbers from 0 to {MODE_MAX} (octal 07777)");
        rules.error_with_help(path, "illegal file mode", help);
    }
    if rules.version < Version::V3_6 && mode & SPECIAL_BITS != 0 {
        let message = format!(
            "setuid, setgid and sticky bits do nothing in version {} (this is octal 0{:o})",
            rules.version,
            mode & 0xffff_ffff
        );
        rules.warn(path, message);
    }
}

fn owner(rules: &mut Rules, owner: &NodeOwner, path: &Path<'_>) {
    if owner.id.is_some() && given(&owner.name).is_some() {
        rules.error(path, "id and name exclude each other");
    }
}
