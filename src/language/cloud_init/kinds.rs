//! What a part of user data is, by its type or by how it begins.

use super::template;
use crate::language::findings::Remarks;
use crate::language::mime;
use crate::text::GZIP_MAGIC;

/// What a body is by its first bytes.
const STARTS: [(&str, &str); 10] = [
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("#upstart-job", "text/upstart-job"),
    (template::HEADER, "text/jinja2"),
    ("#!", "text/x-shellscript"),
];

/// Types of scripts that say when they run.
const TIMED_SCRIPTS: [&str; 3] = [
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
];

/// What a body is that is said to be `said`.
pub(super) fn of(bytes: &[u8], said: &str, at: u32, remarks: &mut Remarks) -> String {
    // What is sent as a script is one only if it does not begin as something else.
    let is_other = said == "text/x-shellscript" && begins_as_known(bytes);
    match is_telling(said) && !is_other {
        true => said.to_owned(),
        false => by_start(bytes, said, at, remarks),
    }
}

/// Types that say what a part is; parts of all others are what they begin with.
fn is_telling(kind: &str) -> bool {
    STARTS.iter().any(|(_, known)| *known == kind)
        || TIMED_SCRIPTS.contains(&kind)
        || kind.starts_with("multipart/")
}

/// True if a body says by its beginning what it is.
fn begins_as_known(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    STARTS.iter().any(|(start, _)| starts_with(bytes, start))
}

/// True for a text that does not say by its beginning what it is.
pub(super) fn is_unmarked(bytes: &[u8]) -> bool {
    let is_packed = bytes.starts_with(&GZIP_MAGIC);
    let is_blank = bytes.trim_ascii().is_empty();
    !is_packed && !is_blank && !mime::is_multipart(bytes) && !begins_as_known(bytes)
}

/// What a body is by how it begins.
fn by_start(bytes: &[u8], said: &str, at: u32, remarks: &mut Remarks) -> String {
    if mime::is_multipart(bytes) {
        return "multipart/mixed".into();
    }
    let blank = bytes.len() - bytes.trim_ascii_start().len();
    let trimmed = bytes.trim_ascii();
    if trimmed.is_empty() {
        return String::new();
    }
    let Some((start, kind)) = STARTS.iter().find(|(start, _)| starts_with(trimmed, start)) else {
        let is_text = matches!(
            said,
            "" | "text/plain" | "application/octet-stream" | "text/x-not-multipart"
        );
        return if is_text {
            "unknown".into()
        } else {
            format!("unknown {said}")
        };
    };
    let line = trimmed
        .split(|b| *b == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let is_header = matches!(*kind, "text/cloud-config" | "text/cloud-config-archive");
    if is_header && (blank > 0 || line.len() != start.len()) {
        let message =
            "the header has leading blanks or trailing words, which not every program accepts";
        remarks.warn_with_help(at, message, format!("make {start} the whole first line"));
    }
    (*kind).to_owned()
}

pub(super) fn starts_with(bytes: &[u8], start: &str) -> bool {
    let head = bytes.get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}
