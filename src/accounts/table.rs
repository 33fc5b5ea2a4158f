//! One database: a file with a line for each account.
//!
//! Lines that are not entries (comments, NIS markers, damaged ones) stay as they are, in their place.

use std::collections::BTreeSet;

/// What the lines of a database look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLayout {
    /// Fields of a complete entry.
    fields: usize,
    /// Fields without which a line is not an entry.
    least: usize,
    /// Fields that hold a number.
    numbers: &'static [usize],
}

impl TableLayout {
    /// `passwd`
    pub const PASSWD: Self = Self::of(7, 6, &[2, 3]);
    /// `group`
    pub const GROUP: Self = Self::of(4, 3, &[2]);
    /// `shadow`
    pub const SHADOW: Self = Self::of(9, 2, &[]);
    /// `gshadow`
    pub const GSHADOW: Self = Self::of(4, 2, &[]);
    /// `subuid` and `subgid`
    pub const SUBORDINATE: Self = Self::of(3, 3, &[1, 2]);

    const fn of(fields: usize, least: usize, numbers: &'static [usize]) -> Self {
        Self {
            fields,
            least,
            numbers,
        }
    }

    fn is_entry(&self, line: &Line) -> bool {
        let name = line.fields.first().map_or("", String::as_str);
        let is_number = |index: &usize| {
            let field = line.fields.get(*index);
            field.is_some_and(|field| field.parse::<u32>().is_ok())
        };
        !name.is_empty()
            && !name.starts_with(['+', '-', '#'])
            && line.fields.len() >= self.least
            && self.numbers.iter().all(is_number)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    fields: Vec<String>,
    /// The bytes of a line that is not UTF-8 or has a NUL; it is kept as it is, or removed.
    raw: Option<Vec<u8>>,
}

/// One database: lines of fields, the name first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTable {
    layout: TableLayout,
    lines: Vec<Line>,
    found: bool,
}

impl AccountTable {
    /// Reads the bytes of a file; `None` for a file that does not exist.
    pub fn parse(layout: TableLayout, bytes: Option<&[u8]>) -> Self {
        let text = bytes.unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = match bytes {
            None | Some([]) => Vec::new(),
            Some(_) => text.split(|byte| *byte == b'\n').map(Line::parse).collect(),
        };
        Self {
            layout,
            lines,
            found: bytes.is_some(),
        }
    }

    /// The number of the first field, from 0, that would break the line it is in: one of a value that the target gave
    /// somewhere else, since those of a request are checked. Whoever writes the file looks once more.
    pub fn broken_field(&self) -> Option<usize> {
        let mut lines = self.lines.iter().filter(|line| line.raw.is_none());
        let breaks = |field: &String| field.contains([':', '\n', '\0']);
        lines.find_map(|line| line.fields.iter().position(breaks))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            match &line.raw {
                Some(raw) => bytes.extend_from_slice(raw),
                None => bytes.extend_from_slice(line.fields.join(":").as_bytes()),
            }
            bytes.push(b'\n');
        }
        bytes
    }

    /// True if the file exists, or something was put into it.
    pub fn is_found(&self) -> bool {
        self.found
    }

    /// The entries, as fields.
    pub fn entries(&self) -> impl Iterator<Item = &[String]> {
        let entries = self.lines.iter().filter(|line| self.layout.is_entry(line));
        entries.map(|line| line.fields.as_slice())
    }

    /// The first entry of a name.
    pub fn entry(&self, name: &str) -> Option<&[String]> {
        self.entries().find(|fields| fields[0] == name)
    }

    /// A field of the first entry of a name.
    pub fn field(&self, name: &str, index: usize) -> Option<&str> {
        self.entry(name)?.get(index).map(String::as_str)
    }

    /// A number of the first entry of a name.
    pub fn number(&self, name: &str, index: usize) -> Option<u32> {
        self.field(name, index)?.parse().ok()
    }

    /// The name of the first entry with a number.
    pub fn name_of(&self, index: usize, number: u32) -> Option<&str> {
        let mut entries = self.entries();
        let is_it = |fields: &&[String]| {
            let field = fields.get(index).and_then(|field| field.parse().ok());
            field == Some(number)
        };
        entries.find(is_it).map(|fields| fields[0].as_str())
    }

    /// All numbers in a field.
    pub fn numbers(&self, index: usize) -> BTreeSet<u32> {
        self.entries()
            .filter_map(|fields| fields.get(index)?.parse().ok())
            .collect()
    }

    /// Why the entry of a name cannot be changed, if it is there and cannot.
    pub fn damage(&self, name: &str) -> Option<&'static str> {
        let mut lines = self
            .lines
            .iter()
            .filter(|line| self.layout.is_entry(line) && line.fields[0] == name);
        let line = lines.next()?;
        if let Some(damage) = line.damage() {
            return Some(damage);
        }
        if line.fields.len() > self.layout.fields {
            return Some("has too many fields");
        }
        lines.next().map(|_| "is not the only one of that name")
    }

    /// Adds an entry, in place of one of that name, and before the markers of NIS at the end.
    pub(super) fn put<const N: usize>(&mut self, fields: [&str; N]) {
        self.found = true;
        let line = Line {
            fields: fields.map(str::to_owned).to_vec(),
            raw: None,
        };
        let is_same =
            |other: &Line| self.layout.is_entry(other) && other.fields[0] == line.fields[0];
        let present = self.lines.iter().position(is_same);
        if let Some(at) = present {
            self.lines[at] = line;
            return;
        }
        let is_marker = |line: &Line| line.fields[0].starts_with(['+', '-']);
        let end = self.lines.iter().position(is_marker);
        self.lines.insert(end.unwrap_or(self.lines.len()), line);
    }

    /// Sets a field of the first entry of a name, adding empty fields that are missing.
    pub(super) fn set(&mut self, name: &str, index: usize, value: &str) {
        let layout = self.layout;
        let at = self
            .lines
            .iter()
            .position(|line| self.layout.is_entry(line) && line.fields[0] == name);
        if let Some(line) = at.and_then(|at| self.lines.get_mut(at)) {
            line.set(layout, index, value);
        }
    }

    /// Removes all entries of a name.
    pub(super) fn remove(&mut self, name: &str) {
        let layout = self.layout;
        self.lines
            .retain(|line| !(layout.is_entry(line) && line.fields[0] == name));
    }

    /// Changes the comma-separated list in a field of every entry; entries whose list stays the same are
    /// not touched.
    ///
    /// # Errors
    /// The name of an entry whose list would change and whose line cannot, and why not.
    pub(super) fn edit_lists(
        &mut self,
        index: usize,
        edit: impl Fn(&str, &mut Vec<String>),
    ) -> Result<(), (String, &'static str)> {
        let layout = self.layout;
        for line in self.lines.iter_mut().filter(|line| layout.is_entry(line)) {
            let before = members(line.fields.get(index).map_or("", String::as_str));
            let mut list = before.clone();
            edit(&line.fields[0], &mut list);
            if list == before {
                continue;
            }
            if let Some(damage) = line.damage() {
                return Err((line.fields[0].clone(), damage));
            }
            line.set(layout, index, &list.join(","));
        }
        Ok(())
    }

    /// Sorts all entries to the front by a key.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&[String]) -> K) {
        let layout = self.layout;
        self.lines.sort_by_cached_key(|line| {
            let is_entry = layout.is_entry(line);
            (!is_entry, is_entry.then(|| key(&line.fields)))
        });
    }

    /// Changes a field of all entries where it has a value.
    pub(super) fn replace(&mut self, index: usize, old: &str, new: &str) {
        let layout = self.layout;
        for line in self.lines.iter_mut().filter(|line| layout.is_entry(line)) {
            if let Some(field) = line.fields.get_mut(index).filter(|field| *field == old) {
                new.clone_into(field);
            }
        }
    }
}

impl Line {
    /// Why its fields are not what the bytes are.
    fn damage(&self) -> Option<&'static str> {
        let raw = self.raw.as_ref()?;
        Some(match raw.contains(&0) {
            true => "has a NUL character",
            false => "is not UTF-8",
        })
    }

    /// Sets a field, adding empty fields that are missing.
    fn set(&mut self, layout: TableLayout, index: usize, value: &str) {
        self.fields
            .resize(self.fields.len().max(layout.fields), String::new());
        value.clone_into(&mut self.fields[index]);
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self {
            fields: text.split(':').map(str::to_owned).collect(),
            raw: (bytes.contains(&0) || std::str::from_utf8(bytes).is_err())
                .then(|| bytes.to_vec()),
        }
    }
}

/// Names of a comma-separated list.
pub(super) fn members(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\n# note\nbad:x:y:0::/:/\nl\xe9a:x:5:5:\xe9:/:/bin/sh\n\n+::::::";

    #[test]
    fn what_is_no_entry_stays_as_it_is() {
        let mut table = AccountTable::parse(TableLayout::PASSWD, Some(TEXT));
        assert_eq!(table.entries().count(), 2);
        table.put(["core", "x", "1", "1", "", "/", ""]);
        table.set("root", 4, "Root");
        let mut want = TEXT.to_vec();
        want.splice(11..15, *b":0:R");
        let text = table.bytes();
        assert!(
            text.starts_with(b"root:x:0:0:Root:/root:/bin/sh\n# note\nbad:x:y:0::/:/\nl\xe9a:")
        );
        assert!(text.ends_with(b":/bin/sh\n\ncore:x:1:1::/:\n+::::::\n"));
    }

    #[test]
    fn fields_that_break_their_line_are_found() {
        let mut table = AccountTable::parse(TableLayout::PASSWD, Some(TEXT));
        assert_eq!(table.broken_field(), None);
        table.put(["core", "x", "1", "1", "a:0", "/", ""]);
        assert_eq!(table.broken_field(), Some(4));
        table.put(["core", "x", "1", "1", "", "/", "a\nb"]);
        assert_eq!(table.broken_field(), Some(6));
    }

    #[test]
    fn only_lists_that_change_are_rewritten() {
        let text = b"a:x:1:x, y\nb:x:2:y , z\nc:x:3\na:x:4:z,x\nd\xe9:x:5:y\n";
        let mut table = AccountTable::parse(TableLayout::GROUP, Some(text));
        let edited = table.edit_lists(3, |name, members| {
            members.retain(|member| member != "x");
            if name == "c" {
                members.push("n".into());
            }
        });
        assert_eq!(edited, Ok(()));
        assert_eq!(
            table.bytes(),
            b"a:x:1:y\nb:x:2:y , z\nc:x:3:n\na:x:4:z\nd\xe9:x:5:y\n"
        );
    }

    #[test]
    fn lists_of_damaged_lines_are_not_rewritten() {
        for (text, name, damage) in [
            (b"a:x:1:x,\0\n".as_slice(), "a", "has a NUL character"),
            (b"b:x:1:x,\xe9\n", "b", "is not UTF-8"),
        ] {
            let mut table = AccountTable::parse(TableLayout::GROUP, Some(text));
            let edited = table.edit_lists(3, |_, members| members.retain(|m| m != "x"));
            assert_eq!(edited, Err((name.to_owned(), damage)));
            assert_eq!(table.bytes(), text);
        }
    }

    #[test]
    fn damage_is_named() {
        for (text, want) in [
            ("a:x:1:1::/:\n", None),
            ("a:x:1:1::/:s:t\n", Some("has too many fields")),
            (
                "a:x:1:1::/:\na:x:2:2::/:\n",
                Some("is not the only one of that name"),
            ),
            ("a:x:1\n", None),
            ("a:x:1:1:\0:/:\n", Some("has a NUL character")),
        ] {
            let table = AccountTable::parse(TableLayout::PASSWD, Some(text.as_bytes()));
            assert_eq!(table.damage("a"), want, "{text}");
        }
    }
}
