//! Malicious and broken servers: whatever they do, a run ends within its limit, reports the cause, and leaves no
//! incomplete file.
//!
//! For each behaviour there is a server and a run of the real program on an empty tree. The config limits a fetch
//! that must fail to five seconds, and to one for the headers; a fetch that must succeed gets as long as a busy
//! machine may need.

mod behaviours;
mod server;

use crate::common::run::kindling;
use behaviours::{Behaviour, Outcome};
use kindling::facts::unfinished;
use server::Server;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Number of concurrent runs.
const WORKERS: usize = 6;
/// No run may take longer, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// `apply`: an operation failed.
const FAILED: i32 = 5;

#[test]
fn every_behaviour_ends_with_its_cause_and_without_a_partial_file() {
    let behaviours = behaviours::all();
    assert!(behaviours.len() >= 40, "{}", behaviours.len());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(behaviour) = behaviours.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(behaviour) {
                        let failure = format!("{}: {why}", behaviour.name);
                        failures.lock().expect("no panic in here").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic in here");
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn check(behaviour: &Behaviour) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let root = directory.path().join("root");
    std::fs::create_dir(&root).map_err(|e| e.to_string())?;
    let server = Server::start(behaviour.server.clone());
    let config = directory.path().join("config.ign");
    std::fs::write(&config, text(behaviour, &server)).map_err(|e| e.to_string())?;
    let output = run(&config, &root)?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let files = files_below(&root);
    let code = output.status.code();
    match &behaviour.outcome {
        Outcome::Success(bytes) => {
            let written = std::fs::read(root.join("srv/file")).ok();
            match code == Some(0) && written.as_deref() == Some(*bytes) {
                true => Ok(()),
                false => Err(format!("exit {code:?}, wrote {written:?}:\n{log}")),
            }
        }
        Outcome::Failure(cause) if code != Some(FAILED) => Err(format!(
            "exit {code:?}, not {FAILED} because of {cause:?}:\n{log}"
        )),
        Outcome::Failure(cause) if !log.contains(cause) => {
            Err(format!("does not say {cause:?}:\n{log}"))
        }
        Outcome::Failure(_) if !files.is_empty() => Err(format!("left {files:?}:\n{log}")),
        Outcome::Failure(_) => Ok(()),
    }
}

fn text(behaviour: &Behaviour, server: &Server) -> String {
    let scheme = behaviour.scheme;
    let url = format!("{scheme}://{}/file?secret=s3cr3t", server.address);
    let contents = serde_json::json!({"source": url, "compression": behaviour.compression,
        "verification": {"hash": behaviour.hash}});
    let (total, headers) = match behaviour.outcome {
        Outcome::Success(_) => (100, 10),
        Outcome::Failure(_) => (5, 1),
    };
    let config = serde_json::json!({
        "ignition": {"version": "3.4.0", "timeouts": {"httpTotal": total, "httpResponseHeaders": headers}},
        "storage": {"files": [{"path": "/srv/file", "contents": contents}]},
    });
    config.to_string()
}

fn run(config: &Path, root: &Path) -> Result<Output, String> {
    let start = Instant::now();
    let mut child = kindling()
        .args(["apply", "--root"])
        .args([root, config])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    while child.try_wait().map_err(|e| e.to_string())?.is_none() {
        if start.elapsed() > TIMEOUT {
            let _ = child.kill();
            return Err(format!("still running after {} s", TIMEOUT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match text.contains("s3cr3t") {
        true => Err(format!("shows the query:\n{text}")),
        false => Ok(output),
    }
}

/// All files that a run left, except its record of unfinished files.
fn files_below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            true => files_below(&entry.path()),
            false if entry.file_name() == unfinished::NAME => Vec::new(),
            false => vec![entry.path().display().to_string()],
        })
        .collect()
}
