//! Runs the files under `cases/`.

use super::{document, verdict};
use kindling::config::{Config, Document, Version};
use serde_json::Value;

const FILES: [(&str, &str); 12] = [
    ("dispatch", include_str!("cases/dispatch.txt")),
    ("nodes", include_str!("cases/nodes.txt")),
    ("links", include_str!("cases/links.txt")),
    ("resources", include_str!("cases/resources.txt")),
    ("ignition", include_str!("cases/ignition.txt")),
    ("disks", include_str!("cases/disks.txt")),
    ("filesystems", include_str!("cases/filesystems.txt")),
    ("raid", include_str!("cases/raid.txt")),
    ("luks", include_str!("cases/luks.txt")),
    ("passwd", include_str!("cases/passwd.txt")),
    ("systemd", include_str!("cases/systemd.txt")),
    ("more", include_str!("cases/more.txt")),
];

/// The cases of a file: title and body.
fn cases(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.split("## ").skip(1).map(|case| {
        let (title, body) = case.split_once('\n').expect("a title line");
        (title, body.trim_end_matches('\n'))
    })
}

/// Replaces `‹x×N›` by N times x.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('‹') {
        let (what, after) = after.split_once('×').expect("× after ‹");
        let (times, after) = after.split_once('›').expect("› after ×");
        out.push_str(before);
        out.push_str(&what.repeat(times.parse().expect("a number of times")));
        rest = after;
    }
    out + rest
}

/// The versions in a range `A to B`; one arbitrary version if there is no range, for texts that have their own.
fn versions(range: &str) -> Vec<Version> {
    let Some((first, last)) = range.split_once(" to ") else {
        return vec![Version::V3_0];
    };
    let find = |text: &str| {
        let version = Version::ALL.into_iter().find(|v| v.as_str() == text);
        version.unwrap_or_else(|| panic!("no version {text}"))
    };
    let (first, last) = (find(first), find(last));
    Version::ALL
        .into_iter()
        .filter(|v| (first..=last).contains(v))
        .collect()
}

/// Checks a case in all its versions; returns the number of checks.
fn check(title: &str, body: &str) -> usize {
    let mut parts = body.split("\n->");
    let text = repeated(parts.next().expect("a text"));
    let mut checks = 0;
    for part in parts {
        let (range, expected) = part.split_once('\n').expect("expected lines");
        for version in versions(range.trim()) {
            let text = text.replace("@V", version.as_str());
            let expected = expected.replace("@V", version.as_str());
            let found = verdict(text.as_bytes()).join("\n");
            assert_eq!(found, expected, "{title}, version {version}:\n{text}");
            checks += 1;
        }
    }
    assert!(checks > 0, "{title}: nothing is checked");
    checks
}

#[test]
fn findings_of_all_cases() {
    let mut texts = 0;
    let mut checks = 0;
    for (file, content) in FILES {
        let before = texts;
        for (title, body) in cases(content) {
            checks += check(title, body);
            texts += 1;
        }
        assert!(texts > before, "{file} holds no case");
    }
    assert!(
        texts >= 320 && checks >= 1700,
        "{texts} texts, {checks} checks"
    );
}

/// The config without its version and without empty objects.
fn essence(config: &Config) -> Value {
    let mut value = serde_json::to_value(config).expect("configs serialise");
    value["ignition"]
        .as_object_mut()
        .expect("an object")
        .remove("version");
    prune(&mut value);
    value
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, v| v.as_object().is_none_or(|o| !o.is_empty()));
        }
        Value::Array(elements) => elements.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The lines of a section, which begins with a line with its name.
fn section<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    const NAMES: [&str; 6] = ["parent", "child", "merged", "check", "from", "latest"];
    let start = match body.strip_prefix(name).and_then(|b| b.strip_prefix('\n')) {
        Some(rest) => rest,
        None => body.split_once(&format!("\n{name}\n"))?.1,
    };
    let ends = NAMES.iter().filter_map(|n| start.find(&format!("\n{n}\n")));
    Some(&start[..ends.min().unwrap_or(start.len())])
}

fn expected(title: &str, body: &str, name: &str) -> Value {
    let text = section(body, name).unwrap_or_else(|| panic!("{title}: no {name}"));
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{title}: {e}\n{text}"))
}

#[test]
fn merged_documents() {
    let mut count = 0;
    for (title, body) in cases(include_str!("cases/merge.txt")) {
        let read = |name| document(name, &repeated(section(body, name).expect("a text")));
        let merged = Document::merge(&read("parent"), &read("child"));
        assert_eq!(
            essence(merged.config()),
            expected(title, body, "merged"),
            "{title}"
        );
        assert_eq!(
            merged.config().ignition.version,
            "3.7.0-experimental",
            "{title}"
        );
        let findings = merged.check().0;
        let found: Vec<String> = findings
            .iter()
            .map(|f| format!("{} at {}", f.severity, f.path.as_ref().expect("a path")))
            .collect();
        let wanted: Vec<&str> = section(body, "check")
            .map(|s| s.lines().collect())
            .unwrap_or_default();
        assert_eq!(found, wanted, "{title}");
        count += 1;
    }
    assert!(count >= 22, "{count}");
}

#[test]
fn translated_documents() {
    let mut count = 0;
    for (title, body) in cases(include_str!("cases/translate.txt")) {
        let latest = document("from", section(body, "from").expect("a text"));
        assert_eq!(
            essence(latest.config()),
            expected(title, body, "latest"),
            "{title}"
        );
        assert_eq!(
            latest.config().ignition.version,
            "3.7.0-experimental",
            "{title}"
        );
        count += 1;
    }
    assert!(count >= 12, "{count}");
}
