//! Pages that are followed literally: each command is run in a shell, and prints what the page shows.

use crate::common::run::KINDLING;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A step of a page.
#[derive(Debug, PartialEq)]
enum Step {
    /// "Save it as `NAME`", with the block that follows.
    Save { name: String, text: String },
    /// A line after a prompt, with the output shown below it.
    Run { line: String, shown: Vec<String> },
}

/// Code blocks, each with the last line of prose before it.
fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut prose = "";
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            if is_code {
                blocks.push((prose, Vec::new()));
            }
        } else if !is_code && !line.is_empty() {
            prose = line;
        } else if let Some((_, lines)) = blocks.last_mut().filter(|_| is_code) {
            lines.push(line);
        }
    }
    blocks
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (prose, lines) in blocks(page) {
        if let Some((_, rest)) = prose.split_once("Save it as `") {
            let name = rest.split('`').next().unwrap_or_default().to_owned();
            let text = lines.join("\n") + "\n";
            steps.push(Step::Save { name, text });
            continue;
        }
        // Lines in a block without a command are not output.
        let first = steps.len();
        for line in lines {
            let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
            match (command, steps[first..].last_mut()) {
                (Some(command), _) => steps.push(Step::Run {
                    line: command.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(Step::Run { shown, .. })) => shown.push(line.to_owned()),
                (None, _) => {}
            }
        }
    }
    steps
}

/// A line without what differs between two runs: durations.
fn without_durations(line: &str) -> String {
    let mut kept = String::new();
    for word in line.trim_end().split_inclusive([' ', '(', ',', ')', ':']) {
        let bare = word.trim_end_matches([' ', '(', ',', ')', ':']);
        let unit = bare.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_time = unit != bare && matches!(unit, "ns" | "µs" | "ms" | "s");
        match is_time {
            true => kept += &format!("TIME{}", &word[bare.len()..]),
            false => kept += word,
        }
    }
    kept
}

/// True if `printed` is what the page shows; a line `...` stands for any number of lines.
fn matches_page(shown: &[String], printed: &[String]) -> bool {
    match shown {
        [] => printed.is_empty(),
        [dots, rest @ ..] if dots.trim() == "..." => {
            (0..=printed.len()).any(|skipped| matches_page(rest, &printed[skipped..]))
        }
        [first, rest @ ..] => {
            printed.first().is_some_and(|line| line == first) && matches_page(rest, &printed[1..])
        }
    }
}

/// True for a line about an operation that takes long, which differs between machines.
fn is_of_slow_operation(line: &str) -> bool {
    let message = line.strip_prefix("kindling: ").unwrap_or_default();
    let (what, _) = message.split_once(" done (TIME").unwrap_or_default();
    let is_phase = what
        .rsplit_once(": ")
        .is_some_and(|(_, count)| count.parse::<u32>().is_ok());
    message.contains(" so far") || (!what.is_empty() && !is_phase)
}

/// Runs a line. Empty lines are left out of its output, since pages leave some out as well.
fn run(line: &str, directory: &Path) -> (Option<i32>, Vec<String>) {
    let programs = Path::new(KINDLING).parent().expect("a directory").display();
    let path = std::env::var("PATH").expect("PATH");
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .current_dir(directory)
        .env("PATH", format!("{programs}:{path}"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), normalized(text.lines()))
}

fn normalized<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let lines = lines.filter(|line| !line.trim().is_empty());
    let lines = lines.map(without_durations);
    let mut kept: Vec<String> = lines.filter(|line| !is_of_slow_operation(line)).collect();
    // Phases end in a different order on each machine.
    let is_phase = |line: &String| line.starts_with("kindling: ") && line.contains(" done (TIME");
    kept.chunk_by_mut(|first, second| is_phase(first) && is_phase(second))
        .for_each(<[String]>::sort);
    kept
}

/// Follows a page in a separate directory with a link to the examples, and returns how many commands were run.
fn follow(page: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(page)).expect("a page");
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    std::os::unix::fs::symlink(root.join("examples"), here.join("examples")).expect("a link");
    let mut count = 0;
    for step in steps(&text) {
        match step {
            Step::Save { name, text } => fs::write(here.join(name), text).expect("saved"),
            Step::Run { line, shown } => {
                let shown = normalized(shown.iter().map(String::as_str));
                let (code, printed) = run(&line, here);
                let is_fine = match shown.is_empty() {
                    // A plan with changes ends with 2.
                    true => matches!(code, Some(0 | 2)),
                    false => matches_page(&shown, &printed),
                };
                assert!(
                    is_fine,
                    "{page}: {line}: {code:?}\n{}\n--- but the page shows\n{}",
                    printed.join("\n"),
                    shown.join("\n")
                );
                count += 1;
            }
        }
    }
    count
}

#[test]
fn start_in_ten_minutes() {
    assert!(follow("docs/start.md") >= 14);
}

#[test]
fn readme() {
    assert!(follow("README.md") >= 3);
}

#[test]
fn what_is_shown_is_compared() {
    let lines = |text: &str| normalized(text.lines());
    let shown = lines("a: done in 3.3ms, 7 B\n...\n\nlast");
    assert!(matches_page(
        &shown,
        &lines("a: done in 12µs, 7 B\nb\nc\nlast")
    ));
    assert!(matches_page(&shown, &lines("a: done in 1s, 7 B\nlast")));
    assert!(!matches_page(&shown, &lines("a: done in 1s, 8 B\nlast")));
    assert!(!matches_page(
        &shown,
        &lines("a: done in 1s, 7 B\nlast\nmore")
    ));
    assert!(!matches_page(&shown, &[]));
    let slow = "kindling: create image a.img done (1.5s)\nkindling: files: 3 done (2ms, 4 B)\nkindling: mkfs, 9 s so far";
    assert_eq!(lines(slow), ["kindling: files: 3 done (TIME, 4 B)"]);
    let page = "Save it as `f`:\n\n```yaml\nb: 1\n```\nThen:\n```\n$ one two\nout\n# three\n```\n";
    let run = |line: &str, shown: &[&str]| Step::Run {
        line: line.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let save = Step::Save {
        name: "f".to_owned(),
        text: "b: 1\n".to_owned(),
    };
    assert_eq!(
        steps(page),
        [save, run("one two", &["out"]), run("three", &[])]
    );
}
