//! YAML: the first document of a text as a [`Node`].
//!
//! `saphyr-parser` parses it, or [`simple`], which handles what most large configs use. Here the events become a tree,
//! aliases are replaced by copies of what they name, and merge keys (`<<`) by the entries they bring. All of it is
//! bounded, so that a short text cannot become a huge tree.

mod outdented;
mod simple;

use super::node::{MappingEntry, Node, NodeContent, Scalar, Style};
use super::paths;
use crate::config::{LineStarts, Position, WrittenPaths, WrittenValue};
use crate::text::is_same_name;
use outdented::{OutdentedLines, Padding};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use simple::YamlEvent;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

/// How deep lists and mappings may be nested.
const MAX_DEPTH: usize = 200;

/// How many nodes aliases may add to a document in all.
const MAX_ALIASED_NODES: usize = 200_000;

/// How many bytes of text aliases may add to a document in all.
const MAX_ALIASED_BYTES: usize = 64 << 20;

/// How many bytes are read again in all because of lines that are indented too little.
const MAX_REREAD_BYTES: usize = 32 << 20;

/// Up to how many entries of a mapping are searched one by one.
const MAX_SEARCHED_ENTRIES: usize = 16;

/// How many keys are interned.
const MAX_INTERNED_KEYS: usize = 32;

/// Capacity of a mapping, in entries, at least: what is inline becomes two members.
const MIN_CAPACITY: usize = 2;

/// The result of reading a text.
#[derive(Debug)]
pub(crate) struct Yaml<'t> {
    /// The first document; null if there is none.
    pub(crate) root: Node<'t>,
    /// Keys that a mapping has more than once, in the order of the text.
    pub(crate) repeated: Vec<RepeatedKey>,
    /// Offset of a second document.
    pub(crate) second_document: Option<u32>,
    /// Paths of everything in `root`, if they were collected while reading.
    paths: Option<WrittenPaths>,
}

impl Yaml<'_> {
    /// Paths of everything in `root`.
    pub(crate) fn paths(&mut self) -> WrittenPaths {
        let collected = self.paths.take();
        collected.unwrap_or_else(|| paths::of(&self.root))
    }
}

/// A repeated key of a mapping, with the offsets of both values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepeatedKey {
    pub(crate) key: String,
    pub(crate) first: u32,
    pub(crate) later: u32,
}

/// Why a text cannot be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) offset: u32,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Reads the first document of `text`.
pub(crate) fn read<'t>(text: &'t str, lines: &LineStarts) -> Result<Yaml<'t>, YamlError> {
    match read_simple(text, lines) {
        Some(yaml) => Ok(yaml),
        None => read_any(text, lines),
    }
}

/// [`read`] for a text without anything unusual or wrong in it; see [`simple`].
fn read_simple<'t>(text: &'t str, lines: &LineStarts) -> Option<Yaml<'t>> {
    let body = body(text);
    let mut builder = NodeBuilder::new(Offsets::new(text, body, lines));
    simple::read(body, &mut |part| builder.add_simple(part).ok())?;
    Some(Yaml {
        root: builder.document?,
        repeated: builder.repeated,
        second_document: None,
        paths: Some(builder.paths),
    })
}

/// A text without its byte order mark.
fn body(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// [`read`] for any text.
fn read_any<'t>(text: &'t str, lines: &LineStarts) -> Result<Yaml<'t>, YamlError> {
    let body = body(text);
    let mut builder = NodeBuilder::new(Offsets::new(text, body, lines));
    match read_events(body, &mut builder, |event| event) {
        Ok(()) => Ok(builder.into_yaml()),
        Err(RefusedText { error, outdented }) => outdented
            .and_then(|outdented| read_outdented(text, outdented, lines))
            .ok_or(error),
    }
}

/// [`read_any`] for a text with lines in brackets or quotes that are indented too little, such as `outdented`. `None` if
/// anything else is wrong.
fn read_outdented<'t>(
    text: &'t str,
    mut outdented: OutdentedLines,
    lines: &LineStarts,
) -> Option<Yaml<'t>> {
    let body = body(text);
    // The parser counts these as line ends too.
    if body.replace("\r\n", "").contains('\r') {
        return None;
    }
    let mut padding = Padding::for_text(body);
    let mut reread_bytes = 0;
    loop {
        if !padding.add(outdented, body) {
            return None;
        }
        let padded = padding.apply(body);
        reread_bytes += padded.len();
        if reread_bytes > MAX_REREAD_BYTES {
            return None;
        }
        let mut offsets = Offsets::new(text, body, lines);
        offsets.padding = Some(&padding);
        let mut builder = NodeBuilder::new(offsets);
        match read_events(&padded, &mut builder, outdented::owned) {
            Ok(()) => return Some(builder.into_yaml()),
            Err(refused) => outdented = refused.outdented?,
        }
    }
}

/// Why the parser refused a text, and the lines that would have to be indented more, if that is why.
struct RefusedText {
    error: YamlError,
    outdented: Option<OutdentedLines>,
}

/// Adds the events of `source` to `builder`, each as `convert` returns it.
fn read_events<'t, 's>(
    source: &'s str,
    builder: &mut NodeBuilder<'t, '_>,
    convert: impl Fn(Event<'s>) -> Event<'t>,
) -> Result<(), RefusedText> {
    for event in Parser::new_from_str(source) {
        let (event, span) = match event {
            Ok(event) => event,
            // What follows the first document is not read, so it cannot be wrong.
            Err(_) if builder.is_complete => break,
            Err(error) => {
                let (mark, info) = (error.marker(), error.info());
                let offsets = &builder.offsets;
                let offset = (offsets.of(mark) - offsets.start()) as usize;
                return Err(RefusedText {
                    outdented: outdented::lines_of(info, mark, offset, body(offsets.text)),
                    error: offsets.syntax(mark, info),
                });
            }
        };
        let step = builder.add_event(convert(event), span);
        let step = step.map_err(|error| RefusedText {
            error,
            outdented: None,
        })?;
        if step == ParseStep::Done {
            break;
        }
    }
    Ok(())
}

/// Converts the markers of the parser, which count characters, to byte offsets.
struct Offsets<'t, 'l> {
    text: &'t str,
    lines: &'l LineStarts,
    /// Bytes before the text that the parser sees: a byte order mark.
    skipped: u32,
    /// True if columns are bytes. Determined when the first marker is converted.
    is_ascii: OnceCell<bool>,
    /// Blanks that the parser sees and the text does not have.
    padding: Option<&'l Padding>,
    /// The marker converted last. The next one is near, so a long line is not searched from its start.
    last: Cell<ColumnOffset>,
}

/// A column with its byte offset in the line.
#[derive(Clone, Copy, Default)]
struct ColumnOffset {
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
            is_ascii: OnceCell::new(),
            padding: None,
            last: Cell::default(),
        }
    }

    fn start(&self) -> u32 {
        self.skipped
    }

    fn of(&self, mark: &Marker) -> u32 {
        let (column, index) = match self.padding {
            Some(padding) => padding.without(mark),
            None => (mark.col(), mark.index()),
        };
        if *self.is_ascii.get_or_init(|| body(self.text).is_ascii()) {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            return index.saturating_add(self.skipped);
        }
        let Some(line) = self.lines.line(mark.line(), self.text.len()) else {
            return u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        };
        let skipped = if mark.line() == 1 { self.skipped } else { 0 };
        let start = line.start + skipped as usize;
        let rest = self.text.get(start..line.end).unwrap_or_default();
        let byte = self.byte_of(rest, mark.line(), column);
        u32::try_from(start + byte).unwrap_or(u32::MAX)
    }

    /// The byte offset of a column in `rest`, the text of a line.
    fn byte_of(&self, rest: &str, line: usize, column: usize) -> usize {
        let last = self.last.get();
        let from = match last.line == line {
            true => last,
            false => ColumnOffset::default(),
        };
        let before = rest.get(..from.byte).unwrap_or_default();
        let after = rest.get(from.byte..).unwrap_or_default();
        let byte = match column.checked_sub(from.column) {
            Some(ahead) => {
                let found = after.char_indices().nth(ahead);
                found.map_or(rest.len(), |(at, _)| from.byte + at)
            }
            None => {
                let back = from.column - column - 1;
                let found = before.char_indices().rev().nth(back);
                found.map_or(0, |(at, _)| at)
            }
        };
        // Beyond the end of a line, columns do not correspond to bytes.
        if byte < rest.len() {
            self.last.set(ColumnOffset { line, column, byte });
        }
        byte
    }

    /// The offset of the header of a block scalar, whose marker is that of its text at `at`.
    fn block_header(&self, previous_end: u32, at: u32) -> u32 {
        let between = self.text.get(previous_end as usize..at as usize);
        let mut is_comment = false;
        let mut before = ' ';
        for (offset, c) in between.unwrap_or_default().char_indices() {
            match c {
                '\n' => is_comment = false,
                '#' if before.is_whitespace() => is_comment = true,
                '|' | '>' if !is_comment => {
                    return previous_end + u32::try_from(offset).unwrap_or(0);
                }
                _ => {}
            }
            before = c;
        }
        at
    }

    /// True if a block scalar ends with the text, in a line without a line end. The parser adds one to it, unlike those
    /// that the languages were made for.
    fn is_unterminated(&self, span: Span) -> bool {
        // The last line may be long, so it is searched only for the scalar that reaches it.
        let last_line_length = || {
            let last_line = self.text.rsplit('\n').next().unwrap_or_default();
            last_line.chars().count()
        };
        !self.text.ends_with('\r')
            && self.of(&span.end) as usize == self.text.len()
            && last_line_length() >= span.start.col().max(1)
    }

    fn syntax(&self, mark: &Marker, info: &str) -> YamlError {
        let offset = self.of(mark);
        YamlError {
            offset,
            message: format!("not valid YAML: {info}"),
            help: self.help(offset),
        }
    }

    /// A hint if the line of an error has a common mistake.
    fn help(&self, offset: u32) -> Option<String> {
        let Position { line, .. } = self.lines.position(offset);
        let range = self.lines.line(line as usize, self.text.len())?;
        let line_text = self.text.get(range)?;
        let indent = line_text.len() - line_text.trim_start().len();
        if line_text[..indent].contains('\t') {
            return Some("indent with blanks; YAML does not allow tabs there".into());
        }
        let value = line_text.split_once(": ").map(|(_, value)| value.trim());
        let unquoted = value.filter(|value| !value.starts_with(['"', '\'', '{', '[', '|', '>']));
        if unquoted.is_some_and(|value| value.contains(": ") || value.starts_with(['@', '`', '%']))
        {
            return Some("put the value in quotes".into());
        }
        None
    }
}

#[derive(PartialEq, Eq)]
enum ParseStep {
    More,
    Done,
}

/// An open list or mapping.
struct OpenNode<'t> {
    node: Node<'t>,
    written: WrittenValue,
    anchor: usize,
    /// The key whose value comes next, with its offset.
    key: Option<(Cow<'t, str>, u32)>,
    /// Keys so far, with the offsets of their values, once there are more than [`MAX_SEARCHED_ENTRIES`].
    keys: HashMap<String, u32>,
    /// Values of merge keys.
    merged: Vec<Node<'t>>,
}

struct NodeBuilder<'t, 'l> {
    offsets: Offsets<'t, 'l>,
    open: Vec<OpenNode<'t>>,
    anchors: HashMap<usize, Node<'t>>,
    aliased_nodes: usize,
    aliased_bytes: usize,
    repeated: Vec<RepeatedKey>,
    document: Option<Node<'t>>,
    is_complete: bool,
    second_document: Option<u32>,
    /// Offset of the end of the previous event.
    previous_end: u32,
    /// Paths of simple events; those of the parser have none.
    paths: WrittenPaths,
    /// Buffers for the entries of open mappings, to be reused: a finished mapping gets an allocation of its own, of the
    /// right size.
    spare: Vec<Vec<MappingEntry<'t>>>,
    /// Interned keys: the first ones in the text.
    interned_keys: Vec<&'t str>,
}

impl<'t, 'l> NodeBuilder<'t, 'l> {
    fn new(offsets: Offsets<'t, 'l>) -> Self {
        NodeBuilder {
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
            paths: WrittenPaths::default(),
            spare: Vec::new(),
            interned_keys: Vec::new(),
        }
    }

    fn add_event(&mut self, mut event: Event<'t>, span: Span) -> Result<ParseStep, YamlError> {
        let mut at = self.offsets.of(&span.start);
        if let Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) = &mut event {
            at = self.offsets.block_header(self.previous_end, at);
            if text.ends_with('\n') && self.offsets.is_unterminated(span) {
                text.to_mut().pop();
            }
        }
        self.previous_end = self.offsets.of(&span.end);
        match event {
            Event::DocumentStart(_) if self.is_complete => {
                self.second_document = Some(at);
                return Ok(ParseStep::Done);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar(at, text, style, tag.as_deref());
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(Node::list(at, Vec::new()), anchor, WrittenValue::default())?;
            }
            Event::MappingStart(anchor, _) => {
                self.begin(Node::mapping(at), anchor, WrittenValue::default())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let node = self.copy(at, anchor)?;
                self.finish(node, 0)?;
            }
            Event::DocumentEnd => self.is_complete = true,
            Event::DocumentStart(_) | Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(ParseStep::More)
    }

    /// The result, when all events are added.
    fn into_yaml(self) -> Yaml<'t> {
        let at = self.offsets.start();
        Yaml {
            root: self.document.unwrap_or_else(|| Node::plain(at, "")),
            repeated: self.repeated,
            second_document: self.second_document,
            paths: None,
        }
    }

    /// [`NodeBuilder::add_event`] for a part of a simple text.
    fn add_simple(&mut self, part: YamlEvent<'t>) -> Result<(), YamlError> {
        let start = self.offsets.start();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX) + start;
        match part {
            YamlEvent::List(at) => {
                let written = self.write_path(place(at));
                self.begin(Node::list(place(at), Vec::new()), 0, written)
            }
            YamlEvent::Mapping(at) => {
                let written = self.write_path(place(at));
                self.begin(Node::mapping(place(at)), 0, written)
            }
            YamlEvent::End => self.end(),
            YamlEvent::Scalar { at, text, is_plain } => {
                self.write_path(place(at));
                self.finish(
                    match is_plain {
                        true => Node::plain(place(at), text),
                        false => Node::text(place(at), text),
                    },
                    0,
                )
            }
        }
    }

    /// Records the path of the value at `at`, which comes next. Keys have none.
    fn write_path(&mut self, at: u32) -> WrittenValue {
        match self.open.last() {
            None => {
                let (paths, root) = WrittenPaths::begin(at);
                self.paths = paths;
                root
            }
            Some(open) => match (&open.node.value, &open.key) {
                (NodeContent::List(elements), _) => {
                    self.paths.element(open.written, elements.len(), at)
                }
                (_, Some((key, _))) => self.paths.member(open.written, key, at),
                (_, None) => WrittenValue::default(),
            },
        }
    }

    /// Ends the innermost list or mapping.
    fn end(&mut self) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let anchor = open.anchor;
        let (node, spare) = open.close();
        self.spare.extend(spare);
        self.finish(node, anchor)
    }

    fn begin(
        &mut self,
        mut node: Node<'t>,
        anchor: usize,
        written: WrittenValue,
    ) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError {
                offset: node.at,
                message: format!("nested deeper than {MAX_DEPTH} levels"),
                help: None,
            });
        }
        if let NodeContent::Mapping(entries) = &mut node.value {
            *entries = self.spare.pop().unwrap_or_default();
        }
        self.open.push(OpenNode {
            node,
            written,
            anchor,
            key: None,
            keys: HashMap::new(),
            merged: Vec::new(),
        });
        Ok(())
    }

    /// A copy of what an alias names.
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
        // Its parts keep their offsets; the copy as a whole has that of the alias.
        Ok(Node {
            at,
            value: node.value.clone(),
        })
    }

    /// Adds a complete value to the innermost open one.
    fn finish(&mut self, node: Node<'t>, anchor: usize) -> Result<(), YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        if let NodeContent::List(elements) = &mut open.node.value {
            elements.push(node);
            return Ok(());
        }
        let Some((key, key_at)) = open.key.take() else {
            let (key, at) = key_of(node)?;
            open.key = Some((interned(&mut self.interned_keys, key), at));
            return Ok(());
        };
        if key == "<<" {
            return open.merge(node, key_at);
        }
        if let Some(first) = open.earlier(&key) {
            self.repeated.push(RepeatedKey {
                key: key.clone().into_owned(),
                first,
                later: node.at,
            });
        }
        open.push(MappingEntry {
            key,
            key_at,
            value: node,
        });
        Ok(())
    }
}

impl<'t> OpenNode<'t> {
    /// Stores the value of a merge key.
    fn merge(&mut self, node: Node<'t>, key_at: u32) -> Result<(), YamlError> {
        let sources = match node.value {
            NodeContent::List(elements) => elements,
            _ => vec![node],
        };
        let is_mapping = |node: &Node<'_>| matches!(node.value, NodeContent::Mapping(_));
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

    /// Offset of the first value of `key` in this mapping.
    fn earlier(&mut self, key: &str) -> Option<u32> {
        let entries = self.node.entries();
        if entries.len() <= MAX_SEARCHED_ENTRIES {
            let same = entries.iter().find(|entry| is_same_name(&entry.key, key));
            return same.map(|entry| entry.value.at);
        }
        if self.keys.is_empty() {
            for MappingEntry { key, value, .. } in entries {
                self.keys.entry(key.to_string()).or_insert(value.at);
            }
        }
        self.keys.get(key).copied()
    }

    fn push(&mut self, entry: MappingEntry<'t>) {
        if !self.keys.is_empty() {
            let at = entry.value.at;
            self.keys.entry(entry.key.to_string()).or_insert(at);
        }
        if let NodeContent::Mapping(entries) = &mut self.node.value {
            entries.push(entry);
        }
    }

    /// The complete value, and a buffer to be reused. Its own entries win over merged ones, of which the first one
    /// wins.
    fn close(mut self) -> (Node<'t>, Option<Vec<MappingEntry<'t>>>) {
        for source in std::mem::take(&mut self.merged) {
            let NodeContent::Mapping(merged) = source.value else {
                continue;
            };
            for entry in merged {
                if self.earlier(&entry.key).is_none() {
                    self.push(entry);
                }
            }
        }
        let NodeContent::Mapping(buffer) = &mut self.node.value else {
            return (self.node, None);
        };
        let mut spare = std::mem::take(buffer);
        let mut entries = Vec::with_capacity(spare.len().max(MIN_CAPACITY));
        entries.append(&mut spare);
        *buffer = entries;
        (self.node, Some(spare))
    }
}

/// `key`, or its first occurrence in the text if it is a common one: then all of a large text is compared with a few
/// bytes, which stay in the cache.
fn interned<'t>(interned_keys: &mut Vec<&'t str>, key: Cow<'t, str>) -> Cow<'t, str> {
    let Cow::Borrowed(text) = key else {
        return key;
    };
    if let Some(known) = interned_keys.iter().find(|known| is_same_name(known, text)) {
        return Cow::Borrowed(known);
    }
    if interned_keys.len() < MAX_INTERNED_KEYS {
        interned_keys.push(text);
    }
    key
}

fn key_of(node: Node<'_>) -> Result<(Cow<'_, str>, u32), YamlError> {
    match node.value {
        NodeContent::Scalar(scalar) => Ok((scalar.text, node.at)),
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
        value: NodeContent::Scalar(Scalar { text, style, tag }),
    }
}

/// Nodes and bytes of text in a value.
fn size(node: &Node<'_>) -> (usize, usize) {
    let (mut nodes, mut bytes) = (0, 0);
    let mut rest = vec![node];
    while let Some(node) = rest.pop() {
        nodes += 1;
        match &node.value {
            NodeContent::Scalar(scalar) => bytes += scalar.text.len(),
            NodeContent::List(elements) => rest.extend(elements),
            NodeContent::Mapping(entries) => {
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
            NodeContent::Scalar(scalar) if scalar.style == Style::Plain => {
                format!("{}@{at}", scalar.text)
            }
            NodeContent::Scalar(scalar) => format!("{:?}@{at}", scalar.text),
            NodeContent::List(elements) => {
                let elements: Vec<String> = elements.iter().map(shown).collect();
                format!("[{}]@{at}", elements.join(" "))
            }
            NodeContent::Mapping(entries) => {
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
            ("a: # > x\n  |\n  d\n", "{a@0:\"d\\n\"@11}@0"),
            ("a:\n- b\n- c: d\n", "{a@0:[b@5 {c@9:d@12}@9]@5}@0"),
            ("{\"a\": [1, ~]}", "{a@1:[1@7 ~@10]@6}@0"),
            // After a byte order mark, and after characters of several bytes.
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

    /// As libyaml reads them, and its ports, which the languages were made for.
    #[test]
    fn lines_in_brackets_and_quotes_may_be_indented_less() {
        let cases = [
            ("a:\n  b: [\n    c\n]\n", "{a@0:{b@5:[c@14]@8}@5}@0"),
            (
                "a:\n  b: [\nc,\n{d: e}]\n",
                "{a@0:{b@5:[c@10 {d@14:e@17}@13]@8}@5}@0",
            ),
            (
                "a:\n  b: \"x\n y\\\n  z\n\n'w\"\n  c: d\n",
                "{a@0:{b@5:\"x yz\\n'w\"@8 c@26:d@29}@5}@0",
            ),
            (
                "a:\n  b: [\né,\n'ü']\n",
                "{a@0:{b@5:[é@10 \"ü\"@14]@8}@5}@0",
            ),
            (
                "- - a: 'x\n  ''y'\n    b: c\n",
                "[[{a@4:\"x 'y\"@7 b@21:c@24}@4]@2]@0",
            ),
            ("a:\n  b: 'x\n\ty'\n", "{a@0:{b@5:\"x y\"@8}@5}@0"),
            (
                "a:\r\n  b: {\r\nc: d\r\n}\r\n",
                "{a@0:{b@6:{c@12:d@15}@9}@6}@0",
            ),
        ];
        for (text, want) in cases {
            let yaml = parsed(text).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
            assert_eq!(shown(&yaml.root), want, "{text:?}");
        }
        for (text, message) in [
            ("a:\n  b: \"c\nd: e\n", "in quoted scalar"),
            ("a:\n  b: [\n    c\nd: e\n", "invalid indentation"),
            ("a:\n  b: [\nc\n---\n]\n", "invalid indentation"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.message.contains(message), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn a_block_at_the_end_of_a_text_has_no_line_end_of_its_own() {
        let cases = [
            ("a: |\n  d", "{a@0:\"d\"@3}@0"),
            ("a: |-\n  d", "{a@0:\"d\"@3}@0"),
            ("a: >+\n  b\n  c", "{a@0:\"b c\"@3}@0"),
            ("a: |\n  d\n  ", "{a@0:\"d\\n\"@3}@0"),
            ("a: |\n  d\n ", "{a@0:\"d\\n\"@3}@0"),
            ("a: |\n  é", "{a@0:\"é\"@3}@0"),
            ("a: |\n  d\n# e", "{a@0:\"d\\n\"@3}@0"),
            ("a: |\n  b\nc: d", "{a@0:\"b\\n\"@3 c@9:d@12}@0"),
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
    fn repeated_keys_and_second_documents_are_reported() {
        let yaml = parsed("a: 1\nb: 2\na: 3\n---\nc: d\n").expect("YAML");
        let repeated = RepeatedKey {
            key: "a".into(),
            first: 3,
            later: 13,
        };
        assert_eq!(yaml.repeated, [repeated]);
        assert_eq!(yaml.second_document, Some(15));
        // What follows the first document is not read.
        assert!(parsed("a: 1\n---\n: : {[\n").is_ok());
    }

    #[test]
    fn invalid_yaml_is_rejected_with_its_offset() {
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
    fn offsets_after_non_ascii_letters_are_right_in_long_lines() {
        let text = format!("é: [{}]\nü: {{ä: é, b: ö}}\n", "{k: xé}, ".repeat(50));
        let mut rest = vec![parsed(&text).expect("YAML").root];
        let mut scalars = 0;
        while let Some(node) = rest.pop() {
            match node.value {
                NodeContent::Scalar(scalar) => {
                    scalars += 1;
                    let tail = text.get(node.at as usize..).unwrap_or_default();
                    assert!(
                        tail.starts_with(&*scalar.text),
                        "{} at {}",
                        scalar.text,
                        node.at
                    );
                }
                NodeContent::List(elements) => rest.extend(elements),
                NodeContent::Mapping(entries) => {
                    for entry in entries {
                        let tail = text.get(entry.key_at as usize..).unwrap_or_default();
                        assert!(
                            tail.starts_with(&*entry.key),
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

    /// Both readers give the same result, for texts that are simple and for those that almost are.
    #[test]
    fn simple_texts_are_read_as_any_other() {
        let simple = [
            "a: b\n",
            "a:\n- b\n-   c: d\n    e: f\n- g: h\n",
            "a:\n  - b\n  -  c:  d\n     e:\n       f: g\nh: i\n",
            "# x\n\na: b # c\n  # d\ne:   # f\n\n  g: 'h''i' # j\n  k: \"l\\n\\x41\\u00e9\\\" ä\"\n",
            "a: |\n  b\n\n   c\n  \td\n\n\ne: |-\n f\n\ng: |+ # h\n  i\n   \n\n",
            "- a\n- /b/c d\n- |\n  e\n  # f\n# g\n- ''\n- \"\"\n",
            "a:\n  b:\n    c: d\n  e: ~\nf:\n- g:\n  - h\n  i: j\nk: l\n",
            "a: b\na: c\n",
            "\u{feff}a:\n- b\n",
            "a: x:y #z\nb: 1c\n",
        ];
        let other = [
            "a:\n",
            "a: b\n  c\n",
            "a: b\n---\nc: d\n",
            "a: &b c\n",
            "a: [b]\n",
            "a: b: c\n",
            "a: >\n  b\n",
            "a: |2\n   b\n",
            "a: |\n\n  b\n",
            "a: |\nb: c\n",
            "a:\tb\n",
            "a: \"b\n  c\"\n",
            "a: 'b\n",
            "a: b\r\n",
            "a: b",
            "- a\nb: c\n",
            "a:\n  - b\n - c\n",
            "a:\n   b: c\n  d: e\n",
            "a: b\n c: d\n",
            "<<: {a: b}\n",
            "a: \"b\" c\n",
            "a: 'b'#c\n",
            "- - a\n",
            "-\n  a: b\n",
            "a: \"\\q\"\n",
            "a: !!str b\n",
            "? a\n: b\n",
            "a:b\n",
            "",
            "\n",
            "a\n",
            "'a': b\n",
        ];
        for text in simple {
            let lines = LineStarts::of(text.as_bytes());
            let fast = read_simple(text, &lines).unwrap_or_else(|| panic!("{text:?} is simple"));
            assert_same(&fast, text);
        }
        for text in other {
            assert!(
                read_simple(text, &LineStarts::of(text.as_bytes())).is_none(),
                "{text:?}"
            );
        }
    }

    fn assert_same(fast: &Yaml<'_>, text: &str) {
        let any = read_any(text, &LineStarts::of(text.as_bytes()));
        let any = any.unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
        assert_eq!(shown(&fast.root), shown(&any.root), "{text:?}");
        assert_eq!(fast.root, any.root, "{text:?}");
        assert_eq!(fast.repeated, any.repeated, "{text:?}");
        assert_eq!(fast.second_document, any.second_document, "{text:?}");
        let collected = fast.paths.as_ref().expect("made on the way");
        assert!(
            collected.leaves().eq(paths::of(&any.root).leaves()),
            "{text:?}"
        );
    }

    /// Random lines of YAML syntax: whatever is taken as simple must be read like any other text.
    #[test]
    fn random_texts_are_read_alike() {
        let words = [
            "a: ",
            "b:",
            "c",
            "- ",
            "-",
            "  ",
            " ",
            "\n",
            "\n",
            "\n  ",
            "\n- ",
            "\nd: e",
            "\n  f: ",
            "|",
            "|-",
            "|+",
            ">",
            "#",
            " # g",
            "\"",
            "'",
            "\\n",
            ": ",
            "~",
            "h i",
            "/j",
            "\t",
            "é",
            "[",
            "{",
            "&k ",
            "*k",
            "---\n",
            "\"l\"",
            "'m'",
            "'n'",
            "|\n    o\n",
            "\n\n",
            "\r",
            "\0",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "\u{1}",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let mut simple = 0;
        for _ in 0..150_000 {
            let count = random.usize(1..14);
            let mut text: String = (0..count)
                .map(|_| words[random.usize(..words.len())])
                .collect();
            text.push('\n');
            if let Some(fast) = read_simple(&text, &LineStarts::of(text.as_bytes())) {
                simple += 1;
                assert_same(&fast, &text);
            }
        }
        assert!(simple > 1000, "{simple}");
    }
}
