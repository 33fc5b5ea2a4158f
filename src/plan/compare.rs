//! The effect of changing a config: two plans for the same machine, compared operation by operation.
//!
//! Operations are about the same object if they have the same subject. What they would do is compared field by field,
//! as in the JSON of a plan. Contents, hashes and keys, which the JSON leaves out, are compared as well and never
//! shown.

use super::op::{Effect, OpKind, Operation, Plan};
use crate::config::Origin;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher as _};

/// Two plans, compared.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanComparison {
    /// The differences: in the order of the new plan, followed by what only the old one has.
    pub differences: Vec<PlanDifference>,
    /// Operations that both have.
    pub same: usize,
}

/// One operation that the plans do not have in common.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanDifference {
    /// Create if only the new plan has it, destroy if only the old one has it, change if both have it and differ.
    pub effect: Effect,
    /// What the new plan would do, or the old one if the new one does nothing.
    pub act: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What differs if both have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDifference>,
}

/// A field of an operation that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldDifference {
    /// Its path in the JSON of the plan, below `details`; `act` if the operations are of different kinds; `content` for
    /// what plans do not show.
    pub field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// Compares what two plans do. Steps that only serve others, such as mounts, follow from these and do not count.
pub(crate) fn compare(old: &Plan, new: &Plan) -> PlanComparison {
    let mut before = by_subject(old);
    let mut comparison = PlanComparison::default();
    for (subject, operation) in subjects(new) {
        match before.remove(&subject) {
            None => comparison
                .differences
                .push(difference(Effect::Create, operation)),
            Some(other) if is_same(other, operation) => comparison.same += 1,
            Some(other) => comparison.differences.push(PlanDifference {
                fields: fields(&other.kind, &operation.kind),
                ..difference(Effect::Change, operation)
            }),
        }
    }
    let removed = subjects(old).filter(|(subject, _)| before.contains_key(subject));
    let removed = removed.map(|(_, operation)| difference(Effect::Destroy, operation));
    comparison.differences.extend(removed);
    comparison
}

/// The subject of an operation, and its number among the operations with this subject.
type SubjectKey = (String, usize);

fn subjects(plan: &Plan) -> impl Iterator<Item = (SubjectKey, &Operation)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let acting = plan.operations.iter().filter(|o| o.effect != Effect::Step);
    acting.map(move |operation| {
        let subject = operation.kind.subject().to_string();
        let count = seen.entry(subject.clone()).or_default();
        *count += 1;
        ((subject, *count), operation)
    })
}

fn by_subject(plan: &Plan) -> BTreeMap<SubjectKey, &Operation> {
    subjects(plan).collect()
}

fn difference(effect: Effect, operation: &Operation) -> PlanDifference {
    PlanDifference {
        effect,
        act: operation.kind.describe(),
        origin: operation.origin.clone(),
        fields: Vec::new(),
    }
}

fn is_same(old: &Operation, new: &Operation) -> bool {
    hash(&old.kind) == hash(&new.kind)
}

fn hash(kind: &OpKind) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    kind.hash(&mut hasher);
    hasher.finish()
}

fn fields(old: &OpKind, new: &OpKind) -> Vec<FieldDifference> {
    if std::mem::discriminant(old) != std::mem::discriminant(new) {
        return vec![FieldDifference {
            field: "act".into(),
            old: Some(old.describe()),
            new: Some(new.describe()),
        }];
    }
    let details = |kind| serde_json::to_value(kind).map(|mut value| value["details"].take());
    let mut found = Vec::new();
    if let (Ok(old), Ok(new)) = (details(old), details(new)) {
        walk("", &old, &new, &mut found);
    }
    if found.is_empty() {
        found.push(FieldDifference {
            field: "content".into(),
            old: None,
            new: None,
        });
    }
    found
}

fn walk(path: &str, old: &Value, new: &Value, found: &mut Vec<FieldDifference>) {
    let below = |part: &str| match path {
        "" => part.to_owned(),
        path => format!("{path}.{part}"),
    };
    match (old, new) {
        (Value::Object(one), Value::Object(other)) => {
            let more = other.keys().filter(|key| !one.contains_key(*key));
            for key in one.keys().chain(more) {
                walk(&below(key), &old[key], &new[key], found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                walk(&below(&index.to_string()), one, other, found);
            }
        }
        (old, new) if old == new => {}
        (old, new) => found.push(FieldDifference {
            field: path.to_owned(),
            old: shown(path, old),
            new: shown(path, new),
        }),
    }
}

/// A value as shown to users: text without quotes, modes in the octal form of `chmod`.
fn shown(path: &str, value: &Value) -> Option<String> {
    let is_mode = path == "mode" || path.ends_with(".mode");
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if is_mode && number.is_u64() => {
            number.as_u64().map(|mode| format!("{mode:04o}"))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::op::{Base, Content, FileAct, OpId, Permissions, Phase};

    fn file(id: u32, path: &str, mode: u32, text: &str) -> Operation {
        let act = FileAct {
            path: path.into(),
            base: Base::Empty,
            parts: vec![Content::Text {
                text: text.into(),
                bytes: text.len() as u64,
            }],
            permissions: Permissions::of_mode(mode),
            replace: false,
            finishes: false,
            differs: Vec::new(),
            unit: None,
        };
        Operation {
            id: OpId(id),
            phase: Phase::Files,
            effect: Effect::Create,
            kind: OpKind::File(act),
            origin: None,
            claims: Vec::new(),
            destroys: Vec::new(),
            after: Vec::new(),
        }
    }

    fn plan(operations: Vec<Operation>) -> Plan {
        Plan {
            operations,
            ..Plan::default()
        }
    }

    #[test]
    fn plans_differ_by_what_they_do() {
        let old = plan(vec![
            file(0, "/same", 0o644, "x"),
            file(1, "/old", 0o644, "x"),
            file(2, "/mode", 0o644, "x"),
            file(3, "/text", 0o644, "secret"),
        ]);
        let new = plan(vec![
            file(0, "/new", 0o644, "x"),
            file(1, "/same", 0o644, "x"),
            file(2, "/mode", 0o600, "x"),
            file(3, "/text", 0o644, "hidden"),
        ]);
        let found = compare(&old, &new);
        assert_eq!(found.same, 1);
        let acts: Vec<(Effect, &str)> = found
            .differences
            .iter()
            .map(|one| (one.effect, one.act.as_str()))
            .collect();
        assert_eq!(
            acts,
            [
                (Effect::Create, "write file /new"),
                (Effect::Change, "write file /mode"),
                (Effect::Change, "write file /text"),
                (Effect::Destroy, "write file /old"),
            ]
        );
        let mode = &found.differences[1].fields[0];
        assert_eq!(mode.field, "permissions.mode");
        assert_eq!(
            (mode.old.as_deref(), mode.new.as_deref()),
            (Some("0644"), Some("0600"))
        );
        assert_eq!(found.differences[2].fields[0].field, "content");
        let json = serde_json::to_string(&found).expect("JSON");
        assert!(
            !json.contains("secret") && !json.contains("hidden"),
            "{json}"
        );
    }

    #[test]
    fn a_plan_equals_itself() {
        let one = plan(vec![file(0, "/a", 0o644, "x"), file(1, "/a", 0o600, "y")]);
        let found = compare(&one, &one);
        assert_eq!((found.differences.len(), found.same), (0, 2));
    }
}
