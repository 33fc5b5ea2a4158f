//! YAML: the first document of a text as a [`Node`].
//!
//! `saphyr-parser` reads; here its events become a tree, aliases are replaced by copies of what they name, and merge
//! keys (`<<`) by the entries they bring. All of it is bounded, so that a short text cannot become a huge tree.

use super::node::{Content, Entry, Node, Scalar, Style};
use crate::config::{LineStarts, Position};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

/// Lists and mappings may be nested this deep.
const MAX_DEPTH: usize = 200;

/// Aliases may add this many nodes to a document in all.
const MAX_ALIASED_NODES: usize = 200_000;

/// Aliases may add this many bytes of text to a document in all.
const MAX_ALIASED_BYTES: usize = 64 << 20;

/// What reading gives.
#[derive(Debug)]
pub(crate) struct Yaml<'t> {
    /// The first document; null if there is none.
    pub(crate) root: Node<'t>,
    /// Keys that a mapping has more than once, in the order of the text.
    pub(crate) repeated: Vec<Repeated>,
    /// Offset of a second document.
    pub(crate) second_document: Option<u32>,
}

/// A key that was there before in the same mapping, with the offsets of the two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub(crate) key: String,
    pub(crate) first: u32,
    pub(crate) again: u32,
}

/// Why a text is not YAML that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) offset: u32,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Reads the first document of `text`.
pub(crate) fn read<'t>(text: &'t str, lines: &LineStarts) -> Result<Yaml<'t>, YamlError> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(Offsets::new(text, body, lines));
    let mut parser = Parser::new_from_str(body);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            // What follows the first document is not read, so it cannot be wrong.
            Err(_) if builder.is_complete => break,
            Err(error) => return Err(builder.offsets.syntax(error.marker(), error.info())),
        };
        if builder.take(event, span)? == Step::Done {
            break;
        }
    }
    let at = builder.offsets.start();
    Ok(Yaml {
        root: builder.document.unwrap_or_else(|| Node::plain(at, "")),
        repeated: builder.repeated,
        second_document: builder.second_document,
    })
}

/// From the marks of the parser, which count characters, to bytes.
struct Offsets<'t, 'l> {
    text: &'t str,
    lines: &'l LineStarts,
    /// Bytes before the text that the parser sees: a byte order mark.
    skipped: u32,
    is_ascii: bool,
    /// The mark that was looked for last. The next one is near, so a long line is not searched from its start.
    last: Cell<Found>,
}

/// A column and the byte in its line that it is.
#[derive(Clone, Copy, Default)]
struct Found {
    line: usize,
    column: usize,
    byte: usize,
}

impl<'t, 'l> Offsets<'t, 'l> {
    fn new(text: &'t str, body: &str, lines: &'l LineStarts) -> Self {
        Offsets {
            text,
            lines,
            skipped: u32::try_from(text.len() - body.len()).unwrap_or(0),
            is_ascii: body.is_ascii(),
            last: Cell::default(),
        }
    }

    fn start(&self) -> u32 {
        self.skipped
    }

    fn of(&self, mark: &Marker) -> u32 {
        if self.is_ascii {
            let index = u32::try_from(mark.index()).unwrap_or(u32::MAX);
            return index.saturating_add(self.skipped);
        }
        let Some(line) = self.lines.line(mark.line(), self.text.len()) else {
            return u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        };
        let skipped = if mark.line() == 1 { self.skipped } else { 0 };
        let start = line.start + skipped as usize;
        let rest = self.text.get(start..line.end).unwrap_or_default();
        let byte = self.byte_of(rest, mark);
        u32::try_from(start + byte).unwrap_or(u32::MAX)
    }

    /// The byte of a mark in the text of its line.
    fn byte_of(&self, rest: &str, mark: &Marker) -> usize {
        let last = self.last.get();
        let from = match last.line == mark.line() {
            true => last,
            false => Found::default(),
        };
        let before = rest.get(..from.byte).unwrap_or_default();
        let behind = rest.get(from.byte..).unwrap_or_default();
        let byte = match mark.col().checked_sub(from.column) {
            Some(ahead) => {
                let found = behind.char_indices().nth(ahead);
                found.map_or(rest.len(), |(at, _)| from.byte + at)
            }
            None => {
                let back = from.column - mark.col() - 1;
                let found = before.char_indices().rev().nth(back);
                found.map_or(0, |(at, _)| at)
            }
        };
        // Behind the end of a line, columns and bytes do not belong together.
        if byte < rest.len() {
            self.last.set(Found {
                line: mark.line(),
                column: mark.col(),
                byte,
            });
        }
        byte
    }

    /// Where the header of a block scalar is, whose mark is that of its text at `at`.
    fn block_header(&self, previous_end: u32, at: u32) -> u32 {
        let between = self.text.get(previous_end as usize..at as usize);
        let header = between.and_then(|between| between.find(['|', '>']));
        header.map_or(at, |header| {
            previous_end + u32::try_from(header).unwrap_or(0)
        })
    }

    fn syntax(&self, mark: &Marker, info: &str) -> YamlError {
        let offset = self.of(mark);
        YamlError {
            offset,
            message: format!("not valid YAML: {info}"),
            help: self.help(offset),
        }
    }

    /// What is often wrong on the line of an error.
    fn help(&self, offset: u32) -> Option<String> {
        let Position { line, .. } = self.lines.position(offset);
        let range = self.lines.line(line as usize, self.text.len())?;
        let here = self.text.get(range)?;
        let indent = here.len() - here.trim_start().len();
        if here[..indent].contains('\t') {
            return Some("indent with blanks; YAML does not allow tabs there".into());
        }
        let value = here.split_once(": ").map(|(_, value)| value.trim());
        let unquoted = value.filter(|value| !value.starts_with(['"', '\'', '{', '[', '|', '>']));
        if unquoted.is_some_and(|value| value.contains(": ") || value.starts_with(['@', '`', '%']))
        {
            return Some("put the value in quotes".into());
        }
        None
    }
}

#[derive(PartialEq, Eq)]
enum Step {
    More,
    Done,
}

/// A list or mapping that has begun.
struct Open<'t> {
    node: Node<'t>,
    anchor: usize,
    /// The key whose value comes next, and where it is.
    key: Option<(Cow<'t, str>, u32)>,
    /// Keys that were there, and the offsets of their values.
    keys: HashMap<String, u32>,
    /// Values of merge keys.
    merged: Vec<Node<'t>>,
}

struct Builder<'t, 'l> {
    offsets: Offsets<'t, 'l>,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Node<'t>>,
    aliased_nodes: usize,
    aliased_bytes: usize,
    repeated: Vec<Repeated>,
    document: Option<Node<'t>>,
    is_complete: bool,
    second_document: Option<u32>,
    /// Where the previous event ended.
    previous_end: u32,
}

impl<'t, 'l> Builder<'t, 'l> {
    fn new(offsets: Offsets<'t, 'l>) -> Self {
        Builder {
            offsets,
            open: Vec::new(),
            anchors: HashMap::new(),
            aliased_nodes: 0,
            aliased_bytes: 0,
            repeated: Vec::new(),
            document: None,
            is_complete: false,
            second_document: None,
            previous_end: 0,
        }
    }

    fn take(&mut self, event: Event<'t>, span: Span) -> Result<Step, YamlError> {
        let mut at = self.offsets.of(&span.start);
        if let Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) = event {
            at = self.offsets.block_header(self.previous_end, at);
        }
        self.previous_end = self.offsets.of(&span.end);
        match event {
            Event::DocumentStart(_) if self.is_complete => {
                self.second_document = Some(at);
                return Ok(Step::Done);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar(at, text, style, tag.as_deref());
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(Node::list(at, Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => self.begin(Node::mapping(at), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let anchor = open.anchor;
                    self.finish(open.close(), anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let node = self.copy(at, anchor)?;
                self.finish(node, 0)?;
            }
            Event::DocumentEnd => self.is_complete = true,
            Event::DocumentStart(_) | Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(Step::More)
    }

    fn begin(&mut self, node: Node<'t>, anchor: usize) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError {
                offset: node.at,
                message: format!("nested deeper than {MAX_DEPTH} levels"),
                help: None,
            });
        }
        self.open.push(Open {
            node,
            anchor,
            key: None,
            keys: HashMap::new(),
            merged: Vec::new(),
        });
        Ok(())
    }

    /// What an alias stands for.
    fn copy(&mut self, at: u32, anchor: usize) -> Result<Node<'t>, YamlError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(YamlError {
                offset: at,
                message: "an alias inside the value that it names".into(),
                help: None,
            });
        };
        let (nodes, bytes) = size(node);
        self.aliased_nodes += nodes;
        self.aliased_bytes += bytes;
        if self.aliased_nodes > MAX_ALIASED_NODES || self.aliased_bytes > MAX_ALIASED_BYTES {
            return Err(YamlError {
                offset: at,
                message: format!(
                    "aliases repeat more than {MAX_ALIASED_NODES} values or {} MiB",
                    MAX_ALIASED_BYTES >> 20
                ),
                help: None,
            });
        }
        // What is in it keeps its places; as a whole it stands here.
        Ok(Node {
            at,
            value: node.value.clone(),
        })
    }

    /// Puts a whole value where it belongs.
    fn finish(&mut self, node: Node<'t>, anchor: usize) -> Result<(), YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        if let Content::List(elements) = &mut open.node.value {
            elements.push(node);
            return Ok(());
        }
        let Some((key, key_at)) = open.key.take() else {
            open.key = Some(key_of(node)?);
            return Ok(());
        };
        if key == "<<" {
            return open.merge(node, key_at);
        }
        match open.keys.get(&*key) {
            Some(first) => self.repeated.push(Repeated {
                key: key.clone().into_owned(),
                first: *first,
                again: node.at,
            }),
            None => drop(open.keys.insert(key.clone().into_owned(), node.at)),
        }
        if let Content::Mapping(entries) = &mut open.node.value {
            entries.push(Entry {
                key,
                key_at,
                value: node,
            });
        }
        Ok(())
    }
}

impl<'t> Open<'t> {
    /// Keeps the value of a merge key.
    fn merge(&mut self, node: Node<'t>, key_at: u32) -> Result<(), YamlError> {
        let sources = match node.value {
            Content::List(elements) => elements,
            _ => vec![node],
        };
        let is_mapping = |node: &Node<'_>| matches!(node.value, Content::Mapping(_));
        if !sources.iter().all(is_mapping) {
            return Err(YamlError {
                offset: key_at,
                message:
                    "the value of a merge key (`<<`) is neither a mapping nor a list of mappings"
                        .into(),
                help: None,
            });
        }
        self.merged.extend(sources);
        Ok(())
    }

    /// The whole value. Entries of its own win over merged ones, of those the first.
    fn close(mut self) -> Node<'t> {
        if let Content::Mapping(entries) = &mut self.node.value {
            for source in self.merged {
                let Content::Mapping(merged) = source.value else {
                    continue;
                };
                for entry in merged {
                    if !self.keys.contains_key(&*entry.key) {
                        self.keys
                            .insert(entry.key.clone().into_owned(), entry.key_at);
                        entries.push(entry);
                    }
                }
            }
        }
        self.node
    }
}

fn key_of(node: Node<'_>) -> Result<(Cow<'_, str>, u32), YamlError> {
    match node.value {
        Content::Scalar(scalar) => Ok((scalar.text, node.at)),
        _ => Err(YamlError {
            offset: node.at,
            message: "a key must be a scalar".into(),
            help: Some("put a value that begins with { or [ in quotes".into()),
        }),
    }
}

fn scalar<'t>(at: u32, text: Cow<'t, str>, style: ScalarStyle, tag: Option<&Tag>) -> Node<'t> {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        _ => Style::Quoted,
    };
    let tag = tag.map(|tag| match tag.is_yaml_core_schema() {
        true => tag.suffix.as_str().into(),
        false => format!("{}{}", tag.handle, tag.suffix).into(),
    });
    Node {
        at,
        value: Content::Scalar(Scalar { text, style, tag }),
    }
}

/// Nodes and bytes of text in a value.
fn size(node: &Node<'_>) -> (usize, usize) {
    let (mut nodes, mut bytes) = (0, 0);
    let mut rest = vec![node];
    while let Some(node) = rest.pop() {
        nodes += 1;
        match &node.value {
            Content::Scalar(scalar) => bytes += scalar.text.len(),
            Content::List(elements) => rest.extend(elements),
            Content::Mapping(entries) => {
                bytes += entries.iter().map(|entry| entry.key.len()).sum::<usize>();
                rest.extend(entries.iter().map(|entry| &entry.value));
            }
        }
    }
    (nodes, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Yaml<'_>, YamlError> {
        read(text, &LineStarts::of(text.as_bytes()))
    }

    /// A tree as compact text: scalars with their style, each value with its offset.
    fn shown(node: &Node<'_>) -> String {
        let at = node.at;
        match &node.value {
            Content::Scalar(scalar) if scalar.style == Style::Plain => {
                format!("{}@{at}", scalar.text)
            }
            Content::Scalar(scalar) => format!("{:?}@{at}", scalar.text),
            Content::List(elements) => {
                let elements: Vec<String> = elements.iter().map(shown).collect();
                format!("[{}]@{at}", elements.join(" "))
            }
            Content::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| format!("{}@{}:{}", entry.key, entry.key_at, shown(&entry.value)));
                format!("{{{}}}@{at}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn documents_become_trees_with_offsets() {
        let cases = [
            ("", "@0"),
            ("# nothing\n", "@0"),
            ("a: b\n", "{a@0:b@3}@0"),
            ("a: 'b'\nc: |\n  d\n", "{a@0:\"b\"@3 c@7:\"d\\n\"@10}@0"),
            ("a:\n- b\n- c: d\n", "{a@0:[b@5 {c@9:d@12}@9]@5}@0"),
            ("{\"a\": [1, ~]}", "{a@1:[1@7 ~@10]@6}@0"),
            // After a byte order mark, and behind characters of several bytes.
            ("\u{feff}a: b\n", "{a@3:b@6}@3"),
            ("a: ä\nö: [ü, z]\n", "{a@0:ä@3 ö@6:[ü@11 z@15]@10}@0"),
            ("a: b\r\nc: d\r\n", "{a@0:b@3 c@6:d@9}@0"),
            ("%YAML 1.2\n---\na: b\n", "{a@14:b@17}@14"),
        ];
        for (text, want) in cases {
            let yaml = parsed(text).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
            assert_eq!(shown(&yaml.root), want, "{text:?}");
        }
    }

    #[test]
    fn aliases_are_copies_and_merge_keys_add_what_is_missing() {
        let cases = [
            (
                "a: &x {b: c}\nd: *x\n",
                "{a@0:{b@7:c@10}@3 d@13:{b@7:c@10}@16}@0",
            ),
            (
                "x: &x {b: 1, c: 2}\ny:\n  <<: *x\n  c: 3\n",
                "{x@0:{b@7:1@10 c@13:2@16}@3 y@19:{c@33:3@36 b@7:1@10}@24}@0",
            ),
            (
                "y:\n  <<: [{a: 1}, {a: 2, b: 3}]\n",
                "{y@0:{a@11:1@14 b@25:3@28}@5}@0",
            ),
        ];
        for (text, want) in cases {
            let yaml = parsed(text).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
            assert_eq!(shown(&yaml.root), want, "{text:?}");
        }
    }

    #[test]
    fn repeated_keys_and_second_documents_are_told() {
        let yaml = parsed("a: 1\nb: 2\na: 3\n---\nc: d\n").expect("YAML");
        let repeated = Repeated {
            key: "a".into(),
            first: 3,
            again: 13,
        };
        assert_eq!(yaml.repeated, [repeated]);
        assert_eq!(yaml.second_document, Some(15));
        // What follows the first document is not read.
        assert!(parsed("a: 1\n---\n: : {[\n").is_ok());
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place() {
        let deep = "[".repeat(MAX_DEPTH + 1);
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c \
                    [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e \
                    [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        let cases = [
            ("a: [b\n", "not valid YAML", None),
            ("a:\n\tb: c\n", "not valid YAML", Some("tabs")),
            ("a: b: c\n", "not valid YAML", Some("in quotes")),
            ("a: *x\n", "not valid YAML", None),
            ("[a]: b\n", "a key must be a scalar", None),
            ("a: {<<: b}\n", "merge key", None),
            (deep.as_str(), "nested deeper", None),
            (bomb, "aliases repeat more than", None),
            ("&a [*a]\n", "an alias inside the value", None),
        ];
        for (text, message, help) in cases {
            let error = parsed(text).expect_err(text);
            assert!(error.message.contains(message), "{text:?}: {error:?}");
            assert!(
                help.is_none_or(|help| error.help.as_ref().is_some_and(|h| h.contains(help))),
                "{text:?}: {error:?}"
            );
            assert!(error.offset as usize <= text.len(), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn places_behind_other_letters_are_right_in_long_lines() {
        let text = format!("é: [{}]\nü: {{ä: é, b: ö}}\n", "{k: xé}, ".repeat(50));
        let mut rest = vec![parsed(&text).expect("YAML").root];
        let mut scalars = 0;
        while let Some(node) = rest.pop() {
            match node.value {
                Content::Scalar(scalar) => {
                    scalars += 1;
                    let here = text.get(node.at as usize..).unwrap_or_default();
                    assert!(
                        here.starts_with(&*scalar.text),
                        "{} at {}",
                        scalar.text,
                        node.at
                    );
                }
                Content::List(elements) => rest.extend(elements),
                Content::Mapping(entries) => {
                    for entry in entries {
                        let here = text.get(entry.key_at as usize..).unwrap_or_default();
                        assert!(
                            here.starts_with(&*entry.key),
                            "{} at {}",
                            entry.key,
                            entry.key_at
                        );
                        rest.push(entry.value);
                    }
                }
            }
        }
        assert_eq!(scalars, 52);
    }
}
