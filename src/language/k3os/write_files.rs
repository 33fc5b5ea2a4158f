//! `write_files`.

use crate::language::assembly::{AssembledFile, Assembly, FileBody, clean_path, owner};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::packed::{self, Budget};
use crate::language::placed_text::{PlacedText, bytes_of_key};

/// Mode of files that do not state one.
const DEFAULT_MODE: u32 = 0o644;

/// Directories that nothing but k3OS itself reads.
const K3OS_DIRECTORIES: [&str; 2] = ["/k3os/", "/var/lib/rancher/k3os/"];

/// Adds the files of `config`.
pub(super) fn convert<'t>(config: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let Some(list) = config.get("write_files") else {
        return;
    };
    if !matches!(list.value, NodeContent::List(_)) {
        let message = format!("write_files must be a list, not {}", list.kind());
        remarks.error(list.at, message);
        return;
    }
    let budget = Budget::default();
    for entry in list.elements() {
        if !matches!(entry.value, NodeContent::Mapping(_)) {
            let message = format!(
                "an element of write_files must be a mapping, not {}",
                entry.kind()
            );
            remarks.error(entry.at, message);
        } else if let Some(file) = file(entry, &budget, remarks)
            && assembly.add_file(file)
        {
            remarks.warn(
                entry.at,
                "an earlier file of the same path is replaced by this one",
            );
        }
    }
}

/// The offset of an owner that gives a file to `user`, if there is one.
pub(super) fn owned_by(config: &Node<'_>, user: &str) -> Option<u32> {
    let files = config.get("write_files")?.elements().iter();
    let mut owners = files.filter_map(|file| file.get("owner"));
    let name = |owner: &Node<'_>| owner.as_text().split(':').next() == Some(user);
    owners.find(|owner| name(owner)).map(|owner| owner.at)
}

fn file<'t>(entry: &Node<'t>, budget: &Budget, remarks: &mut Remarks) -> Option<AssembledFile<'t>> {
    let path = PlacedText::of_key(entry, "path", remarks).filter(|path| !path.text.is_empty());
    if path.is_none() {
        remarks.error_with_help(entry.at, "the file has no path", "add `path`");
    }
    let mode = PlacedText::of_key(entry, "permissions", remarks);
    let mode = mode.filter(|mode| !mode.text.is_empty());
    let mode = mode.map(|written| (written.at, octal(&written, remarks)));
    let body = body(entry, budget, remarks);
    let ids = PlacedText::of_key(entry, "owner", remarks);
    let (path, body) = (path?, body?);
    let cleaned = clean_path(&path.text);
    if cleaned == "/" {
        remarks.error(path.at, "the path of a file cannot be the root directory");
        return None;
    }
    if K3OS_DIRECTORIES
        .iter()
        .any(|prefix| cleaned.starts_with(prefix))
    {
        remarks.warn(path.at, "nothing but k3OS itself reads this file");
    }
    let mut file = AssembledFile {
        body: Some(body),
        ..AssembledFile::new(path.at, cleaned, DEFAULT_MODE, Vec::new())
    };
    if let Some((at, mode)) = mode {
        file.mode = Some((at, mode?));
    }
    if let Some(ids) = ids {
        set_owner(&mut file, &ids, remarks);
    }
    Some(file)
}

fn body(entry: &Node<'_>, budget: &Budget, remarks: &mut Remarks) -> Option<FileBody> {
    let at = entry.get("content").map_or(entry.at, |content| content.at);
    let encoding = PlacedText::of_key(entry, "encoding", remarks);
    let was_fatal = remarks.is_fatal();
    let bytes = match bytes_of_key(entry, "content", remarks) {
        Some(bytes) => bytes,
        None if !was_fatal && remarks.is_fatal() => return None,
        None => Vec::new(),
    };
    let Some(encoding) = encoding else {
        return Some(FileBody::bytes(at, bytes));
    };
    let Some(packing) = packed::packing(&encoding.text) else {
        remarks.error_with_help(
            encoding.at,
            "unknown encoding",
            "use b64, gz, or gz+b64, or leave it out",
        );
        return None;
    };
    match budget.unpack(bytes, packing) {
        Ok(bytes) => Some(FileBody::bytes(at, bytes)),
        Err(broken) => {
            remarks.error(at, format!("the content {broken}"));
            None
        }
    }
}

fn octal(written: &PlacedText, remarks: &mut Remarks) -> Option<u32> {
    let digits = &written.text;
    let is_octal = digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let length = digits.strip_prefix('0').unwrap_or(digits).len();
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_octal && length <= 4 && digits.len() >= 3 => Some(mode),
        _ => {
            remarks.error_with_help(
                written.at,
                "the permissions are not three or four octal digits",
                "write for example \"0644\"",
            );
            None
        }
    }
}

/// Sets the owner from `user`, `user:group`, or `user:` (with the login group of the user).
fn set_owner(file: &mut AssembledFile<'_>, ids: &PlacedText, remarks: &mut Remarks) {
    let (user, group) = match ids.text.split_once(':') {
        Some((user, "")) if !user.is_empty() => {
            remarks.warn_with_help(
                ids.at,
                "the login group of the user is not known yet; the group of the same name is used",
                "write the group after the colon",
            );
            (user, user)
        }
        Some(both) => both,
        None => (ids.text.as_str(), ""),
    };
    if !user.is_empty() {
        file.user = Some(owner(ids.at, user));
    }
    if !group.is_empty() {
        file.group = Some(owner(ids.at, group));
    }
}
