//! Checks imports between modules against the table of `src/lib.rs`.
//!
//! Every path in code counts (`use`, a type, a call), including unit tests; comments, doc links and string literals do
//! not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules that it may import. `cli` may import every module.
const ALLOWED: &[(&str, &[&str])] = &[
    ("accounts", &["layout"]),
    ("layout", &[]),
    ("config", &["layout", "text", "threads"]),
    ("language", &["config", "layout", "text"]),
    ("disk", &[]),
    ("paths", &["config"]),
    ("failure", &["config", "text"]),
    ("facts", &["accounts", "config", "disk", "layout", "paths"]),
    ("host", &["accounts", "disk", "input", "text"]),
    ("signature", &["config", "input", "text"]),
    ("fetch", &["config", "input", "signature", "text"]),
    (
        "observe",
        &[
            "accounts", "config", "disk", "facts", "fetch", "host", "layout", "paths", "text",
        ],
    ),
    (
        "plan",
        &[
            "accounts", "config", "disk", "facts", "failure", "layout", "paths", "text",
        ],
    ),
    (
        "execute",
        &[
            "accounts", "disk", "fetch", "host", "layout", "paths", "plan", "text",
        ],
    ),
    (
        "narration",
        &[
            "execute", "fetch", "host", "log", "plan", "report", "terminal", "text",
        ],
    ),
    (
        "report",
        &[
            "config", "execute", "fetch", "host", "input", "output", "plan", "text",
        ],
    ),
    ("log", &["terminal", "text"]),
    ("input", &[]),
    ("output", &[]),
    ("text", &[]),
    ("threads", &[]),
    ("terminal", &["text"]),
    (
        "rounds",
        &[
            "config", "disk", "execute", "facts", "failure", "fetch", "host", "observe", "plan",
        ],
    ),
    (
        "platform",
        &["config", "fetch", "host", "input", "log", "text"],
    ),
    (
        "acquire",
        &[
            "config",
            "fetch",
            "host",
            "input",
            "language",
            "log",
            "platform",
            "signature",
            "text",
            "threads",
        ],
    ),
    (
        "boot",
        &[
            "accounts",
            "acquire",
            "config",
            "disk",
            "execute",
            "facts",
            "failure",
            "fetch",
            "host",
            "input",
            "language",
            "layout",
            "log",
            "narration",
            "observe",
            "output",
            "paths",
            "plan",
            "platform",
            "report",
            "rounds",
            "signature",
            "terminal",
            "text",
        ],
    ),
    ("cli", &[]),
];

/// Text that pure modules must not contain outside of tests: module, texts, reason.
const FORBIDDEN_TEXT: &[(&str, &[&str], &str)] = &[
    (
        "accounts",
        &["std::fs", "std::process", "std::time", "nix::"],
        "accounts is a pure codec",
    ),
    (
        "config",
        &[
            "std::fs",
            "std::process",
            "std::net::Tcp",
            "std::net::Udp",
            "std::env",
            "nix::",
            "reqwest::",
        ],
        "config does no I/O",
    ),
    (
        "plan",
        &[
            "std::fs",
            "std::process",
            "std::net::Tcp",
            "std::net::Udp",
            "std::env",
            "nix::",
            "reqwest::",
        ],
        "plan sees data, never the host",
    ),
    (
        "facts",
        &[
            "std::fs",
            "std::process",
            "std::net::Tcp",
            "std::net::Udp",
            "nix::",
            "reqwest::",
        ],
        "facts are plain data",
    ),
];

/// Restrictions inside modules: the module, a part of it (a file or a folder), and the other parts that it may import.
///
/// A module with a row needs one for each of its parts, or `*` for all parts without one. [`ITSELF`] is the module's
/// own file, which may import every part.
const INNER_WALLS: &[(&str, &str, &[&str])] = &[
    ("platform", "contract", &[]),
    ("platform", "source", &["contract"]),
    ("platform", "attributes", &["contract", "source"]),
    ("platform", "cloud", &["attributes", "contract", "source"]),
    ("platform", "hypervisor", &["contract", "source"]),
    ("platform", "alias", &["contract"]),
    ("platform", "file", &["contract"]),
    ("platform", "metal", &["contract"]),
    ("platform", "detect", &["hypervisor", ITSELF]),
    // What they share belongs in `source` or `attributes`.
    ("platform::cloud", "*", &[]),
    ("platform::hypervisor", "*", &[]),
];
const ITSELF: &str = "mod";

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let reach_of = |(module, reach): &(&'static str, &'static [&'static str])| {
        let reach: BTreeSet<&str> = match *module {
            "cli" => ALLOWED.iter().map(|(other, _)| *other).collect(),
            _ => reach.iter().copied().collect(),
        };
        (*module, reach)
    };
    ALLOWED.iter().map(reach_of).collect()
}

/// Every `.rs` file below `dir`, in a stable order.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("read {}: {e}", dir.display()))
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Source text with comments, string and char literals blanked; line breaks are kept.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skip_end(text, at);
        if end > at {
            out.extend(
                text[at..end]
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else {
            let c = text[at..].chars().next().expect("inside the text");
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// The end of the comment or literal that starts at `at`; `at` itself if there is none.
fn skip_end(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let word_before = text[..at]
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return at + rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return at + rest.find("*/").map_or(rest.len(), |n| n + 2);
    }
    if !word_before && rest.starts_with('r') {
        let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return at
                + rest[body..]
                    .find(&close)
                    .map_or(rest.len(), |n| body + n + close.len());
        }
    }
    if rest.starts_with('"') {
        return at + string_len(rest);
    }
    // A char literal; a lifetime has no closing quote after its first character.
    if let Some(inner) = rest.strip_prefix('\'') {
        if inner.starts_with('\\') {
            return at + 3 + rest[3.min(rest.len())..].find('\'').map_or(0, |n| n + 1);
        }
        let mut chars = inner.char_indices();
        let (_, Some((second, '\''))) = (chars.next(), chars.next()) else {
            return at;
        };
        return at + 1 + second + 1;
    }
    at
}

/// Length of the string literal at the start of `rest`, quotes included.
fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (n, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return n + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The module that a file defines: `platform`, `cloud`, `aws` for `platform/cloud/aws.rs`; empty for the crate root.
fn module_of(relative: &Path) -> Vec<String> {
    let parts = relative.with_extension("");
    let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
    let is_folded = |part: &String| !matches!(part.as_str(), "mod" | "lib" | "main");
    parts.filter(is_folded).collect()
}

/// Every path into the crate in a file, from the crate root, with its line; `{a, b::c}` is several.
fn named_paths(relative: &Path, code: &str) -> Vec<(usize, Vec<String>)> {
    let module = module_of(relative);
    let inline = inline_modules(code);
    let mut starts: Vec<usize> = code.match_indices("crate::").map(|(at, _)| at).collect();
    starts.extend(code.match_indices("super::").map(|(at, _)| at));
    starts.sort_unstable();
    let is_inside_path = |at: usize| {
        let before = code[..at].chars().next_back();
        before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    };
    let mut found = Vec::new();
    for at in starts.into_iter().filter(|at| !is_inside_path(*at)) {
        let line = code[..at].matches('\n').count() + 1;
        let mut rest = &code[at..];
        let mut base = Vec::new();
        if let Some(path) = rest.strip_prefix("crate::") {
            rest = path;
        } else {
            base.clone_from(&module);
            // In an inline module, the first `super` only leaves that module.
            let mut own = inline.iter().filter(|range| range.contains(&at)).count();
            while let Some(path) = rest.strip_prefix("super::") {
                rest = path;
                match own {
                    0 => drop(base.pop()),
                    _ => own -= 1,
                }
            }
        }
        for branch in branches(rest) {
            found.push((line, [base.clone(), branch].concat()));
        }
    }
    found
}

/// The ranges of the inline modules in a file.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, word) in code.match_indices("mod ") {
        let body =
            code[at + word.len()..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        if !body.starts_with(" {") {
            continue;
        }
        let begin = code.len() - body.len();
        let mut depth = 0;
        let end = body.char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => return false,
            }
            depth == 0
        });
        found.push(begin..end.map_or(code.len(), |(end, _)| begin + end));
    }
    found
}

/// The paths in an import tree such as `a::{b, c::D}`; text after it is ignored.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return members(group).into_iter().flat_map(branches).collect();
    }
    let name = head(tree);
    // For a glob or `self`, the path before it counts.
    if name.is_empty() || name == "self" {
        return vec![Vec::new()];
    }
    let Some(rest) = tree[name.len()..].trim_start().strip_prefix("::") else {
        return vec![vec![name]];
    };
    let below = branches(rest).into_iter();
    below
        .map(|path| [vec![name.clone()], path].concat())
        .collect()
}

fn head(text: &str) -> String {
    let name = text.trim_start().chars();
    name.take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The members of a brace group, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut begin = 0;
    let mut found = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|member| !member.trim().is_empty());
    found
}

/// The top-level modules that a file imports, each with a line.
fn reached(relative: &Path, code: &str) -> Vec<(usize, String)> {
    let paths = named_paths(relative, code).into_iter();
    let mut found: Vec<(usize, String)> = paths
        .filter_map(|(line, path)| Some((line, path.into_iter().next()?)))
        .collect();
    found.dedup();
    found
}

#[test]
fn modules_import_only_what_the_map_allows() {
    let allowed = allowed();
    let root = src();
    let mut wrong = Vec::new();
    for file in rust_files(&root) {
        let relative = file.strip_prefix(&root).expect("below src");
        let first = relative
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(reach) = allowed.get(module) else {
            wrong.push(format!(
                "src/{}: module `{module}` is not in the map",
                relative.display()
            ));
            continue;
        };
        let code = code_only(&fs::read_to_string(&file).unwrap());
        for (line, target) in reached(relative, &code) {
            if target != module
                && allowed.contains_key(target.as_str())
                && !reach.contains(target.as_str())
            {
                wrong.push(format!(
                    "src/{}:{line}: `{module}` must not reach `{target}`",
                    relative.display()
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the map in src/lib.rs:\n{}",
        wrong.join("\n")
    );
}

/// The code of every file of a module, by the module that the file defines.
fn files_of(module: &str) -> BTreeMap<Vec<String>, (PathBuf, String)> {
    let root = src();
    let folder = root.join(module.replace("::", "/"));
    let mut files = rust_files(&folder);
    let own = folder.with_extension("rs");
    files.extend(own.exists().then_some(own));
    let read = |file: PathBuf| {
        let relative = file.strip_prefix(&root).expect("below src").to_owned();
        let code = code_only(&fs::read_to_string(&file).expect("a text"));
        (module_of(&relative), (relative, code))
    };
    files.into_iter().map(read).collect()
}

/// The parts of a module that one of its files imports, each with a line.
fn parts_reached(
    module: &[String],
    parts: &BTreeSet<String>,
    (relative, code): &(PathBuf, String),
) -> Vec<(usize, String)> {
    let paths = named_paths(relative, code).into_iter();
    let inside = paths.filter_map(|(line, path)| {
        let below = path.strip_prefix(module)?;
        let part = below.first().filter(|part| parts.contains(*part));
        Some((line, part.map_or(ITSELF.to_owned(), String::clone)))
    });
    inside.collect()
}

#[test]
fn parts_of_modules_import_only_what_the_walls_allow() {
    let mut wrong = Vec::new();
    let modules: BTreeSet<&str> = INNER_WALLS.iter().map(|(module, ..)| *module).collect();
    for name in modules {
        let files = files_of(name);
        let module: Vec<String> = name.split("::").map(String::from).collect();
        let part_of = |file: &[String]| file.get(module.len()).cloned();
        let parts: BTreeSet<String> = files.keys().filter_map(|file| part_of(file)).collect();
        let rows = INNER_WALLS.iter().filter(|(of, ..)| *of == name);
        let rows: BTreeMap<&str, &[&str]> = rows.map(|(_, part, reach)| (*part, *reach)).collect();
        let named = rows
            .iter()
            .flat_map(|(part, reach)| reach.iter().chain([part]));
        for stale in named.filter(|part| !["*", ITSELF].contains(*part) && !parts.contains(**part))
        {
            wrong.push(format!("{name} has no part `{stale}`"));
        }
        for (path, file) in &files {
            let Some(part) = part_of(path) else { continue };
            let shown = file.0.display();
            let Some(reach) = rows.get(&*part).or(rows.get("*")) else {
                wrong.push(format!("src/{shown}: part `{part}` of `{name}` has no row"));
                continue;
            };
            let reached = parts_reached(&module, &parts, file).into_iter();
            let against = reached.filter(|(_, to)| *to != part && !reach.contains(&&**to));
            wrong.extend(against.map(|(line, to)| {
                format!("src/{shown}:{line}: `{name}::{part}` must not reach `{to}`")
            }));
        }
    }
    assert!(
        wrong.is_empty(),
        "against INNER_WALLS:\n{}",
        wrong.join("\n")
    );
}

/// For each file of a module, the other files of it that it imports outside of tests.
fn imports_of_files(module: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files = files_of(module);
    let file_of = |path: &[String]| {
        let mut prefixes = (1..=path.len()).rev().map(|length| path[..length].to_vec());
        prefixes.find(|prefix| files.contains_key(prefix))
    };
    let mut imports = BTreeMap::new();
    for (own, (relative, code)) in &files {
        let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let named = named_paths(relative, code).into_iter();
        let mut reached: BTreeSet<_> = named.filter_map(|(_, path)| file_of(&path)).collect();
        // A file refers to its child modules without `crate` or `super`.
        let below = files.keys().filter(|file| file.len() == own.len() + 1);
        for child in below.filter(|file| file.starts_with(own)) {
            let name = format!("{}::", child[own.len()]);
            let mut named = code
                .match_indices(&name)
                .map(|(at, _)| code[..at].chars().next_back());
            let is_inside_path = |before: Option<char>| {
                before.is_some_and(|c| c.is_alphanumeric() || "_:".contains(c))
            };
            if named.any(|before| !is_inside_path(before)) {
                reached.insert(child.clone());
            }
        }
        reached.remove(own);
        imports.insert(own.clone(), reached);
    }
    imports
}

/// A cycle in `imports`, if there is one: it remains after repeatedly removing files that import nothing.
fn find_cycle<T: Ord + Clone>(mut imports: BTreeMap<T, BTreeSet<T>>) -> Vec<T> {
    loop {
        let free = imports.iter().find(|(_, reached)| reached.is_empty());
        let Some(free) = free.map(|(file, _)| file.clone()) else {
            break;
        };
        imports.remove(&free);
        for reached in imports.values_mut() {
            reached.remove(&free);
        }
    }
    let mut path: Vec<T> = imports.keys().next().cloned().into_iter().collect();
    while let Some(next) = path.last().and_then(|last| imports[last].first().cloned()) {
        if let Some(begin) = path.iter().position(|file| *file == next) {
            return path.split_off(begin);
        }
        path.push(next);
    }
    path
}

/// Imports between a file and those in its folder do not count, except in `platform`, where they are restricted.
#[test]
fn files_form_no_import_cycle() {
    let is_folder = |module: &&str| src().join(module).is_dir();
    for module in allowed().into_keys().filter(is_folder) {
        let mut imports = imports_of_files(module);
        if module != "platform" {
            for (file, reached) in &mut imports {
                reached.retain(|other| !other.starts_with(file) && !file.starts_with(other));
            }
        }
        let found = find_cycle(imports);
        let found: Vec<String> = found.iter().map(|file| file.join("::")).collect();
        assert!(found.is_empty(), "a cycle: {}", found.join(" -> "));
    }
    let row = |from: u8, to: &[u8]| (from, to.iter().copied().collect());
    let without = find_cycle([row(1, &[2, 3]), row(2, &[3]), row(3, &[])].into());
    assert!(without.is_empty(), "{without:?}");
    assert_eq!(
        find_cycle([row(1, &[2]), row(2, &[3]), row(3, &[2])].into()),
        [2, 3]
    );
}

#[test]
fn pure_modules_name_nothing_that_touches_the_machine() {
    let root = src();
    let mut wrong = Vec::new();
    for (module, texts, why) in FORBIDDEN_TEXT {
        for file in rust_files(&root.join(module)) {
            let code = code_only(&fs::read_to_string(&file).unwrap());
            let shipped = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for (number, line) in shipped.lines().enumerate() {
                for text in texts.iter().filter(|text| line.contains(**text)) {
                    let shown = file.strip_prefix(&root).expect("below src").display();
                    wrong.push(format!("src/{shown}:{}: `{text}`: {why}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of a table of modules: the module, and the words in the last column. Rows begin with one of `heads`.
fn documented(text: &str, heads: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows = BTreeMap::new();
    let is_row = |line: &&str| heads.iter().any(|head| line.starts_with(head));
    for line in text.lines().filter(is_row) {
        let cells: Vec<&str> = line
            .trim_start_matches("//! ")
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let (Some(module), Some(reach)) = (cells.first(), cells.last()) else {
            panic!("no cells: {line}")
        };
        let words = reach
            .split(',')
            .map(|word| word.trim().trim_matches('`').to_string())
            .collect();
        rows.insert(module.trim_matches(['[', '`', ']']).to_string(), words);
    }
    rows
}

#[test]
fn the_maps_in_the_documentation_are_the_map_of_this_test() {
    let mut expected = BTreeMap::new();
    for (module, reach) in allowed() {
        let words: BTreeSet<String> = match reach.len() {
            0 => ["nothing of ours".to_string()].into(),
            _ if module == "cli" => ["everything".to_string()].into(),
            _ => reach.into_iter().map(str::to_string).collect(),
        };
        expected.insert(module.to_string(), words);
    }
    let library = fs::read_to_string(src().join("lib.rs")).unwrap();
    assert_eq!(documented(&library, &["//! | [`"]), expected, "src/lib.rs");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page
        .split_once("## Module dependencies")
        .expect("the table");
    assert_eq!(
        documented(table, &["| `"]),
        expected,
        "docs/architecture.md"
    );
}

#[test]
fn the_walls_in_the_documentation_are_those_of_this_test() {
    let mut expected = BTreeMap::new();
    for (_, part, reach) in INNER_WALLS.iter().filter(|(of, ..)| *of == "platform") {
        let words = reach.iter().map(|word| match *word {
            ITSELF => "the table".to_string(),
            part => part.to_string(),
        });
        let words: BTreeSet<String> = match reach.len() {
            0 => ["none of these".to_string()].into(),
            _ => words.collect(),
        };
        expected.insert((*part).to_string(), words);
    }
    let text = fs::read_to_string(src().join("platform/mod.rs")).expect("a text");
    assert_eq!(documented(&text, &["//! | [`", "//! | `"]), expected);
}

#[test]
fn every_module_of_the_crate_is_in_the_map() {
    let text = code_only(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let declared: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            line.strip_prefix("pub ")
                .unwrap_or(line)
                .strip_prefix("mod ")
        })
        .map(|m| m.trim_end_matches(';').to_string())
        .collect();
    let mapped: BTreeSet<String> = ALLOWED
        .iter()
        .map(|(module, _)| module.to_string())
        .collect();
    assert_eq!(declared, mapped);
}

#[test]
fn the_scanner_sees_every_way_to_write_an_import() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("plan/op.rs", "use crate::host::Root;", &["host"]),
        (
            "plan/op.rs",
            "use crate::{config::Origin, host, facts::{a, b}};",
            &["config", "host", "facts"],
        ),
        (
            "plan/op.rs",
            "mod tests { use super::super::super::execute; use super::Op; } use super::show;",
            &["execute", "plan"],
        ),
        (
            "plan/op.rs",
            "fn f() { crate::observe::look(); }",
            &["observe"],
        ),
        ("plan/op.rs", "use super::super::execute;", &["execute"]),
        ("plan/mod.rs", "use super::execute;", &["execute"]),
        (
            "plan/op.rs",
            "// crate::host\n/// [`crate::host`]\n/* crate::host */",
            &[],
        ),
        (
            "plan/op.rs",
            "let s = \"crate::host\"; let r = r#\"crate::host \"#; let c = '\"'; crate::facts::x",
            &["facts"],
        ),
        (
            "plan/op.rs",
            "let l: &'static str = x; let q = '\\''; use crate::disk;",
            &["disk"],
        ),
        (
            "plan/op.rs",
            "use other_crate::host; use a::crate::host;",
            &[],
        ),
    ];
    for (file, code, expected) in cases {
        let found: Vec<String> = reached(Path::new(file), &code_only(code))
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(&found, expected, "{file}: {code}");
    }
}

/// TLS is rustls with ring: no OpenSSL, and nothing that needs a C++ compiler or CMake.
#[test]
fn no_other_tls_is_linked() {
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    let names: Vec<&str> = names.map(|name| name.trim_matches('"')).collect();
    assert!(
        names.contains(&"ring") && names.contains(&"rustls"),
        "{names:?}"
    );
    for other in [
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring-sys",
        "aws-lc-sys",
    ] {
        assert!(!names.contains(&other), "{other} is among the crates");
    }
}

/// Phrases that are not idiomatic English, and prefixes of names that we do not use, each with the reason.
const WORDS_TO_AVOID: &[(&str, &str)] = &[
    ("in vain", "say that it timed out, or that it failed"),
    (" anew", "say again, or from the start"),
    ("lets us in", "say that it accepts the credentials"),
    ("asked for at", "places are introduced by \"requested at\""),
    ("MOST_", "limits begin with MAX_"),
    ("LONGEST_", "limits begin with MAX_"),
    ("PATIENCE", "times to wait end in _TIMEOUT"),
];
/// Words that may follow "is no"; otherwise it must be "is not a".
const AFTER_IS_NO: &[&str] = &[
    "better",
    "different",
    "doubt",
    "help",
    "less",
    "longer",
    "matter",
    "more",
    "need",
    "newer",
    "older",
    "one",
    "other",
    "point",
    "reason",
    "room",
    "such",
    "time",
    "use",
    "way",
    "worse",
];

/// Every "X is no Y" in a line that should be "X is not a Y".
fn nouns_that_are_not(line: &str) -> impl Iterator<Item = &str> {
    let found = [" is no ", " are no "];
    let all = found.into_iter().flat_map(|verb| line.match_indices(verb));
    all.filter_map(|(at, verb)| {
        let before = line[..at].to_ascii_lowercase();
        let after = line[at + verb.len()..]
            .split(|c: char| !c.is_alphanumeric())
            .next()?;
        let is_fine = before.ends_with("there") || AFTER_IS_NO.contains(&after);
        (!is_fine).then(|| &line[at..])
    })
}

#[test]
fn texts_are_standard_english() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = rust_files(&src());
    let docs = fs::read_dir(manifest.join("docs")).expect("docs");
    files.extend(docs.map(|entry| entry.expect("an entry").path()));
    files.push(manifest.join("README.md"));
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        for (number, line) in (1..).zip(text.lines()) {
            let avoided = WORDS_TO_AVOID
                .iter()
                .filter(|(words, _)| line.contains(words));
            let place = format!("{}:{number}", file.display());
            wrong.extend(avoided.map(|(words, why)| format!("{place}: {words:?}: {why}")));
            wrong.extend(nouns_that_are_not(line).map(|rest| format!("{place}: \"{rest}\"")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        nouns_that_are_not("it is no JSON, and there is no more").count(),
        1
    );
}

/// Maximum number of lines of a function.
const MAX_FUNCTION_LINES: usize = 60;

/// The name and number of lines of every function before the tests of a file, which must be formatted by rustfmt.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let (qualifiers, rest) = line[indent..]
            .split_once("fn ")
            .unwrap_or(("no function", ""));
        let is_qualifier = |word: &str| {
            word.starts_with("pub") || matches!(word, "const" | "async" | "unsafe" | "in")
        };
        if !qualifiers.split_whitespace().all(is_qualifier) {
            continue;
        }
        // Skip functions without a body, declared in traits.
        let head = lines[at..]
            .iter()
            .find(|line| line.ends_with(['{', ';', '}']));
        if head.is_none_or(|head| head.ends_with(';')) {
            continue;
        }
        let end = format!("{}}}", &line[..indent]);
        let length = lines[at..].iter().position(|line| *line == end);
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        found.extend(length.map(|length| (name.to_owned(), length + 1)));
    }
    found
}

#[test]
fn functions_are_short() {
    let sample =
        "pub(super) fn a<T>(\n) {\n    fn b() {\n    }\n}\nfn d();\n#[cfg(test)]\nfn c() {\n}\n";
    let want = [("a".to_owned(), 5), ("b".to_owned(), 2)];
    assert_eq!(functions(sample), want);
    let mut long = Vec::new();
    for file in rust_files(&src()) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // Fakes for tests may have long tables of responses.
        if name.starts_with("fake_") || name == "tests.rs" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a text");
        let longer = functions(&text)
            .into_iter()
            .filter(|(_, lines)| *lines > MAX_FUNCTION_LINES);
        long.extend(longer.map(|(name, lines)| format!("{}: {name}: {lines}", file.display())));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
