//! Error codes: each failure names one, and each code has a page.

use crate::common::folder::Folder;
use crate::common::run::{self, Ended};
use std::fs;

fn kindling(arguments: &[&str]) -> Ended {
    Ended::of(run::kindling().args(arguments))
}

/// The codes in a text.
fn codes(text: &str) -> Vec<&str> {
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("more: kindling explain "));
    lines.collect()
}

#[test]
fn every_code_of_the_list_has_a_page() {
    let list = kindling(&["explain"]);
    assert_eq!(list.code, Some(0));
    let mut pages = 0;
    for line in list.out.lines() {
        let (code, title) = line.split_once("  ").expect("a code and a title");
        let page = kindling(&["explain", code]);
        assert_eq!(page.code, Some(0), "{}", page.err);
        assert!(
            page.out.starts_with(&format!("{code}: {title}\n")),
            "{}",
            page.out
        );
        assert!(page.out.contains("\nWhat to do:\n  - "), "{}", page.out);
        assert!(
            page.out.lines().all(|line| line.chars().count() <= 79),
            "{}",
            page.out
        );
        pages += 1;
    }
    assert!(pages > 30, "{pages}");
}

#[test]
fn codes_are_taken_in_any_case_and_several_at_once() {
    let both = kindling(&["explain", "k0202", "206"]);
    assert_eq!(both.code, Some(0), "{}", both.err);
    assert!(
        both.out.contains("K0202: ") && both.out.contains("K0206: "),
        "{}",
        both.out
    );
    let unknown = kindling(&["explain", "K0999"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(64), ""));
    assert!(
        unknown.err.contains("unknown error code \"K0999\""),
        "{}",
        unknown.err
    );
}

#[test]
fn failures_name_their_code() {
    let folder = Folder::with(&[]);
    fs::create_dir_all(folder.path("root/etc")).expect("a directory");
    folder.put("root/etc/motd", "other");
    let root = folder.path("root").display().to_string();
    let plan = |text: &str| {
        folder.put("config.ign", text);
        let config = folder.path("config.ign").display().to_string();
        kindling(&["plan", "--root", &root, &config])
    };
    let storage = |storage: &str| {
        format!(r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{{storage}}}}}"#)
    };
    let cases = [
        (
            r#""files": [{"path": "/etc/motd", "contents": {"source": "data:,x"}}]"#,
            "K0401",
        ),
        (r#""files": [{"path": "/etc/motd/x"}]"#, "K0402"),
        (
            r#""files": [{"path": "/a", "user": {"name": "nobody-here"}}]"#,
            "K0404",
        ),
        (r#""disks": [{"device": "/dev/vda"}]"#, "K0408"),
    ];
    for (text, code) in cases {
        let ended = plan(&storage(text));
        assert_eq!(ended.code, Some(6), "{}", ended.err);
        assert_eq!(codes(&ended.err), [code], "{}", ended.err);
    }
    let merged =
        r#"{"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "data:,%7B%7D"}]}}}"#;
    let ended = plan(merged);
    assert_eq!(codes(&ended.err), ["K0103"], "{}", ended.err);
    let url = "http://192.0.2.1/c.ign";
    let offline = kindling(&["plan", "--offline", "--root", &root, url]);
    assert_eq!(codes(&offline.err), ["K0201"], "{}", offline.err);
}
