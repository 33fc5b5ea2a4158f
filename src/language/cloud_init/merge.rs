//! How a later cloud-config is merged over an earlier one.
//!
//! By default, a later key replaces the whole earlier value. A part can state other rules for lists, mappings and
//! texts.

use super::values::ScalarKind;
use crate::language::findings::Remarks;
use crate::language::keyed::KeyedList;
use crate::language::node::{Node, NodeContent};

/// How two values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct MergeRules {
    list: ListRule,
    dict: DictRule,
    /// True if texts are concatenated.
    appends_texts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct ListRule {
    strategy: ListStrategy,
    recurses: Recursion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ListStrategy {
    #[default]
    Replace,
    Append,
    Prepend,
    NoReplace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct DictRule {
    replaces: bool,
    deletes: bool,
    recurses: Recursion,
}

/// Kinds of nested values that are merged as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Recursion {
    dict: bool,
    list: bool,
    str: bool,
}

impl MergeRules {
    /// The rules if none are stated: a later key replaces the earlier one as a whole.
    pub(super) fn default_rules() -> Self {
        MergeRules {
            dict: DictRule {
                replaces: true,
                ..DictRule::default()
            },
            ..MergeRules::default()
        }
    }

    /// The rules in a text such as `list(append)+dict(recurse_array)+str()`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = MergeRules::default();
        for part in text
            .split('+')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, options) = match part.split_once('(') {
                Some((name, rest)) => {
                    let inner = rest.strip_suffix(')');
                    let inner = inner.ok_or_else(|| format!("`{part}` has no closing bracket"))?;
                    (name, inner)
                }
                None => (part, ""),
            };
            let options: Vec<&str> = options.split(',').map(str::trim).collect();
            rules.add(name.trim(), &options)?;
        }
        Ok(rules)
    }

    /// The rules of a key: a text, or a list of `{name, settings}`.
    pub(super) fn of_node(node: &Node<'_>) -> Result<Self, String> {
        match &node.value {
            NodeContent::Scalar(scalar) => MergeRules::parse(&scalar.text),
            NodeContent::List(elements) => {
                let mut rules = MergeRules::default();
                for element in elements {
                    let text = |node: &Node<'_>| Some(node.as_scalar()?.text.clone().into_owned());
                    let name = element.get("name").and_then(text);
                    let name = name.or_else(|| text(element));
                    let name = name.ok_or("an element has no name")?;
                    let settings = element.get("settings").map(Node::elements);
                    let settings = settings.unwrap_or_default().iter().filter_map(text);
                    let settings: Vec<String> = settings.collect();
                    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
                    rules.add(&name, &settings)?;
                }
                Ok(rules)
            }
            NodeContent::Mapping(_) => Err("neither a text nor a list".into()),
        }
    }

    fn add(&mut self, name: &str, options: &[&str]) -> Result<(), String> {
        let options = || options.iter().copied().filter(|option| !option.is_empty());
        let unknown = |option: &str| Err(format!("`{option}` is not an option of {name}"));
        match name {
            "list" => {
                for option in options() {
                    match option {
                        "append" => self.list.strategy = ListStrategy::Append,
                        "prepend" => self.list.strategy = ListStrategy::Prepend,
                        "no_replace" => self.list.strategy = ListStrategy::NoReplace,
                        "replace" => self.list.strategy = ListStrategy::Replace,
                        _ if self.list.recurses.add(option) => {}
                        _ => return unknown(option),
                    }
                }
            }
            "dict" => {
                for option in options() {
                    match option {
                        "replace" => self.dict.replaces = true,
                        "no_replace" => self.dict.replaces = false,
                        "allow_delete" => self.dict.deletes = true,
                        _ if self.dict.recurses.add(option) => {}
                        _ => return unknown(option),
                    }
                }
            }
            "str" => {
                for option in options() {
                    match option {
                        "append" => self.appends_texts = true,
                        _ => return unknown(option),
                    }
                }
            }
            _ => return Err(format!("`{name}` is neither list, dict nor str")),
        }
        Ok(())
    }
}

impl Recursion {
    fn add(&mut self, option: &str) -> bool {
        match option {
            "recurse_dict" => self.dict = true,
            "recurse_list" | "recurse_array" => self.list = true,
            "recurse_str" => self.str = true,
            _ => return false,
        }
        true
    }
}

/// How deep values are merged.
const MAX_DEPTH: usize = 200;

/// `over` merged over `base`.
pub(super) fn merge<'t>(base: Node<'t>, over: Node<'t>, rules: MergeRules) -> Node<'t> {
    merge_values(base, over, rules, 0)
}

fn merge_values<'t>(base: Node<'t>, over: Node<'t>, rules: MergeRules, depth: usize) -> Node<'t> {
    let at = base.at;
    match (base.value, over.value) {
        (NodeContent::Mapping(base), NodeContent::Mapping(entries)) if depth < MAX_DEPTH => {
            let mut merged = KeyedList::default();
            for entry in base {
                let key = entry.key.clone();
                merged.insert(&key, Some(entry));
            }
            for entry in entries {
                let key = entry.key.clone();
                match merged.get_mut(&key) {
                    Some(earlier) if entry.value.is_null() && rules.dict.deletes => *earlier = None,
                    Some(Some(earlier)) => {
                        let base = std::mem::replace(&mut earlier.value, Node::null(at));
                        earlier.value = merge_inner(base, entry.value, rules, depth);
                    }
                    _ => _ = merged.insert(&key, Some(entry)),
                }
            }
            Node {
                at,
                value: NodeContent::Mapping(merged.into_values().flatten().collect()),
            }
        }
        (NodeContent::List(base), NodeContent::List(over)) => {
            let both = |mut first: Vec<Node<'t>>, second: Vec<Node<'t>>| {
                first.extend(second);
                Node::list(at, first)
            };
            match rules.list.strategy {
                ListStrategy::Append => both(base, over),
                ListStrategy::Prepend => both(over, base),
                ListStrategy::NoReplace => Node::list(at, base),
                ListStrategy::Replace => Node::list(at, by_place(base, over, rules, depth)),
            }
        }
        (NodeContent::Scalar(base), NodeContent::Scalar(mut over))
            if is_text(&base) && is_text(&over) =>
        {
            if rules.appends_texts {
                over.text = format!("{}{}", base.text, over.text).into();
            }
            Node {
                at,
                value: NodeContent::Scalar(over),
            }
        }
        // Different kinds: the earlier value is kept.
        (base, _) => Node { at, value: base },
    }
}

fn is_text(scalar: &crate::language::node::Scalar<'_>) -> bool {
    super::values::kind(scalar) == ScalarKind::Text
}

/// Replaces the elements of `base` with those of `over` at the same index, or merges them. Surplus elements of `over`
/// are dropped.
fn by_place<'t>(
    base: Vec<Node<'t>>,
    over: Vec<Node<'t>>,
    rules: MergeRules,
    depth: usize,
) -> Vec<Node<'t>> {
    let mut over = over.into_iter();
    let recurses = rules.list.recurses;
    let merged = base.into_iter().map(|base| match over.next() {
        Some(over) if depth < MAX_DEPTH && is_merged(&over, recurses) => {
            merge_values(base, over, rules, depth + 1)
        }
        Some(over) => over,
        None => base,
    });
    merged.collect()
}

/// True if a value of this kind is merged with the earlier one.
fn is_merged(over: &Node<'_>, recurses: Recursion) -> bool {
    match &over.value {
        NodeContent::List(_) => recurses.list,
        NodeContent::Mapping(_) => recurses.dict,
        NodeContent::Scalar(scalar) => recurses.str && is_text(scalar),
    }
}

/// A value of a mapping that both have.
fn merge_inner<'t>(base: Node<'t>, over: Node<'t>, rules: MergeRules, depth: usize) -> Node<'t> {
    if rules.dict.replaces {
        return over;
    }
    let recurses = Recursion {
        // Mappings in a mapping are merged in any case.
        dict: true,
        list: rules.dict.recurses.list || rules.list.strategy != ListStrategy::Replace,
        ..rules.dict.recurses
    };
    match is_merged(&over, recurses) {
        true => merge_values(base, over, rules, depth + 1),
        false => base,
    }
}

/// The rules that a config asks for itself.
pub(super) fn of_config(config: &Node<'_>, remarks: &mut Remarks) -> Option<MergeRules> {
    let node = config.get("merge_how").or(config.get("merge_type"))?;
    match MergeRules::of_node(node) {
        Ok(rules) => Some(rules),
        Err(problem) => {
            remarks.error_with_help(
                node.at,
                format!("unknown rules for merging: {problem}"),
                "use for example list(append)+dict(recurse_array)+str()",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LineStarts;
    use crate::language::yaml;

    fn shown(node: &Node<'_>) -> String {
        match &node.value {
            NodeContent::Scalar(scalar) => scalar.text.to_string(),
            NodeContent::List(list) => {
                let list: Vec<String> = list.iter().map(shown).collect();
                format!("[{}]", list.join(","))
            }
            NodeContent::Mapping(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|e| format!("{}:{}", e.key, shown(&e.value)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    #[test]
    fn rules() {
        let base = "{a: [1], b: {x: 1}, c: t}";
        let over = "{a: [2], b: {x: 2, y: 3}, c: u, d: 4}";
        let cases = [
            ("", "{a:[2],b:{x:2,y:3},c:u,d:4}"),
            (
                "list(append)+dict(recurse_array)+str()",
                "{a:[1,2],b:{x:1,y:3},c:t,d:4}",
            ),
            (
                "list(prepend)+dict(recurse_list)",
                "{a:[2,1],b:{x:1,y:3},c:t,d:4}",
            ),
            (
                "dict(no_replace,recurse_list)",
                "{a:[2],b:{x:1,y:3},c:t,d:4}",
            ),
            (
                "dict(recurse_str)+str(append)",
                "{a:[1],b:{x:1,y:3},c:tu,d:4}",
            ),
            ("dict(recurse_str)+str()", "{a:[1],b:{x:1,y:3},c:u,d:4}"),
            ("dict(replace)", "{a:[2],b:{x:2,y:3},c:u,d:4}"),
        ];
        for (text, want) in cases {
            let read = |text: &'static str| {
                yaml::read(text, &LineStarts::of(text.as_bytes()))
                    .unwrap()
                    .root
            };
            let rules = match text {
                "" => MergeRules::default_rules(),
                text => MergeRules::parse(text).unwrap(),
            };
            assert_eq!(shown(&merge(read(base), read(over), rules)), want, "{text}");
        }
        let read = |text: &'static str| {
            yaml::read(text, &LineStarts::of(text.as_bytes()))
                .unwrap()
                .root
        };
        for (text, want) in [
            ("list()+dict(recurse_list)", "{a:[3,{y:2},z]}"),
            (
                "list(recurse_dict,recurse_str)+dict(recurse_list)+str(append)",
                "{a:[3,{x:1,y:2},z]}",
            ),
            ("list(no_replace)+dict(recurse_list)", "{a:[1,{x:1},z]}"),
        ] {
            let rules = MergeRules::parse(text).unwrap();
            let (base, over) = ("{a: [1, {x: 1}, z]}", "{a: [3, {y: 2}]}");
            assert_eq!(shown(&merge(read(base), read(over), rules)), want, "{text}");
        }
        for text in ["list(nope)", "set()", "list(append", "dict(append)"] {
            assert!(MergeRules::parse(text).is_err(), "{text}");
        }
    }
}
