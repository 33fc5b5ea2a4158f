//! Repeated elements, as the table says what makes two the same.

use crate::config::finding::{Finding, Severity};
use crate::config::merge_key::{MergeKey, key_of};
use crate::config::origin::JsonPath;
use crate::config::path::Path;
use crate::config::spec_table::{Field, ListKey, ObjectType, ROOT};
use crate::config::tree::{Tree, Value};
use crate::config::version::Version;
use foldhash::{HashMap, HashMapExt as _, HashSet};

/// An element that repeats an earlier one.
pub(in crate::config) struct Duplicate {
    finding: Finding,
    /// The member that both have nothing in, if that is what makes them the same.
    missing: Option<JsonPath>,
}

/// The findings of `duplicates` without those that follow from an error of `judged`: elements whose key is missing are
/// the same, but where the key is required that was said already.
pub(in crate::config) fn not_judged(
    duplicates: Vec<Duplicate>,
    judged: &[Finding],
) -> Vec<Finding> {
    let errors: HashSet<&str> = judged
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.path.as_ref().map(JsonPath::as_str))
        .collect();
    let is_said = |duplicate: &Duplicate| {
        let missing = duplicate.missing.as_ref();
        missing.is_some_and(|path| errors.contains(path.as_str()))
    };
    let news = duplicates.into_iter().filter(|d| !is_said(d));
    news.map(|duplicate| duplicate.finding).collect()
}

/// One for each element that repeats an earlier one.
pub(in crate::config) fn duplicates(root: &Tree<'_>, version: Version) -> Vec<Duplicate> {
    let mut findings = Vec::new();
    object(root, &ROOT, version, &Path::Root, &mut findings);
    findings
}

fn object(
    tree: &Tree<'_>,
    of: &'static ObjectType,
    version: Version,
    path: &Path<'_>,
    findings: &mut Vec<Duplicate>,
) {
    let mut spaces = HashMap::new();
    for field in of.fields_in(version) {
        if let (Some(by), Some(list)) = (field.list_key(), tree.member(field.name)) {
            let space = field.space.unwrap_or(field.name);
            let seen = spaces.entry(space).or_insert_with(HashMap::new);
            repeated(field, by, list, seen, path, findings);
        }
    }
    for field in of.fields_in(version) {
        let (Some(inner), Some(member)) = (field.object_type(), tree.member(field.name)) else {
            continue;
        };
        let path = path.member(field.name);
        match &member.value {
            Value::List(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    object(element, inner, version, &path.index(i), findings);
                }
            }
            _ => object(member, inner, version, &path, findings),
        }
    }
}

/// Where a key was first seen: the list and the index.
type FirstUses<'t> = HashMap<MergeKey<&'t str>, (&'static str, usize)>;

fn repeated<'t>(
    field: &'static Field,
    by: ListKey,
    list: &'t Tree<'_>,
    seen: &mut FirstUses<'t>,
    path: &Path<'_>,
    findings: &mut Vec<Duplicate>,
) {
    let Value::List(elements) = &list.value else {
        return;
    };
    let list_path = path.member(field.name);
    for (i, element) in elements.iter().enumerate() {
        let Some(key) = key_of(element, by) else {
            return;
        };
        let Some((list, first)) = seen.get(&key) else {
            seen.insert(key, (field.name, i));
            continue;
        };
        let path = list_path.index(i);
        let finding = Finding {
            severity: Severity::Error,
            path: Some((&path).into()),
            position: None,
            message: format!(
                "duplicate entry: same {} as {list}.{first}",
                identity(by, &key)
            ),
            help: Some("only one is allowed; remove one, or merge them".into()),
        };
        let missing = match (by, &key) {
            (ListKey::Member(name), MergeKey::Text("")) => Some((&path.member(name)).into()),
            _ => None,
        };
        findings.push(Duplicate { finding, missing });
    }
}

fn identity(by: ListKey, key: &MergeKey<&str>) -> &'static str {
    match (by, key) {
        (ListKey::Member(name), _) => name,
        (ListKey::Header, _) => "name",
        (ListKey::Partition, MergeKey::Number(_)) => "number",
        (ListKey::Partition, MergeKey::Text(_)) => "label",
        _ => "value",
    }
}
