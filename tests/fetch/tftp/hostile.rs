//! Servers that lose, repeat, mix up, forge and break off.

use super::{heard, pattern};
use crate::{assert_fails, get};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// One request and the port its transfer goes from.
struct Transfer {
    socket: UdpSocket,
    client: SocketAddr,
    request: Vec<u8>,
    /// So many requests came before.
    earlier: usize,
}

impl Transfer {
    fn has_options(&self) -> bool {
        self.request.windows(8).any(|w| w == b"blksize\0")
    }

    fn send(&self, packet: &[u8]) {
        self.socket
            .send_to(packet, self.client)
            .expect("a sent packet");
    }

    fn data(&self, block: u16, bytes: &[u8]) {
        self.send(&[&[0, 3], block.to_be_bytes().as_slice(), bytes].concat());
    }

    /// The next packet of the client; none after a second without one.
    fn hears(&self) -> Option<Vec<u8>> {
        let mut packet = [0; 1000];
        let second = Some(Duration::from_secs(1));
        self.socket.set_read_timeout(second).expect("a time limit");
        let (length, _) = self.socket.recv_from(&mut packet).ok()?;
        Some(packet[..length].to_vec())
    }

    /// Waits for the acknowledgment of a block.
    fn acknowledged(&self, block: u16) {
        let wanted = [[0, 4], block.to_be_bytes()].concat();
        for _ in 0..20 {
            if self.hears().as_ref() == Some(&wanted) {
                return;
            }
        }
        panic!("block {block} was not acknowledged");
    }
}

/// A server that does to each request what it is told to; its URL. It ends with the test.
fn server(act: impl Fn(&Transfer) + Send + Sync + 'static) -> String {
    let main = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let url = format!("tftp://{}/file", main.local_addr().expect("an address"));
    let (act, count) = (Arc::new(act), AtomicUsize::new(0));
    std::thread::spawn(move || {
        let mut packet = [0; 1000];
        while let Ok((length, client)) = main.recv_from(&mut packet) {
            let transfer = Transfer {
                socket: UdpSocket::bind("127.0.0.1:0").expect("a free port"),
                client,
                request: packet[..length].to_vec(),
                earlier: count.fetch_add(1, Ordering::Relaxed),
            };
            let act = Arc::clone(&act);
            std::thread::spawn(move || act(&transfer));
        }
    });
    url
}

const NOT_WITH_OPTIONS: &[u8] = b"\0\x05\0\x08no options here\0";

#[test]
fn options_may_be_refused() {
    let url = server(|t| match t.has_options() {
        true => t.send(NOT_WITH_OPTIONS),
        false => t.data(1, b"without"),
    });
    let (bytes, pauses) = heard(url);
    assert_eq!(bytes.expect("a file"), b"without");
    assert_eq!(pauses, Vec::<String>::new());
}

#[test]
fn options_may_be_refused_again_and_again() {
    let url = server(|t| t.send(NOT_WITH_OPTIONS));
    assert_fails(get(url), &["code: 8, message: no options here"]);
}

pub fn options_may_make_a_server_silent() {
    let url = server(|t| {
        if !t.has_options() {
            t.data(1, b"without");
        }
    });
    let (bytes, pauses) = heard(url);
    assert_eq!(bytes.expect("a file"), b"without");
    assert_eq!(pauses.len(), 2, "{pauses:?}");
}

#[test]
fn options_may_come_unasked() {
    let url = server(|t| {
        if t.has_options() {
            return t.send(NOT_WITH_OPTIONS);
        }
        t.send(b"\0\x06blksize\x001024\0");
        t.acknowledged(0);
        t.data(1, &pattern(1024));
        t.acknowledged(1);
        t.data(2, b"end");
    });
    assert_eq!(
        get(url).expect("a file"),
        [pattern(1024), b"end".to_vec()].concat()
    );
}

pub fn a_server_may_be_slow_to_begin() {
    // Its answer to the first request comes after the second.
    let url = server(|t| {
        if t.earlier == 0 {
            std::thread::sleep(Duration::from_millis(6500));
            t.data(1, b"late");
        }
    });
    assert_eq!(get(url).expect("a file"), b"late");
}

#[test]
fn what_does_not_belong_to_it_changes_nothing() {
    let url = server(|t| {
        let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let stranger = UdpSocket::bind("127.66.0.1:0").expect("a free port");
        stranger
            .send_to(b"\0\x03\0\x01forged", t.client)
            .expect("a sent packet");
        // Not the beginning of anything.
        for packet in [
            b"".as_slice(),
            b"\0",
            b"\0\x03",
            b"\0\x03\0\x02two",
            b"\0\x04\0\x01",
            b"\0\x06blksize\0",
            b"\xff\xff\0\x01",
        ] {
            t.send(packet);
        }
        t.data(1, &pattern(512));
        t.acknowledged(1);
        let stray = [b"\0\x03\0\x02forged".as_slice(), b"\0\x05\0\x02forged\0"];
        for packet in stray {
            other.send_to(packet, t.client).expect("a sent packet");
            stranger.send_to(packet, t.client).expect("a sent packet");
        }
        // Another port of the same host is told that its transfer is unknown.
        let mut answer = [0; 100];
        other
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a time limit");
        let (length, _) = other.recv_from(&mut answer).expect("an answer");
        assert_eq!(&answer[..4], b"\0\x05\0\x05", "{:?}", &answer[..length]);
        t.data(1, &pattern(512));
        t.data(3, b"three");
        t.data(2, &pattern(513));
        t.send(b"\0\x06blksize\x008\0");
        t.send(b"\0\x02x\0octet\0");
        t.data(2, b"end");
    });
    let (bytes, _) = heard(url);
    assert_eq!(
        bytes.expect("a file"),
        [pattern(512), b"end".to_vec()].concat()
    );
}

#[test]
fn a_lost_answer_is_sent_again() {
    let url = server(|t| {
        t.data(1, &pattern(512));
        t.acknowledged(1);
        // As if it had not come: after a while the client says it again, and not to every repetition.
        std::thread::sleep(Duration::from_secs(1));
        for _ in 0..10 {
            t.data(1, &pattern(512));
        }
        t.acknowledged(1);
        assert_eq!(t.hears(), None, "each repetition was answered");
        t.data(2, b"");
    });
    let (bytes, pauses) = heard(url);
    assert_eq!(bytes.expect("a file"), pattern(512));
    assert_eq!(pauses, Vec::<String>::new());
}

pub fn endless_repetitions_do_not_hold_it() {
    let url = server(|t| {
        t.data(1, &pattern(512));
        t.acknowledged(1);
        for _ in 0..500 {
            t.data(1, &pattern(512));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let (bytes, pauses) = heard(url);
    assert_fails(
        bytes,
        &[
            "was cut off",
            "the server stopped answering after 512 bytes",
            "block 2 was requested",
        ],
    );
    assert_eq!(pauses, ["no answer for 5 s"; 5]);
}

#[test]
fn an_error_ends_it_at_any_time() {
    let url = server(|t| t.send(b"\0\x05\0\x02\x1b[2Jgo\naway\0"));
    let text = assert_fails(get(url), &["code: 2, message: [2Jgo away"]);
    assert!(!text.contains('\x1b'));
    let url = server(|t| {
        t.data(1, &pattern(512));
        t.acknowledged(1);
        t.send(b"\0\x05\0\x03disk full");
    });
    assert_fails(get(url), &["was cut off", "code: 3, message: disk full"]);
}

#[test]
fn a_file_shorter_than_announced_is_no_file() {
    let url = server(|t| {
        t.send(b"\0\x06blksize\x001000\0tsize\x005000\0");
        t.acknowledged(0);
        t.data(1, &pattern(1000));
        t.acknowledged(1);
        t.data(2, b"");
    });
    assert_fails(
        get(url),
        &["was cut off", "the server announced 5000 bytes, 1000 came"],
    );
}

pub fn block_sizes_that_do_not_exist_are_not_taken() {
    // Answers that cannot be understood are none, so the plain request gets its turn.
    let url = server(|t| match t.has_options() {
        true => t.send(b"\0\x06blksize\x00999999\0"),
        false => t.data(1, b"plain"),
    });
    assert_eq!(get(url).expect("a file"), b"plain");
}

/// Where a person waits for it.
#[test]
fn a_server_that_goes_on_for_ever_is_left() {
    let url = server(|t| {
        for block in 1.. {
            t.data(block, &pattern(512));
            if t.hears().is_none() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let settings = kindling::fetch::Settings::with_fallback_total(Some(Duration::from_secs(1)));
    let fetcher = kindling::fetch::Fetcher::new(settings);
    let request = kindling::fetch::Request::get(url);
    let result = fetcher.fetch_to_vec(&request, &kindling::fetch::Silent);
    assert_fails(
        result,
        &["unable to fetch resource in time", "bytes so far"],
    );
}

#[test]
fn a_server_is_told_when_its_file_is_no_longer_wanted() {
    let (sender, told) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let url = server(move |t| {
        t.data(1, &pattern(512));
        t.acknowledged(1);
        t.data(2, &pattern(512));
        let farewell = std::iter::from_fn(|| t.hears()).find(|packet| packet.starts_with(&[0, 5]));
        sender
            .lock()
            .expect("no panic")
            .send(farewell)
            .expect("the test listens");
    });
    let request = kindling::fetch::Request::get(url);
    let result = crate::fetcher().fetch_bounded(&request, 600, &kindling::fetch::Silent);
    assert_fails(result, &["is larger than 600 bytes"]);
    let farewell = told
        .recv_timeout(Duration::from_secs(30))
        .expect("an answer of the server");
    assert!(farewell.is_some(), "nothing was said");
}
