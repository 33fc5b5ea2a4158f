//! A body that is too large to be held in memory.

use crate::common::server::{Server, announce};
use kindling::fetch::{Fetcher, Request, Silent};
use std::io;
use std::process::Command;

const BODY_BYTES: usize = 300 << 20;
const ALLOWED_KIB: u64 = 32 << 10;
/// Set in the process that does the fetch: other tests would disturb the measurement.
const ALONE: &str = "KINDLING_TEST_ALONE";

#[test]
fn huge_bodies_need_little_memory() {
    if std::env::var_os(ALONE).is_some() {
        return fetch_huge_body();
    }
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args([
            "--exact",
            "memory::huge_bodies_need_little_memory",
            "--test-threads=1",
        ])
        .env(ALONE, "1")
        .output()
        .expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

fn fetch_huge_body() {
    let server = Server::start(|_, stream| {
        announce(stream, BODY_BYTES);
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..BODY_BYTES / chunk.len() {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    let before = peak_kib();
    let request = Request::get(server.url("/huge"));
    let fetched = Fetcher::default()
        .fetch(&request, &mut io::sink(), &Silent)
        .expect("a body");
    assert_eq!(fetched.bytes, BODY_BYTES as u64);
    let grown = peak_kib() - before;
    assert!(grown < ALLOWED_KIB, "peak memory grew by {grown} KiB");
}

/// Peak resident memory of this process in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a mounted /proc");
    let line = status
        .lines()
        .find(|l| l.starts_with("VmHWM:"))
        .expect("a peak");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse().expect("a number")
}
