//! Converts what Ignition 2 writes differently in files, directories and partitions.

use super::dimension;
use crate::language::findings::Remarks;
use crate::language::node::{MappingEntry, Node, NodeContent};
use crate::language::percent;
use crate::language::surroundings::Surroundings;
use crate::language::typed::{self, is_set};

/// The only function of hashes in Ignition 2.
const HASH_FUNCTION: &str = "sha512";

const DEFAULT_FILE_MODE: i64 = 0o644;
const DEFAULT_DIRECTORY_MODE: i64 = 0o755;

/// Partition types that have an alias.
const PARTITION_TYPES: [(&str, &str); 4] = [
    (
        "raid_containing_root",
        "be9067b9-ea49-4f15-b4f6-f36f8c9e1818",
    ),
    (
        "linux_filesystem_data",
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
    ),
    ("swap_partition", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"),
    ("raid_partition", "a19d880f-05fc-4d3b-a006-743f0f84911e"),
];

/// Converts `storage` to that of Ignition 2, except for the spelling of keys.
pub(super) fn convert(
    storage: &mut Node<'_>,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) {
    each(storage, "disks", |disk| {
        each(disk, "partitions", |partition| {
            convert_partition(partition, remarks)
        });
    });
    each(storage, "files", |file| {
        let at = file.at;
        set_default_filesystem(file);
        if file.get("mode").is_none() {
            set_default_mode(file, remarks);
        }
        let contents = file.remove("contents").unwrap_or_else(|| Node::mapping(at));
        let contents = convert_contents(&contents, surroundings, remarks);
        file.set("contents", contents);
    });
    each(storage, "directories", |directory| {
        set_default_filesystem(directory);
        if directory.get("mode").is_none() {
            let message = "no mode is given; it will be 0755";
            remarks.warn_with_help(directory.at, message, "write `mode: 0755`");
            directory.set("mode", Node::int(directory.at, DEFAULT_DIRECTORY_MODE));
        }
    });
    each(storage, "links", set_default_filesystem);
}

/// Calls `convert` for each element of the list `key`.
fn each<'t>(object: &mut Node<'t>, key: &str, mut convert: impl FnMut(&mut Node<'t>)) {
    let NodeContent::Mapping(entries) = &mut object.value else {
        return;
    };
    let lists = entries.iter_mut().filter(|entry| entry.key == key);
    for MappingEntry { value, .. } in lists {
        if let NodeContent::List(elements) = &mut value.value {
            elements.iter_mut().for_each(&mut convert);
        }
    }
}

fn set_default_filesystem(node: &mut Node<'_>) {
    if typed::text(node, "filesystem").is_none() {
        node.remove("filesystem");
        node.set("filesystem", Node::text(node.at, "root"));
    }
}

fn set_default_mode(file: &mut Node<'_>, remarks: &mut Remarks) {
    let message = "no mode is given; it will be 0644";
    let help = "write `mode: 0644`";
    match is_set(file, "append") {
        true => remarks.info_with_help(file.at, message, help),
        false => remarks.warn_with_help(file.at, message, help),
    }
    file.set("mode", Node::int(file.at, DEFAULT_FILE_MODE));
}

fn convert_partition(partition: &mut Node<'_>, remarks: &mut Remarks) {
    for (key, name) in [("size", "sizeMiB"), ("start", "startMiB")] {
        let written = typed::text(partition, key).map(|(at, text)| (at, text.to_owned()));
        partition.remove(key);
        let Some((at, text)) = written else { continue };
        match dimension::mebibytes(&text) {
            Ok(mebibytes) => partition.set(name, Node::int(at, mebibytes)),
            Err(error) => {
                let help = "write for example 1MiB, 512MiB or 10GiB";
                let message = format!("the {key} of the partition {error}");
                remarks.error_with_help(at, message, help);
            }
        }
    }
    let alias = typed::text(partition, "type_guid").and_then(|(at, name)| {
        let (_, guid) = PARTITION_TYPES.iter().find(|(alias, _)| *alias == name)?;
        Some((at, *guid))
    });
    if let Some((at, guid)) = alias {
        partition.remove("type_guid");
        partition.set("type_guid", Node::text(at, guid));
    }
}

fn convert_contents<'t>(
    contents: &Node<'t>,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Node<'t> {
    let inline = typed::text(contents, "inline");
    let local = typed::text(contents, "local");
    let remote = contents.get("remote");
    let url = remote.and_then(|remote| typed::text(remote, "url"));
    let given = [inline, local, url];
    let mut given = given.iter().flatten();
    let first = given.next();
    if let Some((at, _)) = given.next() {
        let message = "only one of inline, local and remote can be the contents";
        remarks.error(*at, message);
    }
    let at = first.map_or(contents.at, |(at, _)| *at);
    let source = match (inline, local, url) {
        (Some((_, text)), _, _) => percent::data_url(text.as_bytes()),
        (_, Some((at, path)), _) => local_source(at, path, surroundings, remarks),
        (_, _, Some((_, url))) => url.to_owned(),
        _ => "data:,".to_owned(),
    };
    let mut out = Node::mapping(contents.at).with("source", Node::text(at, source));
    if let Some(remote) = remote {
        for key in ["compression", "verification"] {
            if let Some(value) = remote.get(key) {
                out.set(key, value.clone());
            }
        }
    }
    out
}

fn local_source(
    at: u32,
    path: &str,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> String {
    let Some(files) = surroundings.files else {
        let message = "a local file is named, but there is no directory of local files";
        remarks.error_with_help(at, message, "name it with --files-dir");
        return String::new();
    };
    match files.read(path) {
        Ok(bytes) => percent::data_url(&bytes),
        Err(error) => {
            remarks.error(at, error.to_string());
            String::new()
        }
    }
}

/// Joins function and sum of every hash below `node` into one text. The table bounds the depth.
pub(super) fn join_hashes(node: &mut Node<'_>) {
    match &mut node.value {
        NodeContent::Scalar(_) => {}
        NodeContent::List(elements) => elements.iter_mut().for_each(join_hashes),
        NodeContent::Mapping(entries) => {
            for entry in entries {
                match &*entry.key {
                    "verification" => join_hash(&mut entry.value),
                    _ => join_hashes(&mut entry.value),
                }
            }
        }
    }
}

fn join_hash(verification: &mut Node<'_>) {
    let Some(hash) = verification.remove("hash") else {
        return;
    };
    let function = typed::text(&hash, "function");
    let sum = typed::text(&hash, "sum");
    if let (Some((function_at, function)), Some((sum_at, sum))) = (function, sum) {
        let text = format!("{function}-{sum}");
        // What is wrong with a hash is its sum if the function is right.
        let at = match function {
            HASH_FUNCTION => sum_at,
            _ => function_at,
        };
        verification.set("hash", Node::text(at, text));
    }
}
