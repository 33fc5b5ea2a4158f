//! Against a small server that speaks the real protocol.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use tempfile::TempDir;

/// A call as the server sees it, and what it sends back.
type ScriptedReply = fn(member: &str, arguments: &[String], serial: u32) -> Vec<u8>;

/// Answers one connection; the socket lives as long as the directory.
fn serve(script: ScriptedReply) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("private");
    let listener = UnixListener::bind(&path).expect("bound");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        answer(stream, script)
    });
    (dir, path)
}

fn answer(mut stream: UnixStream, script: ScriptedReply) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let uid: String = uzers::get_effective_uid().to_string();
    let hex: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
    assert_eq!(line, format!("\0AUTH EXTERNAL {hex}\r\n"));
    stream.write_all(b"OK 0123456789abcdef\r\n").ok()?;
    line.clear();
    reader.read_line(&mut line).ok()?;
    assert_eq!(line, "BEGIN\r\n");
    loop {
        let mut preamble = [0; wire::PREAMBLE_BYTES];
        reader.read_exact(&mut preamble).ok()?;
        let bytes = wire::message_bytes(&preamble).expect("a message");
        let mut message = preamble.to_vec();
        message.resize(bytes, 0);
        reader.read_exact(&mut message[preamble.len()..]).ok()?;
        let serial = u32::from_le_bytes(message[8..12].try_into().expect("4 bytes"));
        let parsed = wire::parse(&message).expect("a call");
        let mut body = parsed.body.reader();
        let arguments: Vec<String> = std::iter::from_fn(|| body.string().ok()).collect();
        let member = parsed.member.expect("a call has one");
        stream
            .write_all(&script(&member, &arguments, serial))
            .ok()?;
    }
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
    bytes.extend(text.bytes());
    bytes.push(0);
}

/// A message with header fields (number, type, text) and a body.
fn message(kind: u8, reply_to: Option<u32>, fields: &[(u8, char, &str)], body: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    if let Some(serial) = reply_to {
        header.extend(b"\x05\x01u\0");
        header.extend(serial.to_le_bytes());
    }
    for (number, kind, value) in fields {
        pad(&mut header, 8);
        header.extend([*number, 1, *kind as u8, 0]);
        if *kind == 'g' {
            header.push(u8::try_from(value.len()).expect("short"));
            header.extend(value.bytes());
            header.push(0);
        } else {
            text(&mut header, value);
        }
    }
    let number = |value: usize| u32::try_from(value).expect("short").to_le_bytes();
    let mut message = vec![b'l', kind, 1, 1];
    message.extend(number(body.len()));
    message.extend(1u32.to_le_bytes());
    message.extend(number(header.len()));
    message.extend(header);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn job_removed(job: &str, unit: &str, result: &str) -> Vec<u8> {
    let mut body = 7u32.to_le_bytes().to_vec();
    text(&mut body, job);
    text(&mut body, unit);
    text(&mut body, result);
    let fields = [
        (1, 'o', "/org/freedesktop/systemd1"),
        (2, 's', "org.freedesktop.systemd1.Manager"),
        (3, 's', "JobRemoved"),
        (8, 'g', "uoss"),
    ];
    message(4, None, &fields, &body)
}

fn job_started(serial: u32, job: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, job);
    message(2, Some(serial), &[(8, 'g', "o")], &body)
}

fn connect(script: ScriptedReply) -> (TempDir, SystemdClient) {
    let (dir, path) = serve(script);
    (dir, SystemdClient::connect_to(&path).expect("connected"))
}

#[test]
fn devices_are_started_and_waited_for() {
    // The first job ends before its call is answered, the second right after that, and another one
    // that nobody asked for in between.
    let (_dir, mut systemd) = connect(|member, arguments, serial| {
        assert_eq!((member, arguments[1].as_str()), ("StartUnit", "replace"));
        let unit = arguments[0].as_str();
        let (job, result) = match unit {
            "dev-disk-by\\x2dlabel-A.device" => ("/job/1", "done"),
            "dev-vdb.device" => ("/job/2", "timeout"),
            other => panic!("{other}"),
        };
        let mut out = job_removed("/job/3", "other.service", "failed");
        if job == "/job/1" {
            out.extend(job_removed(job, unit, result));
            out.extend(job_started(serial, job));
        } else {
            out.extend(job_started(serial, job));
            out.extend(job_removed(job, unit, result));
        }
        out
    });
    let devices = [Path::new("/dev/disk/by-label/A"), Path::new("/dev/vdb")];
    let not_started = systemd.start_devices(&devices, None).expect("answered");
    let expected = NotStarted {
        device: "/dev/vdb".into(),
        result: Some("timeout".into()),
    };
    assert_eq!(not_started, [expected]);
}

#[test]
fn dropped_jobs_are_started_again() {
    // Every second job is dropped.
    let (_dir, mut systemd) = connect(|_, arguments, serial| {
        let job = format!("/job/{serial}");
        let result = if serial % 2 == 1 { "collected" } else { "done" };
        let mut out = job_started(serial, &job);
        out.extend(job_removed(&job, &arguments[0], result));
        out
    });
    let devices = [Path::new("/dev/vdb")];
    let not_started = systemd.start_devices(&devices, None).expect("answered");
    assert_eq!(not_started, []);
    let (_dir, mut systemd) = connect(|_, arguments, serial| {
        let mut out = job_started(serial, "/job/1");
        out.extend(job_removed("/job/1", &arguments[0], "collected"));
        out
    });
    let not_started = systemd.start_devices(&devices, None).expect("answered");
    assert_eq!(not_started[0].result.as_deref(), Some("collected"));
}

#[test]
fn our_own_limit_holds() {
    let (_dir, mut systemd) = connect(|_, _, serial| job_started(serial, "/job/1"));
    let limit = Duration::from_millis(50);
    let devices = [Path::new("/dev/vdb")];
    let not_started = systemd.start_devices(&devices, Some(limit));
    assert_eq!(not_started.expect("answered")[0].result, None);
}

#[test]
fn a_refusal_is_quoted() {
    let (_dir, mut systemd) = connect(|_, _, serial| {
        let mut body = Vec::new();
        text(&mut body, "no such unit");
        let name = "org.freedesktop.systemd1.NoSuchUnit";
        message(3, Some(serial), &[(4, 's', name), (8, 'g', "s")], &body)
    });
    let error = systemd.start_devices(&[Path::new("/dev/vdb")], None);
    assert_eq!(
        format!("{:#}", error.expect_err("refused")),
        "cannot make systemd start dev-vdb.device: systemd refuses StartUnit: \
         org.freedesktop.systemd1.NoSuchUnit: no such unit"
    );
}

#[test]
fn a_server_that_hangs_up_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("private");
    assert!(SystemdClient::connect_to(&path).is_none(), "nobody listens");
    let listener = UnixListener::bind(&path).expect("bound");
    let server = thread::spawn(move || drop(listener.accept()));
    assert!(
        SystemdClient::connect_to(&path).is_none(),
        "it says nothing"
    );
    server.join().expect("joined");
    let (_dir, mut systemd) = connect(|_, _, _| b"HTTP/1.1 400 Bad Request".to_vec());
    let started = systemd.start_devices(&[Path::new("/dev/vdb")], None);
    started.expect_err("not the protocol");
}

/// Only where systemd runs and allows it: on the machines that whole boots are tested on.
#[test]
fn the_real_systemd_answers() {
    let Some(mut systemd) = SystemdClient::connect() else {
        return;
    };
    let limit = Some(Duration::from_millis(100));
    let missing = Path::new("/dev/kindling/no-such-device");
    let waited = systemd.start_devices(&[missing], limit).expect("answered");
    assert_eq!(waited[0].result, None);
}

#[test]
fn paths_are_escaped_as_systemd_escape_does() {
    let cases = [
        ("/", "-"),
        ("/dev/vda1", "dev-vda1"),
        (
            "//dev///disk/by-label/A B/",
            "dev-disk-by\\x2dlabel-A\\x20B",
        ),
        (
            "/dev/disk/by-id/dm-name-a.b_c:d",
            "dev-disk-by\\x2did-dm\\x2dname\\x2da.b_c:d",
        ),
        ("/.hidden/.x", "\\x2ehidden-.x"),
        ("/dev/mapper/é\\", "dev-mapper-\\xc3\\xa9\\x5c"),
    ];
    for (path, expected) in cases {
        assert_eq!(escape(path), expected, "{path}");
    }
    assert_eq!(device_unit(Path::new("/dev/vda")), "dev-vda.device");
}
