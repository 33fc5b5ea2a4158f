//! TFTP: real daemons, and misbehaving servers.

mod daemons;
mod hostile;

use kindling::fetch::{FetchError, FetchEvent, FetchEvents, Request};
use std::sync::Mutex;

/// Records the retries of a fetch.
#[derive(Default)]
struct RetryLog(Mutex<Vec<String>>);

impl FetchEvents for RetryLog {
    fn event(&self, event: FetchEvent<'_>) {
        if let FetchEvent::Retry { cause, .. } = event {
            self.0
                .lock()
                .expect("no test panics in here")
                .push(cause.into());
        }
    }
}

/// Fetches a file; returns it with the causes of all retries.
fn fetch_with_log(url: String) -> (Result<Vec<u8>, FetchError>, Vec<String>) {
    let log = RetryLog::default();
    let fetched = crate::fetcher().fetch_to_vec(&Request::get(url), &log);
    let causes = log.0.into_inner().expect("no test panics in here");
    (fetched.map(|(bytes, _)| bytes), causes)
}

/// A byte pattern that differs between blocks.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

#[test]
fn invalid_urls_are_refused_at_once() {
    let long = "n".repeat(504);
    let cases = [
        ("tftp:///f".to_owned(), "it has no host"),
        ("tftp://h".to_owned(), "it names no file"),
        ("tftp://h/".to_owned(), "it names no file"),
        ("tftp://h/a%00b".to_owned(), "cannot hold NUL"),
        ("tftp://h:65536/f".to_owned(), "invalid port"),
        (format!("tftp://h/{long}"), "longer than the 504 bytes"),
    ];
    for (url, cause) in cases {
        crate::assert_fails(crate::get(url), &["unable to parse url", cause]);
    }
}

#[test]
fn without_a_network_nothing_is_sent() {
    let fetcher = crate::fetcher().offline();
    let result = fetcher.fetch_to_vec(
        &Request::get("tftp://192.0.2.1/f"),
        &kindling::fetch::Silent,
    );
    crate::assert_fails(result, &["resource requires networking"]);
}

#[test]
fn a_fetch_can_be_cancelled() {
    struct Impatient(std::time::Instant);
    impl FetchEvents for Impatient {
        fn cancelled(&self) -> bool {
            self.0.elapsed().as_millis() > 300
        }
    }
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let url = format!("tftp://{}/f", silent.local_addr().expect("an address"));
    let events = Impatient(std::time::Instant::now());
    let result = crate::fetcher().fetch_to_vec(&Request::get(url), &events);
    crate::assert_fails(result, &["was cancelled"]);
}

/// Run concurrently, since each of them mostly waits.
#[test]
fn silent_servers_time_out() {
    let slow: [fn(); 6] = [
        daemons::an_unreachable_port_times_out,
        daemons::an_unknown_host_times_out,
        hostile::options_may_make_a_server_silent,
        hostile::a_server_may_be_slow_to_begin,
        hostile::endless_duplicates_time_out,
        hostile::invalid_block_sizes_are_ignored,
    ];
    std::thread::scope(|scope| {
        for test in slow {
            scope.spawn(test);
        }
    });
}
