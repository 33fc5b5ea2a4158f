//! The paths in a text that is written in another language, by the offsets of its values.

use super::origin::JsonPath;
use super::wording::Wording;
use crate::text::is_same_name;
use std::sync::OnceLock;

/// Every value of a text: its offset, its parent, and its name or index there.
#[derive(Debug, Default)]
pub(crate) struct WrittenPaths {
    values: Vec<WrittenPath>,
    /// Names of members, mostly without duplicates.
    names: Vec<Box<str>>,
    /// See [`WrittenPaths::by_offset`].
    by_offset: OnceLock<Vec<u32>>,
    /// The words of the language.
    wording: Wording,
}

#[derive(Debug)]
struct WrittenPath {
    offset: u32,
    parent: u32,
    part: PathSegment,
}

#[derive(Debug)]
enum PathSegment {
    Root,
    /// Index into the names.
    Key(u32),
    Index(u32),
}

/// How many of the latest names are searched for one that is repeated.
const MAX_SEARCHED_NAMES: usize = 32;

/// A value in [`WrittenPaths`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WrittenValue(u32);

impl WrittenPaths {
    /// Starts with the root value of the text, which is at `offset`.
    pub(crate) fn begin(offset: u32) -> (Self, WrittenValue) {
        let mut paths = Self::default();
        let root = paths.push(offset, 0, PathSegment::Root);
        (paths, root)
    }

    /// Sets the words of the language that the text is in.
    pub(crate) fn set_wording(&mut self, wording: Wording) {
        self.wording = wording;
    }

    /// The words of the language that the text is in.
    pub(crate) fn wording(&self) -> Wording {
        self.wording
    }

    /// The member `key` of the mapping `parent`.
    pub(crate) fn member(&mut self, parent: WrittenValue, key: &str, offset: u32) -> WrittenValue {
        let name = self.intern_name(key);
        self.push(offset, parent.0, PathSegment::Key(name))
    }

    fn intern_name(&mut self, key: &str) -> u32 {
        let latest = self.names.iter().rev().take(MAX_SEARCHED_NAMES);
        let known = latest.zip(1..).find(|(name, _)| is_same_name(name, key));
        let index = known.map_or(self.names.len(), |(_, back)| self.names.len() - back);
        if known.is_none() {
            self.names.push(key.into());
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The element `index` of the list `parent`.
    pub(crate) fn element(
        &mut self,
        parent: WrittenValue,
        index: usize,
        offset: u32,
    ) -> WrittenValue {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.push(offset, parent.0, PathSegment::Index(index))
    }

    fn push(&mut self, offset: u32, parent: u32, part: PathSegment) -> WrittenValue {
        self.by_offset.take();
        let index = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(WrittenPath {
            offset,
            parent,
            part,
        });
        WrittenValue(index)
    }

    /// Indices into `values` in the order of offsets; of values at one offset, the outer first. Sorted at the first
    /// lookup, which most texts never need.
    fn by_offset(&self) -> &[u32] {
        self.by_offset.get_or_init(|| {
            let count = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            let mut indices: Vec<u32> = (0..count).collect();
            indices.sort_by_key(|i| self.values[*i as usize].offset);
            indices
        })
    }

    /// The path of the value at `offset`: of the innermost one there if `is_leaf`, else of the outermost one.
    pub(crate) fn path_to(&self, offset: u32, is_leaf: bool) -> Option<JsonPath> {
        let by_offset = self.by_offset();
        let at = |i: &u32| self.values[*i as usize].offset;
        let index = if is_leaf {
            let end = by_offset.partition_point(|i| at(i) <= offset);
            end.checked_sub(1)?
        } else {
            by_offset.partition_point(|i| at(i) < offset)
        };
        let value = by_offset.get(index).filter(|i| at(i) == offset)?;
        Some(self.path(*value))
    }

    /// Every value without parts, in text order: its offset, its path, and the offsets of its ancestors, the innermost
    /// first.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (u32, JsonPath, Vec<u32>)> {
        let mut is_parent = vec![false; self.values.len()];
        for value in self.values.iter().skip(1) {
            if let Some(parent) = is_parent.get_mut(value.parent as usize) {
                *parent = true;
            }
        }
        let mut leaves = self.by_offset().to_vec();
        leaves.retain(|i| !is_parent.get(*i as usize).copied().unwrap_or_default());
        leaves.into_iter().filter_map(|i| {
            let value = self.values.get(i as usize)?;
            Some((value.offset, self.path(i), self.ancestor_offsets(value)))
        })
    }

    fn ancestor_offsets(&self, value: &WrittenPath) -> Vec<u32> {
        let mut offsets = Vec::new();
        let mut here = value;
        while !matches!(here.part, PathSegment::Root)
            && let Some(parent) = self.values.get(here.parent as usize)
        {
            offsets.push(parent.offset);
            here = parent;
        }
        offsets
    }

    fn path(&self, value: u32) -> JsonPath {
        let mut parts = Vec::new();
        let mut here = value;
        while let Some(written) = self.values.get(here as usize) {
            parts.push(match &written.part {
                PathSegment::Root => break,
                PathSegment::Key(name) => match self.names.get(*name as usize) {
                    Some(name) => name.to_string(),
                    None => break,
                },
                PathSegment::Index(index) => index.to_string(),
            });
            here = written.parent;
        }
        parts.push("$".into());
        parts.reverse();
        JsonPath::new(parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_offsets() {
        // [[x], {a: y}] with the outer list and the inner one at the same offset.
        let (mut paths, root) = WrittenPaths::begin(0);
        let inner = paths.element(root, 0, 0);
        paths.element(inner, 0, 2);
        let mapping = paths.element(root, 1, 5);
        paths.member(mapping, "a", 9);
        let cases = [
            (0, false, Some("$")),
            (0, true, Some("$.0")),
            (2, true, Some("$.0.0")),
            (5, false, Some("$.1")),
            (9, true, Some("$.1.a")),
            (3, true, None),
            (99, false, None),
        ];
        for (offset, is_leaf, expected) in cases {
            let found = paths.path_to(offset, is_leaf);
            assert_eq!(found.as_ref().map(JsonPath::as_str), expected, "{offset}");
        }
    }
}
