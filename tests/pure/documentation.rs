//! Checks the documentation: link targets, commands and their options must exist.

use crate::common::run::{Ended, kindling};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of documentation, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let named = [
        "README.md",
        "CHANGELOG.md",
        "dracut/README.md",
        "examples/README.md",
        "tests/lab/README.md",
    ];
    let mut files: Vec<PathBuf> = named.iter().map(|name| manifest().join(name)).collect();
    for directory in ["docs", ".github"] {
        let entries = fs::read_dir(manifest().join(directory)).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a text");
        (file, text)
    };
    files.into_iter().map(read).collect()
}

/// Lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    })
}

/// Targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect()
}

#[test]
fn link_targets_exist() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, text) in pages() {
        for target in prose(&text).flat_map(links) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, part) = target.split_once('#').unwrap_or((target, ""));
            let place = match path {
                "" => file.clone(),
                path => file.parent().expect("a directory").join(path),
            };
            let exists = match part {
                "" => place.exists(),
                part => fs::read_to_string(&place).is_ok_and(|text| anchors(&text).contains(part)),
            };
            if !exists {
                wrong.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} links were found");
    assert_eq!(anchor("## In the editor"), "in-the-editor");
}

/// The first two words of a command line, up to an option, a placeholder or a file.
fn command_of(line: &str) -> Option<Vec<&str>> {
    let line = line.trim_start_matches(['#', '$', ' ']);
    let words = line.strip_prefix("kindling ")?.split_whitespace();
    let is_name = |word: &&str| {
        word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
    };
    Some(words.take_while(is_name).take(2).collect())
}

/// The options of a command line, without their values.
fn options_of(line: &str) -> impl Iterator<Item = &str> {
    let line = line
        .split(['|', '>', '#'])
        .find(|part| part.contains("kindling "))
        .unwrap_or_default();
    let words = line
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    words.map(|word| word.split('=').next().unwrap_or(word))
}

fn help(command: &[&str]) -> String {
    let ended = Ended::of(kindling().args(command).arg("--help"));
    assert_eq!(ended.code, Some(0), "kindling {command:?}: {ended:?}");
    ended.out
}

/// In code blocks, lines that begin with `kindling` or with a prompt before it.
#[test]
fn commands_and_their_options_exist() {
    let mut seen = BTreeSet::new();
    for (file, text) in pages() {
        let mut fence = None;
        for line in text.lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = fence.is_none().then_some(language);
                continue;
            }
            // Blocks with output of programs are marked as text.
            let is_code = fence.is_some_and(|language| language != "text");
            let shown = line.trim_start().trim_start_matches(['#', '$', ' ']);
            let Some(words) = command_of(shown).filter(|words| is_code && !words.is_empty()) else {
                continue;
            };
            let known = help(&words[..1]);
            let subcommand = words
                .get(1)
                .filter(|word| known.contains(&format!("  {word} ")));
            let known = match subcommand {
                Some(word) => help(&[words[0], word]),
                None => known,
            };
            for option in options_of(shown) {
                assert!(
                    known.contains(option),
                    "{}: {line}: no option {option}",
                    file.display()
                );
            }
            seen.insert(words[0].to_owned());
        }
    }
    assert!(seen.len() > 5, "only {seen:?} were found");
}

/// Texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn messages_of_the_troubleshooting_page_are_in_the_program() {
    let page = fs::read_to_string(manifest().join("docs/troubleshooting.md")).expect("a text");
    let mut sources = Vec::new();
    let mut directories = vec![manifest().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => directories.push(path),
                false => sources.push(fs::read_to_string(path).unwrap_or_default()),
            }
        }
    }
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let messages: Vec<&str> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(quoted)
        .collect();
    for message in &messages {
        assert!(
            sources.iter().any(|text| text.contains(message)),
            "no message {message:?}"
        );
    }
    assert!(messages.len() > 10, "{messages:?}");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let docs = manifest().join("docs");
    let contents = fs::read_to_string(docs.join("SUMMARY.md")).expect("a text");
    let listed: BTreeSet<&str> = contents.lines().flat_map(links).collect();
    let entries = fs::read_dir(&docs).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        let is_page = name.ends_with(".md") && name != "SUMMARY.md";
        assert!(
            !is_page || listed.contains(name.as_str()),
            "{name} is not in docs/SUMMARY.md"
        );
    }
}
