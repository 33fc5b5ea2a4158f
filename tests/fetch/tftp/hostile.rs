//! Servers that lose, duplicate, reorder, forge and abort.

use super::{fetch_with_log, pattern};
use crate::{assert_fails, get};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A request and the socket for its transfer.
struct Transfer {
    socket: UdpSocket,
    client: SocketAddr,
    request: Vec<u8>,
    /// Number of earlier requests.
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

    fn send_data(&self, block: u16, bytes: &[u8]) {
        self.send(&[&[0, 3], block.to_be_bytes().as_slice(), bytes].concat());
    }

    /// Receives the next packet from the client; none after one second.
    fn receive(&self) -> Option<Vec<u8>> {
        let mut packet = [0; 1000];
        let second = Some(Duration::from_secs(1));
        self.socket.set_read_timeout(second).expect("a time limit");
        let (length, _) = self.socket.recv_from(&mut packet).ok()?;
        Some(packet[..length].to_vec())
    }

    /// Waits for the acknowledgment of a block.
    fn wait_for_acknowledgment(&self, block: u16) {
        let expected = [[0, 4], block.to_be_bytes()].concat();
        for _ in 0..20 {
            if self.receive().as_ref() == Some(&expected) {
                return;
            }
        }
        panic!("block {block} was not acknowledged");
    }
}

/// Starts a server with this behaviour for each request, and returns its URL. It ends with the test.
fn server(handler: impl Fn(&Transfer) + Send + Sync + 'static) -> String {
    let main = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let url = format!("tftp://{}/file", main.local_addr().expect("an address"));
    let (handler, count) = (Arc::new(handler), AtomicUsize::new(0));
    std::thread::spawn(move || {
        let mut packet = [0; 1000];
        while let Ok((length, client)) = main.recv_from(&mut packet) {
            let transfer = Transfer {
                socket: UdpSocket::bind("127.0.0.1:0").expect("a free port"),
                client,
                request: packet[..length].to_vec(),
                earlier: count.fetch_add(1, Ordering::Relaxed),
            };
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || handler(&transfer));
        }
    });
    url
}

const OPTIONS_REFUSED: &[u8] = b"\0\x05\0\x08no options here\0";

#[test]
fn options_may_be_refused() {
    let url = server(|t| match t.has_options() {
        true => t.send(OPTIONS_REFUSED),
        false => t.send_data(1, b"without"),
    });
    let (bytes, pauses) = fetch_with_log(url);
    assert_eq!(bytes.expect("a file"), b"without");
    assert_eq!(pauses, Vec::<String>::new());
}

#[test]
fn options_may_be_refused_again_and_again() {
    let url = server(|t| t.send(OPTIONS_REFUSED));
    assert_fails(get(url), &["code: 8, message: no options here"]);
}

pub fn options_may_make_a_server_silent() {
    let url = server(|t| {
        if !t.has_options() {
            t.send_data(1, b"without");
        }
    });
    let (bytes, pauses) = fetch_with_log(url);
    assert_eq!(bytes.expect("a file"), b"without");
    assert_eq!(pauses.len(), 2, "{pauses:?}");
}

#[test]
fn unrequested_options_are_accepted() {
    let url = server(|t| {
        if t.has_options() {
            return t.send(OPTIONS_REFUSED);
        }
        t.send(b"\0\x06blksize\x001024\0");
        t.wait_for_acknowledgment(0);
        t.send_data(1, &pattern(1024));
        t.wait_for_acknowledgment(1);
        t.send_data(2, b"end");
    });
    assert_eq!(
        get(url).expect("a file"),
        [pattern(1024), b"end".to_vec()].concat()
    );
}

pub fn a_server_may_be_slow_to_begin() {
    // Its answer to the first request arrives after the second request.
    let url = server(|t| {
        if t.earlier == 0 {
            std::thread::sleep(Duration::from_millis(6500));
            t.send_data(1, b"late");
        }
    });
    assert_eq!(get(url).expect("a file"), b"late");
}

#[test]
fn stray_packets_are_ignored() {
    let url = server(|t| {
        let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let stranger = UdpSocket::bind("127.66.0.1:0").expect("a free port");
        stranger
            .send_to(b"\0\x03\0\x01forged", t.client)
            .expect("a sent packet");
        // Invalid first packets.
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
        t.send_data(1, &pattern(512));
        t.wait_for_acknowledgment(1);
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
        t.send_data(1, &pattern(512));
        t.send_data(3, b"three");
        t.send_data(2, &pattern(513));
        t.send(b"\0\x06blksize\x008\0");
        t.send(b"\0\x02x\0octet\0");
        t.send_data(2, b"end");
    });
    let (bytes, _) = fetch_with_log(url);
    assert_eq!(
        bytes.expect("a file"),
        [pattern(512), b"end".to_vec()].concat()
    );
}

#[test]
fn a_lost_acknowledgment_is_resent() {
    let url = server(|t| {
        t.send_data(1, &pattern(512));
        t.wait_for_acknowledgment(1);
        // As if it were lost: after a while the client resends it, but not for every duplicate.
        std::thread::sleep(Duration::from_secs(1));
        for _ in 0..10 {
            t.send_data(1, &pattern(512));
        }
        t.wait_for_acknowledgment(1);
        assert_eq!(t.receive(), None, "each repetition was answered");
        t.send_data(2, b"");
    });
    let (bytes, pauses) = fetch_with_log(url);
    assert_eq!(bytes.expect("a file"), pattern(512));
    assert_eq!(pauses, Vec::<String>::new());
}

pub fn endless_duplicates_time_out() {
    let url = server(|t| {
        t.send_data(1, &pattern(512));
        t.wait_for_acknowledgment(1);
        for _ in 0..500 {
            t.send_data(1, &pattern(512));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let (bytes, pauses) = fetch_with_log(url);
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
fn an_error_ends_a_transfer_at_any_time() {
    let url = server(|t| t.send(b"\0\x05\0\x02\x1b[2Jgo\naway\0"));
    let text = assert_fails(get(url), &["code: 2, message: [2Jgo away"]);
    assert!(!text.contains('\x1b'));
    let url = server(|t| {
        t.send_data(1, &pattern(512));
        t.wait_for_acknowledgment(1);
        t.send(b"\0\x05\0\x03disk full");
    });
    assert_fails(get(url), &["was cut off", "code: 3, message: disk full"]);
}

#[test]
fn a_file_shorter_than_announced_is_an_error() {
    let url = server(|t| {
        t.send(b"\0\x06blksize\x001000\0tsize\x005000\0");
        t.wait_for_acknowledgment(0);
        t.send_data(1, &pattern(1000));
        t.wait_for_acknowledgment(1);
        t.send_data(2, b"");
    });
    assert_fails(
        get(url),
        &["was cut off", "the server announced 5000 bytes, 1000 came"],
    );
}

pub fn invalid_block_sizes_are_ignored() {
    // Invalid answers are ignored, so a request without options follows.
    let url = server(|t| match t.has_options() {
        true => t.send(b"\0\x06blksize\x00999999\0"),
        false => t.send_data(1, b"plain"),
    });
    assert_eq!(get(url).expect("a file"), b"plain");
}

/// Interactive fetches have a total limit.
#[test]
fn an_endless_file_times_out() {
    let url = server(|t| {
        for block in 1.. {
            t.send_data(block, &pattern(512));
            if t.receive().is_none() {
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
fn the_server_is_notified_of_an_aborted_transfer() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let url = server(move |t| {
        t.send_data(1, &pattern(512));
        t.wait_for_acknowledgment(1);
        t.send_data(2, &pattern(512));
        let abort = std::iter::from_fn(|| t.receive()).find(|packet| packet.starts_with(&[0, 5]));
        sender
            .lock()
            .expect("no panic")
            .send(abort)
            .expect("the test listens");
    });
    let request = kindling::fetch::Request::get(url);
    let result = crate::fetcher().fetch_bounded(&request, 600, &kindling::fetch::Silent);
    assert_fails(result, &["is larger than 600 bytes"]);
    let abort = receiver
        .recv_timeout(Duration::from_secs(30))
        .expect("an answer of the server");
    assert!(abort.is_some(), "no error packet was sent");
}
