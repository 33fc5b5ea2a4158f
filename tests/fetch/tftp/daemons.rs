//! The TFTP servers in Debian: tftpd-hpa and dnsmasq.

use super::{fetch_with_log, pattern};
use crate::common::gzip::gzipped;
use crate::common::namespace;
use crate::common::run::KilledOnDrop;
use crate::http2::free_port;
use crate::{assert_fails, fetch, get, gzip};
use kindling::config::digest::Digest;
use kindling::fetch::Request;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A fetch with retries is repeated this many times before it counts as a failure.
const MAX_ATTEMPTS: usize = 4;
/// How long a daemon may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// More blocks of 512 bytes than there are block numbers.
const LARGE_FILE_BYTES: usize = 70_000 * 512 + 1;

/// A daemon and its directory; stopped on drop.
struct Daemon {
    child: KilledOnDrop,
    directory: tempfile::TempDir,
    /// The authority part of its URLs.
    authority: String,
}

/// A program that is killed with the thread that started it, even if this process is killed.
fn killed_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

impl Daemon {
    /// `in.tftpd` with these options.
    fn tftpd(host: &str, options: &[&str]) -> Self {
        let authority = format!("{host}:{}", free_port());
        Daemon::start(authority.clone(), |root| {
            let mut command = killed_with_us("/usr/sbin/in.tftpd");
            command
                .args(["--listen", "--foreground", "--secure", "--user", "root"])
                .args(["--address", &authority])
                .args(options)
                .arg(root);
            command
        })
    }

    /// dnsmasq only supports the default port, so each instance has its own address in a separate network namespace.
    fn dnsmasq(host: &str, options: &[&str]) -> Self {
        namespace::enter();
        Daemon::start(host.to_owned(), |root| {
            let mut command = killed_with_us("/usr/sbin/dnsmasq");
            command
                .args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0"])
                .args([
                    "--enable-tftp",
                    "--user=root",
                    "--pid-file=",
                    "--bind-interfaces",
                ])
                .arg(format!("--listen-address={host}"))
                .arg(format!("--tftp-root={}", root.display()))
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
            child: KilledOnDrop(child),
            directory,
            authority,
        };
        daemon.put("ready", b"yes");
        daemon.wait();
        daemon
    }

    /// Waits until the daemon answers. Until then, requests are lost or rejected, which does not mean that it failed.
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
            assert!(
                start.elapsed() < START_TIMEOUT,
                "no daemon answers at {address}"
            );
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

/// Tests lengths around block boundaries, names with escapes, compressed and verified files, and missing files.
fn check_daemon(daemon: &Daemon) {
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
        // Each has its own name: dnsmasq caches the length of a file while its last block is in flight.
        daemon.put(&format!("dir/a file {length}"), &pattern(length));
        let url = daemon.url(&format!("dir/a%20file%20{length}?x=y"));
        let mut pauses = vec!["no attempt".to_owned()];
        // A single timeout on a busy machine is tolerated, but not one in every attempt.
        for _ in 0..MAX_ATTEMPTS {
            let bytes;
            (bytes, pauses) = fetch_with_log(url.clone());
            assert_eq!(bytes.expect("a file"), pattern(length), "{length} bytes");
            if pauses.is_empty() {
                break;
            }
        }
        assert_eq!(pauses, Vec::<String>::new(), "{length} bytes");
    }
    daemon.put("packed", &gzipped(b"hello spec\n"));
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
    check_daemon(&Daemon::tftpd("127.0.0.1", &[]));
}

#[test]
fn tftpd_on_ipv6() {
    check_daemon(&Daemon::tftpd("[::1]", &[]));
}

#[test]
fn tftpd_without_the_size() {
    check_daemon(&Daemon::tftpd("127.0.0.1", &["--refuse", "tsize"]));
}

#[test]
fn tftpd_without_options() {
    check_daemon(&Daemon::tftpd(
        "127.0.0.1",
        &["--refuse", "tsize", "--refuse", "blksize"],
    ));
}

#[test]
fn tftpd_with_smaller_blocks_than_requested() {
    check_daemon(&Daemon::tftpd("127.0.0.1", &["--blocksize", "700"]));
}

#[test]
fn dnsmasq_with_options_at_its_own_port() {
    check_daemon(&Daemon::dnsmasq("127.69.0.1", &[]));
}

#[test]
fn dnsmasq_without_options() {
    check_daemon(&Daemon::dnsmasq("127.69.0.2", &["--tftp-no-blocksize"]));
}

#[test]
fn block_numbers_wrap() {
    let daemon = Daemon::tftpd("127.0.0.1", &["--refuse", "blksize", "--refuse", "tsize"]);
    daemon.put("large", &pattern(LARGE_FILE_BYTES));
    let bytes = get(daemon.url("large")).expect("a file");
    assert!(
        bytes == pattern(LARGE_FILE_BYTES),
        "{} bytes came, or other ones",
        bytes.len()
    );
}

#[test]
fn unreadable_files_are_reported() {
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

pub fn an_unreachable_port_times_out() {
    let (result, pauses) = fetch_with_log("tftp://127.69.0.4/f".into());
    assert_fails(
        result,
        &["tftp://127.69.0.4/f: no server answered, 6 requests were sent"],
    );
    assert_eq!(pauses, ["no answer for 5 s"; 5]);
}

pub fn an_unknown_host_times_out() {
    let (result, pauses) = fetch_with_log("tftp://nobody.invalid/f".into());
    assert_fails(result, &["cannot find the address of \"nobody.invalid\""]);
    assert!(!pauses.is_empty());
}
