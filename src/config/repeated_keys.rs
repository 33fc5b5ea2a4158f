//! Keys that a JSON object has more than once.
//!
//! The language accepts them: of values the last one is used, objects are merged, and keys that differ only in letter
//! case are the same. They are rarely intended, and how they are read depends on the program, so
//! `kindling validate` warns about them.

use super::finding::{Finding, Findings, Severity};
use super::json::{Cursor, Start, SyntaxError};
use super::lines::{Lines, offset};
use super::origin::JsonPath;
use crate::text::fold;
use foldhash::HashMap;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::hash_map::Entry;

/// No more findings than this: a text may repeat a key millions of times.
const MAX_FINDINGS: usize = 1000;
/// Keys with a longer path are reported without it. No path of the language is that long.
const MAX_PATH_PARTS: usize = 16;
const MAX_PATH_BYTES: usize = 1000;

/// A warning about each repeated key; none if `text` is not JSON, which parsing reports.
pub fn repeated_keys(text: &[u8]) -> Findings {
    let mut search = Search {
        cursor: Cursor::new(text),
        text,
        lines: OnceCell::new(),
        open: Vec::new(),
        findings: Vec::new(),
    };
    match search.run() {
        Ok(()) => Findings(search.findings),
        Err(_) => Findings::default(),
    }
}

/// A container whose end has not been read yet.
enum OpenContainer<'a> {
    /// With the number of its elements so far.
    List(usize),
    Object(OpenObject<'a>),
}

#[derive(Default)]
struct OpenObject<'a> {
    /// Offsets of the keys so far, by the key in the letter case of [`fold`].
    keys: HashMap<Cow<'a, str>, usize>,
    /// The last key.
    key: Cow<'a, str>,
}

struct Search<'a> {
    cursor: Cursor<'a>,
    text: &'a [u8],
    /// The lines of the text, which few texts need.
    lines: OnceCell<Lines>,
    open: Vec<OpenContainer<'a>>,
    findings: Vec<Finding>,
}

impl<'a> Search<'a> {
    /// Reads the text without recursion: its depth is that of the text.
    fn run(&mut self) -> Result<(), SyntaxError> {
        let start = self.cursor.start()?;
        self.enter(&start);
        while let Some(container) = self.open.last_mut() {
            let has_more = match container {
                OpenContainer::List(count) => {
                    let has_more = self.cursor.element(*count == 0)?;
                    *count += 1;
                    has_more
                }
                OpenContainer::Object(object) => match self.cursor.key(object.keys.is_empty())? {
                    None => false,
                    Some((at, key)) => {
                        let earlier = object.add(at, key);
                        self.report(at, earlier);
                        true
                    }
                },
            };
            if has_more {
                let start = self.cursor.start()?;
                self.enter(&start);
            } else {
                self.open.pop();
            }
        }
        self.cursor.finish()
    }

    fn enter(&mut self, start: &Start<'_>) {
        match start {
            Start::List => self.open.push(OpenContainer::List(0)),
            Start::Object => self.open.push(OpenContainer::Object(OpenObject::default())),
            _ => {}
        }
    }

    /// Reports the key at offset `at`, if the same key is at `earlier`.
    fn report(&mut self, at: usize, earlier: Option<usize>) {
        let (Some(earlier), Some(OpenContainer::Object(object))) = (earlier, self.open.last())
        else {
            return;
        };
        if self.findings.len() > MAX_FINDINGS {
            return;
        }
        let lines = self.lines.get_or_init(|| Lines::of(self.text));
        let first = lines.position(offset(earlier));
        let message = match self.findings.len() == MAX_FINDINGS {
            true => "more keys are repeated, which are not listed".into(),
            false => format!(
                "key `{}` is repeated; it is also in line {} column {}",
                object.key, first.line, first.column
            ),
        };
        let help = "of values and lists only the last one is used, and objects are merged; keep one of them";
        self.findings.push(Finding {
            severity: Severity::Warning,
            path: self.path(),
            position: Some(lines.position(offset(at))),
            message,
            help: Some(help.into()),
        });
    }

    /// The path of the last key, unless it is long.
    fn path(&self) -> Option<JsonPath> {
        if self.open.len() > MAX_PATH_PARTS {
            return None;
        }
        let length = |container: &OpenContainer<'_>| match container {
            OpenContainer::List(_) => 0,
            OpenContainer::Object(object) => object.key.len(),
        };
        let bytes: usize = self.open.iter().map(length).sum();
        let join = |path: JsonPath, container: &OpenContainer<'_>| match container {
            OpenContainer::List(count) => path.join(count.saturating_sub(1)),
            OpenContainer::Object(object) => path.join(&object.key),
        };
        (bytes <= MAX_PATH_BYTES).then(|| self.open.iter().fold(JsonPath::root(), join))
    }
}

impl<'a> OpenObject<'a> {
    /// Adds a key; returns the offset of the first one like it.
    fn add(&mut self, at: usize, key: Cow<'a, str>) -> Option<usize> {
        let is_folded = key.chars().all(|c| fold(c) == c);
        let folded = match is_folded {
            true => key.clone(),
            false => key.chars().map(fold).collect::<String>().into(),
        };
        self.key = key;
        match self.keys.entry(folded) {
            Entry::Occupied(earlier) => Some(*earlier.get()),
            Entry::Vacant(place) => {
                place.insert(at);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let findings = repeated_keys(text.as_bytes()).0;
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_places_are_named() {
        let text = "{\"a\": 1,\n \"b\": [{\"c\": {}}, {\"mode\": 1, \"x\": {\"a\": 2}, \"mode\": 2}],\n\"a\": 3}";
        assert_eq!(
            found(text),
            [
                "warning at $.b.1.mode, line 2 col 46: key `mode` is repeated; it is also in line 2 column 20",
                "warning at $.a, line 3 col 1: key `a` is repeated; it is also in line 1 column 2",
            ]
        );
    }

    #[test]
    fn letter_case_and_escapes_do_not_matter() {
        for again in [
            "Disks",
            "DISKS",
            "di\\u017fks",
            "dis\\u212as",
            "\\u0064isks",
        ] {
            let text = format!("{{\"disks\": [], \"{again}\": []}}");
            assert_eq!(found(&text).len(), 1, "{text}");
        }
        for other in ["disk", "dısks", "disks "] {
            let text = format!("{{\"disks\": [], \"{other}\": []}}");
            assert_eq!(found(&text).len(), 0, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_repeated_keys() {
        for text in [
            "",
            "{\"a\":1,\"a\":2",
            "{\"a\":1,\"a\":2}}",
            "a: 1\na: 2\n",
            "[1,2]",
        ] {
            assert_eq!(found(text).len(), 0, "{text}");
        }
    }

    #[test]
    fn deep_and_long_texts_are_read_in_linear_time() {
        let depth = 9_000;
        let inner = "\"k\":1,".repeat(100_000);
        let text = format!(
            "{}{{{inner}\"k\":2}}{}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let findings = repeated_keys(text.as_bytes()).0;
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        assert_eq!(findings[0].path, None);
        assert!(findings[MAX_FINDINGS].message.starts_with("more keys"));
    }
}
