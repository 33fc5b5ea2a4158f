//! The reference pages of the documentation, generated from the schemas of the languages and from the help and examples
//! of each command. `KINDLING_WRITE_SCHEMAS=1` updates the pages.

use crate::common::run::{Ended, kindling};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a page with the generated text, or writes it.
#[track_caller]
fn assert_fresh(name: &str, made: &str) {
    let path = manifest().join("docs").join(name);
    if std::env::var_os("KINDLING_WRITE_SCHEMAS").is_some() {
        fs::write(path, made).expect("writing the page");
        return;
    }
    let present = fs::read_to_string(path).unwrap_or_default();
    assert!(
        present == made,
        "docs/{name} is stale: set KINDLING_WRITE_SCHEMAS=1 and test again"
    );
}

/// A published schema and its version.
struct Schema {
    version: &'static str,
    document: Value,
}

impl Schema {
    /// Reads `schemas/{prefix}{version}.json`.
    fn read(prefix: &str, version: &'static str) -> Self {
        let path = format!("schemas/{prefix}{version}.json");
        let text = fs::read_to_string(manifest().join(path)).expect("a schema");
        let document = serde_json::from_str(&text).expect("JSON");
        Schema { version, document }
    }

    /// The properties of a definition, or of the whole document if the name is empty.
    fn properties(&self, definition: &str) -> Option<&serde_json::Map<String, Value>> {
        let of = match definition {
            "" => &self.document,
            name => &self.document["$defs"][name],
        };
        of["properties"].as_object()
    }

    fn has(&self, definition: &str, key: &str) -> bool {
        self.properties(definition)
            .is_some_and(|properties| properties.contains_key(key))
    }
}

/// The name of the definition of a property, or of its elements.
fn definition_of(property: &Value) -> Option<&str> {
    let reference = property["$ref"].as_str();
    let reference = reference.or_else(|| property["items"]["$ref"].as_str());
    reference?.strip_prefix("#/$defs/")
}

/// Where each definition is used, in the order of the document, as paths with `[]` after lists.
fn places(schema: &Schema) -> Vec<(String, Vec<String>)> {
    let mut order: Vec<(String, Vec<String>)> = vec![(String::new(), vec![String::new()])];
    let mut next = vec![(String::new(), String::new())];
    while let Some((definition, path)) = next.pop() {
        let properties = schema.properties(&definition).expect("properties");
        for (key, property) in properties.iter().rev() {
            let Some(inner) = definition_of(property) else {
                continue;
            };
            let dot = if path.is_empty() { "" } else { "." };
            let list = if property["items"].is_object() {
                "[]"
            } else {
                ""
            };
            next.push((inner.to_owned(), format!("{path}{dot}{key}{list}")));
        }
        if definition.is_empty() {
            continue;
        }
        match order.iter_mut().find(|(name, _)| *name == definition) {
            Some((_, paths)) => paths.push(path),
            None => order.push((definition, vec![path])),
        }
    }
    order
}

fn kind(property: &Value, headings: &BTreeMap<String, String>) -> String {
    if let Some(definition) = definition_of(property) {
        let heading = &headings[definition];
        let anchor: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        let label = match property["items"].is_object() {
            true => "list of objects",
            false => "object",
        };
        return format!("[{label}](#{})", anchor.to_lowercase());
    }
    if property["const"].is_string() {
        return "string".to_owned();
    }
    let names = |types: &Value| {
        let types = types.as_array().expect("types").iter();
        let mut names: Vec<&str> = types.filter_map(Value::as_str).collect();
        names.retain(|name| *name != "null");
        match names[..] {
            ["string", ..] => "string",
            ["integer"] => "integer",
            ["boolean"] => "boolean",
            ["array"] => "list of strings",
            _ => panic!("no word for {names:?}"),
        }
    };
    names(&property["type"]).to_owned()
}

/// Sections for all definitions of the last schema, each with a table of its keys.
fn sections(schemas: &[Schema], lacking: &dyn Fn(&str, &str) -> String) -> String {
    let last = schemas.last().expect("a schema");
    let places = places(last);
    let headings: BTreeMap<String, String> = places
        .iter()
        .map(|(name, paths)| (name.clone(), paths[0].clone()))
        .collect();
    let mut page = String::new();
    for (definition, paths) in &places {
        match definition.is_empty() {
            true => page += "\n## The document\n",
            false => write!(page, "\n## `{}`\n", paths[0]).expect("text"),
        }
        if let [_, others @ ..] = &paths[..]
            && !others.is_empty()
        {
            let others: Vec<String> = others.iter().map(|path| format!("`{path}`")).collect();
            writeln!(page, "Also {}.\n", others.join(", ")).expect("text");
        }
        page += "| key | type | since | meaning |\n|---|---|---|---|\n";
        for (key, property) in last.properties(definition).expect("properties") {
            let first = schemas.iter().find(|schema| schema.has(definition, key));
            let since = first.expect("a version").version;
            let since = if since == schemas[0].version {
                ""
            } else {
                since
            };
            let about = property["description"].as_str().expect("a description");
            let kind = kind(property, &headings);
            let lacking = lacking(definition, key);
            let about = about.replace('|', "\\|");
            writeln!(page, "| `{key}` | {kind} | {since} | {about}{lacking} |").expect("text");
        }
    }
    page
}

#[test]
fn reference_of_configs() {
    let versions = [
        "3.0.0",
        "3.1.0",
        "3.2.0",
        "3.3.0",
        "3.4.0",
        "3.5.0",
        "3.6.0",
        "3.7.0-experimental",
    ];
    let schemas = versions.map(|version| Schema::read("config-", version));
    let head = "\
# Ignition configs, key by key

Made from the schemas in `schemas/`, which are made from the table that the program reads configs by. *since* is the first
version that has a key; keys without one are in all versions from 3.0.0 on. A key that its version does not have is a warning,
with the version that has it. `null` is the same as leaving a key out.
";
    let page = format!("{head}{}", sections(&schemas, &|_, _| String::new()));
    assert_fresh("reference-ignition.md", &page);
}

#[test]
fn reference_of_butane() {
    let versions = [
        "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0",
    ];
    let schemas = versions.map(|version| Schema::read("butane-fcos-", version));
    let others = [
        ("flatcar", "1.1.0"),
        ("r4e", "1.1.0"),
        ("fiot", "1.0.0"),
        ("openshift", "5.0.0"),
    ];
    let others =
        others.map(|(name, version)| (name, Schema::read(&format!("butane-{name}-"), version)));
    let lacking = |definition: &str, key: &str| {
        let without = others.iter().filter(|(_, schema)| {
            let has_definition =
                definition.is_empty() || schema.document["$defs"][definition].is_object();
            has_definition && !schema.has(definition, key)
        });
        let names: Vec<&str> = without.map(|(name, _)| *name).collect();
        match names.is_empty() {
            true => String::new(),
            false => format!(". Not in {}", names.join(", ")),
        }
    };
    let head = "\
# Butane, key by key

Made from the schemas in `schemas/`. *since* is the first version of the variant fcos that has a key; keys without one are in
all. A key that another variant does not have in its newest stable version says so. [Butane](butane.md) has the versions of other
variants that correspond to those of fcos, and what their systems cannot do.
";
    let page = format!("{head}{}", sections(&schemas, &lacking));
    assert_fresh("reference-butane.md", &page);
}

/// All commands that the help lists, with subcommands after their parent.
fn commands() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut next = 0;
    while next < all.len() {
        let command = all[next].clone();
        let help = help(&command);
        let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
        let names = list
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
            .filter(|name| *name != "help");
        let inner = names.map(|name| format!("{command} {name}").trim_start().to_owned());
        let place = next + 1;
        all.splice(place..place, inner.collect::<Vec<_>>());
        next += 1;
    }
    all
}

fn help(command: &str) -> String {
    let ended = Ended::of(
        kindling()
            .args(command.split_whitespace())
            .arg("--help")
            .env("COLUMNS", "100"),
    );
    assert_eq!(ended.code, Some(0), "kindling {command}: {ended:?}");
    ended.out
}

/// Text without trailing blanks in lines.
fn trimmed(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Purpose and command line of each example in a manual page.
fn examples(page: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(page).expect("a manual page");
    let (_, section) = text.split_once(".SH EXAMPLES\n").expect("examples");
    let section = section.split("\n.SH ").next().expect("a section");
    let one = |part: &str| {
        let (purpose, rest) = part.split_once(":\n.nf\n").expect("a purpose");
        let line = rest.split("\n.fi").next().expect("a line");
        (purpose.trim().to_owned(), line.replace("\\-", "-"))
    };
    section.split(".TP\n").skip(1).map(one).collect()
}

#[test]
fn reference_of_commands() {
    let pages = tempfile::tempdir().expect("a directory");
    Ended::of(kindling().arg("man").arg(pages.path())).is(0, &[]);
    let mut page = String::from(
        "\
# Every command with its options

Generated from the help and the manual pages of the program. [Commands](commands.md) describes what they are for and what
exit codes mean; `kindling boot` takes [the flags of Ignition](ignition.md).
",
    );
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in &commands {
        let name = format!("kindling {command}");
        let name = name.trim_end();
        let file = PathBuf::from(format!("{}.1", name.replace(' ', "-")));
        write!(
            page,
            "\n## `{name}`\n```text\n{}```\n",
            trimmed(&help(command))
        )
        .expect("text");
        for (purpose, line) in examples(&pages.path().join(file)) {
            write!(page, "\n{purpose}:\n```\n$ {line}\n```\n").expect("text");
        }
    }
    assert_fresh("reference-commands.md", &page);
}
