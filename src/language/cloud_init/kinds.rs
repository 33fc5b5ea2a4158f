//! The type of a part of user data, by its declaration or by its first bytes.

use super::template;
use crate::language::findings::Remarks;
use crate::language::mime;
use crate::text::GZIP_MAGIC;

/// Types by the first bytes of a body.
const PREFIXES: [(&str, &str); 10] = [
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

/// Types of scripts that define when they run.
const TIMED_SCRIPTS: [&str; 3] = [
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
];

/// The type of a body whose declared type is `said`.
pub(super) fn of(bytes: &[u8], said: &str, at: u32, remarks: &mut Remarks) -> String {
    // A body that is declared as a script is only one if it does not begin as something else.
    let is_other = said == "text/x-shellscript" && begins_as_known(bytes);
    match is_decisive(said) && !is_other {
        true => said.to_owned(),
        false => by_start(bytes, said, at, remarks),
    }
}

/// Types that define what a part is; for all others, the first bytes decide.
fn is_decisive(kind: &str) -> bool {
    PREFIXES.iter().any(|(_, known)| *known == kind)
        || TIMED_SCRIPTS.contains(&kind)
        || kind.starts_with("multipart/")
}

/// True if the first bytes of a body identify its type.
fn begins_as_known(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    PREFIXES.iter().any(|(start, _)| starts_with(bytes, start))
}

/// True for a text whose first bytes do not identify its type.
pub(super) fn is_unmarked(bytes: &[u8]) -> bool {
    let is_packed = bytes.starts_with(&GZIP_MAGIC);
    let is_blank = bytes.trim_ascii().is_empty();
    !is_packed && !is_blank && !mime::is_multipart(bytes) && !begins_as_known(bytes)
}

/// The type of a body by its first bytes.
fn by_start(bytes: &[u8], declared: &str, at: u32, remarks: &mut Remarks) -> String {
    if mime::is_multipart(bytes) {
        return "multipart/mixed".into();
    }
    let blank = bytes.len() - bytes.trim_ascii_start().len();
    let trimmed = bytes.trim_ascii();
    if trimmed.is_empty() {
        return String::new();
    }
    let Some((start, kind)) = PREFIXES
        .iter()
        .find(|(start, _)| starts_with(trimmed, start))
    else {
        let is_text = matches!(
            declared,
            "" | "text/plain" | "application/octet-stream" | "text/x-not-multipart"
        );
        return if is_text {
            "unknown".into()
        } else {
            format!("unknown {declared}")
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
