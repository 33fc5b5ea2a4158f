//! A network namespace for one thread, in which the test provides the addresses of metadata services. It ends with
//! the thread.

use crate::common::run::{Ended, kindling};
use crate::common::server::{Accept, Seen, Server, Stream, plain, respond};
use crate::common::{boot, namespace, tls};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

// Addresses of services.
pub const LINK_LOCAL: &str = "169.254.169.254";
pub const SCALEWAY: &str = "169.254.42.42";
pub const ALIYUN: &str = "100.100.100.200";

/// A header that a request must have; without it the service responds with 401.
pub type Header = (&'static str, &'static str);

/// A document of a service.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Method and path with query, e.g. `GET /latest`.
    pub line: &'static str,
    pub required_headers: &'static [Header],
    pub status: u16,
    pub body: &'static str,
}

impl Page {
    pub const fn get(line: &'static str, body: &'static str) -> Self {
        Page {
            line,
            required_headers: &[],
            status: 200,
            body,
        }
    }
}

/// A network with one service.
#[derive(Clone)]
pub struct Network {
    pages: Arc<BTreeMap<&'static str, Page>>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Runs a test in a network with a service at this address.
pub fn with(address: &str, pages: Vec<Page>, test: impl FnOnce(&Network) + Send + 'static) {
    let address = address.to_owned();
    let thread = std::thread::spawn(move || test(&Network::enter(&address, pages)));
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Network {
    fn enter(address: &str, pages: Vec<Page>) -> Self {
        namespace::enter();
        let network = Network {
            pages: Arc::new(pages.iter().map(|page| (page.line, *page)).collect()),
            requests: Arc::default(),
        };
        network.listen_at(address);
        network
    }

    /// Makes the service also listen on this address.
    pub fn listen_at(&self, address: &str) {
        namespace::add_address(address);
        self.serve(&format!("{address}:80"), plain());
    }

    /// Makes the service listen with HTTPS under this name. Certificates are written to a directory.
    pub fn listen_as(&self, name: &str, directory: &Path) {
        namespace::certificates(directory, &[name]);
        namespace::know(&format!("127.0.0.1 localhost {name}\n"), directory);
        self.serve("127.0.0.1:443", tls::accept(directory));
    }

    fn serve(&self, address: &str, accept: Accept) {
        let network = self.clone();
        Server::at(address, accept, move |seen, stream| {
            network.answer(seen, stream)
        });
    }

    fn answer(&self, seen: &Seen, stream: &mut dyn Stream) {
        let line = seen.line();
        let has_header = |(name, value): &Header| seen.header(name) == Some(value);
        let (status, body) = match self.pages.get(&*line) {
            None => (404, "no such document"),
            Some(page) if page.required_headers.iter().all(has_header) => (page.status, page.body),
            Some(_) => (401, "a header is missing"),
        };
        let mut requests = self.requests.lock().expect("no panic");
        requests.push(format!("{line} {status}"));
        drop(requests);
        respond(stream, &format!("{status} X"), "", body.as_bytes());
    }

    /// Runs `kindling metadata` with these arguments.
    pub fn metadata(&self, arguments: &[&str]) -> Ended {
        self.metadata_in(arguments, &std::env::temp_dir())
    }

    /// The same with a directory for temporary files.
    pub fn metadata_in(&self, arguments: &[&str], temporary: &Path) -> Ended {
        self.run(kindling().env("TMPDIR", temporary), arguments)
    }

    /// The same with a certificate authority.
    pub fn metadata_with_authority(&self, arguments: &[&str], authority: &Path) -> Ended {
        self.run(kindling().env("SSL_CERT_FILE", authority), arguments)
    }

    fn run(&self, command: &mut Command, arguments: &[&str]) -> Ended {
        command
            .arg("metadata")
            .args(arguments)
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY");
        Ended::of(command)
    }

    /// Runs a stage of a first boot with its files in `machine`.
    pub fn stage(&self, platform: &str, stage: &str, machine: &Path) -> Ended {
        let mut command = kindling();
        command.arg("boot");
        boot::add_stage(&mut command, platform, stage, machine);
        Ended::of(command.args(["-fetch-timeout", "20s"]))
    }

    /// Runs `kindling fetch --rendered` on a machine with files in `machine`.
    pub fn fetch(&self, platform: &str, machine: &Path) -> Ended {
        let mut command = kindling();
        command.args(["fetch", "--rendered", "--platform", platform]);
        boot::set_environment(&mut command, machine);
        Ended::of(&mut command)
    }

    /// All requests, as `METHOD PATH STATUS`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}
