//! The command itself: forms, the file, exit codes, and what is said when something is wrong.

use super::world::{self, LINK_LOCAL, Page};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn vultr() -> Vec<Page> {
    vec![
        Page::get("GET /v1/hostname", "web"),
        Page::get("GET /v1/public-keys", "ssh-rsa A\n"),
    ]
}

#[test]
fn the_form_for_people() {
    world::with(LINK_LOCAL, vultr(), |world| {
        let said = world.metadata(&["--platform", "vultr"]);
        let want = "hostname: web\nssh key: ssh-rsa A\nVULTR_HOSTNAME: web\n";
        assert_eq!((said.code, said.out.as_str()), (Some(0), want));
    });
}

#[test]
fn a_file_instead_of_standard_output() {
    world::with(LINK_LOCAL, vultr(), |world| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("metadata/afterburn");
        let shown = file.display().to_string();
        let said = world.metadata(&["--platform=vultr", "--env", "--output", &shown]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
        let text = fs::read_to_string(&file).expect("written");
        assert_eq!(text, "AFTERBURN_VULTR_HOSTNAME=web\n");
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    });
}

/// What was there stays if the platform does not answer.
#[test]
fn a_file_of_an_earlier_run_stays() {
    world::with(LINK_LOCAL, vec![], |world| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("afterburn");
        fs::write(&file, "old").expect("written");
        let shown = file.display().to_string();
        let said = world.metadata(&["--platform=vultr", "--env", "--output", &shown]);
        assert_eq!(said.code, Some(4), "{said:?}");
        assert_eq!(fs::read_to_string(&file).expect("there"), "old");
    });
}

#[test]
fn wrong_usage() {
    world::with(LINK_LOCAL, vec![], |world| {
        for (words, want) in [
            (
                &["--platform", "metal"][..],
                "platform \"metal\" provides no metadata; platforms with metadata: akamai,",
            ),
            (
                &["--platform", "nope"],
                "platform \"nope\" is unknown; platforms with metadata: akamai,",
            ),
            (&[], "--platform <ID>"),
            (
                &["--platform=aws", "--json", "--env"],
                "cannot be used with",
            ),
            (
                &["--platform=aws", "--fetch-timeout=9"],
                "it must be a duration",
            ),
        ] {
            let said = world.metadata(words);
            assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{words:?}");
            assert!(said.err.contains(want), "{words:?}: {}", said.err);
        }
        assert!(world.asked().is_empty());
    });
}

/// A platform that does not tell what it should: exit code 4, and a sentence that names the document, but nothing in it.
fn fails(id: &'static str, pages: Vec<Page>, want: &'static str) {
    world::with(LINK_LOCAL, pages, move |world| {
        let said = world.metadata(&["--platform", id, "--fetch-timeout", "1500ms"]);
        assert_eq!((said.code, said.out.as_str()), (Some(4), ""), "{said:?}");
        let stderr = said.err;
        let want = format!("kindling: error: cannot get the metadata of platform {id}: {want}");
        assert!(stderr.contains(&want), "{stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    });
}

#[test]
fn documents_that_are_nonsense() {
    fails(
        "digitalocean",
        vec![Page::get("GET /metadata/v1.json", "{\"hostname\": secret}")],
        "http://169.254.169.254/metadata/v1.json is not valid JSON (line 1, column 14)",
    );
    fails(
        "oraclecloud",
        vec![Page::get(
            "GET /opc/v2/instance",
            "{\"hostname\": [\"secret\"]}",
        )],
        "http://169.254.169.254/opc/v2/instance has another shape than expected (line 1, column 13)",
    );
    fails(
        "hetzner",
        vec![Page::get(
            "GET /hetzner/v1/metadata/private-networks",
            "- ip: *secret\n",
        )],
        "cannot read http://169.254.169.254/hetzner/v1/metadata/private-networks: line 1: it is not valid YAML",
    );
    fails(
        "aws",
        vec![Page::get(
            "GET /2021-01-03/meta-data/public-keys",
            "..=secret",
        )],
        "http://169.254.169.254/2021-01-03/meta-data/public-keys lists something without a name",
    );
}

#[test]
fn services_that_say_no() {
    let refused = |line| Page {
        status: 403,
        ..Page::get(line, "secret")
    };
    fails(
        "aws",
        vec![refused("PUT /latest/api/token")],
        "cannot get a token of IMDSv2: failed to fetch resource: PUT http://169.254.169.254/latest/api/token: 403 Forbidden",
    );
    fails(
        "vultr",
        vec![refused("GET /v1/hostname")],
        "failed to fetch resource: GET http://169.254.169.254/v1/hostname: 403 Forbidden",
    );
    fails(
        "akamai",
        vec![Page::get("PUT /v1/token", " \n")],
        "the metadata service gave no token; check that it is on for this machine",
    );
}

#[test]
fn services_that_have_nothing() {
    fails(
        "vultr",
        vec![],
        "no metadata source found; check --platform",
    );
    fails(
        "digitalocean",
        vec![],
        "nothing found at http://169.254.169.254/metadata/v1.json; check the platform",
    );
}

#[test]
fn waiting_ends_with_the_limit() {
    let busy = Page {
        status: 503,
        ..Page::get("GET /v1/hostname", "secret")
    };
    fails(
        "vultr",
        vec![busy],
        "unable to fetch resource in time: GET http://169.254.169.254/v1/hostname: gave up after ",
    );
    for id in ["ibmcloud", "powervs", "proxmoxve"] {
        let label = if id == "powervs" {
            "config-2"
        } else {
            "cidata"
        };
        let missing = std::path::Path::new("/dev/disk/by-label").join(label);
        assert!(!missing.exists(), "this machine has a drive of its own");
        let want = if id == "powervs" {
            "a drive labelled config-2 did not appear within 1 s"
        } else {
            "a drive labelled cidata did not appear within 1 s"
        };
        fails(id, vec![], want);
    }
}

/// A value cannot bring another variable along, nor a command.
#[test]
fn values_stay_values() {
    let nasty = "x\nAFTERBURN_EVIL=1\n$(touch evil)`touch evil`\";touch evil;\"";
    let pages = vec![Page::get("GET /v1/hostname", nasty)];
    world::with(LINK_LOCAL, pages, move |world| {
        let said = world.metadata(&["--platform=vultr", "--env"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("env");
        fs::write(&file, &said.out).expect("written");
        let shell = std::process::Command::new("sh")
            .args([
                "-euc",
                ". ./env; printf '%s|%s' \"$AFTERBURN_VULTR_HOSTNAME\" \"${AFTERBURN_EVIL-}\"",
            ])
            .current_dir(dir.path())
            .output()
            .expect("a shell");
        assert_eq!(String::from_utf8_lossy(&shell.stdout), format!("{nasty}|"));
        assert!(!dir.path().join("evil").exists());
    });
}
