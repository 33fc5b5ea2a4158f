//! The places of a config and of all values in it, without the values themselves.

use super::origin::JsonPath;
use super::path::Path;
use super::spec_table::Field;
use super::tree::{Place, Tree, Value};

/// The place of values that are in no text.
pub(crate) const NOWHERE: Place = Place {
    source: u32::MAX,
    offset: 0,
};

/// All places of one config in one list, the root first. A large config has tens of thousands, and a list for each
/// object would take more memory than its contents.
#[derive(Debug)]
pub(crate) struct PlaceTree {
    nodes: Vec<PlaceNode>,
}

/// A value. The parts of an object or list are adjacent.
#[derive(Debug, Clone, Copy)]
struct PlaceNode {
    at: Place,
    /// Its member, unless it is an element of a list.
    field: Option<&'static Field>,
    first_part: u32,
    part_count: u32,
}

impl PlaceNode {
    fn leaf(at: Place, field: Option<&'static Field>) -> Self {
        Self {
            at,
            field,
            first_part: 0,
            part_count: 0,
        }
    }
}

impl Default for PlaceTree {
    /// The places of a config that is in no text.
    fn default() -> Self {
        Self {
            nodes: vec![PlaceNode::leaf(NOWHERE, None)],
        }
    }
}

impl PlaceTree {
    pub(crate) fn of(tree: &Tree<'_>) -> Self {
        let mut nodes = Vec::with_capacity(count(tree));
        nodes.push(PlaceNode::leaf(tree.at, None));
        add_parts(&mut nodes, 0, tree);
        Self { nodes }
    }

    /// The whole config.
    pub(crate) fn root(&self) -> Places<'_> {
        Places {
            nodes: &self.nodes,
            index: 0,
        }
    }

    /// The same tree with its offsets mapped by `origin`.
    pub(crate) fn relocated(&self, origin: &dyn Fn(u32) -> u32) -> Self {
        let node = |node: &PlaceNode| PlaceNode {
            at: match node.at == NOWHERE {
                true => node.at,
                false => Place {
                    offset: origin(node.at.offset),
                    ..node.at
                },
            },
            ..*node
        };
        Self {
            nodes: self.nodes.iter().map(node).collect(),
        }
    }
}

/// The number of values in `tree`, including itself.
fn count(tree: &Tree<'_>) -> usize {
    1 + match &tree.value {
        Value::List(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.iter().map(|(_, member)| count(member)).sum(),
        _ => 0,
    }
}

/// Adds the parts of the value at `index`.
fn add_parts(nodes: &mut Vec<PlaceNode>, index: usize, tree: &Tree<'_>) {
    let first = nodes.len();
    match &tree.value {
        Value::List(elements) => {
            nodes.extend(elements.iter().map(|one| PlaceNode::leaf(one.at, None)));
            for (part, element) in elements.iter().enumerate() {
                add_parts(nodes, first + part, element);
            }
            set_parts(nodes, index, first, elements.len());
        }
        Value::Object(members) => {
            let member =
                |(field, one): &(&'static Field, Tree<'_>)| PlaceNode::leaf(one.at, Some(field));
            nodes.extend(members.iter().map(member));
            for (part, (_, member)) in members.iter().enumerate() {
                add_parts(nodes, first + part, member);
            }
            set_parts(nodes, index, first, members.len());
        }
        _ => {}
    }
}

fn set_parts(nodes: &mut [PlaceNode], index: usize, first: usize, parts: usize) {
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    if let Some(node) = nodes.get_mut(index) {
        node.first_part = number(first);
        node.part_count = number(parts);
    }
}

/// A value of a [`PlaceTree`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'t> {
    nodes: &'t [PlaceNode],
    index: usize,
}

impl<'t> Places<'t> {
    fn node(&self) -> PlaceNode {
        let nowhere = PlaceNode::leaf(NOWHERE, None);
        self.nodes.get(self.index).copied().unwrap_or(nowhere)
    }

    /// The place of the value.
    pub(crate) fn at(&self) -> Place {
        self.node().at
    }

    /// True if it has no parts.
    pub(crate) fn is_leaf(&self) -> bool {
        self.node().part_count == 0
    }

    /// Its members or elements, each member with its name.
    pub(crate) fn parts(
        &self,
    ) -> impl ExactSizeIterator<Item = (Option<&'static Field>, Places<'t>)> {
        let Self { nodes, .. } = *self;
        self.range().map(move |index| {
            let part = Places { nodes, index };
            (part.node().field, part)
        })
    }

    fn range(&self) -> std::ops::Range<usize> {
        let node = self.node();
        let first = node.first_part as usize;
        first..first + node.part_count as usize
    }

    /// The part with the given member name or index.
    pub(crate) fn part(&self, part: &str) -> Option<Places<'t>> {
        let range = self.range();
        let first = self.nodes.get(range.start).filter(|_| !range.is_empty())?;
        if first.field.is_some() {
            let mut members = self.parts();
            return members
                .find(|(field, _)| field.is_some_and(|field| field.name == part))
                .map(|(_, member)| member);
        }
        let index = range.start.checked_add(part.parse().ok()?)?;
        range.contains(&index).then_some(Places { index, ..*self })
    }

    /// The value at `path`, or its deepest ancestor that has a place; with the number of parts of its path.
    pub(crate) fn deepest(self, path: &JsonPath) -> (Places<'t>, usize) {
        let mut here = self;
        let mut placed = (self, 0);
        for (index, part) in path.parts().enumerate() {
            let Some(next) = here.part(part) else { break };
            here = next;
            if here.at() != NOWHERE {
                placed = (here, index + 1);
            }
        }
        placed
    }

    /// The path of the value at `offset` within this one. A list and its first element may have the same offset (the
    /// byte after the bracket), so the result depends on whether the value is a leaf.
    pub(crate) fn path_to(self, offset: u32, is_leaf: bool) -> Option<JsonPath> {
        self.search(offset, is_leaf, &Path::Root)
    }

    fn search(self, offset: u32, is_leaf: bool, path: &Path<'_>) -> Option<JsonPath> {
        let parts = self.nodes.get(self.range()).unwrap_or_default();
        let first = parts.first();
        let first_element = first.filter(|part| part.field.is_none());
        let is_shared = first_element.is_some_and(|part| part.at.offset == offset);
        if self.at().offset == offset && !(is_leaf && is_shared) {
            return Some(path.into());
        }
        if first_element.is_some() {
            // Elements are in text order: the value is in the last one that does not begin after it.
            let after = parts.partition_point(|part| part.at.offset <= offset);
            let index = after.checked_sub(1)?;
            let element = Places {
                index: self.range().start + index,
                ..self
            };
            return element.search(offset, is_leaf, &path.index(index));
        }
        // Members are not, and a repeated key may spread one object over several places.
        self.parts()
            .find_map(|(field, member)| member.search(offset, is_leaf, &path.member(field?.name)))
    }
}
