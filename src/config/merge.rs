//! Merging a child config into its parent, driven by the table.
//!
//! Scalars of the child win if present, objects are merged member by member, elements of keyed lists are paired by
//! key. Each value keeps the place it came from.

use super::document::Document;
use super::merge_key::{MergeKey, key_of};
use super::model::Config;
use super::places::{NOWHERE, PlaceTree};
use super::ser;
use super::spec_table::{Field, Kind, ListKey, ObjectType, ROOT};
use super::tree::{Tree, Value};
use serde::Deserialize;
use serde::de::value::Error;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Document {
    /// `child` merged into `parent`. Never fails and validates nothing; see [`Document::check`].
    pub fn merge(parent: &Document, child: &Document) -> Document {
        if parent.sources.is_empty() && parent.config == Document::empty().config {
            return child.clone();
        }
        // Both steps can only fail if model and table disagree, which a test rules out; the child is
        // the more specific of the two.
        try_merge(parent, child).unwrap_or_else(|_| child.clone())
    }
}

fn try_merge(parent: &Document, child: &Document) -> Result<Document, Error> {
    let first_of_child = u32::try_from(parent.sources.len()).unwrap_or(u32::MAX);
    let root = Kind::Object(&ROOT);
    let parent_tree = ser::tree(&parent.config, root, parent.places.root(), 0)?;
    let child_tree = ser::tree(&child.config, root, child.places.root(), first_of_child)?;
    let merged = merge_values(root, parent_tree, child_tree);
    let places = Arc::new(PlaceTree::of(&merged));
    let config = Config::deserialize(merged)?;
    let sources = parent
        .sources
        .iter()
        .chain(&child.sources)
        .map(Arc::clone)
        .collect();
    Ok(Document {
        config,
        sources,
        places,
    })
}

type MemberList<'a> = Vec<(&'static Field, Tree<'a>)>;

/// Merges two whole configs, the parent first. No defaults are filled in.
pub(crate) fn trees<'a>(parent: Tree<'a>, child: Tree<'a>) -> Tree<'a> {
    merge_values(Kind::Object(&ROOT), parent, child)
}

/// Merges two values that are both present.
fn merge_values<'a>(kind: Kind, parent: Tree<'a>, child: Tree<'a>) -> Tree<'a> {
    let at = if child.at == NOWHERE {
        parent.at
    } else {
        child.at
    };
    match (kind, parent.value, child.value) {
        (_, value, Value::Null) => Tree {
            at: parent.at,
            value,
        },
        (Kind::Object(ty), Value::Object(parent), Value::Object(child)) => Tree {
            at,
            value: Value::Object(merge_objects(ty, parent, child)),
        },
        (_, _, value) => Tree {
            at: child.at,
            value,
        },
    }
}

fn merge_objects<'a>(
    ty: &'static ObjectType,
    mut parent: MemberList<'a>,
    mut child: MemberList<'a>,
) -> MemberList<'a> {
    let claimed = claimed_keys(&child);
    let take = |members: &mut MemberList<'a>, field: &Field| {
        let i = members.iter().position(|(f, _)| f.name == field.name);
        i.map(|i| members.swap_remove(i).1)
    };
    let merged = ty.fields.iter().filter_map(|field| {
        let (from_parent, from_child) = (take(&mut parent, field), take(&mut child, field));
        let value = match field.list_key() {
            Some(list_key) => merge_lists(field, list_key, from_parent, from_child, &claimed),
            None => match (from_parent, from_child) {
                (Some(parent), Some(child)) => Some(merge_values(field.kind, parent, child)),
                (one, other) => one.or(other),
            },
        };
        value.map(|value| (field, value))
    });
    merged.collect()
}

/// Keys of the child's elements, by the key space that its lists share.
type ClaimedKeys = HashMap<&'static str, HashSet<MergeKey<String>>>;

fn claimed_keys(child: &MemberList<'_>) -> ClaimedKeys {
    let mut claimed = ClaimedKeys::new();
    for (field, tree) in child {
        let (Some(space), Some(list_key)) = (field.space, field.list_key()) else {
            continue;
        };
        let keys = elements_of(tree)
            .iter()
            .filter_map(|e| key_of(e, list_key))
            .map(MergeKey::into_owned);
        claimed.entry(space).or_default().extend(keys);
    }
    claimed
}

fn elements_of<'t, 'a>(tree: &'t Tree<'a>) -> &'t [Tree<'a>] {
    match &tree.value {
        Value::List(elements) => elements,
        _ => &[],
    }
}

fn merge_lists<'a>(
    field: &'static Field,
    list_key: ListKey,
    parent: Option<Tree<'a>>,
    child: Option<Tree<'a>>,
    claimed: &ClaimedKeys,
) -> Option<Tree<'a>> {
    let at = [&child, &parent]
        .into_iter()
        .flatten()
        .map(|t| t.at)
        .find(|at| *at != NOWHERE);
    let open = |tree: Option<Tree<'a>>| match tree.map(|t| t.value) {
        Some(Value::List(elements)) => elements,
        _ => Vec::new(),
    };
    let (mut parent, mut child) = (open(parent), open(child));
    let elements = if list_key == ListKey::None {
        parent.append(&mut child);
        parent
    } else {
        merge_keyed(field, list_key, parent, child, claimed)
    };
    let value = Value::List(elements);
    Some(Tree {
        at: at.unwrap_or(NOWHERE),
        value,
    })
}

/// The parent's elements in order, each merged with its partner; then the remaining ones of the child. An element whose
/// key the child uses in another list of the same key space is dropped.
fn merge_keyed<'a>(
    field: &'static Field,
    list_key: ListKey,
    parent: Vec<Tree<'a>>,
    child: Vec<Tree<'a>>,
    claimed: &ClaimedKeys,
) -> Vec<Tree<'a>> {
    let element = field.object_type().map_or(Kind::Text, Kind::Object);
    let keys = child
        .iter()
        .enumerate()
        .filter_map(|(i, e)| Some((key_of(e, list_key)?.into_owned(), i)));
    let partners: HashMap<MergeKey<String>, usize> = keys.collect();
    let mut child: Vec<Option<Tree<'a>>> = child.into_iter().map(Some).collect();
    let elsewhere = field.space.and_then(|space| claimed.get(space));
    let mut merged = Vec::with_capacity(parent.len() + child.len());
    for from_parent in parent {
        let key = key_of(&from_parent, list_key).map(MergeKey::into_owned);
        let partner = key.as_ref().and_then(|key| partners.get(key));
        match partner.and_then(|i| child[*i].take()) {
            Some(from_child)
                if list_key == ListKey::Header && from_child.member("value").is_none() => {}
            Some(from_child) => merged.push(merge_values(element, from_parent, from_child)),
            None if elsewhere
                .zip(key)
                .is_some_and(|(keys, key)| keys.contains(&key)) => {}
            None => merged.push(from_parent),
        }
    }
    merged.extend(child.into_iter().flatten());
    merged
}
