//! `write_files`.

use super::{resolved, substitution};
use crate::language::assembly::{AssembledFile, Assembly, clean_path, owner};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::packed;
use crate::language::typed;

/// Mode of files that do not state one.
const DEFAULT_MODE: u32 = 0o644;

/// Adds the files of `root`.
pub(super) fn convert(root: &Node<'_>, assembly: &mut Assembly<'static>, remarks: &mut Remarks) {
    for entry in typed::elements(root, "write_files") {
        if let Some(file) = file(entry, remarks)
            && assembly.add_file(file)
        {
            let message = "an earlier file of the same path is replaced by this one";
            remarks.warn(entry.at, message);
        }
    }
}

fn file(entry: &Node<'_>, remarks: &mut Remarks) -> Option<AssembledFile<'static>> {
    let path = typed::text(entry, "path");
    if path.is_none() {
        remarks.error_with_help(entry.at, "the file has no path", "add `path`");
    }
    let mode = mode(entry, remarks);
    let bytes = bytes(entry, remarks);
    let (at, path) = path?;
    let path = clean_path(&resolved(at, path, remarks));
    if path == "/" {
        remarks.error(at, "the path of a file cannot be the root directory");
        return None;
    }
    if path.starts_with("/usr/") {
        let message = "/usr cannot be written to on Container Linux and Flatcar";
        remarks.warn(at, message);
    }
    let mut file = AssembledFile::new(at, path, DEFAULT_MODE, bytes?);
    if let Some(mode) = mode {
        file.mode = Some(mode);
    }
    set_owner(&mut file, entry, remarks);
    Some(file)
}

fn mode(entry: &Node<'_>, remarks: &mut Remarks) -> Option<(u32, u32)> {
    let (at, digits) = typed::text(entry, "permissions")?;
    let is_octal = digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let has_length =
        matches!(digits.len(), 3 | 4) || (digits.len() == 5 && digits.starts_with('0'));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_octal && has_length => Some((at, mode)),
        _ => {
            let message = "the permissions are not three or four octal digits";
            remarks.error_with_help(at, message, "write for example \"0644\"");
            None
        }
    }
}

fn bytes(entry: &Node<'_>, remarks: &mut Remarks) -> Option<Vec<u8>> {
    let content = entry.get("content");
    let scalar = content.and_then(Node::as_scalar);
    let at = content.map_or(entry.at, |content| content.at);
    let text = scalar.map_or("", |scalar| &*scalar.text);
    let is_binary = scalar.is_some_and(|scalar| scalar.tag.as_deref() == Some("binary"));
    let bytes = match is_binary {
        true => packed::base64(text.as_bytes()),
        false => Ok(resolved(at, text, remarks).into_bytes()),
    };
    let (encoding_at, encoding) = typed::text(entry, "encoding").unwrap_or((at, ""));
    let Some(packing) = packed::packing(encoding) else {
        let help = "use base64, gzip or gzip+base64, or leave it out";
        remarks.error_with_help(encoding_at, "unknown encoding", help);
        return None;
    };
    let unpacked = bytes.and_then(|bytes| packed::unpack(bytes, packing));
    unpacked
        .map_err(|broken| remarks.error(at, format!("the content {broken}")))
        .ok()
}

/// Sets the owner from `user`, `user:group`, or `user:` (with the login group of the user).
fn set_owner(file: &mut AssembledFile<'static>, entry: &Node<'_>, remarks: &mut Remarks) {
    let Some((at, ids)) = typed::text(entry, "owner") else {
        return;
    };
    if substitution::is_unresolved(ids) {
        resolved(at, ids, remarks);
        return;
    }
    let (user, group) = match ids.split_once(':') {
        Some((user, "")) if !user.is_empty() => {
            let message =
                "the login group of the user is not known yet; the group of the same name is used";
            remarks.warn_with_help(at, message, "write the group after the colon");
            (user, user)
        }
        Some(both) => both,
        None => (ids, ""),
    };
    if !user.is_empty() {
        file.user = Some(owner(at, user));
    }
    if !group.is_empty() {
        file.group = Some(owner(at, group));
    }
}
