//! `storage`: the rules of its members, and those between them.

use super::{Rules, disks, each_below, filesystems, luks, nodes, raid, simplify};
use crate::config::model::{Disk, Filesystem, Link, Storage};
use crate::config::path::Path;
use crate::config::version::Version;
use foldhash::{HashMap, HashSet};

pub(super) fn check(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    check_relations(rules, storage, path);
    let member = path.member("directories");
    for (i, directory) in storage.directories.iter().enumerate() {
        nodes::check_directory(rules, directory, &member.index(i));
    }
    let member = path.member("disks");
    for (i, disk) in storage.disks.iter().enumerate() {
        disks::check(rules, disk, &member.index(i));
    }
    let member = path.member("files");
    for (i, file) in storage.files.iter().enumerate() {
        nodes::check_file(rules, file, &member.index(i));
    }
    let member = path.member("filesystems");
    for (i, filesystem) in storage.filesystems.iter().enumerate() {
        filesystems::check(rules, filesystem, &member.index(i));
    }
    let member = path.member("links");
    for (i, link) in storage.links.iter().enumerate() {
        nodes::check_link(rules, link, &member.index(i));
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

fn check_relations(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    check_paths_through_links(rules, storage, path);
    let directories: HashSet<&str> = storage.directories.iter().map(|d| &*d.path).collect();
    let member = path.member("links");
    for (i, link) in storage.links.iter().enumerate() {
        check_link(rules, link, &directories, &member.index(i));
    }
    let disks: HashMap<&str, &Disk> = storage.disks.iter().map(|d| (&*d.device, d)).collect();
    let member = path.member("filesystems");
    for (i, filesystem) in storage.filesystems.iter().enumerate() {
        if let Some(disk) = disks.get(filesystem.device.as_str()) {
            check_whole_disk(rules, filesystem, disk, &member.index(i));
        }
    }
}

/// Nothing may be below a link.
fn check_paths_through_links(rules: &mut Rules, storage: &Storage, path: &Path<'_>) {
    let links: Vec<&str> = storage.links.iter().map(|l| l.path.as_str()).collect();
    let directories = storage
        .directories
        .iter()
        .map(|d| d.path.as_str())
        .collect();
    let files = storage.files.iter().map(|f| f.path.as_str()).collect();
    let lists: [(&str, Vec<&str>); 3] = [
        ("directories", directories),
        ("files", files),
        ("links", links.clone()),
    ];
    for (name, paths) in lists {
        let member = path.member(name);
        let mut found: Vec<(usize, &str)> = Vec::new();
        each_below(&links, &paths, |node, above| {
            found.extend(above.iter().map(|link| (node, links[*link])));
        });
        found.sort_by_key(|(node, _)| *node);
        for (node, link) in found {
            let message = format!("the path leads through the configured link {link}");
            rules.error(&member.index(node), message);
        }
    }
}

fn check_link(rules: &mut Rules, link: &Link, directories: &HashSet<&str>, path: &Path<'_>) {
    let target = link.target.as_deref().unwrap_or_default();
    if target.is_empty() && rules.version >= Version::V3_3 {
        rules.error(&path.member("target"), "link target is required");
        return;
    }
    if link.hard != Some(true) {
        return;
    }
    if directories.contains(hard_link_target(link, target).as_str()) {
        rules.error(path, "the target of a hard link cannot be a directory");
    }
    let (user, group) = (path.member("user"), path.member("group"));
    let members = [
        (link.user.id.is_some(), user.member("id")),
        (link.user.name.is_some(), user.member("name")),
        (link.group.id.is_some(), group.member("id")),
        (link.group.name.is_some(), group.member("name")),
    ];
    for (_, path) in members.iter().filter(|(is_set, _)| *is_set) {
        rules.warn(
            path,
            "hard links have no owner of their own; this is ignored",
        );
    }
}

/// What a hard link points to. A relative target is resolved from the link itself, as in the reference implementation.
fn hard_link_target(link: &Link, target: &str) -> String {
    let target = simplify(target);
    if target.starts_with('/') || link.path.is_empty() {
        return target;
    }
    simplify(&format!("{}/{target}", link.path))
}

fn check_whole_disk(rules: &mut Rules, filesystem: &Filesystem, disk: &Disk, path: &Path<'_>) {
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
