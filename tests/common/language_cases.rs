//! Cases in a folder: a text in some language, and beside it what comes out, for people to read.

use kindling::config::data_url;
use kindling::language::{self, Language, Surroundings};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Set to write what comes out in the place of what is expected.
const UPDATE: &str = "UPDATE_LANGUAGES";

/// The cases of a folder, in order.
fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/pure/languages")
        .join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_none_or(|suffix| suffix != "out"))
        .collect();
    cases.sort();
    assert!(cases.len() > 10, "{}: few cases", folder.display());
    cases
}

/// The cases of `folder` that are accepted, and what they become.
pub(crate) fn accepted(folder: &str, language: Language) -> Vec<(PathBuf, Value)> {
    let surroundings = Surroundings::default();
    let translated = |case: PathBuf| {
        let text = language::unpacked(&fs::read(&case).expect("a case")).into_owned();
        let result = language::translate("case", &text, language, &surroundings, false);
        let json = result.outcome.ok()?;
        Some((case, serde_json::from_str(&json).expect("JSON")))
    };
    cases(folder).into_iter().filter_map(translated).collect()
}

/// Every case of `folder` comes out as the file beside it says.
pub(crate) fn check(folder: &str, language: Language, surroundings: &Surroundings<'_>) {
    let mut wrong = String::new();
    for case in cases(folder) {
        let text = fs::read(&case).expect("a case");
        let shown = shown(&text, language, surroundings);
        let expected = case.with_extension("out");
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&expected, &shown).expect("a file");
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            _ = writeln!(wrong, "--- {}\n{shown}", case.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Findings and the result.
pub(crate) fn shown(text: &[u8], language: Language, surroundings: &Surroundings<'_>) -> String {
    let text = language::unpacked(text);
    let result = language::translate("case", &text, language, surroundings, false);
    let mut out = String::new();
    for finding in &result.findings.0 {
        _ = writeln!(out, "{finding}");
        if let Some(help) = &finding.help {
            _ = writeln!(out, "  help: {help}");
        }
    }
    match result.outcome {
        Ok(json) => config(&serde_json::from_str(&json).expect("JSON"), &mut out),
        Err(_) => out.push_str("refused\n"),
    }
    out
}

/// A config in lines: what it is, its members, its text.
fn config(config: &Value, out: &mut String) {
    _ = writeln!(out, "version {}", text(&config["ignition"]["version"]));
    for member in ["timeouts", "security"] {
        let value = &config["ignition"][member];
        if !value.is_null() {
            _ = writeln!(out, "{member} {value}");
        }
    }
    each(&config["ignition"]["config"]["merge"], |one| {
        _ = writeln!(out, "merge {}", text(&one["source"]));
    });
    for (kind, list) in [("group", "groups"), ("user", "users")] {
        each(&config["passwd"][list], |one| {
            members(kind, "name", one, out)
        });
    }
    for (kind, list) in [
        ("disk", "disks"),
        ("raid", "raid"),
        ("filesystem", "filesystems"),
    ] {
        each(&config["storage"][list], |one| {
            members(kind, "device", one, out)
        });
    }
    for (kind, list) in [("directory", "directories"), ("link", "links")] {
        each(&config["storage"][list], |one| {
            members(kind, "path", one, out)
        });
    }
    each(&config["storage"]["files"], |one| file(one, out));
    each(&config["systemd"]["units"], |one| {
        _ = write!(out, "unit {}", text(&one["name"]));
        for (member, value, word) in [
            ("enabled", true, " enabled"),
            ("enabled", false, " disabled"),
            ("mask", true, " masked"),
        ] {
            if one[member] == value {
                out.push_str(word);
            }
        }
        out.push('\n');
        lines(&text(&one["contents"]), out);
        each(&one["dropins"], |dropin| {
            _ = writeln!(out, "  drop-in {}", text(&dropin["name"]));
            lines(&text(&dropin["contents"]), out);
        });
    });
}

fn each(list: &Value, mut f: impl FnMut(&Value)) {
    list.as_array().into_iter().flatten().for_each(&mut f);
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn members(kind: &str, name: &str, object: &Value, out: &mut String) {
    _ = write!(out, "{kind} {}", text(&object[name]));
    for (key, value) in object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != name)
    {
        let is_made_here = key == "passwordHash" && text(value).len() > 100;
        let shown = match key.as_str() {
            // A hash of a clear text has a salt of its own each time.
            _ if is_made_here => "made".to_owned(),
            "mode" => format!("{:o}", value.as_u64().unwrap_or_default()),
            _ => value.to_string(),
        };
        _ = write!(out, " {key}={shown}");
    }
    out.push('\n');
}

fn file(file: &Value, out: &mut String) {
    let mode = file["mode"].as_u64().map(|mode| format!(" {mode:o}"));
    _ = write!(
        out,
        "file {}{}",
        text(&file["path"]),
        mode.unwrap_or_default()
    );
    for owner in ["user", "group"]
        .into_iter()
        .filter(|owner| !file[*owner].is_null())
    {
        _ = write!(out, " {owner}={}", file[owner]);
    }
    out.push('\n');
    if !file["contents"].is_null() {
        resource("", &file["contents"], out);
    }
    each(&file["append"], |one| resource("append ", one, out));
}

fn resource(prefix: &str, resource: &Value, out: &mut String) {
    let source = text(&resource["source"]);
    match data_url::decode(&source) {
        Ok(bytes) => {
            if !prefix.is_empty() {
                _ = writeln!(out, "  {}", prefix.trim_end());
            }
            lines(&String::from_utf8_lossy(&bytes), out);
        }
        Err(_) => {
            _ = writeln!(out, "  {prefix}{source}");
            each(&resource["httpHeaders"], |header| {
                _ = writeln!(
                    out,
                    "  header {}: {}",
                    text(&header["name"]),
                    text(&header["value"])
                );
            });
        }
    }
}

/// Lines behind a bar; a text without a line end has its own mark.
fn lines(text: &str, out: &mut String) {
    for line in text.lines() {
        out.push_str("  |");
        for c in line.chars() {
            match c {
                '\t' => out.push(c),
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        out.push('\n');
    }
    if !text.is_empty() && !text.ends_with('\n') {
        out.push_str("  \\ no line end\n");
    }
}
