//! A network of one thread's own, in which the addresses of metadata services belong to the test. It ends with the
//! thread.

use crate::common::run::{Ended, kindling};
use crate::common::server::{Accept, Seen, Server, Stream, plain, respond};
use crate::common::{boot, namespace, tls};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
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
#[derive(Clone)]
pub struct World {
    pages: Arc<BTreeMap<&'static str, Page>>,
    asked: Arc<Mutex<Vec<String>>>,
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
            pages: Arc::new(pages.iter().map(|page| (page.line, *page)).collect()),
            asked: Arc::default(),
        };
        world.answer_at(address);
        world
    }

    /// The service answers at this address, too.
    pub fn answer_at(&self, address: &str) {
        namespace::add_address(address);
        self.serve(&format!("{address}:80"), plain());
    }

    /// The service answers by HTTPS, as this name. Certificates are put into a directory.
    pub fn answer_as(&self, name: &str, directory: &Path) {
        namespace::certificates(directory, &[name]);
        namespace::know(&format!("127.0.0.1 localhost {name}\n"), directory);
        self.serve("127.0.0.1:443", tls::accept(directory));
    }

    fn serve(&self, address: &str, accept: Accept) {
        let world = self.clone();
        Server::at(address, accept, move |seen, stream| {
            world.answer(seen, stream)
        });
    }

    fn answer(&self, seen: &Seen, stream: &mut dyn Stream) {
        let line = seen.line();
        let has = |(name, value): &Header| seen.header(name) == Some(value);
        let (status, body) = match self.pages.get(&*line) {
            None => (404, "no such document"),
            Some(page) if page.needs.iter().all(has) => (page.status, page.body),
            Some(_) => (401, "a header is missing"),
        };
        let mut asked = self.asked.lock().expect("no panic");
        asked.push(format!("{line} {status}"));
        drop(asked);
        respond(stream, &format!("{status} X"), "", body.as_bytes());
    }

    /// Runs `kindling metadata` with these words.
    pub fn metadata(&self, words: &[&str]) -> Ended {
        self.metadata_in(words, &std::env::temp_dir())
    }

    /// The same with a directory for temporary files.
    pub fn metadata_in(&self, words: &[&str], temporary: &Path) -> Ended {
        self.run(kindling().env("TMPDIR", temporary), words)
    }

    /// The same with an authority of certificates.
    pub fn metadata_trusting(&self, words: &[&str], authority: &Path) -> Ended {
        self.run(kindling().env("SSL_CERT_FILE", authority), words)
    }

    fn run(&self, command: &mut Command, words: &[&str]) -> Ended {
        command
            .arg("metadata")
            .args(words)
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
        boot::surround(&mut command, machine);
        Ended::of(&mut command)
    }

    /// What was asked for, as `METHOD PATH STATUS`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}
