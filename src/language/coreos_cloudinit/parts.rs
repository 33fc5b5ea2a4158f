//! The parts of user data: a cloud-config, a script, a MIME message of these.

use super::substitution::{self, SubstitutedText};
use crate::config::LineStarts;
use crate::language::detect::detect;
use crate::language::findings::Remarks;
use crate::language::languages::Language;
use crate::language::mime::{self, MimeMessage};
use crate::language::node::{Node, NodeContent};
use crate::language::packed;
use crate::language::yaml;
use crate::text::GZIP_MAGIC;
use std::borrow::Cow;

/// How deep messages may be nested.
const MAX_DEPTH: usize = 8;

/// How many parts a text may have in all.
const MAX_PARTS: usize = 1000;

/// First line of a cloud-config.
const HEADER: &[u8] = b"#cloud-config";

/// Everything that a text consists of, in its order.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) configs: Vec<Node<'static>>,
    pub(super) scripts: Vec<Script>,
    /// Ignition configs with their offsets.
    pub(super) ignition: Vec<(u32, Vec<u8>)>,
    count: usize,
}

pub(super) struct Script {
    pub(super) at: u32,
    /// File name of its part.
    pub(super) name: Option<String>,
    pub(super) text: String,
}

/// A text, or the body of a part.
struct PartBody<'b> {
    bytes: Cow<'b, [u8]>,
    /// Its offset in the whole text, or that of the packed value.
    start: usize,
    is_packed: bool,
    name: Option<String>,
    depth: usize,
}

impl PartBody<'_> {
    /// The offset in the whole text of `offset` in the body.
    fn place(&self, offset: usize) -> u32 {
        let place = match self.is_packed {
            true => self.start,
            false => self.start + offset,
        };
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

/// Reads all parts of `text`, with variables replaced by their values.
pub(super) fn read(text: &[u8], variables: &[(String, String)], remarks: &mut Remarks) -> Parts {
    let (start, bytes) = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (3, rest),
        None => (0, text),
    };
    let body = PartBody {
        bytes: Cow::Borrowed(bytes),
        start,
        is_packed: false,
        name: None,
        depth: 0,
    };
    let mut reader = PartReader {
        parts: Parts::default(),
        variables,
        remarks,
    };
    reader.add_by_content(body);
    reader.parts
}

struct PartReader<'r> {
    parts: Parts,
    variables: &'r [(String, String)],
    remarks: &'r mut Remarks,
}

impl PartReader<'_> {
    /// Adds a body whose type is decided by its first bytes.
    fn add_by_content(&mut self, body: PartBody<'_>) {
        let at = body.place(0);
        self.parts.count += 1;
        if body.depth > MAX_DEPTH || self.parts.count > MAX_PARTS {
            let message = format!("more than {MAX_PARTS} parts, or parts deeper than {MAX_DEPTH}");
            self.remarks.error(at, message);
            return;
        }
        let bytes = &*body.bytes;
        let first_line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        if bytes.trim_ascii().is_empty() {
            return;
        }
        if bytes.starts_with(&GZIP_MAGIC) {
            self.add_unpacked(&body);
        } else if first_line.trim_ascii_end() == HEADER {
            self.add_config(&body);
        } else if bytes.starts_with(b"#!") {
            self.add_script(body);
        } else if mime::is_multipart(bytes) {
            self.add_message(&body);
        } else if matches!(
            detect(bytes),
            Ok(Language::Ignition | Language::OldIgnition)
        ) {
            self.parts.ignition.push((at, body.bytes.into_owned()));
        } else {
            let message = "this is not a cloud-config, script or MIME message";
            let help = "begin it with the line #cloud-config, or with #!";
            self.remarks.error_with_help(at, message, help);
        }
    }

    fn add_unpacked(&mut self, body: &PartBody<'_>) {
        match packed::gunzip(&body.bytes) {
            Ok(bytes) => self.add_by_content(PartBody {
                bytes: Cow::Owned(bytes),
                start: body.place(0) as usize,
                is_packed: true,
                name: body.name.clone(),
                depth: body.depth + 1,
            }),
            Err(broken) => {
                self.remarks
                    .error(body.place(0), format!("the part {broken}"));
            }
        }
    }

    fn add_message(&mut self, body: &PartBody<'_>) {
        let at = body.place(0);
        let bytes = &*body.bytes;
        let Some(outer) = mime::message(bytes, 0..bytes.len()) else {
            return;
        };
        if outer.media_type() != "multipart/mixed" {
            let message = format!(
                "a MIME message must be multipart/mixed, not {}",
                outer.media_type()
            );
            self.remarks.error(at, message);
            return;
        }
        match outer.parts(bytes) {
            Ok(parts) => {
                for part in parts {
                    self.add_part(body, &part);
                }
            }
            Err(malformed) => self.remarks.error(at, malformed.to_string()),
        }
    }

    fn add_part(&mut self, outer: &PartBody<'_>, part: &MimeMessage) {
        let bytes = &*outer.bytes;
        let at = outer.place(part.body.start);
        if part.field("content-type").is_none() {
            let help = "add for example Content-Type: text/cloud-config";
            self.remarks
                .error_with_help(at, "a part has no Content-Type", help);
            return;
        }
        let decoded = match part.decoded(bytes) {
            Ok(decoded) => decoded,
            Err(broken) => return self.remarks.error(at, format!("the part {broken}")),
        };
        let body = PartBody {
            is_packed: outer.is_packed || matches!(decoded, Cow::Owned(_)),
            bytes: decoded,
            start: at as usize,
            name: part.file_name(),
            depth: outer.depth + 1,
        };
        match part.media_type().as_str() {
            "text/cloud-config" => self.add_config(&body),
            "text/x-shellscript" if !body.bytes.starts_with(b"#!") => {
                let help = "let it begin with #!/bin/bash";
                self.remarks
                    .error_with_help(at, "a script must begin with #!", help);
            }
            "text/x-shellscript" => self.add_script(body),
            _ => self.add_by_content(body),
        }
    }

    /// The text of a body, with its variables replaced.
    fn text(&mut self, body: &PartBody<'_>) -> Option<SubstitutedText> {
        match std::str::from_utf8(&body.bytes) {
            Ok(text) => Some(substitution::substitute(text, self.variables)),
            Err(error) => {
                let at = body.place(error.valid_up_to());
                self.remarks
                    .error_with_help(at, "the text is not UTF-8", "save it as UTF-8");
                None
            }
        }
    }

    fn add_config(&mut self, body: &PartBody<'_>) {
        let Some(substituted) = self.text(body) else {
            return;
        };
        let place = |offset: u32| body.place(substituted.original_offset(offset as usize));
        let lines = LineStarts::of(substituted.text.as_bytes());
        let document = match yaml::read(&substituted.text, &lines) {
            Ok(document) => document,
            Err(error) => {
                let at = place(error.offset);
                match error.help {
                    Some(help) => self.remarks.error_with_help(at, error.message, help),
                    None => self.remarks.error(at, error.message),
                }
                return;
            }
        };
        for repeated in &document.repeated {
            let message = format!("duplicate key `{}`; the last one is used", repeated.key);
            self.remarks.warn(place(repeated.later), message);
        }
        if let Some(at) = document.second_document {
            self.remarks
                .warn(place(at), "only the first YAML document is read");
        }
        let root = document.root.detached(&place);
        match root.value {
            NodeContent::Mapping(_) => self.parts.configs.push(root),
            _ if root.is_null() => self.parts.configs.push(Node::mapping(root.at)),
            _ => {
                let message = format!("a cloud-config is a mapping, not {}", root.kind());
                self.remarks.error(root.at, message);
            }
        }
    }

    fn add_script(&mut self, body: PartBody<'_>) {
        let at = body.place(0);
        let first_line = body.bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        if first_line.starts_with(b"#!ipxe") {
            let message = "an iPXE script has no meaning on a running system; it is ignored";
            self.remarks.warn(at, message);
            return;
        }
        if let Some(substituted) = self.text(&body) {
            let text = super::resolved(at, &substituted.text, self.remarks);
            let name = body.name;
            self.parts.scripts.push(Script { at, name, text });
        }
    }
}
