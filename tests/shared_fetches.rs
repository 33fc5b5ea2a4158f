//! Files that want the same bytes of a server cost one fetch.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Serves `body` under every path, and notes what was asked for.
fn server(body: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            for line in lines.map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            log.lock().expect("no panic in here").push(first);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    (address, seen)
}

fn kindling(command: &str, root: &Path, files: &Value) -> Output {
    let directory = root.parent().expect("a directory");
    let config = directory.join("config.ign");
    let text = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}});
    std::fs::write(&config, text.to_string()).expect("a written file");
    Command::new(env!("CARGO_BIN_EXE_kindling"))
        .args([command, "--root"])
        .args([root, &config])
        .output()
        .expect("kindling runs")
}

#[test]
fn one_fetch_serves_all_files_that_want_the_same() {
    let (address, seen) = server("abc");
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
    assert_eq!(
        seen.lock().expect("no panic").len(),
        0,
        "a plan asks nobody"
    );

    let applied = kindling("apply", &root, &files);
    let said = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(applied.status.success(), "{said}");
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
    let mut asked = seen.lock().expect("no panic").clone();
    asked.sort();
    let get = |path: &str| format!("GET /{path} HTTP/1.1");
    // What is verified is fetched by itself: an unverified copy would vouch for nothing.
    assert_eq!(asked, [get("other"), get("same"), get("same")]);

    let again = kindling("plan", &root, &files);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}
