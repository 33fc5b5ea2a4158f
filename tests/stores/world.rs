//! An isolated world for one cloud: a network namespace in which the names of the store and the address of the metadata
//! service belong to the test. It ends with the thread that entered it.

use crate::common::namespace;
use crate::common::run::KilledOnDrop;
use kindling::fetch::{Cloud, Fetcher, Settings};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Where emulators are installed, once for all runs.
const TOOLS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/stores");
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stores");
/// Begins cases, and returns the log of requests.
const CONTROL: &str = "127.0.0.1:8099";
const METADATA: &str = "169.254.169.254:80";
/// How long servers may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Time limit of a fetch, so that a failing test ends.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// How to set up a cloud.
pub struct Plan<'a> {
    /// Our program in front of the emulator.
    pub program: &'a str,
    /// Names of the store, which the certificate is also for.
    pub names: &'a [&'a str],
    /// Names of the metadata service.
    pub metadata_names: &'a [&'a str],
}

/// The world.
pub struct World {
    directory: tempfile::TempDir,
    processes: Vec<KilledOnDrop>,
    root: CertificateDer<'static>,
}

impl World {
    /// Moves the calling thread, and whatever it starts from now on, into a new world.
    pub fn enter(plan: &Plan<'_>) -> Self {
        install();
        let directory = tempfile::tempdir().expect("a temporary directory");
        namespace::enter();
        namespace::know(&hosts(plan), directory.path());
        namespace::add_address("169.254.169.254");
        namespace::certificates(directory.path(), plan.names);
        let root = CertificateDer::from_pem_file(directory.path().join("ca.pem"));
        World {
            root: root.expect("what openssl wrote"),
            directory,
            processes: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a server that ends with the world.
    pub fn start(&mut self, program: &str, arguments: &[&str]) {
        let directory = self.directory.path();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("server.log"))
            .expect("a log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(Path::new(TOOLS).join(program))
            .args(arguments)
            .current_dir(directory)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AZURITE_ACCOUNTS", format!("acct:{ACCOUNT_KEY}"))
            .env_remove("PYTHONPATH")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("start {program}: {error}"));
        self.processes.push(KilledOnDrop(child));
    }

    /// The same for a program of Node.js.
    pub fn start_node(&mut self, arguments: &[&str]) {
        let script = format!("{TOOLS}/{}", arguments[0]);
        let mut all = vec![script.as_str()];
        all.extend(&arguments[1..]);
        self.start("node", &all);
    }

    /// Starts our program, and waits until everything is ready.
    pub fn open(&mut self, plan: &Plan<'_>) {
        let program = format!("{SOURCES}/servers/{}", plan.program);
        self.start("venv/bin/python", &[&program, "leaf.pem", "leaf.key"]);
        let start = Instant::now();
        while TcpStream::connect(CONTROL).is_err() {
            let ours = self.processes.last_mut().expect("just started");
            let ended = ours.try_wait().expect("it is ours");
            let log = std::fs::read_to_string(self.directory.path().join("server.log"));
            let log_text = log.unwrap_or_default();
            assert!(ended.is_none(), "{} ended: {log_text}", plan.program);
            assert!(
                start.elapsed() < START_TIMEOUT,
                "nobody listens: {log_text}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Begins a case: what the servers do, and an empty log.
    pub fn begin(&self, state: Value) {
        exchange(CONTROL, "PUT", "/state", &state.to_string());
    }

    /// The requests since the case began.
    pub fn log(&self) -> Log {
        let text = exchange(CONTROL, "GET", "/log", "");
        Log(serde_json::from_str(&text).expect("our program writes JSON"))
    }

    /// What our program provides in addition to the metadata of the cloud.
    pub fn query_metadata(&self, path: &str) -> String {
        exchange(METADATA, "GET", path, "")
    }

    pub fn settings(&self) -> Settings {
        Settings {
            extra_roots: vec![self.root.clone()],
            ..Settings::with_fallback_total(Some(FETCH_TIMEOUT))
        }
    }

    /// A fetcher without any cached state.
    pub fn fetcher(&self, cloud: Cloud) -> Fetcher {
        Fetcher::new(self.settings()).in_cloud(cloud)
    }
}

/// Requests in the order of their answers.
#[derive(Debug)]
pub struct Log(Vec<Value>);

impl Log {
    /// Requests for the store, as `METHOD host path status`.
    pub fn store(&self) -> Vec<String> {
        let lines = self.0.iter().filter(|entry| entry["side"] == "front");
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        lines
            .map(|entry| {
                let (method, host) = (text(entry, "method"), text(entry, "host"));
                format!(
                    "{method} {host} {} {}",
                    text(entry, "path"),
                    entry["status"]
                )
            })
            .collect()
    }

    /// The same for the metadata service, as `METHOD path status`.
    pub fn metadata(&self) -> Vec<String> {
        let lines = self.0.iter().filter(|entry| entry["side"] == "metadata");
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        lines
            .map(|entry| {
                let (method, path) = (text(entry, "method"), text(entry, "path"));
                format!("{method} {path} {}", entry["status"])
            })
            .collect()
    }

    /// Values of a header in requests for the store.
    pub fn header(&self, name: &str) -> Vec<Option<String>> {
        let requests = self.0.iter().filter(|entry| entry["side"] == "front");
        requests
            .map(|entry| entry["headers"][name].as_str().map(String::from))
            .collect()
    }
}

/// The key of the account of Azurite: 64 times `k`.
const ACCOUNT_KEY: &str =
    "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2traw==";

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = Command::new(format!("{SOURCES}/tools.sh"))
            .arg(TOOLS)
            .status()
            .expect("bash runs");
        assert!(status.success(), "the emulators cannot be installed");
    });
}

fn hosts(plan: &Plan<'_>) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for name in plan.names {
        text += &format!("127.0.0.1 {name}\n");
    }
    for name in plan.metadata_names {
        text += &format!("169.254.169.254 {name}\n");
    }
    text
}

/// Sends one HTTP/1.0 request; returns the body of the answer.
fn exchange(address: &str, method: &str, path: &str, body: &str) -> String {
    let address: SocketAddr = address.parse().expect("an address");
    let mut stream = TcpStream::connect(address).expect("our program listens");
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(" 200 "), "{method} {path}: {head}");
    body.into()
}
