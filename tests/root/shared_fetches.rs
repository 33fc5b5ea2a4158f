//! Files with the same source on a server need one fetch.

use crate::common::run::on_tree;
use crate::common::server::{Seen, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

fn kindling(command: &str, root: &Path, files: &Value) -> Output {
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}});
    on_tree(command, root, &config)
}

#[test]
fn one_fetch_serves_all_files_with_the_same_source() {
    let server = Server::fixed("200 OK", "", "abc");
    let address = server.address;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("root");
    std::fs::create_dir(&root).expect("a directory");
    let same = json!({"source": format!("http://{address}/same")});
    let sum = "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let verified =
        json!({"source": format!("http://{address}/same"), "verification": {"hash": sum}});
    let files = json!([
        {"path": "/z/first", "contents": same, "mode": 0o400},
        {"path": "/a/second", "contents": same},
        {"path": "/a/third", "contents": {"source": "data:,x"}, "append": [same, same]},
        {"path": "/a/verified", "contents": verified},
        {"path": "/a/other", "contents": {"source": format!("http://{address}/other")}},
        {"path": "/a/data", "contents": {"source": "data:,abc"}},
        {"path": "/a/data2", "contents": {"source": "data:,abc"}},
    ]);
    let shown = kindling("plan", &root, &files);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("/a/second  the same as /z/first"), "{shown}");
    assert_eq!(server.seen().len(), 0, "a plan asks nobody");

    let applied = kindling("apply", &root, &files);
    let stderr = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(applied.status.success(), "{stderr}");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a written file");
    assert_eq!(
        (read("z/first"), read("a/second")),
        ("abc".into(), "abc".into())
    );
    assert_eq!(
        (read("a/third"), read("a/verified")),
        ("xabcabc".into(), "abc".into())
    );
    assert_eq!(
        (read("a/data"), read("a/data2")),
        ("abc".into(), "abc".into())
    );
    let mut requests: Vec<String> = server.seen().iter().map(Seen::line).collect();
    requests.sort();
    let get = |path: &str| format!("GET /{path}");
    // A verified file is fetched separately: an unverified copy would prove nothing.
    assert_eq!(requests, [get("other"), get("same"), get("same")]);

    let again = kindling("plan", &root, &files);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}
