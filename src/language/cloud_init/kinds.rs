//! What a part of user data is, by its type or by how it begins.

use super::template;
use crate::language::findings::Remarks;
use crate::language::mime;

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

/// Types that say what a part is; parts of all others are what they begin with.
pub(super) fn is_telling(kind: &str) -> bool {
    STARTS.iter().any(|(_, known)| *known == kind) || kind.starts_with("multipart/")
}

/// What a body is by how it begins.
pub(super) fn by_start(bytes: &[u8], said: &str, at: u32, remarks: &mut Remarks) -> String {
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
