//! Which module may import which: the table of `src/lib.rs`, held against the sources.
//!
//! A path counts wherever it stands in code (`use`, a type, a call), in tests inside modules too;
//! comments, doc links and string literals do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules of ours it may reach. `cli` may reach every module.
const ALLOWED: &[(&str, &[&str])] = &[
    ("accounts", &[]),
    ("config", &["text"]),
    ("disk", &[]),
    ("facts", &["accounts", "config", "disk", "paths"]),
    ("host", &["accounts", "disk", "input", "text"]),
    ("input", &[]),
    ("language", &["config", "text"]),
    ("signature", &["config", "input", "text"]),
    (
        "fetch",
        &["config", "input", "language", "signature", "text"],
    ),
    (
        "observe",
        &[
            "accounts", "config", "disk", "facts", "fetch", "host", "paths", "text",
        ],
    ),
    (
        "plan",
        &["accounts", "config", "disk", "facts", "paths", "text"],
    ),
    ("paths", &["config"]),
    (
        "execute",
        &[
            "accounts", "plan", "disk", "fetch", "host", "paths", "report", "text",
        ],
    ),
    ("report", &["config", "input", "plan", "text"]),
    ("log", &["terminal", "text"]),
    ("terminal", &["text"]),
    ("text", &[]),
    (
        "platform",
        &["config", "fetch", "host", "input", "log", "text"],
    ),
    (
        "boot",
        &[
            "accounts",
            "config",
            "disk",
            "execute",
            "facts",
            "fetch",
            "host",
            "input",
            "language",
            "log",
            "observe",
            "paths",
            "plan",
            "platform",
            "report",
            "signature",
            "terminal",
            "text",
        ],
    ),
    (
        "cli",
        &[
            "accounts",
            "boot",
            "config",
            "disk",
            "execute",
            "facts",
            "fetch",
            "host",
            "input",
            "language",
            "log",
            "observe",
            "paths",
            "plan",
            "platform",
            "report",
            "signature",
            "terminal",
            "text",
        ],
    ),
];

/// Text that only the machine-touching modules may hold: (module that must not, text, why). Test modules may.
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

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    ALLOWED
        .iter()
        .map(|(module, reach)| (*module, reach.iter().copied().collect()))
        .collect()
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

/// Source text with comments, strings and char literals blanked; line breaks stay.
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

/// End of the comment or literal that starts at `at`; `at` itself when none does.
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
    // A char literal; a lifetime has no closing quote right behind its first character.
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

/// First path segments after `prefix` (`crate::`), with the line each stands on; `{a, b::c}` gives several.
fn segments_after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let inside_word = code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if inside_word {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = code[at + prefix.len()..].trim_start();
        let names = match rest.strip_prefix('{') {
            Some(group) => group_heads(group),
            None => vec![head(rest)],
        };
        found.extend(
            names
                .into_iter()
                .filter(|n| !n.is_empty())
                .map(|name| (line, name)),
        );
    }
    found
}

fn head(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// First segments of the members of a brace group, up to its closing brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![head(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(head(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

/// Number of modules between the crate root and the module a file defines: 1 for `plan/mod.rs`, 2 for `plan/op.rs`.
fn depth(relative: &Path) -> usize {
    let parts = relative.components().count();
    if relative.file_name().is_some_and(|n| n == "mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// Top-level modules a file reaches, each with a line.
fn reached(relative: &Path, code: &str) -> Vec<(usize, String)> {
    let mut found = segments_after(code, "crate::");
    // From the top level of the file this many `super` arrive at the crate root. Inside an inline module one
    // more is needed, which this does not see; such paths do not occur.
    found.extend(segments_after(code, &"super::".repeat(depth(relative))));
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

/// Rows of the table in the crate documentation: module and the words of its last column.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("//! | [`")) {
        let cells: Vec<&str> = line
            .trim_start_matches("//! ")
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let [module, _, reach] = cells[..] else {
            panic!("not three cells: {line}")
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
fn the_map_in_the_documentation_is_the_map_of_this_test() {
    let mut expected = BTreeMap::new();
    for (module, reach) in allowed() {
        let words: BTreeSet<String> = match reach.len() {
            0 => ["nothing of ours".to_string()].into(),
            _ if module == "cli" => ["everything".to_string()].into(),
            _ => reach.into_iter().map(str::to_string).collect(),
        };
        expected.insert(module.to_string(), words);
    }
    assert_eq!(documented(), expected);
}

#[test]
fn every_module_of_the_crate_is_in_the_map() {
    let text = code_only(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let declared: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod "))
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
            .filter(|n| n != "super")
            .collect();
        assert_eq!(&found, expected, "{file}: {code}");
    }
}

/// TLS is rustls with ring: nothing of OpenSSL, and nothing that needs a compiler for C++ or CMake.
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

/// Turns of speech that readers of English stumble over, and names of limits that the house does not use.
const WORDS_TO_AVOID: &[(&str, &str)] = &[
    ("in vain", "say that it timed out, or that it failed"),
    (" anew", "say again, or from the start"),
    ("lets us in", "say that it accepts the credentials"),
    ("asked for at", "places are introduced by \"requested at\""),
    ("MOST_", "limits begin with MAX_"),
    ("LONGEST_", "limits begin with MAX_"),
    ("PATIENCE", "times to wait end in _TIMEOUT"),
];
/// What may follow "is no": all else is "is not a".
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

/// Every "X is no Y" of a line for which English has "X is not a Y".
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

/// Lines of a function, at most.
const MAX_FUNCTION_LINES: usize = 60;

/// The name and the lines of every function in front of the tests of a file, which rustfmt has laid out.
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
        // Without a body: what a trait only declares.
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
        // What plays a machine for the tests is a table of what that machine answers.
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
