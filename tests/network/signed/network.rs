//! Signed configs from a server, and configs they refer to.

use super::makers::{Gpg, Ssh};
use super::{PLAIN, Verify};
use crate::common::folder::Folder;
use crate::common::gzip::gzipped;
use crate::common::server::{Server, respond};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

type Pages = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// A server of some pages; others are 404, with a body.
struct Site {
    server: Server,
    pages: Pages,
}

impl Site {
    fn new() -> Self {
        let pages = Pages::default();
        let shared = Arc::clone(&pages);
        let server = Server::start(move |seen, stream| {
            let page = shared.lock().expect("no panic").get(&seen.target).cloned();
            match page {
                Some(page) if page.starts_with(b"location: ") => {
                    let location = String::from_utf8_lossy(&page);
                    respond(stream, "302 Found", &format!("{location}\r\n"), b"");
                }
                Some(page) => respond(stream, "200 OK", "", &page),
                None => respond(stream, "404 Not Found", "", b"there is no such page"),
            }
        });
        Site { server, pages }
    }

    fn put(&self, target: &str, page: impl Into<Vec<u8>>) {
        self.pages
            .lock()
            .expect("no panic")
            .insert(target.into(), page.into());
    }

    /// Adds a page and its signature.
    fn put_signed(&self, target: &str, page: &str, gpg: &Gpg) {
        self.put(target, page);
        self.put(&format!("{target}.asc"), gpg.sign(page.as_bytes()));
    }

    fn targets(&self) -> Vec<String> {
        self.server
            .seen()
            .into_iter()
            .map(|seen| seen.target)
            .collect()
    }
}

fn folder(gpg: &Gpg) -> Folder {
    let folder = Folder::new();
    folder.put("keys/one", gpg.key());
    folder
}

/// A config with `config.merge` or `config.replace`.
fn referencing_config(member: &str, resource: &str) -> String {
    format!(
        "{{\"ignition\": {{\"version\": \"3.4.0\", \"config\": {{\"{member}\": {resource}}}}}}}"
    )
}

#[test]
fn detached_signatures_are_fetched_next_to_the_config() {
    let (gpg, ssh) = (Gpg::new("ed25519"), Ssh::new(&["-t", "ed25519"]));
    let folder = folder(&gpg);
    folder.put("keys/two", ssh.key());
    let site = Site::new();
    let url = site.server.url("/ignition?mac=x&uuid=%2F");
    site.put("/ignition?mac=x&uuid=%2F", PLAIN);
    folder.verify(&[&url]).is(
        1,
        &[
            "is not trusted: it has no signature",
            "/ignition.asc",
            "404",
        ],
    );
    assert_eq!(
        site.targets(),
        [
            "/ignition?mac=x&uuid=%2F",
            "/ignition.sig?mac=x&uuid=%2F",
            "/ignition.asc?mac=x&uuid=%2F"
        ]
    );
    site.put("/ignition.asc?mac=x&uuid=%2F", gpg.sign(PLAIN.as_bytes()));
    folder.verify(&[&url]).is(0, &["signed by OpenPGP key"]);
    for signature in [
        gpg.sign_with(PLAIN.as_bytes(), &[]),
        ssh.sign(PLAIN.as_bytes()),
    ] {
        site.put("/ignition.sig?mac=x&uuid=%2F", signature);
        folder.verify(&[&url]).is(0, &["signed by Open"]);
    }
    // An invalid signature is not accepted.
    site.put("/ignition.sig?mac=x&uuid=%2F", ssh.sign(b"x"));
    folder
        .verify(&[&url])
        .is(1, &["is not trusted", "they or the signature were changed"]);
}

#[test]
fn references_of_a_signed_config_must_be_signed() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let site = Site::new();
    let url = site.server.url("/first");
    let below = site.server.url("/below");
    for (member, resource) in [
        ("merge", format!("[{{\"source\": \"{below}\"}}]")),
        ("replace", format!("{{\"source\": \"{below}\"}}")),
    ] {
        site.put_signed("/first", &referencing_config(member, &resource), &gpg);
        site.put("/below", PLAIN);
        site.pages.lock().expect("no panic").remove("/below.asc");
        folder
            .verify(&[&url])
            .is(1, &["/below is not trusted: it has no signature"]);
        // The signature of another config is not accepted.
        site.put(
            "/below.asc",
            gpg.sign(referencing_config(member, &resource).as_bytes()),
        );
        folder
            .verify(&[&url])
            .is(1, &["/below is not trusted: its signature is not accepted"]);
        site.put_signed("/below", PLAIN, &gpg);
        folder
            .verify(&[&url])
            .is(0, &["/first: signed by", "/below: signed by"]);
    }
}

#[test]
fn pinned_and_inline_references_need_no_signature() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let site = Site::new();
    let url = site.server.url("/first");
    let (below, data) = (
        site.server.url("/below"),
        "data:;base64,eyJpZ25pdGlvbiI6IHsidmVyc2lvbiI6ICIzLjQuMCJ9fQo=",
    );
    // The digest of PLAIN.
    let output = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$0\" | sha512sum", PLAIN])
        .output()
        .expect("sha512sum");
    let digest = String::from_utf8_lossy(&output.stdout[..128]).into_owned();
    let merge = format!(
        "[{{\"source\": \"{data}\"}}, {{\"source\": \"{below}\", \"verification\": {{\"hash\": \"sha512-{digest}\"}}}}]"
    );
    site.put_signed("/first", &referencing_config("merge", &merge), &gpg);
    site.put("/below", PLAIN);
    folder.verify(&[&url]).is(
        0,
        &[
            "data:: it is a part of a verified config",
            "/below: its digest matches",
        ],
    );
    site.put("/below", PLAIN.replace("3.4.0", "3.3.0"));
    folder.verify(&[&url]).is(3, &["hash verification failed"]);
}

#[test]
fn the_signature_for_a_url_without_path() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let site = Site::new();
    site.put("/", PLAIN);
    site.put("/.sig", gpg.sign(PLAIN.as_bytes()));
    folder
        .verify(&[site.server.url("/").trim_end_matches('/')])
        .is(0, &["signed by"]);
    assert_eq!(site.targets(), ["/", "/.sig"]);
}

#[test]
fn empty_configs_must_be_signed() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let site = Site::new();
    site.put("/empty", "");
    folder
        .verify(&[&site.server.url("/empty")])
        .is(1, &["is not trusted: it has no signature"]);
    let merge = format!("[{{\"source\": \"{}\"}}]", site.server.url("/empty"));
    site.put_signed("/first", &referencing_config("merge", &merge), &gpg);
    folder
        .verify(&[&site.server.url("/first")])
        .is(1, &["/empty is not trusted: it has no signature"]);
}

#[test]
fn a_redirected_signature_must_be_by_a_trusted_key() {
    let (gpg, other) = (Gpg::new("ed25519"), Gpg::new("ed25519"));
    let folder = folder(&gpg);
    let site = Site::new();
    site.put_signed("/elsewhere", PLAIN, &other);
    site.put("/first", "location: /elsewhere");
    site.put("/first.sig", "location: /elsewhere.asc");
    folder
        .verify(&[&site.server.url("/first")])
        .is(1, &["is not among the trusted keys"]);
}

#[test]
fn config_and_signature_may_change_between_requests() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let texts = [PLAIN.to_owned(), PLAIN.replace("3.4.0", "3.3.0")];
    let signatures = texts.each_ref().map(|text| gpg.sign(text.as_bytes()));
    // The second request gets the signature of the config that the third one would get.
    let count = Mutex::new(0);
    let server = Server::start(move |seen, stream| {
        let mut count = count.lock().expect("no panic");
        let version = usize::from(*count > 0);
        *count += 1;
        match seen.target.as_str() {
            "/c" => respond(stream, "200 OK", "", texts[version].as_bytes()),
            _ => respond(stream, "200 OK", "", &signatures[version]),
        }
    });
    folder.verify(&[&server.url("/c")]).is(0, &["signed by"]);
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn compressed_configs_are_signed_compressed() {
    let gpg = Gpg::new("ed25519");
    let folder = folder(&gpg);
    let site = Site::new();
    let compressed = gzipped(PLAIN);
    let below = site.server.url("/below.gz");
    let merge = format!("[{{\"source\": \"{below}\", \"compression\": \"gzip\"}}]");
    site.put_signed("/first", &referencing_config("merge", &merge), &gpg);
    site.put("/below.gz", compressed.clone());
    site.put("/below.gz.sig", gpg.sign(&compressed));
    folder
        .verify(&[&site.server.url("/first")])
        .is(0, &["/below.gz: signed by"]);
    site.put("/below.gz.sig", gpg.sign(PLAIN.as_bytes()));
    folder
        .verify(&[&site.server.url("/first")])
        .is(1, &["/below.gz is not trusted"]);
}

#[test]
fn a_pinned_key_is_fetched_next_to_the_config() {
    let (gpg, other) = (Gpg::new("ed25519"), Gpg::new("ed25519"));
    let folder = Folder::new();
    folder.put("key", gpg.key());
    let output = std::process::Command::new("sha256sum")
        .arg(folder.path("key"))
        .output()
        .expect("sha256sum");
    let digest = format!("sha256-{}", String::from_utf8_lossy(&output.stdout[..64]));
    let site = Site::new();
    let url = site.server.url("/c?a=b");
    site.put("/c?a=b", PLAIN);
    site.put("/c.asc?a=b", gpg.sign(PLAIN.as_bytes()));
    folder
        .verify(&[&url, "--key", &digest])
        .is(1, &["is not among the trusted keys"]);
    site.put("/c.key?a=b", gpg.key());
    folder
        .verify(&[&url, "--key", &digest])
        .is(0, &["signed by OpenPGP key", "/c.key"]);
    site.put("/c.key?a=b", other.key());
    folder
        .verify(&[&url, "--key", &digest])
        .is(1, &["matches no kindling.config.key"]);
}
