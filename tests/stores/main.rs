//! The stores of clouds: real emulators, at the names and addresses of the real ones.
//!
//! Each cloud has a test that takes its thread into a world of its own (see `world`), and runs cases in it one after
//! the other. A case has a name, and fails by itself.

mod azure;
#[path = "../common/mod.rs"]
mod common;
mod gs;
mod s3;
mod world;

use common::run::kindling;
use kindling::fetch::{FetchError, Fetcher, Request, Silent};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Output;
use world::World;

/// What one case does in a world.
type Case = (&'static str, fn(&World));

/// Runs all cases, and reports in the end which failed.
fn run(world: &World, cases: &[Case]) {
    let failed: Vec<&str> = cases
        .iter()
        .filter(|(_, case)| catch_unwind(AssertUnwindSafe(|| case(world))).is_err())
        .map(|(name, _)| *name)
        .collect();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; see above for the reasons"
    );
}

fn get(fetcher: &Fetcher, url: &str) -> Result<Vec<u8>, FetchError> {
    let fetched = fetcher.fetch_to_vec(&Request::get(url), &Silent);
    fetched.map(|(bytes, _)| bytes)
}

#[track_caller]
fn assert_got(fetcher: &Fetcher, url: &str, bytes: &[u8]) {
    let got = get(fetcher, url).unwrap_or_else(|error| panic!("{url}: {error}"));
    assert!(got == bytes, "{url}: {} other bytes", got.len());
}

/// Asserts that it fails with all these fragments in the message; returns the whole message.
#[track_caller]
fn assert_fails(fetcher: &Fetcher, url: &str, fragments: &[&str]) -> String {
    let error = get(fetcher, url).expect_err(url).to_string();
    for fragment in fragments {
        assert!(error.contains(fragment), "{fragment:?} is not in {error:?}");
    }
    error
}

/// Runs the program itself on a config with one file per URL, in an empty tree at `root`.
fn apply(world: &World, root: &Path, urls: &[&str]) -> Output {
    std::fs::create_dir_all(root).expect("a directory");
    let file = |(n, url): (usize, &&str)| serde_json::json!({"path": format!("/srv/{n}"), "contents": {"source": url}});
    let files: Vec<serde_json::Value> = urls.iter().enumerate().map(file).collect();
    let config = serde_json::json!({"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 60}},
        "storage": {"files": files}});
    let path = root.with_extension("ign");
    std::fs::write(&path, config.to_string()).expect("a file");
    kindling()
        .args(["apply", "--root"])
        .args([root, &path])
        .env("SSL_CERT_FILE", world.path("ca.pem"))
        .output()
        .expect("the program runs")
}

/// Asserts that the program writes these files.
#[track_caller]
fn assert_applied(world: &World, files: &[(&str, &[u8])]) {
    let root = world.path("root");
    let urls: Vec<&str> = files.iter().map(|(url, _)| *url).collect();
    let output = apply(world, &root, &urls);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    for (n, (url, bytes)) in files.iter().enumerate() {
        let written = std::fs::read(root.join(format!("srv/{n}"))).ok();
        assert!(written.as_deref() == Some(*bytes), "{url}: {stderr}");
    }
}

/// The same as `content` of `cloud.py`.
fn content(length: usize, seed: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).map(|i| ((i * seed) % 251) as u8).collect();
    period.into_iter().cycle().take(length).collect()
}
