//! Repeated elements; the table defines which elements are the same.

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
    pub(in crate::config) finding: Finding,
    /// The earlier element.
    pub(in crate::config) first: JsonPath,
    /// The finding's message without where the earlier element is.
    pub(in crate::config) about: String,
    /// The member that is missing in both, if they are the same for that reason.
    missing: Option<JsonPath>,
}

/// `duplicates` without those that follow from an error in `reported`: elements without a key are the
/// same, but a missing key that is required has been reported already.
pub(in crate::config) fn not_yet_reported(
    duplicates: Vec<Duplicate>,
    reported: &[Finding],
) -> Vec<Duplicate> {
    let errors: HashSet<&str> = reported
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.path.as_ref().map(JsonPath::as_str))
        .collect();
    let is_reported = |duplicate: &Duplicate| {
        let missing = duplicate.missing.as_ref();
        missing.is_some_and(|path| errors.contains(path.as_str()))
    };
    let mut remaining = duplicates;
    remaining.retain(|duplicate| !is_reported(duplicate));
    remaining
}

/// One for each element that repeats an earlier one.
pub(in crate::config) fn find_duplicates(root: &Tree<'_>, version: Version) -> Vec<Duplicate> {
    let mut findings = Vec::new();
    check_object(root, &ROOT, version, &Path::Root, &mut findings);
    findings
}

fn check_object(
    tree: &Tree<'_>,
    ty: &'static ObjectType,
    version: Version,
    path: &Path<'_>,
    findings: &mut Vec<Duplicate>,
) {
    let mut spaces = HashMap::new();
    for field in ty.fields_in(version) {
        if let (Some(list_key), Some(list)) = (field.list_key(), tree.member(field.name)) {
            let space = field.space.unwrap_or(field.name);
            let seen = spaces.entry(space).or_insert_with(HashMap::new);
            check_list(field, list_key, list, seen, path, findings);
        }
    }
    for field in ty.fields_in(version) {
        let (Some(inner), Some(member)) = (field.object_type(), tree.member(field.name)) else {
            continue;
        };
        let path = path.member(field.name);
        match &member.value {
            Value::List(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    check_object(element, inner, version, &path.index(i), findings);
                }
            }
            _ => check_object(member, inner, version, &path, findings),
        }
    }
}

/// Where a key was first used: the list and the index.
type FirstUses<'t> = HashMap<MergeKey<&'t str>, (&'static str, usize)>;

fn check_list<'t>(
    field: &'static Field,
    list_key: ListKey,
    list: &'t Tree<'_>,
    seen: &mut FirstUses<'t>,
    parent: &Path<'_>,
    findings: &mut Vec<Duplicate>,
) {
    let Value::List(elements) = &list.value else {
        return;
    };
    let list_path = parent.member(field.name);
    for (i, element) in elements.iter().enumerate() {
        let Some(key) = key_of(element, list_key) else {
            return;
        };
        let Some((list, first)) = seen.get(&key) else {
            seen.insert(key, (field.name, i));
            continue;
        };
        let path = list_path.index(i);
        let about = format!("duplicate entry: same {}", key_name(list_key, &key));
        let finding = Finding {
            severity: Severity::Error,
            path: Some((&path).into()),
            position: None,
            message: format!("{about} as {list}.{first}"),
            help: Some("only one is allowed; remove one, or merge them".into()),
        };
        let missing = match (list_key, &key) {
            (ListKey::Member(name), MergeKey::Text("")) => Some((&path.member(name)).into()),
            _ => None,
        };
        findings.push(Duplicate {
            finding,
            first: (&parent.member(list).index(*first)).into(),
            about,
            missing,
        });
    }
}

fn key_name(list_key: ListKey, key: &MergeKey<&str>) -> &'static str {
    match (list_key, key) {
        (ListKey::Member(name), _) => name,
        (ListKey::Header, _) => "name",
        (ListKey::Partition, MergeKey::Number(_)) => "number",
        (ListKey::Partition, MergeKey::Text(_)) => "label",
        _ => "value",
    }
}
