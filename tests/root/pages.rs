//! Pages of plans and reports: `make test-pages` checks them in a browser; these tests need none.

use crate::common::folder::Folder;
use crate::common::run::{Ended, kindling};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SECRET: &str = "c2VjcmV0IGJvZHk=";

fn config() -> Folder {
    let source = format!("data:;base64,{SECRET}");
    let file = json!({"path": "/etc/<b>x</b>", "contents": {"source": source}});
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}});
    let folder = Folder::with(&[("a.ign", &config.to_string())]);
    fs::create_dir(folder.path("root")).expect("a root");
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    Ended::of(kindling().args(arguments).current_dir(folder.directory()))
}

/// Checks that a page is complete, readable by its owner only, and has nothing that a browser would load.
fn assert_page(folder: &Folder, name: &str) -> String {
    let page = folder.read(name);
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let mode = fs::metadata(folder.path(name))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for word in ["src=", "href=", "@import", "url(", SECRET, "<b>x"] {
        assert!(!page.contains(word), "{word} in {name}");
    }
    page
}

#[test]
fn a_plan_is_a_page() {
    let folder = config();
    run(
        &folder,
        &["plan", "--html", "p.html", "--root", "root", "a.ign"],
    )
    .assert(2, "", "");
    let page = assert_page(&folder, "p.html");
    assert!(page.contains("/etc/&lt;b&gt;x&lt;/b&gt;"));
    assert!(page.contains("a.ign:1"), "the place that requested it");
    assert!(!page.contains("<script"));
}

#[test]
fn a_report_is_a_page() {
    let folder = config();
    run(
        &folder,
        &["apply", "--report", "r.json", "--root", "root", "a.ign"],
    )
    .is(0, &[]);
    run(&folder, &["report", "--html", "r.html", "r.json"]).assert(0, "", "");
    assert_page(&folder, "r.html");
    let report: serde_json::Value = serde_json::from_str(&folder.read("r.json")).expect("JSON");
    let operations = report["operations"].as_array().expect("operations");
    assert!(
        operations
            .iter()
            .all(|operation| operation["worker"].is_u64())
    );
    assert!(
        operations
            .iter()
            .any(|operation| operation["after"].is_array())
    );
}

#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    let folder = config();
    run(
        &folder,
        &["plan", "--html", "none/p.html", "--root", "root", "a.ign"],
    )
    .is(5, &["cannot write the page to none/p.html"]);
    run(
        &folder,
        &[
            "plan", "--html", "p.html", "--json", "--root", "root", "a.ign",
        ],
    )
    .is(64, &["--html", "--json"]);
}
