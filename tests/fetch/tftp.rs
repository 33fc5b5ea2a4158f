//! TFTP: real daemons, and servers that do what no daemon does.

mod daemons;
mod hostile;

use kindling::fetch::{FetchError, FetchEvent, FetchEvents, Request};
use std::sync::Mutex;

/// Remembers the pauses of a fetch.
#[derive(Default)]
struct Ears(Mutex<Vec<String>>);

impl FetchEvents for Ears {
    fn event(&self, event: FetchEvent<'_>) {
        if let FetchEvent::Retry { cause, .. } = event {
            self.0
                .lock()
                .expect("no test panics in here")
                .push(cause.into());
        }
    }
}

/// The file of a URL, and why there were pauses.
fn heard(url: String) -> (Result<Vec<u8>, FetchError>, Vec<String>) {
    let ears = Ears::default();
    let fetched = crate::fetcher().fetch_to_vec(&Request::get(url), &ears);
    let heard = ears.0.into_inner().expect("no test panics in here");
    (fetched.map(|(bytes, _)| bytes), heard)
}

/// Bytes in which every place looks different.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

#[test]
fn what_cannot_be_asked_for_is_refused_at_once() {
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
fn a_fetch_that_is_no_longer_wanted_ends() {
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

/// Side by side: each of them waits most of its time.
#[test]
fn silence_is_waited_for_and_ends() {
    let slow: [fn(); 6] = [
        daemons::nobody_at_the_port_is_told_after_a_while,
        daemons::a_host_without_an_address_is_told_after_a_while,
        hostile::options_may_make_a_server_silent,
        hostile::a_server_may_be_slow_to_begin,
        hostile::endless_repetitions_do_not_hold_it,
        hostile::block_sizes_that_do_not_exist_are_not_taken,
    ];
    std::thread::scope(|scope| {
        for test in slow {
            scope.spawn(test);
        }
    });
}
