//! `storage`: the rules of its members, and those between them.

use super::{Rules, disks, each_below, filesystems, luks, nodes, raid, simplify};
use crate::config::model::{Disk, File, Filesystem, Link, Storage};
use crate::config::path::Path;
use crate::config::version::Version;
use crate::threads::run_beside;
use foldhash::{HashMap, HashSet};
use std::ops::Range;

/// Checking less takes no longer than starting a thread for it.
const WORK_FOR_TWO_BYTES: usize = 1 << 20;
/// Bytes that take as long to decode as checking everything else about a file.
const FILE_WORK_BYTES: usize = 512;

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
    check_files(rules, &storage.files, &path.member("files"));
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

/// Checks many files, or large ones, on two processors.
fn check_files(rules: &mut Rules, files: &[File], path: &Path<'_>) {
    let check = |rules: &mut Rules, range: Range<usize>| {
        for (file, i) in files[range.clone()].iter().zip(range) {
            nodes::check_file(rules, file, &path.index(i));
        }
    };
    if work_bytes(files) < WORK_FOR_TWO_BYTES {
        return check(rules, 0..files.len());
    }
    let half = files.len() / 2;
    let empty = rules.without_findings();
    let second_half = || {
        let mut rules = empty.without_findings();
        check(&mut rules, half..files.len());
        rules.findings
    };
    let (found, ()) = run_beside(second_half, || check(rules, 0..half));
    rules.findings.extend(found);
}

/// Bytes that take as long to decode as checking the files.
fn work_bytes(files: &[File]) -> usize {
    let source = |file: &File| {
        file.contents
            .source
            .as_ref()
            .map_or(0, |source| source.len())
    };
    files
        .iter()
        .map(|file| FILE_WORK_BYTES + source(file))
        .sum()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rules;
    use crate::config::wording::Wording;

    #[test]
    fn many_files_are_checked_in_their_order() {
        let file = |i: usize| File {
            path: format!("relative/{i}"),
            ..File::default()
        };
        let mut config = crate::config::model::Config::default();
        config.storage.files = (0..3000).map(file).collect();
        assert!(work_bytes(&config.storage.files) >= WORK_FOR_TWO_BYTES);
        let findings = rules::check(&config, Version::V3_5, Wording::Ignition);
        let found: Vec<String> = findings
            .iter()
            .filter_map(|finding| Some(finding.path.as_ref()?.to_string()))
            .collect();
        let expected = (0..3000).map(|i| format!("$.storage.files.{i}.path"));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
