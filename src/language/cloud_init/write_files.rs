//! `write_files`.

use super::CloudInitContext;
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly, FileBody, FileSource, clean_path, owner};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::packed;
use crate::language::placed_text::{PlacedText, bytes_of_key};
use std::collections::{HashMap, HashSet};

/// Mode of files that do not state one.
const DEFAULT_MODE: u32 = 0o644;

/// All permission bits.
const MAX_MODE: u32 = 0o7777;

const KEYS: &[&str] = &[
    "path",
    "content",
    "encoding",
    "permissions",
    "owner",
    "append",
    "defer",
    "source",
];

/// Top-level directories that belong to the system at any depth.
const SYSTEM_TREES: [&str; 20] = [
    "bin", "boot", "dev", "efi", "etc", "lib", "lib32", "lib64", "libx32", "nix", "ostree", "proc",
    "run", "sbin", "snap", "sys", "sysroot", "tmp", "usr", "var",
];

/// Top-level directories that systems have for others to be created in.
const TOP_DIRECTORIES: [&str; 6] = ["home", "media", "mnt", "opt", "root", "srv"];

/// Directories below them that are root's even where they are missing: some systems fill `/etc` and `/var` only while
/// they boot, after the files are written.
const SYSTEM_DIRECTORIES: [&str; 37] = [
    "/etc/cron.d",
    "/etc/pam.d",
    "/etc/profile.d",
    "/etc/ssh",
    "/etc/sudoers.d",
    "/etc/sysctl.d",
    "/etc/systemd",
    "/etc/systemd/network",
    "/etc/systemd/system",
    "/etc/systemd/user",
    "/etc/tmpfiles.d",
    "/etc/udev",
    "/etc/udev/rules.d",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/local/share",
    "/usr/sbin",
    "/usr/share",
    "/var/cache",
    "/var/home",
    "/var/lib",
    "/var/local",
    "/var/log",
    "/var/mail",
    "/var/mnt",
    "/var/opt",
    "/var/roothome",
    "/var/spool",
    "/var/spool/cron",
    "/var/srv",
    "/var/tmp",
    "/var/usrlocal",
];

/// Maximum number of parent directories to consider, so that deep paths do not take unlimited memory.
const MAX_ABOVE: usize = 32;

/// When a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before most modules.
    First,
    /// After all of them.
    Last,
}

/// What earlier entries have created.
pub(super) struct WrittenFiles {
    /// Offset in the config of each file, by path.
    files: HashMap<String, u32>,
    /// Homes, and the parent directories of homes and files.
    directories: HashSet<String>,
}

/// Adds the files that are written `when`, and records them in `made`.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    when: When,
    context: &CloudInitContext<'_>,
    (assembly, made): (&mut Assembly<'t>, &mut WrittenFiles),
    remarks: &mut Remarks,
) {
    // Errors of the list itself are reported only once.
    let mut reported_before = Remarks::default();
    let entries = match when {
        When::First => values::mappings(root, "write_files", remarks),
        When::Last => values::mappings(root, "write_files", &mut reported_before),
    };
    for entry in entries {
        let is_last = entry.get("defer").is_some_and(|value| {
            let node = Node::mapping(entry.at).with("defer", value.clone());
            values::flag(&node, "defer", &mut Remarks::default()) == Some(true)
        });
        if is_last != (when == When::Last) {
            continue;
        }
        let entry = values::canonical(entry.clone(), KEYS, remarks);
        let Some(file) = file(&entry, context, assembly, remarks) else {
            continue;
        };
        add_parents(&file, &mut made.directories, context, assembly);
        let path = file.path.clone();
        if assembly.add_file(file) {
            let message = "an earlier file of the same path is replaced by this one";
            remarks.warn(entry.at, message);
        }
        if let Some(at) = assembly.file_at(&path) {
            made.files.insert(path, at);
        }
    }
}

fn file<'t>(
    entry: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &Assembly<'t>,
    remarks: &mut Remarks,
) -> Option<AssembledFile<'t>> {
    let Some(path) = values::filled(entry, "path", remarks) else {
        remarks.warn_with_help(entry.at, "a file without a path is left out", "add `path`");
        return None;
    };
    let cleaned = clean_path(&path.text);
    if cleaned == "/" {
        remarks.error(path.at, "the path of a file cannot be the root directory");
        return None;
    }
    let body = body(entry, context, remarks)?;
    let is_appended = values::flag(entry, "append", remarks) == Some(true);
    let mode = mode(entry, remarks);
    let mut file = AssembledFile {
        mode: Some(mode.unwrap_or((path.at, DEFAULT_MODE))),
        ..AssembledFile::new(path.at, cleaned, DEFAULT_MODE, Vec::new())
    };
    match is_appended {
        true => (file.body, file.append) = (None, vec![body]),
        false => file.body = Some(body),
    }
    if let Some(ids) = values::filled(entry, "owner", remarks) {
        set_owner(&mut file, &ids, context, assembly, remarks);
    }
    Some(file)
}

impl WrittenFiles {
    /// Contains only the homes of accounts and their parent directories.
    pub(super) fn new(assembly: &Assembly<'_>) -> Self {
        let mut directories = HashSet::new();
        for home in assembly.homes() {
            let below = format!("{}/", clean_path(home));
            directories.extend(above(&below).map(str::to_owned));
        }
        WrittenFiles {
            files: HashMap::new(),
            directories,
        }
    }

    /// Warns about files that other modules have replaced with files or links of their own.
    pub(super) fn warn_of_replaced(&self, assembly: &Assembly<'_>, remarks: &mut Remarks) {
        for (path, at) in &self.files {
            if assembly.file_at(path) != Some(*at) {
                let message = "another key of the config writes this file later and replaces it";
                remarks.warn_with_help(*at, message, "`defer: true` writes it last");
            }
        }
    }
}

/// The parent directories of `path`, outermost first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').skip(1).take(MAX_ABOVE);
    ends.filter_map(move |(end, _)| path.get(..end))
}

/// Gives those parent directories of `file` that have to be created to its owner, unless an earlier file or a home is in
/// them.
///
/// A printed config has no way of saying that. It is not known which directories exist on the system, so there those
/// that may (system trees, parents of homes, homes) are left alone, and the others are listed.
fn add_parents<'t>(
    file: &AssembledFile<'t>,
    made: &mut HashSet<String>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
) {
    let top = file.path.split('/').nth(1).unwrap_or_default();
    let is_root = |node: &Node<'_>| node.text_at("name") == "root" || node.text_at("id") == "0";
    let other = |node: &Option<Node<'t>>| node.clone().filter(|node| !is_root(node));
    let (user, group) = (other(&file.user), other(&file.group));
    for directory in above(&file.path) {
        if !made.insert(directory.to_owned()) || (user.is_none() && group.is_none()) {
            continue;
        }
        let depth = directory.matches('/').count();
        let is_in_system = SYSTEM_TREES.contains(&top);
        let is_top = depth == 1 && (is_in_system || TOP_DIRECTORIES.contains(&top));
        if is_top || SYSTEM_DIRECTORIES.contains(&directory) {
            continue;
        }
        if !context.is_printed {
            assembly.add_new_parent(directory, user.as_ref(), group.as_ref());
        } else if !(is_in_system || top == "home" && depth <= 2) {
            let owner = (user.clone(), group.clone());
            assembly.owned_directory(file.at, directory, None, owner);
        }
    }
}

fn body(
    entry: &Node<'_>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<FileBody> {
    let at = entry.get("content").map_or(entry.at, |content| content.at);
    if let Some(body) = fetched(entry, remarks) {
        if entry.get("content").is_some() {
            remarks.warn(
                at,
                "the content is not a fallback for a source that cannot be fetched",
            );
        }
        return Some(body);
    }
    let bytes = match entry.get("content") {
        Some(content) if !content.is_null() => bytes_of_key(entry, "content", remarks)?,
        _ => Vec::new(),
    };
    let encoding = values::filled(entry, "encoding", remarks);
    let Some(encoding) = encoding.filter(|encoding| encoding.text != "text/plain") else {
        return Some(FileBody::bytes(at, bytes));
    };
    let Some(packing) = packed::packing(encoding.text.trim().to_ascii_lowercase().as_str()) else {
        remarks.warn_with_help(
            encoding.at,
            "unknown encoding: the content is written as it is",
            "use b64, gz, gz+b64 or text/plain",
        );
        return Some(FileBody::bytes(at, bytes));
    };
    let bytes = match packing.is_base64 {
        true => base64_characters(at, bytes, remarks),
        false => bytes,
    };
    match context.budget.unpack(bytes, packing) {
        Ok(bytes) => Some(FileBody::bytes(at, bytes)),
        Err(broken) => {
            remarks.error(at, format!("the content {broken}"));
            None
        }
    }
}

/// `bytes` without characters that are not base64, which the original ignores.
fn base64_characters(at: u32, bytes: Vec<u8>, remarks: &mut Remarks) -> Vec<u8> {
    let is_known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    if !bytes.iter().all(|b| is_known(b) || b.is_ascii_whitespace()) {
        remarks.warn(at, "characters that are not of base64 are left out");
    }
    bytes.into_iter().filter(is_known).collect()
}

/// A body to be fetched from a URL.
fn fetched(entry: &Node<'_>, remarks: &mut Remarks) -> Option<FileBody> {
    let source = values::mapping(entry, "source", &["uri", "headers"], remarks)?;
    let uri = values::filled(&source, "uri", remarks)?;
    let headers = values::mapping_of_texts(&source, "headers", remarks);
    let headers = headers.into_iter().map(|(name, value)| (name, value.text));
    let source = FileSource::Url {
        url: uri.text,
        headers: headers.collect(),
    };
    Some(FileBody { at: uri.at, source })
}

/// The mode with its offset. A text has octal digits, a number is the mode itself: in YAML 1.1, an unquoted `0644` is
/// octal already.
fn mode(entry: &Node<'_>, remarks: &mut Remarks) -> Option<(u32, u32)> {
    let written = values::filled(entry, "permissions", remarks)?;
    let scalar = entry.get("permissions").and_then(Node::as_scalar)?;
    let mode = match values::kind(scalar) {
        ScalarKind::Int(number) => {
            remarks.warn_with_help(
                written.at,
                "a number that is taken as the mode itself",
                "write a text of octal digits, for example \"0644\"",
            );
            u32::try_from(number).ok()
        }
        // `0o644` is a text in YAML 1.1, which cloud-init parses as an octal number.
        _ => octal(&written.text),
    };
    match mode.filter(|mode| *mode <= MAX_MODE) {
        Some(mode) => Some((written.at, mode)),
        None => {
            let help = "write a text of octal digits, for example \"0644\"";
            remarks.warn_with_help(written.at, "unusable permissions: 0644 is used", help);
            None
        }
    }
}

fn octal(text: &str) -> Option<u32> {
    let text = text.trim();
    let text = text
        .strip_prefix("0o")
        .or(text.strip_prefix("0O"))
        .unwrap_or(text);
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(text, 8).ok().filter(|_| is_plain)
}

/// Sets the owner from `user` or `user:group`. An empty name, `-1` and `none` leave it unset. Without a group, it is
/// that of root.
fn set_owner<'t>(
    file: &mut AssembledFile<'t>,
    ids: &PlacedText,
    context: &CloudInitContext<'_>,
    assembly: &Assembly<'t>,
    remarks: &mut Remarks,
) {
    let (user, group) = ids.text.split_once(':').unwrap_or((&ids.text, ""));
    let (user, group) = (user.trim(), group.trim());
    let is_nobody = |name: &str| matches!(name, "" | "-1") || name.eq_ignore_ascii_case("none");
    if !is_nobody(user) {
        let is_number = user.bytes().all(|b| b.is_ascii_digit());
        let is_made = assembly.user_named(user).is_some();
        let is_known_absent = context.target.accounts.is_some()
            && !is_number
            && !is_made
            && !context.target.has_account(user);
        if is_known_absent {
            let help = "add the account to `users`";
            remarks.error_with_help(ids.at, format!("there is no account {user}"), help);
        }
        file.user = Some(owner(ids.at, user));
    }
    if !is_nobody(group) {
        file.group = Some(owner(ids.at, group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_texts() {
        let cases = [
            ("0600", Some(0o600)),
            ("640", Some(0o640)),
            ("0o755", Some(0o755)),
            ("u+x", None),
            ("+7", None),
            ("9", None),
        ];
        for (text, want) in cases {
            assert_eq!(octal(text), want, "{text}");
        }
    }
}
