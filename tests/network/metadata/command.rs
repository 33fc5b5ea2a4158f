//! The command itself: output formats, output files, exit codes and error messages.

use super::network::{self, LINK_LOCAL, Page};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn vultr() -> Vec<Page> {
    vec![
        Page::get("GET /v1/hostname", "web"),
        Page::get("GET /v1/public-keys", "ssh-rsa A\n"),
    ]
}

#[test]
fn human_readable_output() {
    network::with(LINK_LOCAL, vultr(), |network| {
        let output = network.metadata(&["--platform", "vultr"]);
        let expected = "hostname: web\nssh key: ssh-rsa A\nVULTR_HOSTNAME: web\n";
        assert_eq!((output.code, output.out.as_str()), (Some(0), expected));
    });
}

#[test]
fn output_to_a_file() {
    network::with(LINK_LOCAL, vultr(), |network| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("metadata/afterburn");
        let path = file.display().to_string();
        let output = network.metadata(&["--platform=vultr", "--env", "--output", &path]);
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(0), ""),
            "{output:?}"
        );
        let text = fs::read_to_string(&file).expect("written");
        assert_eq!(text, "AFTERBURN_VULTR_HOSTNAME=web\n");
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    });
}

/// An existing file is kept if the platform does not respond.
#[test]
fn failures_keep_an_existing_file() {
    network::with(LINK_LOCAL, vec![], |network| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("afterburn");
        fs::write(&file, "old").expect("written");
        let path = file.display().to_string();
        let output = network.metadata(&["--platform=vultr", "--env", "--output", &path]);
        assert_eq!(output.code, Some(4), "{output:?}");
        assert_eq!(fs::read_to_string(&file).expect("there"), "old");
    });
}

#[test]
fn usage_errors() {
    network::with(LINK_LOCAL, vec![], |network| {
        for (arguments, expected) in [
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
            let output = network.metadata(arguments);
            assert_eq!(
                (output.code, output.out.as_str()),
                (Some(64), ""),
                "{arguments:?}"
            );
            assert!(
                output.err.contains(expected),
                "{arguments:?}: {}",
                output.err
            );
        }
        assert!(network.requests().is_empty());
    });
}

/// Checks for exit code 4, and a message that names the document without its contents.
fn assert_fails(id: &'static str, pages: Vec<Page>, expected: &'static str) {
    network::with(LINK_LOCAL, pages, move |network| {
        let output = network.metadata(&["--platform", id, "--fetch-timeout", "1500ms"]);
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(4), ""),
            "{output:?}"
        );
        let stderr = output.err;
        let expected =
            format!("kindling: error: cannot get the metadata of platform {id}: {expected}");
        assert!(stderr.contains(&expected), "{stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    });
}

#[test]
fn invalid_documents() {
    assert_fails(
        "digitalocean",
        vec![Page::get("GET /metadata/v1.json", "{\"hostname\": secret}")],
        "http://169.254.169.254/metadata/v1.json is not valid JSON (line 1, column 14)",
    );
    assert_fails(
        "oraclecloud",
        vec![Page::get(
            "GET /opc/v2/instance",
            "{\"hostname\": [\"secret\"]}",
        )],
        "http://169.254.169.254/opc/v2/instance has an unexpected structure (line 1, column 13)",
    );
    assert_fails(
        "hetzner",
        vec![Page::get(
            "GET /hetzner/v1/metadata/private-networks",
            "- ip: *secret\n",
        )],
        "cannot read http://169.254.169.254/hetzner/v1/metadata/private-networks: line 1: it is not valid YAML",
    );
    assert_fails(
        "aws",
        vec![Page::get(
            "GET /2021-01-03/meta-data/public-keys",
            "..=secret",
        )],
        "http://169.254.169.254/2021-01-03/meta-data/public-keys lists something without a name",
    );
}

#[test]
fn refused_requests() {
    let refused = |line| Page {
        status: 403,
        ..Page::get(line, "secret")
    };
    assert_fails(
        "aws",
        vec![refused("PUT /latest/api/token")],
        "cannot get a token of IMDSv2: failed to fetch resource: PUT http://169.254.169.254/latest/api/token: 403 Forbidden",
    );
    assert_fails(
        "vultr",
        vec![refused("GET /v1/hostname")],
        "failed to fetch resource: GET http://169.254.169.254/v1/hostname: 403 Forbidden",
    );
    assert_fails(
        "akamai",
        vec![Page::get("PUT /v1/token", " \n")],
        "the metadata service gave no token; check that it is on for this machine",
    );
}

#[test]
fn missing_documents() {
    assert_fails(
        "vultr",
        vec![],
        "no metadata source found; check --platform",
    );
    assert_fails(
        "digitalocean",
        vec![],
        "nothing found at http://169.254.169.254/metadata/v1.json; check the platform",
    );
}

#[test]
fn timeouts() {
    let busy = Page {
        status: 503,
        ..Page::get("GET /v1/hostname", "secret")
    };
    assert_fails(
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
        let expected = if id == "powervs" {
            "a drive labelled config-2 did not appear within 1 s"
        } else {
            "a drive labelled cidata did not appear within 1 s"
        };
        assert_fails(id, vec![], expected);
    }
}

/// A value can neither set another variable nor run a command.
#[test]
fn values_are_quoted_for_the_shell() {
    let nasty = "x\nAFTERBURN_EVIL=1\n$(touch evil)`touch evil`\";touch evil;\"";
    let pages = vec![Page::get("GET /v1/hostname", nasty)];
    network::with(LINK_LOCAL, pages, move |network| {
        let output = network.metadata(&["--platform=vultr", "--env"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("env");
        fs::write(&file, &output.out).expect("written");
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
