//! One database: a file with a line for each account.
//!
//! Lines that are not entries (comments, NIS markers, damaged lines) are kept as they are, in their place.

use super::index::{IndexedFields, Position, TableIndex, names};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Position of the first NIS marker (`+` or `-`); new entries go before it.
const FIRST_MARKER: Position = 1 << 63;

/// Format of the lines of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLayout {
    /// Number of fields of a complete entry.
    fields: usize,
    /// A line with fewer fields is not an entry.
    min_fields: usize,
    /// Fields that hold a number.
    numbers: &'static [usize],
    indexed: IndexedFields,
}

impl TableLayout {
    /// `passwd`
    pub const PASSWD: Self = Self::new(7, 6, &[2, 3], &[2, 3], &[]);
    /// `group`
    pub const GROUP: Self = Self::new(4, 3, &[2], &[2], &[3]);
    /// `shadow`
    pub const SHADOW: Self = Self::new(9, 2, &[], &[], &[]);
    /// `gshadow`
    pub const GSHADOW: Self = Self::new(4, 2, &[], &[], &[2, 3]);
    /// `subuid` and `subgid`
    pub const SUBORDINATE: Self = Self::new(3, 3, &[1, 2], &[], &[]);

    const fn new(
        fields: usize,
        min_fields: usize,
        numbers: &'static [usize],
        indexed: &'static [usize],
        lists: &'static [usize],
    ) -> Self {
        Self {
            fields,
            min_fields,
            numbers,
            indexed: IndexedFields {
                numbers: indexed,
                lists,
            },
        }
    }

    fn is_entry(&self, fields: &[String]) -> bool {
        let name = fields.first().map_or("", String::as_str);
        let is_number = |index: &usize| {
            let field = fields.get(*index);
            field.is_some_and(|field| field.parse::<u32>().is_ok())
        };
        !name.is_empty()
            && !name.starts_with(['+', '-', '#'])
            && fields.len() >= self.min_fields
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
#[derive(Debug, Clone)]
pub struct AccountTable {
    layout: TableLayout,
    /// From the first marker on, positions are [`FIRST_MARKER`] and above, so that entries can always be added before
    /// it.
    lines: BTreeMap<Position, Line>,
    found: bool,
    index: TableIndex,
    /// Positions of lines with a field that would break them.
    broken: BTreeSet<Position>,
    /// End of the last range, if the ranges are sorted and leave no gap for another one. Any other write resets it.
    last_range_end: Option<u64>,
    undo: Option<UndoLog>,
}

/// State of a table before the changes of a request.
#[derive(Debug, Clone)]
struct UndoLog {
    /// The former line at each position that was written to, in the order of the changes.
    lines: Vec<(Position, Option<Line>)>,
    found: bool,
}

impl PartialEq for AccountTable {
    /// Tables are equal if their lines are, whatever the positions.
    fn eq(&self, other: &Self) -> bool {
        (self.layout, self.found) == (other.layout, other.found)
            && self.lines.values().eq(other.lines.values())
    }
}

impl Eq for AccountTable {}

impl AccountTable {
    /// Reads the bytes of a file; `None` for a file that does not exist.
    pub fn parse(layout: TableLayout, bytes: Option<&[u8]>) -> Self {
        let text = bytes.unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = match bytes {
            None | Some([]) => Vec::new(),
            Some(_) => text.split(|byte| *byte == b'\n').map(Line::parse).collect(),
        };
        let mut table = Self {
            layout,
            lines: BTreeMap::new(),
            found: bytes.is_some(),
            index: TableIndex::default(),
            broken: BTreeSet::new(),
            last_range_end: None,
            undo: None,
        };
        for (at, line) in positions(lines) {
            table.place(at, Some(line));
        }
        table
    }

    /// Index of the first field that would break its line. Such a value comes from elsewhere in the target, since those
    /// of a request are checked. The code that writes the file checks this again.
    pub fn broken_field(&self) -> Option<usize> {
        let line = self.lines.get(self.broken.first()?)?;
        line.broken_field()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in self.lines.values() {
            match &line.raw {
                Some(raw) => bytes.extend_from_slice(raw),
                None => bytes.extend_from_slice(line.fields.join(":").as_bytes()),
            }
            bytes.push(b'\n');
        }
        bytes
    }

    /// True if the file exists, or something was put into it.
    pub fn exists(&self) -> bool {
        self.found
    }

    /// The entries, as fields.
    pub fn entries(&self) -> impl Iterator<Item = &[String]> {
        let lines = self.lines.values().map(|line| line.fields.as_slice());
        lines.filter(|fields| self.layout.is_entry(fields))
    }

    /// The first entry of a name.
    pub fn entry(&self, name: &str) -> Option<&[String]> {
        self.named(name).next().map(|line| line.fields.as_slice())
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Line> {
        let positions = self.index.named(name).iter();
        positions.filter_map(|at| self.lines.get(at))
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
        let mut entries = self.numbered(index, number);
        entries.next().map(|fields| fields[0].as_str())
    }

    /// The entries with a number in a field that is indexed.
    pub(super) fn numbered(&self, index: usize, number: u32) -> impl Iterator<Item = &[String]> {
        let rank = rank(self.layout.indexed.numbers, index);
        let positions = rank.map(|rank| self.index.numbered(rank, number));
        let lines = positions.into_iter().flatten();
        lines.filter_map(|at| self.lines.get(&at).map(|line| line.fields.as_slice()))
    }

    /// The lowest and the highest number of a range in a field that is indexed.
    pub(super) fn min_max(&self, index: usize, range: &RangeInclusive<u32>) -> Option<(u32, u32)> {
        let rank = rank(self.layout.indexed.numbers, index)?;
        self.index.min_max(rank, range)
    }

    /// The entries with a member in a list that is indexed; one for each time the list has it.
    pub(super) fn with_member(
        &self,
        index: usize,
        member: &str,
    ) -> impl Iterator<Item = &[String]> {
        let positions = self.positions_with_member(index, member).iter();
        positions.filter_map(|at| self.lines.get(at).map(|line| line.fields.as_slice()))
    }

    fn positions_with_member(&self, index: usize, member: &str) -> &[Position] {
        let rank = rank(self.layout.indexed.lists, index);
        rank.map_or(&[], |rank| self.index.with_member(rank, member))
    }

    /// Why the entry of a name cannot be changed, if that is the case.
    pub fn damage(&self, name: &str) -> Option<&'static str> {
        let mut lines = self.named(name);
        let line = lines.next()?;
        if let Some(damage) = line.damage() {
            return Some(damage);
        }
        if line.fields.len() > self.layout.fields {
            return Some("has too many fields");
        }
        lines.next().map(|_| "is not the only one of that name")
    }

    // ---- changes

    /// Starts to record changes for [`Self::end`].
    pub(super) fn begin(&mut self) {
        self.undo = Some(UndoLog {
            lines: Vec::new(),
            found: self.found,
        });
    }

    /// Undoes all changes since [`Self::begin`] unless `keep` is set.
    pub(super) fn end(&mut self, keep: bool) {
        let Some(undo) = self.undo.take().filter(|_| !keep) else {
            return;
        };
        self.found = undo.found;
        for (at, line) in undo.lines.into_iter().rev() {
            self.place(at, line);
        }
    }

    /// Sets or removes the line at a position and records the former one.
    fn write(&mut self, at: Position, line: Option<Line>) {
        let before = self.place(at, line);
        if let Some(undo) = &mut self.undo {
            undo.lines.push((at, before));
        }
    }

    /// Sets or removes the line at a position and returns the former one.
    fn place(&mut self, at: Position, line: Option<Line>) -> Option<Line> {
        self.last_range_end = None;
        let is_broken = line
            .as_ref()
            .is_some_and(|line| line.broken_field().is_some());
        match is_broken {
            true => self.broken.insert(at),
            false => self.broken.remove(&at),
        };
        let before = match line {
            Some(line) => self.lines.insert(at, line),
            None => self.lines.remove(&at),
        };
        let layout = self.layout;
        let old = before.as_ref().map(|line| line.fields.as_slice());
        let new = self.lines.get(&at).map(|line| line.fields.as_slice());
        let changed = (
            old.filter(|fields| layout.is_entry(fields)),
            new.filter(|fields| layout.is_entry(fields)),
        );
        self.index.update(layout.indexed, at, changed);
        before
    }

    /// Changes the line at a position.
    fn change(&mut self, at: Position, change: impl FnOnce(&mut Line)) {
        if let Some(mut line) = self.lines.get(&at).cloned() {
            change(&mut line);
            self.write(at, Some(line));
        }
    }

    /// Adds an entry or replaces the one of that name. New ones go before the NIS markers at the end.
    pub(super) fn put<const N: usize>(&mut self, fields: [&str; N]) {
        self.found = true;
        let line = Line {
            fields: fields.map(str::to_owned).to_vec(),
            raw: None,
        };
        let present = self.index.named(fields[0]).first().copied();
        let at = present.unwrap_or_else(|| {
            let last = self.lines.range(..FIRST_MARKER).next_back();
            last.map_or(0, |(at, _)| at + 1)
        });
        self.write(at, Some(line));
    }

    /// Sets a field of the first entry of a name, adding empty fields that are missing.
    pub(super) fn set(&mut self, name: &str, index: usize, value: &str) {
        let layout = self.layout;
        if let Some(at) = self.index.named(name).first() {
            self.change(*at, |line| line.set(layout, index, value));
        }
    }

    /// Removes all entries of a name.
    pub(super) fn remove(&mut self, name: &str) {
        for at in self.index.named(name).to_vec() {
            self.write(at, None);
        }
    }

    /// Adds a name to the lists of the entries `wanted` and, with `only`, removes it from all others. Entries whose
    /// list stays the same are not touched.
    ///
    /// # Errors
    /// The name of an entry whose list would change but whose line cannot be rewritten, and why not.
    pub(super) fn set_member(
        &mut self,
        index: usize,
        member: &str,
        wanted: &BTreeSet<String>,
        only: bool,
    ) -> Result<(), (String, &'static str)> {
        let mut found: BTreeSet<Position> = BTreeSet::new();
        for name in wanted {
            found.extend(self.index.named(name));
        }
        let with: BTreeSet<Position> = self
            .positions_with_member(index, member)
            .iter()
            .copied()
            .collect();
        if only {
            found.extend(&with);
        }
        let layout = self.layout;
        for at in found {
            let Some(line) = self.lines.get(&at) else {
                continue;
            };
            let is_wanted = wanted.contains(&line.fields[0]);
            if is_wanted == with.contains(&at) {
                continue;
            }
            if let Some(damage) = line.damage() {
                return Err((line.fields[0].clone(), damage));
            }
            let list = line.fields.get(index).map_or("", String::as_str);
            let list = match is_wanted {
                true if is_plain(list) => format!("{list},{member}"),
                true => joined(names(list).chain([member])),
                false => joined(names(list).filter(|name| *name != member)),
            };
            self.change(at, |line| line.set(layout, index, &list));
        }
        Ok(())
    }

    /// The value set by [`Self::set_last_range_end`], if nothing else was written since.
    pub(super) fn last_range_end(&self) -> Option<u64> {
        self.last_range_end
    }

    /// Records where the last range ends.
    pub(super) fn set_last_range_end(&mut self, end: u64) {
        self.last_range_end = Some(end);
    }

    /// True if the last line is an entry, or there is none.
    pub(super) fn ends_with_entry(&self) -> bool {
        let last = self.lines.last_key_value();
        last.is_none_or(|(_, line)| self.layout.is_entry(&line.fields))
    }

    /// Sorts the entries by a key, and before all other lines.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&[String]) -> K) {
        let layout = self.layout;
        let key = |line: &Line| {
            let is_entry = layout.is_entry(&line.fields);
            (!is_entry, is_entry.then(|| key(&line.fields)))
        };
        if self.lines.values().is_sorted_by_key(key) {
            return;
        }
        let mut lines: Vec<Line> = self.lines.values().cloned().collect();
        lines.sort_by_cached_key(key);
        let sorted: BTreeMap<Position, Line> = positions(lines).collect();
        let before: BTreeSet<Position> = self.lines.keys().copied().collect();
        for at in before.into_iter().filter(|at| !sorted.contains_key(at)) {
            self.write(at, None);
        }
        for (at, line) in sorted {
            if self.lines.get(&at) != Some(&line) {
                self.write(at, Some(line));
            }
        }
    }

    /// Changes a number in an indexed field of all entries that have it in canonical decimal form.
    pub(super) fn replace(&mut self, index: usize, old: u32, new: u32) {
        let Some(rank) = rank(self.layout.indexed.numbers, index) else {
            return;
        };
        let (old_text, new_text) = (old.to_string(), new.to_string());
        let found: Vec<Position> = self.index.numbered(rank, old).collect();
        for at in found {
            let field = self.lines.get(&at).and_then(|line| line.fields.get(index));
            if field == Some(&old_text) {
                self.change(at, |line| new_text.clone_into(&mut line.fields[index]));
            }
        }
    }
}

/// Lines with their positions.
fn positions(lines: Vec<Line>) -> impl Iterator<Item = (Position, Line)> {
    let mut next: Position = 0;
    lines.into_iter().map(move |line| {
        if next < FIRST_MARKER && line.is_marker() {
            next = FIRST_MARKER;
        }
        next += 1;
        (next - 1, line)
    })
}

fn rank(fields: &[usize], index: usize) -> Option<usize> {
    fields.iter().position(|field| *field == index)
}

/// True for a list that is not empty and reads the same when its names are joined again.
fn is_plain(list: &str) -> bool {
    let is_odd = list.is_empty() || list.starts_with(',') || list.ends_with(',');
    !is_odd && !list.contains(",,") && list.bytes().all(|byte| byte.is_ascii_graphic())
}

fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

impl Line {
    /// True for a marker line, which stands for NIS accounts.
    fn is_marker(&self) -> bool {
        self.fields[0].starts_with(['+', '-'])
    }

    /// The first field that would break the line.
    fn broken_field(&self) -> Option<usize> {
        // One search per character is the fastest way through a long list of members.
        let breaks = |field: &String| [':', '\n', '\0'].iter().any(|c| field.contains(*c));
        match self.raw {
            None => self.fields.iter().position(breaks),
            Some(_) => None,
        }
    }

    /// Why its fields differ from its bytes.
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
    names(list).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\n# note\nbad:x:y:0::/:/\nl\xe9a:x:5:5:\xe9:/:/bin/sh\n\n+::::::";

    #[test]
    fn lines_that_are_not_entries_are_kept() {
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
    fn changes_are_undone() {
        let text = b"b:x:2:y, x\nbad\na:x:1:x\n+\nc:x:3:\n";
        let before = AccountTable::parse(TableLayout::GROUP, Some(text));
        let mut table = before.clone();
        table.begin();
        table.remove("a");
        table.put(["n", "x", "7", "a:b"]);
        table.put(["c", "x", "9", "x"]);
        table.set("b", 2, "8");
        let only = ["c".to_owned()].into();
        assert_eq!(table.set_member(3, "x", &only, true), Ok(()));
        table.sort_by_key(|fields| fields[0].clone());
        assert_eq!(table.bytes(), b"b:x:8:y\nc:x:9:x\nn:x:7:a:b\nbad\n+\n");
        assert_eq!(table.name_of(2, 8), Some("b"));
        table.put(["m", "x", "6", ""]);
        assert!(table.bytes().ends_with(b"bad\nm:x:6:\n+\n"));
        table.end(false);
        assert_eq!(table, before);
        assert_eq!(table.bytes(), text);
        assert_eq!(table.broken_field(), None);
        assert_eq!(table.name_of(2, 1), Some("a"));
        assert_eq!(table.name_of(2, 7), None);
        let with: Vec<_> = table.with_member(3, "x").map(|fields| &fields[0]).collect();
        assert_eq!(with, ["b", "a"]);
        table.begin();
        table.remove("a");
        table.end(true);
        table.end(false);
        assert_eq!(table.bytes(), b"b:x:2:y, x\nbad\n+\nc:x:3:\n");
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
        let none = BTreeSet::new();
        let edited = table.set_member(3, "x", &none, true);
        assert_eq!(edited, Ok(()));
        let edited = table.set_member(3, "n", &["c".to_owned()].into(), false);
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
            let edited = table.set_member(3, "x", &BTreeSet::new(), true);
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
