//! The servers of Debian: tftpd-hpa and dnsmasq.

use super::{heard, pattern};
use crate::common::namespace;
use crate::http2::free_port;
use crate::{assert_fails, fetch, get, gzip, packed};
use kindling::config::digest::Digest;
use kindling::fetch::Request;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A file that comes with a pause is fetched so many times before that is a fault.
const MAX_ATTEMPTS: usize = 4;
/// How long a daemon may take to start.
const PATIENCE: Duration = Duration::from_secs(120);
/// More blocks of 512 bytes than there are numbers for.
const MANY_BLOCKS: usize = 70_000 * 512 + 1;

/// A daemon with a folder; ends with the value.
struct Daemon {
    child: Child,
    directory: tempfile::TempDir,
    /// What goes between scheme and path.
    authority: String,
}

/// A program that ends with the thread that starts it, even if this process is killed.
fn ending_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

impl Daemon {
    /// `in.tftpd` with options of its own.
    fn tftpd(host: &str, options: &[&str]) -> Self {
        let authority = format!("{host}:{}", free_port());
        Daemon::start(authority.clone(), |at| {
            let mut command = ending_with_us("/usr/sbin/in.tftpd");
            command
                .args(["--listen", "--foreground", "--secure", "--user", "root"])
                .args(["--address", &authority])
                .args(options)
                .arg(at);
            command
        })
    }

    /// dnsmasq, which knows no port but its own; so each one has an address, in a network of its own.
    fn dnsmasq(host: &str, options: &[&str]) -> Self {
        namespace::enter();
        Daemon::start(host.to_owned(), |at| {
            let mut command = ending_with_us("/usr/sbin/dnsmasq");
            command
                .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0"])
                .args([
                    "--enable-tftp",
                    "--user=root",
                    "--pid-file=",
                    "--bind-interfaces",
                ])
                .arg(format!("--listen-address={host}"))
                .arg(format!("--tftp-root={}", at.display()))
                .args(options);
            command
        })
    }

    fn start(authority: String, command: impl FnOnce(&Path) -> Command) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("new permissions");
        let mut command = command(directory.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("a daemon; install the Debian packages `tftpd-hpa` and `dnsmasq-base`");
        let mut daemon = Daemon {
            child,
            directory,
            authority,
        };
        daemon.put("ready", b"yes");
        daemon.wait();
        daemon
    }

    /// Until it answers. What is sent before that is lost, or told to be so; neither says that it will not start.
    fn wait(&mut self) {
        let start = Instant::now();
        let socket = std::net::UdpSocket::bind("[::]:0").expect("a port");
        let with_port = match self.authority.contains(':') {
            true => self.authority.clone(),
            false => format!("{}:69", self.authority),
        };
        let mapped = with_port.parse::<std::net::SocketAddrV4>();
        let address = mapped.map_or(with_port, |v4| {
            format!("[{}]:{}", v4.ip().to_ipv6_mapped(), v4.port())
        });
        let timeout = Some(Duration::from_millis(100));
        socket.set_read_timeout(timeout).expect("a time limit");
        loop {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the daemon for {address} ended: {ended:?}");
            assert!(start.elapsed() < PATIENCE, "no daemon answers at {address}");
            let _ = socket.send_to(b"\0\x01/ready\0octet\0", &*address);
            if socket.recv_from(&mut [0; 600]).is_ok() {
                return;
            }
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a written file");
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path, mode).expect("new permissions");
    }

    fn url(&self, name: &str) -> String {
        format!("tftp://{}/{name}", self.authority)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lengths around the ends of blocks, in names with and without escapes, packed and verified, and what is not there.
fn serves(daemon: &Daemon) {
    for length in [
        0,
        1,
        511,
        512,
        513,
        1024,
        1427,
        1428,
        1429,
        2 * 1428,
        100_000,
    ] {
        // A name for each: dnsmasq remembers the length of a file whose last block is still on its way.
        daemon.put(&format!("dir/a file {length}"), &pattern(length));
        let url = daemon.url(&format!("dir/a%20file%20{length}?x=y"));
        let mut pauses = vec!["no attempt".to_owned()];
        // A machine that stands still for longer than an answer may take is no fault; one that pauses each time is.
        for _ in 0..MAX_ATTEMPTS {
            let bytes;
            (bytes, pauses) = heard(url.clone());
            assert_eq!(bytes.expect("a file"), pattern(length), "{length} bytes");
            if pauses.is_empty() {
                break;
            }
        }
        assert_eq!(pauses, Vec::<String>::new(), "{length} bytes");
    }
    daemon.put("packed", &packed(b"hello spec\n"));
    let digest = "sha256-0f430ed07ac54f37ca7ef9689191bf7b92072a721e8076b2c32096324536fadc";
    let request = Request {
        digest: Some(Digest::parse(digest).expect("a digest")),
        ..gzip(daemon.url("packed"))
    };
    assert_eq!(fetch(&request).expect("a file").0, b"hello spec\n");
    let missing = assert_fails(
        get(daemon.url("missing")),
        &["failed to fetch resource: tftp://", "code: 1, message: "],
    );
    assert!(missing.to_lowercase().contains("not found"), "{missing}");
}

#[test]
fn tftpd_with_all_options() {
    serves(&Daemon::tftpd("127.0.0.1", &[]));
}

#[test]
fn tftpd_on_ipv6() {
    serves(&Daemon::tftpd("[::1]", &[]));
}

#[test]
fn tftpd_without_the_size() {
    serves(&Daemon::tftpd("127.0.0.1", &["--refuse", "tsize"]));
}

#[test]
fn tftpd_without_options() {
    serves(&Daemon::tftpd(
        "127.0.0.1",
        &["--refuse", "tsize", "--refuse", "blksize"],
    ));
}

#[test]
fn tftpd_with_smaller_blocks_than_asked_for() {
    serves(&Daemon::tftpd("127.0.0.1", &["--blocksize", "700"]));
}

#[test]
fn dnsmasq_with_options_at_its_own_port() {
    serves(&Daemon::dnsmasq("127.69.0.1", &[]));
}

#[test]
fn dnsmasq_without_options() {
    serves(&Daemon::dnsmasq("127.69.0.2", &["--tftp-no-blocksize"]));
}

#[test]
fn block_numbers_start_again_after_the_last() {
    let daemon = Daemon::tftpd("127.0.0.1", &["--refuse", "blksize", "--refuse", "tsize"]);
    daemon.put("large", &pattern(MANY_BLOCKS));
    let bytes = get(daemon.url("large")).expect("a file");
    assert!(
        bytes == pattern(MANY_BLOCKS),
        "{} bytes came, or other ones",
        bytes.len()
    );
}

#[test]
fn what_the_daemon_may_not_read_is_told() {
    let daemon = Daemon::tftpd("127.0.0.1", &[]);
    let private = std::fs::Permissions::from_mode(0o600);
    let path = daemon.directory.path().join("ready");
    std::fs::set_permissions(path, private).expect("new permissions");
    let result = get(daemon.url("ready"));
    assert_fails(
        result,
        &["/ready: code: 2, message: File must have global read permissions"],
    );
}

pub fn nobody_at_the_port_is_told_after_a_while() {
    let (result, pauses) = heard("tftp://127.69.0.4/f".into());
    assert_fails(
        result,
        &["tftp://127.69.0.4/f: no server answered, 6 requests were sent"],
    );
    assert_eq!(pauses, ["no answer for 5 s"; 5]);
}

pub fn a_host_without_an_address_is_told_after_a_while() {
    let (result, pauses) = heard("tftp://nobody.invalid/f".into());
    assert_fails(result, &["cannot find the address of \"nobody.invalid\""]);
    assert!(!pauses.is_empty());
}
