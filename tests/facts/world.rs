//! A network of one thread's own, in which the addresses of metadata services belong to the test. It ends with the
//! thread.

use crate::{certified, namespace};
use rustls::{ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Where services are.
pub const LINK_LOCAL: &str = "169.254.169.254";
pub const SCALEWAY: &str = "169.254.42.42";
pub const ALIYUN: &str = "100.100.100.200";

/// A header that a request must have; without it the service says 401.
pub type Header = (&'static str, &'static str);

/// One document of a service.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Method and path with query, e.g. `GET /latest`.
    pub line: &'static str,
    pub needs: &'static [Header],
    pub status: u16,
    pub body: &'static str,
}

impl Page {
    pub const fn get(line: &'static str, body: &'static str) -> Self {
        Page {
            line,
            needs: &[],
            status: 200,
            body,
        }
    }
}

/// The world with one service.
pub struct World {
    service: Service,
}

#[derive(Clone)]
struct Service {
    pages: Arc<BTreeMap<&'static str, Page>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a test in a world of its own.
pub fn with(address: &str, pages: Vec<Page>, test: impl FnOnce(&World) + Send + 'static) {
    let address = address.to_owned();
    let thread = std::thread::spawn(move || test(&World::enter(&address, pages)));
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl World {
    fn enter(address: &str, pages: Vec<Page>) -> Self {
        namespace::enter();
        let world = World {
            service: Service {
                pages: Arc::new(pages.iter().map(|page| (page.line, *page)).collect()),
                asked: Arc::default(),
            },
        };
        world.answer_at(address);
        world
    }

    /// The service answers at this address, too.
    pub fn answer_at(&self, address: &str) {
        namespace::add_address(address);
        let service = self.service.clone();
        let listener = listener(&format!("{address}:80"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is none of the server's trouble.
                let _ = service.serve(stream);
            }
        });
    }

    /// The service answers by HTTPS, as this name. Certificates are put into a directory.
    pub fn answer_as(&self, name: &str, directory: &Path) {
        namespace::certificates(directory, &[name]);
        namespace::know(&format!("127.0.0.1 localhost {name}\n"), directory);
        let config = certified::config(directory);
        let service = self.service.clone();
        let listener = listener("127.0.0.1:443");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                let _ = service.serve(StreamOwned::new(session, stream));
            }
        });
    }

    /// Runs `kindling metadata` with these words.
    pub fn metadata(&self, words: &[&str]) -> Said {
        self.metadata_in(words, &std::env::temp_dir())
    }

    /// The same with a directory for temporary files.
    pub fn metadata_in(&self, words: &[&str], temporary: &Path) -> Said {
        self.run(
            Command::new(env!("CARGO_BIN_EXE_kindling")).env("TMPDIR", temporary),
            words,
        )
    }

    /// The same with an authority of certificates.
    pub fn metadata_trusting(&self, words: &[&str], authority: &Path) -> Said {
        self.run(
            Command::new(env!("CARGO_BIN_EXE_kindling")).env("SSL_CERT_FILE", authority),
            words,
        )
    }

    fn run(&self, command: &mut Command, words: &[&str]) -> Said {
        let output = command
            .arg("metadata")
            .args(words)
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .output()
            .expect("kindling runs");
        Said::of(&output)
    }

    /// Runs a stage of a first boot with its files in `machine`.
    pub fn stage(&self, platform: &str, stage: &str, machine: &Path) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kindling"));
        let flags = [
            "boot",
            "-log-to-stdout",
            "-platform",
            platform,
            "-stage",
            stage,
        ];
        command.args(flags);
        for (flag, name) in [
            ("-root", "root"),
            ("-config-cache", "cache.json"),
            ("-neednet", "neednet"),
            ("-state-file", "state"),
        ] {
            command.arg(flag).arg(machine.join(name));
        }
        let output = command
            .args(["-fetch-timeout", "20s"])
            .env("IGNITION_KERNEL_CMDLINE_PATH", machine.join("cmdline"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", machine)
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", machine)
            .env("IGNITION_SYSTEM_CONFIG_DIR", machine)
            .env("KINDLING_RUN_DIR", machine.join("kindling"))
            .output()
            .expect("kindling runs");
        Said::of(&output)
    }

    /// Runs `kindling fetch --rendered` on a machine with files in `machine`.
    pub fn fetch(&self, platform: &str, machine: &Path) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_kindling"))
            .args(["fetch", "--rendered", "--platform", platform])
            .env("IGNITION_KERNEL_CMDLINE_PATH", machine.join("cmdline"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", machine)
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", machine)
            .env("IGNITION_SYSTEM_CONFIG_DIR", machine)
            .output()
            .expect("kindling runs");
        Said::of(&output)
    }

    /// What was asked for, as `METHOD PATH STATUS`.
    pub fn asked(&self) -> Vec<String> {
        self.service.asked.lock().expect("no panic").clone()
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

fn listener(address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().expect("an address");
    TcpListener::bind(address).expect("the address is ours")
}

impl Service {
    fn serve(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let line = first.trim_end().trim_end_matches("HTTP/1.1").trim_end();
        let has = |(name, value): &Header| headers.iter().any(|(n, v)| n == name && v == value);
        let (status, body) = match self.pages.get(line) {
            None => (404, "no such document"),
            Some(page) if page.needs.iter().all(has) => (page.status, page.body),
            Some(_) => (401, "a header is missing"),
        };
        let mut asked = self.asked.lock().expect("no panic");
        asked.push(format!("{line} {status}"));
        drop(asked);
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let stream = reader.get_mut();
        stream.write_all(format!("{head}{body}").as_bytes())?;
        stream.flush()
    }
}
