//! The forms of user data: a cloud-config, a script, a boot hook, URLs, an archive, a MIME message of any of these.

use super::CloudInitContext;
use super::commands::{ScriptTime, UserScript};
use super::kinds::{self, starts_with};
use super::merge::{self, MergeRules};
use super::places::BodyPlaces;
use super::template;
use super::values;
use crate::config::LineStarts;
use crate::language::findings::Remarks;
use crate::language::keyed::KeyedList;
use crate::language::mime;
use crate::language::node::{MappingEntry, Node, NodeContent};
use crate::language::placed_text::{PlacedText, bytes_of_key};
use crate::language::yaml;
use std::borrow::Cow;

/// How deep forms may be nested.
const MAX_DEPTH: usize = 8;

/// How many parts a text may have in all.
const MAX_PARTS: usize = 1000;

/// Keys of an element of an archive: those of a part, and the header fields that have an effect.
const ARCHIVE_KEYS: &[&str] = &[
    "content",
    "type",
    "filename",
    "launch-index",
    "merge-type",
    "x-merge-type",
];

/// Warning about a part with the launch index of another instance.
const OTHER_INSTANCE: &str = "a part for another instance is left out";

/// All that a text consists of.
#[derive(Default)]
pub(super) struct UserDataParts {
    /// Roots of cloud-configs, for their paths.
    pub(super) roots: Vec<Node<'static>>,
    /// All cloud-configs merged into one.
    pub(super) config: Option<Node<'static>>,
    pub(super) scripts: Vec<UserScript>,
    /// URLs of more parts.
    pub(super) included: Vec<PlacedText>,
    count: usize,
    /// Number of parts so far that are not containers, by which parts without a file name are called.
    attached: usize,
}

/// A text or a part of one.
struct UserDataBody<'t> {
    bytes: Cow<'t, [u8]>,
    places: BodyPlaces,
    /// Its declared media type in lower case; empty if none is declared.
    kind: String,
    name: Option<String>,
    /// The merge rules in its header.
    rules: Option<MergeRules>,
    depth: usize,
}

/// Reads all parts of `text`.
pub(super) fn read(
    text: &[u8],
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> UserDataParts {
    let (skipped, body) = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (3, rest),
        None => (0, text),
    };
    read_at(body, BodyPlaces::From(skipped), context, remarks)
}

/// Reads all parts of a text other than the user's: everything in it gets the offset `at`.
pub(super) fn read_elsewhere(
    text: &[u8],
    at: u32,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> UserDataParts {
    read_at(text, BodyPlaces::At(at as usize), context, remarks)
}

fn read_at(
    text: &[u8],
    places: BodyPlaces,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> UserDataParts {
    let mut parts = UserDataParts::default();
    let body = UserDataBody {
        bytes: Cow::Borrowed(text),
        places,
        kind: String::new(),
        name: None,
        rules: None,
        depth: 0,
    };
    parts.add(body, context, remarks);
    parts
}

impl UserDataParts {
    fn add(
        &mut self,
        mut body: UserDataBody<'_>,
        context: &CloudInitContext<'_>,
        remarks: &mut Remarks,
    ) {
        let at = body.places.of(0);
        self.count += 1;
        if body.depth > MAX_DEPTH || self.count > MAX_PARTS {
            remarks.error(
                at,
                format!("more than {MAX_PARTS} parts, or parts deeper than {MAX_DEPTH}"),
            );
            return;
        }
        if body.bytes.starts_with(&[0x1f, 0x8b]) {
            match context.budget.gunzip(&body.bytes) {
                Ok(bytes) => {
                    (body.bytes, body.places) = (Cow::Owned(bytes), BodyPlaces::At(at as usize))
                }
                Err(broken) => return remarks.error(at, format!("the part {broken}")),
            }
        }
        if body.kind.is_empty()
            && let Some(whole) = mime::single_part(&body.bytes)
        {
            if let Some(part) = part_body(&whole, &body.bytes, &body, remarks) {
                self.add(part, context, remarks);
            }
            return;
        }
        let kind = kinds::of(&body.bytes, &body.kind, at, remarks);
        // A part declared as a script may be a template of one.
        let starts_as_template = starts_with(&body.bytes, template::HEADER);
        match &*kind {
            _ if starts_as_template => self.add_template(body, context, remarks),
            "text/jinja2" => self.add_template(body, context, remarks),
            "text/cloud-config" => self.add_cloud_config(&body, remarks),
            "text/cloud-config-archive" => self.add_archive(&body, context, remarks),
            "text/x-shellscript" => self.add_script(&body, ScriptTime::User, remarks),
            "text/x-shellscript-per-boot" => self.add_script(&body, ScriptTime::EachBoot, remarks),
            "text/x-shellscript-per-once" => self.add_script(&body, ScriptTime::Once, remarks),
            "text/x-shellscript-per-instance" => {
                self.add_script(&body, ScriptTime::Instance, remarks);
            }
            "text/cloud-boothook" => self.add_script(&body, ScriptTime::BootHook, remarks),
            "text/x-include-url" | "text/x-include-once-url" => self.add_includes(&body, remarks),
            kind if kind.starts_with("multipart/") => self.add_multipart(&body, context, remarks),
            "" => self.attached += 1,
            "text/part-handler" | "text/upstart-job" | "text/cloud-config-jsonp" => {
                remarks.error(at, format!("a part of type {kind} is not supported"));
            }
            _ => remarks.error_with_help(
                at,
                "not a form of user data that is known",
                "a cloud-config begins with the line #cloud-config",
            ),
        }
    }

    fn add_template(
        &mut self,
        body: UserDataBody<'_>,
        context: &CloudInitContext<'_>,
        remarks: &mut Remarks,
    ) {
        let at = body.places.of(0);
        let Ok(text) = std::str::from_utf8(&body.bytes) else {
            return remarks.error(at, "the template is not UTF-8");
        };
        let header = text.find('\n').map_or(text.len(), |end| end + 1);
        let (_, text) = text.split_at(header);
        match template::render(text, context.instance.variables) {
            Ok(rendered) => {
                let places = match body.places {
                    BodyPlaces::From(start) => BodyPlaces::Pieces(start + header, rendered.pieces),
                    _ => BodyPlaces::At(at as usize),
                };
                let kind = if body.kind == "text/jinja2" {
                    String::new()
                } else {
                    body.kind
                };
                let rendered = UserDataBody {
                    bytes: Cow::Owned(rendered.text.into_bytes()),
                    places,
                    kind,
                    depth: body.depth + 1,
                    ..body
                };
                self.add(rendered, context, remarks);
            }
            Err(problem) => {
                let at = body.places.inside(header + problem.at).of(0);
                remarks.error_with_help(at, problem.message, "write the value itself");
            }
        }
    }

    fn add_cloud_config(&mut self, body: &UserDataBody<'_>, remarks: &mut Remarks) {
        self.attached += 1;
        let at = body.places.of(0);
        let Ok(text) = std::str::from_utf8(&body.bytes) else {
            return remarks.error(at, "the cloud-config is not UTF-8");
        };
        let document = match yaml::read(text, &LineStarts::of(text.as_bytes())) {
            Ok(document) => document,
            Err(error) => {
                let at = body.places.of(error.offset);
                return match error.help {
                    Some(help) => remarks.error_with_help(at, error.message, help),
                    None => remarks.error(at, error.message),
                };
            }
        };
        for repeated in &document.repeated {
            let message = format!("duplicate key `{}`; the last one is used", repeated.key);
            remarks.warn(body.places.of(repeated.later), message);
        }
        if let Some(second) = document.second_document {
            remarks.error(body.places.of(second), "more than one YAML document");
        }
        let has_repeated = !document.repeated.is_empty();
        let root = document.root.detached(&|at| body.places.of(at));
        let config = match root.value {
            NodeContent::Mapping(_) if has_repeated => without_repeated_keys(root),
            NodeContent::Mapping(_) => root,
            _ if root.is_null() => Node::mapping(root.at),
            _ => {
                let message = format!("a cloud-config is a mapping, not {}", root.kind());
                return remarks.error(root.at, message);
            }
        };
        let rules = merge::of_config(&config, remarks).or(body.rules);
        self.roots.push(config.clone());
        self.config = Some(match self.config.take() {
            Some(base) => merge::merge(base, config, rules.unwrap_or(MergeRules::default_rules())),
            None => config,
        });
    }

    fn add_archive(
        &mut self,
        body: &UserDataBody<'_>,
        context: &CloudInitContext<'_>,
        remarks: &mut Remarks,
    ) {
        let at = body.places.of(0);
        let Ok(text) = std::str::from_utf8(&body.bytes) else {
            return remarks.error(at, "the archive is not UTF-8");
        };
        let root = match yaml::read(text, &LineStarts::of(text.as_bytes())) {
            Ok(document) => document.root.detached(&|at| body.places.of(at)),
            Err(error) => return remarks.error(body.places.of(error.offset), error.message),
        };
        if !matches!(root.value, NodeContent::List(_)) {
            return remarks.error(
                root.at,
                format!("an archive is a list, not {}", root.kind()),
            );
        }
        for entry in root.elements() {
            if let Some(part) = archived(entry, body.depth + 1, remarks) {
                self.add(part, context, remarks);
            }
        }
    }

    fn add_script(&mut self, body: &UserDataBody<'_>, time: ScriptTime, remarks: &mut Remarks) {
        let at = body.places.of(0);
        let is_hook = time == ScriptTime::BootHook;
        let bytes = match is_hook && starts_with(&body.bytes, "#cloud-boothook") {
            true => after_line(&body.bytes).trim_ascii_start(),
            false => &body.bytes,
        };
        let bytes = with_plain_line_ends(bytes);
        if !bytes.starts_with(b"#!") {
            let help = "begin it with #!/bin/sh";
            remarks.warn_with_help(at, "the script does not say what runs it", help);
        }
        self.attached += 1;
        let number = self.attached;
        let name = body.name.as_deref().map(|name| match time {
            ScriptTime::User | ScriptTime::BootHook => file_name(name),
            _ => file_name(name.rsplit('/').next().unwrap_or_default()),
        });
        let name = name.filter(|name| !matches!(&**name, "" | "." | ".."));
        let mut name = name.unwrap_or_else(|| format!("part-{number:03}"));
        let is_it = |script: &UserScript| script.time == time && script.name == name;
        if let Some(earlier) = self.scripts.iter().position(is_it) {
            // Boot hooks run as soon as they are read, so all of them do.
            if is_hook {
                name = format!("{name}-{number:03}");
            } else {
                self.scripts.remove(earlier);
                let message = format!("an earlier script called {name} is replaced by this one");
                remarks.warn_with_help(at, message, "give the parts different file names");
            }
        }
        self.scripts.push(UserScript {
            at,
            name,
            bytes,
            time,
        });
    }

    fn add_includes(&mut self, body: &UserDataBody<'_>, remarks: &mut Remarks) {
        let text = String::from_utf8_lossy(&body.bytes).into_owned();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let url = line.trim();
            let at = body.places.inside(offset).of(0);
            offset += line.len();
            let url = url
                .strip_prefix("#include-once")
                .or(url.strip_prefix("#include"))
                .unwrap_or(url);
            let url = url.trim();
            if url.is_empty() || url.starts_with('#') {
                continue;
            }
            if url.starts_with("http://") || url.starts_with("https://") {
                let text = url.to_owned();
                self.included.push(PlacedText { at, text });
            } else {
                let help = "use an http or https URL";
                remarks.error_with_help(at, "only URLs of the web can be included", help);
            }
        }
    }

    fn add_multipart(
        &mut self,
        body: &UserDataBody<'_>,
        context: &CloudInitContext<'_>,
        remarks: &mut Remarks,
    ) {
        let at = body.places.of(0);
        let text = &*body.bytes;
        let Some(message) = mime::message(text, 0..text.len()) else {
            return remarks.error(at, "a multipart message without header fields");
        };
        let parts = match message.parts(text) {
            Ok(parts) => parts,
            Err(malformed) => return remarks.error(at, malformed.to_string()),
        };
        for part in parts {
            if let Some(inner) = part_body(&part, text, body, remarks) {
                self.add(inner, context, remarks);
            }
        }
    }
}

/// The body of an element of an archive; `None` if the element is skipped.
fn archived(
    entry: &Node<'_>,
    depth: usize,
    remarks: &mut Remarks,
) -> Option<UserDataBody<'static>> {
    for other in entry.entries() {
        if !ARCHIVE_KEYS.contains(&&*other.key.to_ascii_lowercase()) {
            values::warn_of_unknown_key(&other.key, other.value.at, ARCHIVE_KEYS, remarks);
        }
    }
    let text = |key: &str| {
        let mut entries = entry.entries().iter();
        let found = entries.find(|one| one.key.eq_ignore_ascii_case(key))?;
        PlacedText::of(&found.value).filter(|text| !text.text.is_empty())
    };
    if let Some(index) = text("launch-index").filter(|index| index.text != "0") {
        remarks.warn(index.at, OTHER_INSTANCE);
        return None;
    }
    let rules = match text("merge-type").or_else(|| text("x-merge-type")) {
        Some(rules) => Some(merge_rules(&rules.text, rules.at, remarks)?),
        None => None,
    };
    let content = match &entry.value {
        NodeContent::Mapping(_) => bytes_of_key(entry, "content", remarks),
        _ => PlacedText::of(entry).map(|text| text.text.into_bytes()),
    };
    let Some(content) = content else {
        remarks.error(entry.at, "an element of the archive has no content");
        return None;
    };
    let kind = match text("type") {
        Some(kind) => kind.text.to_ascii_lowercase(),
        // Content that is not recognized by its first bytes is taken for a config.
        None if kinds::is_unmarked(&content) => "text/cloud-config".to_owned(),
        None => String::new(),
    };
    let at = entry.get("content").map_or(entry.at, |content| content.at);
    Some(UserDataBody {
        bytes: Cow::Owned(content),
        places: BodyPlaces::At(at as usize),
        kind,
        name: text("filename").map(|name| name.text),
        rules,
        depth,
    })
}

/// The body of a part of a message; `None` if the part is skipped.
fn part_body<'t>(
    part: &mime::MimeMessage,
    text: &'t [u8],
    outer: &UserDataBody<'_>,
    remarks: &mut Remarks,
) -> Option<UserDataBody<'t>> {
    let places = outer.places.inside(part.body.start);
    let at = places.of(0);
    let index = part.field("launch-index").map(str::trim);
    if index.is_some_and(|index| index != "0") {
        remarks.warn(at, OTHER_INSTANCE);
        return None;
    }
    let rules = match part.field("merge-type").or(part.field("x-merge-type")) {
        Some(rules) => Some(merge_rules(rules, at, remarks)?),
        None => None,
    };
    let mut bytes = match part.decoded_fully(text) {
        Ok(bytes) => bytes,
        Err(broken) => {
            remarks.error(at, format!("the part {broken}"));
            return None;
        }
    };
    let kind = part.media_type();
    if kind.starts_with("multipart/") {
        // The reader of the nested message needs the boundary.
        let field = part.field("content-type").unwrap_or_default();
        let mut nested = format!("Content-Type: {field}\n\n").into_bytes();
        nested.extend_from_slice(&bytes);
        bytes = Cow::Owned(nested);
    }
    let places = match &bytes {
        Cow::Borrowed(_) => places,
        Cow::Owned(_) => BodyPlaces::At(at as usize),
    };
    Some(UserDataBody {
        bytes,
        places,
        kind,
        name: part.file_name(),
        rules,
        depth: outer.depth + 1,
    })
}

/// The rules that a header field states; `None`, with an error, if they are unknown.
fn merge_rules(text: &str, at: u32, remarks: &mut Remarks) -> Option<MergeRules> {
    let parsed = MergeRules::parse(text);
    let report = |problem| remarks.error(at, format!("unknown rules for merging: {problem}"));
    parsed.map_err(report).ok()
}

/// Everything after the first line.
fn after_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.get(end..).unwrap_or_default()
}

/// Converts the line endings of a script from CRLF to LF if its first line ends with CRLF, which the kernel and shells
/// do not accept.
fn with_plain_line_ends(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    if !first.ends_with(b"\r") {
        return bytes.to_vec();
    }
    let mut plain = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                plain.extend_from_slice(line);
                plain.push(b'\n');
            }
            None => plain.extend_from_slice(line),
        }
    }
    plain
}

/// `name` as the original cleans the file names of parts: slashes become underscores, and characters that a file name
/// should not have are dropped.
fn file_name(name: &str) -> String {
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '(' | ')');
    let name = name.chars().map(|c| if c == '/' { '_' } else { c });
    name.filter(is_kept).collect()
}

/// Keeps only the last of repeated keys, at the position of the first, at all depths. Documents have a limited depth.
fn without_repeated_keys(node: Node<'static>) -> Node<'static> {
    let at = node.at;
    let value = match node.value {
        NodeContent::Scalar(scalar) => NodeContent::Scalar(scalar),
        NodeContent::List(elements) => {
            NodeContent::List(elements.into_iter().map(without_repeated_keys).collect())
        }
        NodeContent::Mapping(entries) => {
            let mut kept: KeyedList<MappingEntry<'static>> = KeyedList::default();
            for entry in entries {
                let key = entry.key.clone();
                let value = without_repeated_keys(entry.value);
                kept.insert(&key, MappingEntry { value, ..entry });
            }
            NodeContent::Mapping(kept.into_values().collect())
        }
    };
    Node { at, value }
}
