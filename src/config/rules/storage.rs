//! `storage`: what its members mean to each other.

use super::{Rules, disks, filesystems, luks, nodes, raid, simplify};
use crate::config::model::{Disk, Filesystem, Link, Storage};
use crate::config::path::Path;
use crate::config::version::Version;
use std::collections::{HashMap, HashSet};

pub(super) fn check(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    together(rules, storage, path);
    let member = path.member("directories");
    for (i, directory) in storage.directories.iter().enumerate() {
        nodes::directory(rules, directory, &member.index(i));
    }
    let member = path.member("disks");
    for (i, disk) in storage.disks.iter().enumerate() {
        disks::check(rules, disk, &member.index(i));
    }
    let member = path.member("files");
    for (i, file) in storage.files.iter().enumerate() {
        nodes::file(rules, file, &member.index(i));
    }
    let member = path.member("filesystems");
    for (i, filesystem) in storage.filesystems.iter().enumerate() {
        filesystems::check(rules, filesystem, &member.index(i));
    }
    let member = path.member("links");
    for (i, link) in storage.links.iter().enumerate() {
        nodes::link(rules, link, &member.index(i));
    }
    let member = path.member("luks");
    for (i, volume) in storage.luks.iter().enumerate() {
        luks::check(rules, volume, &member.index(i));
    }
    let member = path.member("raid");
    for (i, array) in storage.raid.iter().enumerate() {
        raid::check(rules, array, &member.index(i));
    }
}

fn together(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    let links = LinkPaths::of(&storage.links);
    let member = path.member("directories");
    for (i, directory) in storage.directories.iter().enumerate() {
        links.check(rules, &directory.path, &member.index(i));
    }
    let member = path.member("files");
    for (i, file) in storage.files.iter().enumerate() {
        links.check(rules, &file.path, &member.index(i));
    }
    let directories: HashSet<&str> = storage.directories.iter().map(|d| &*d.path).collect();
    let member = path.member("links");
    for (i, link) in storage.links.iter().enumerate() {
        let path = member.index(i);
        links.check(rules, &link.path, &path);
        link_alone(rules, link, &directories, &path);
    }
    let disks: HashMap<&str, &Disk> = storage.disks.iter().map(|d| (&*d.device, d)).collect();
    let member = path.member("filesystems");
    for (i, filesystem) in storage.filesystems.iter().enumerate() {
        if let Some(disk) = disks.get(filesystem.device.as_str()) {
            on_disk(rules, filesystem, disk, &member.index(i));
        }
    }
}

/// Paths of all links.
struct LinkPaths<'c>(HashSet<&'c str>);

impl<'c> LinkPaths<'c> {
    fn of(links: &'c [Link]) -> Self {
        LinkPaths(links.iter().map(|link| link.path.as_str()).collect())
    }

    /// Nothing may lie below a link.
    fn check(&self, rules: &mut Rules, node: &str, path: &Path<'_>) {
        if self.0.is_empty() {
            return;
        }
        for (slash, _) in node.match_indices('/') {
            let above = &node[..slash];
            if self.0.contains(above) {
                rules.error(
                    path,
                    format!("the path leads through the configured link {above}"),
                );
            }
        }
    }
}

fn link_alone(rules: &mut Rules, link: &Link, directories: &HashSet<&str>, path: &Path<'_>) {
    let target = link.target.as_deref().unwrap_or_default();
    if target.is_empty() && rules.version >= Version::V3_3 {
        rules.error(&path.member("target"), "link target is required");
        return;
    }
    if link.hard != Some(true) {
        return;
    }
    if directories.contains(hard_target(link, target).as_str()) {
        rules.error(path, "the target of a hard link cannot be a directory");
    }
    let (user, group) = (path.member("user"), path.member("group"));
    let given = [
        (link.user.id.is_some(), user.member("id")),
        (link.user.name.is_some(), user.member("name")),
        (link.group.id.is_some(), group.member("id")),
        (link.group.name.is_some(), group.member("name")),
    ];
    for (_, path) in given.iter().filter(|(is_given, _)| *is_given) {
        rules.warn(
            path,
            "hard links have no owner of their own; this is ignored",
        );
    }
}

/// What a hard link points to. A relative target counts from the link itself, as in the reference
/// implementation.
fn hard_target(link: &Link, target: &str) -> String {
    let target = simplify(target);
    if target.starts_with('/') || link.path.is_empty() {
        return target;
    }
    simplify(&format!("{}/{target}", link.path))
}

fn on_disk(rules: &mut Rules, filesystem: &Filesystem, disk: &Disk, path: &Path<'_>) {
    let path = path.member("device");
    if !disk.partitions.is_empty() {
        rules.warn(
            &path,
            "this device is partitioned; the file system overwrites the partitions",
        );
    } else if disk.wipe_table == Some(true) && filesystem.wipe_filesystem != Some(true) {
        rules.warn(
            &path,
            "wipeTable of this disk wipes the file system as well",
        );
    }
}
