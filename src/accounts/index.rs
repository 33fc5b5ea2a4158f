//! Finds the entries of a database by name, number and member: without an index, each account of a config would search the
//! whole database.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// Key of a line in its table: lines are in the order of their positions.
pub(super) type Position = u64;

/// Positions of entries by name, number and member.
#[derive(Debug, Clone, Default)]
pub(super) struct TableIndex {
    names: HashMap<String, Vec<Position>>,
    /// One for each field of [`IndexedFields::numbers`].
    numbers: Vec<BTreeSet<(u32, Position)>>,
    /// One for each field of [`IndexedFields::lists`]; a position is there as often as the list has the name.
    members: Vec<HashMap<String, Vec<Position>>>,
}

/// The indexed fields, apart from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexedFields {
    /// Fields that hold a number.
    pub numbers: &'static [usize],
    /// Fields that hold a comma-separated list of names.
    pub lists: &'static [usize],
}

impl TableIndex {
    /// Records that the entry at a position was replaced. `None` stands for a line that is not an entry, or for no
    /// line.
    pub(super) fn update(
        &mut self,
        indexed: IndexedFields,
        at: Position,
        (old, new): (Option<&[String]>, Option<&[String]>),
    ) {
        let (old_name, new_name) = (field(old, 0), field(new, 0));
        if old_name != new_name {
            old_name.inspect(|name| drop_position(&mut self.names, name, at));
            new_name.inspect(|name| add_position(&mut self.names, name, at));
        }
        self.numbers
            .resize_with(indexed.numbers.len(), BTreeSet::new);
        for (numbers, index) in self.numbers.iter_mut().zip(indexed.numbers) {
            let number = |fields: Option<&[String]>| fields?.get(*index)?.parse::<u32>().ok();
            number(old).inspect(|number| {
                numbers.remove(&(*number, at));
            });
            number(new).inspect(|number| {
                numbers.insert((*number, at));
            });
        }
        self.members.resize_with(indexed.lists.len(), HashMap::new);
        for (lists, index) in self.members.iter_mut().zip(indexed.lists) {
            let list = |fields| field(fields, *index).unwrap_or_default();
            update_members(lists, at, (list(old), list(new)));
        }
    }

    /// Positions of the entries with a name.
    pub(super) fn named(&self, name: &str) -> &[Position] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// Positions of the entries with a number in a field; `rank` is the index of the field in
    /// [`IndexedFields::numbers`].
    pub(super) fn numbered(&self, rank: usize, number: u32) -> impl Iterator<Item = Position> {
        let numbers = self.numbers.get(rank).into_iter();
        numbers
            .flat_map(move |numbers| {
                numbers.range((number, Position::MIN)..=(number, Position::MAX))
            })
            .map(|(_, at)| *at)
    }

    /// The lowest and the highest number in a range.
    pub(super) fn min_max(&self, rank: usize, range: &RangeInclusive<u32>) -> Option<(u32, u32)> {
        if range.is_empty() {
            return None;
        }
        let bounds = (*range.start(), Position::MIN)..=(*range.end(), Position::MAX);
        let mut within = self
            .numbers
            .get(rank)?
            .range(bounds)
            .map(|(number, _)| *number);
        let lowest = within.next()?;
        Some((lowest, within.next_back().unwrap_or(lowest)))
    }

    /// Positions of the entries that have a name in a list; `rank` is the index of the field in
    /// [`IndexedFields::lists`].
    pub(super) fn with_member(&self, rank: usize, member: &str) -> &[Position] {
        let lists = self.members.get(rank);
        let positions = lists.and_then(|lists| lists.get(member));
        positions.map_or(&[], Vec::as_slice)
    }
}

fn field(fields: Option<&[String]>, index: usize) -> Option<&str> {
    fields?.get(index).map(String::as_str)
}

/// Appending to a list costs no more than the comparison.
fn update_members(
    lists: &mut HashMap<String, Vec<Position>>,
    at: Position,
    (old, new): (&str, &str),
) {
    if old == new {
        return;
    }
    if let Some(added) = new
        .strip_prefix(old)
        .and_then(|rest| rest.strip_prefix(','))
    {
        return names(added).for_each(|name| add_position(lists, name, at));
    }
    let (mut old, mut new) = (names(old).peekable(), names(new).peekable());
    while old.peek().is_some() && old.peek() == new.peek() {
        old.next();
        new.next();
    }
    old.for_each(|name| drop_position(lists, name, at));
    new.for_each(|name| add_position(lists, name, at));
}

fn add_position(positions: &mut HashMap<String, Vec<Position>>, name: &str, at: Position) {
    let Some(all) = positions.get_mut(name) else {
        positions.insert(name.to_owned(), vec![at]);
        return;
    };
    all.insert(all.partition_point(|other| *other < at), at);
}

fn drop_position(positions: &mut HashMap<String, Vec<Position>>, name: &str, at: Position) {
    let Some(all) = positions.get_mut(name) else {
        return;
    };
    if let Ok(found) = all.binary_search(&at) {
        all.remove(found);
    }
    if all.is_empty() {
        positions.remove(name);
    }
}

/// Names of a comma-separated list.
pub(super) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_changes() {
        let indexed = IndexedFields {
            numbers: &[1],
            lists: &[2],
        };
        let fields = |text: &str| -> Vec<String> { text.split(':').map(str::to_owned).collect() };
        let (a, b, c) = (fields("a:5:x,x, y"), fields("a:7:y"), fields("b:5:x,x,y,z"));
        let mut index = TableIndex::default();
        index.update(indexed, 2, (None, Some(&a)));
        index.update(indexed, 1, (None, Some(&b)));
        assert_eq!(index.named("a"), [1, 2]);
        assert_eq!(index.numbered(0, 5).collect::<Vec<_>>(), [2]);
        assert_eq!(index.min_max(0, &(0..=9)), Some((5, 7)));
        assert_eq!(index.min_max(0, &(6..=9)), Some((7, 7)));
        assert_eq!(index.min_max(0, &(8..=9)), None);
        assert_eq!(index.with_member(0, "y"), [1, 2]);
        assert_eq!(index.with_member(0, "x"), [2, 2]);
        index.update(indexed, 2, (Some(&a), Some(&c)));
        assert_eq!(index.named("a"), [1]);
        assert_eq!(index.named("b"), [2]);
        assert_eq!(index.with_member(0, "z"), [2]);
        let shorter = fields("b:5:x");
        index.update(indexed, 2, (Some(&c), Some(&shorter)));
        assert_eq!(index.with_member(0, "x"), [2]);
        index.update(indexed, 2, (Some(&shorter), None));
        assert_eq!(index.with_member(0, "x"), [0; 0]);
        assert_eq!(index.numbered(0, 5).count(), 0);
    }
}
