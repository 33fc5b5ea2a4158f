//! Progress of a transfer that takes long: how far it is, how fast, and how long it will take.

use crate::common::run::kindling;
use crate::common::server::Server;
use serde_json::json;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const BODY_BYTES: usize = 1 << 20;
const PIECE_BYTES: usize = 1 << 10;
/// Pause between two pieces. All of them together take far longer than until progress is shown.
const PAUSE: Duration = Duration::from_millis(100);
/// Texts of a line that shows all three.
const PROGRESS_TEXTS: [&str; 3] = ["of 1 MiB so far, ", "/s, ", " s left"];

/// Sends slowly until `is_shown`, and then the rest at once.
fn slow_server(is_shown: Arc<AtomicBool>) -> Server {
    Server::start(move |_, stream| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\nConnection: close\r\n\r\n");
        let mut sent = stream.write_all(head.as_bytes());
        for _ in 0..BODY_BYTES / PIECE_BYTES {
            sent = sent.and_then(|()| stream.write_all(&[b'x'; PIECE_BYTES]));
            if !is_shown.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
            }
        }
        sent.expect("kindling takes what is sent");
    })
}

/// Runs `command` on a config with a slow file until its progress is shown. Returns the whole output.
fn run(command: impl FnOnce(&str, &str) -> Command) -> String {
    let is_shown = Arc::new(AtomicBool::new(false));
    let server = slow_server(Arc::clone(&is_shown));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (root, config) = (
        directory.path().join("root"),
        directory.path().join("config.ign"),
    );
    std::fs::create_dir(&root).expect("a directory");
    let file = json!({"path": "/big", "contents": {"source": server.url("/big")}});
    let text = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}});
    std::fs::write(&config, text.to_string()).expect("a file");
    let mut child = command(&root.display().to_string(), &config.display().to_string())
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut output: Box<dyn Read> = match (child.stderr.take(), child.stdout.take()) {
        (Some(stderr), _) => Box::new(stderr),
        (None, Some(stdout)) => Box::new(stdout),
        (None, None) => panic!("nothing to read from"),
    };
    let (mut printed, mut buffer) = (String::new(), [0; 4096]);
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        printed.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if PROGRESS_TEXTS.iter().all(|text| printed.contains(text)) {
            is_shown.store(true, Ordering::Relaxed);
        }
    }
    assert!(child.wait().expect("it ends").success(), "{printed}");
    let written = std::fs::metadata(root.join("big")).expect("a written file");
    assert_eq!(written.len(), BODY_BYTES as u64);
    printed
}

#[test]
fn lines_show_rate_and_time_left() {
    let printed = run(|root, config| {
        let mut command = kindling();
        command.args(["apply", "--root", root, config]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    });
    let line = printed
        .lines()
        .find(|line| line.contains(PROGRESS_TEXTS[0]));
    let line = line.unwrap_or_else(|| panic!("{printed}"));
    assert!(line.starts_with("kindling: write file /big ... "), "{line}");
    assert!(
        PROGRESS_TEXTS.iter().all(|text| line.contains(text)),
        "{line}"
    );
}

#[test]
fn a_terminal_shows_a_bar_with_rate_and_time_left() {
    let printed = run(|root, config| {
        let program = kindling().get_program().to_string_lossy().into_owned();
        let mut command = Command::new("script");
        command
            .args(["--quiet", "--return", "--flush", "--command"])
            .arg(format!(
                "stty cols 80; exec {program} apply --root {root} {config}"
            ))
            .arg("/dev/null")
            .env("TERM", "xterm")
            .stdout(Stdio::piped());
        command
    });
    let shown = printed
        .split(['\r', '\n'])
        .find(|line| PROGRESS_TEXTS.iter().all(|text| line.contains(text)));
    let shown = shown.unwrap_or_else(|| panic!("{printed:?}"));
    assert!(shown.contains(" left: write file /big"), "{shown:?}");
}
