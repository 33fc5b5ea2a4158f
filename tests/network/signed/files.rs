//! `kindling verify` with files: each kind of key and signature, and each reason not to be trusted.

use super::makers::{Gpg, Ssh};
use super::{PLAIN, Verify};
use crate::common::folder::Folder;
use crate::common::server::{Server, respond};

/// A folder with a key, the config, and a signature next to it.
fn folder(key: &[u8], suffix: &str, signature: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.put("keys/one", key);
    folder.put("config.ign", PLAIN);
    folder.put(&format!("config.ign.{suffix}"), signature);
    folder
}

#[test]
fn openpgp_keys_of_every_algorithm() {
    let windows_text = PLAIN.replace('\n', "\r\n");
    for algorithm in ["rsa2048", "ed25519", "nistp256", "nistp384", "dsa2048"] {
        let gpg = Gpg::new(algorithm);
        let options: [&[&str]; 4] = [
            &[],
            &["--armor"],
            &["--armor", "--textmode"],
            &["--digest-algo", "SHA512"],
        ];
        for arguments in options {
            let folder = folder(
                &gpg.key(),
                "sig",
                &gpg.sign_with(PLAIN.as_bytes(), arguments),
            );
            folder
                .verify(&["config.ign"])
                .is(0, &["config.ign: signed by OpenPGP key ", "keys/one"]);
        }
        let folder = folder(&gpg.binary_key(), "asc", &gpg.sign(PLAIN.as_bytes()));
        folder
            .verify(&["config.ign"])
            .is(0, &["config.ign: signed by OpenPGP key "]);
        // The line ends of a text may change, but not those of a binary document.
        folder.put("config.ign", &windows_text);
        folder
            .verify(&["config.ign"])
            .is(1, &["not over these bytes"]);
        folder.put(
            "config.ign.asc",
            gpg.sign_with(PLAIN.as_bytes(), &["--armor", "--textmode"]),
        );
        folder.verify(&["config.ign"]).is(0, &["signed by"]);
    }
}

#[test]
fn signatures_by_subkeys_are_accepted() {
    let gpg = Gpg::new("ed25519").with_subkey("rsa2048");
    let folder = folder(&gpg.key(), "sig", &gpg.sign(PLAIN.as_bytes()));
    folder
        .verify(&["config.ign"])
        .is(0, &["signed by OpenPGP key "]);
    // A subkey that is not in the trusted key is not trusted.
    let other = Gpg::new("ed25519").with_subkey("rsa2048");
    folder.put("config.ign.sig", other.sign(PLAIN.as_bytes()));
    folder
        .verify(&["config.ign"])
        .is(1, &["is not among the trusted keys"]);
}

#[test]
fn openssh_keys_of_every_algorithm() {
    let kinds: [&[&str]; 5] = [
        &["-t", "ed25519"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
    ];
    for arguments in kinds {
        let ssh = Ssh::new(arguments);
        let folder = folder(&ssh.key(), "sig", &ssh.sign(PLAIN.as_bytes()));
        folder.verify(&["config.ign"]).is(
            0,
            &["config.ign: signed by OpenSSH key SHA256:", "keys/one:1"],
        );
    }
}

#[test]
fn embedded_signatures_are_accepted() {
    let (gpg, ssh) = (Gpg::new("ed25519"), Ssh::new(&["-t", "ed25519"]));
    let folder = Folder::new();
    folder.put("keys/gpg", gpg.key());
    folder.put("keys/ssh", ssh.key());
    folder.put("keys/.hidden", "no key");
    for config in [PLAIN, PLAIN.trim_end()] {
        for signature in [gpg.sign(config.as_bytes()), ssh.sign(config.as_bytes())] {
            folder.put("signed.ign", [config.as_bytes(), &signature].concat());
            folder
                .verify(&["signed.ign"])
                .is(0, &["signed.ign: signed by Open"]);
        }
    }
    folder
        .verify(&["signed.ign", "--signature", "keys/gpg"])
        .is(1, &["is not trusted"]);
}

#[test]
fn untrusted_signatures() {
    let (gpg, other) = (Gpg::new("ed25519"), Gpg::new("ed25519"));
    let (ssh, stranger) = (Ssh::new(&["-t", "ed25519"]), Ssh::new(&["-t", "ed25519"]));
    let text = PLAIN.as_bytes();
    let keys = [gpg.key(), ssh.key()];
    let mut changed = gpg.sign_with(text, &[]);
    *changed.last_mut().expect("a byte") ^= 1;
    let twice = [gpg.sign_with(text, &[]), gpg.sign_with(text, &[])].concat();
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("another key", other.sign(text), "is by OpenPGP key"),
        (
            "another key of ssh",
            stranger.sign(text),
            "is by OpenSSH key",
        ),
        (
            "another file",
            gpg.sign(b"something else"),
            "not over these bytes",
        ),
        (
            "another file of ssh",
            ssh.sign(b"something else"),
            "not over these bytes",
        ),
        ("a changed signature", changed, "is not accepted"),
        (
            "another namespace",
            ssh.sign_for("file", text),
            "but for \"file\"; sign with: ssh-keygen -Y sign -n kindling",
        ),
        (
            "a weak digest",
            gpg.sign_with(text, &["--digest-algo", "SHA1"]),
            "with a digest other than SHA-256",
        ),
        ("two signatures", twice, "there is more than one in it"),
        (
            "no signature",
            b"nothing of the kind".to_vec(),
            "is not a signature",
        ),
        ("nothing", Vec::new(), "is not a signature"),
        ("the key", gpg.key(), "is not a signature"),
        (
            "half a signature",
            ssh.sign(text)[..100].to_vec(),
            "is not a signature",
        ),
    ];
    for (name, signature, cause) in cases {
        let folder = Folder::new();
        folder.put("keys/gpg", &keys[0]);
        folder.put("keys/ssh", &keys[1]);
        folder.put("config.ign", PLAIN);
        folder.put("config.ign.sig", signature);
        let ended = folder.verify(&["config.ign"]);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.all());
        assert!(ended.all().contains(cause), "{name}: {}", ended.all());
    }
}

#[test]
fn any_changed_byte_is_detected() {
    let (gpg, ssh) = (Gpg::new("rsa2048"), Ssh::new(&["-t", "ed25519"]));
    for (key, signature) in [
        (gpg.key(), gpg.sign(PLAIN.as_bytes())),
        (ssh.key(), ssh.sign(PLAIN.as_bytes())),
    ] {
        for position in [0, PLAIN.len() / 2, PLAIN.len() - 1] {
            let mut text = PLAIN.as_bytes().to_vec();
            text[position] ^= 1;
            let folder = folder(&key, "sig", &signature);
            folder.put("config.ign", text);
            folder
                .verify(&["config.ign"])
                .is(1, &["they or the signature were changed"]);
        }
        let folder = folder(&key, "sig", &signature);
        folder.put("config.ign", PLAIN.trim_end());
        folder
            .verify(&["config.ign"])
            .is(1, &["they or the signature were changed"]);
    }
}

#[test]
fn expired_and_revoked_keys() {
    let past = Some("20200101T000000");
    let expired = Gpg::at("ed25519", past, "2020-02-01");
    let old = folder(&expired.key(), "sig", &expired.sign(PLAIN.as_bytes()));
    old.verify(&["config.ign"])
        .is(1, &["the key expired on 2020-0"]);
    let revoked = Gpg::new("ed25519");
    let signature = revoked.sign(PLAIN.as_bytes());
    revoked.revoke();
    let revoked_folder = folder(&revoked.key(), "sig", &signature);
    revoked_folder
        .verify(&["config.ign"])
        .is(1, &["the key was revoked"]);
    // An older copy of the same key does not reactivate it.
    let before = Gpg::new("ed25519");
    let signature = before.sign(PLAIN.as_bytes());
    let twice = folder(&before.key(), "sig", &signature);
    before.revoke();
    twice.put("keys/two", before.key());
    twice
        .verify(&["config.ign"])
        .is(1, &["the key was revoked"]);
    let ssh = Ssh::new(&["-t", "ed25519"]);
    let mut line = b"ops@example.invalid valid-before=\"20200101\" ".to_vec();
    line.extend(ssh.key());
    let expired_line = folder(&line, "sig", &ssh.sign(PLAIN.as_bytes()));
    expired_line
        .verify(&["config.ign"])
        .is(1, &["the key expired on 2020-01-01"]);
}

/// Copies of a key are merged in any order.
#[test]
fn copies_of_a_key_are_merged() {
    // A revoked subkey.
    let gpg = Gpg::new("ed25519").with_subkey("ed25519");
    let (signature, old) = (gpg.sign(PLAIN.as_bytes()), gpg.key());
    gpg.revoke_subkey();
    assert_in_any_order(&old, &gpg.key(), &signature, "its subkey was revoked");
    // A key whose latest self-signature has an expiration time.
    let past = Some("20200101T000000");
    let gpg = Gpg::at("ed25519", past, "never");
    let (signature, old) = (gpg.sign(PLAIN.as_bytes()), gpg.key());
    gpg.expire();
    assert_in_any_order(&old, &gpg.key(), &signature, "the key expired on 2020-0");
    // Lines have no time: the limits of all of them apply.
    let ssh = Ssh::new(&["-t", "ed25519"]);
    let mut line = b"ops@example.invalid valid-before=\"20200101\" ".to_vec();
    line.extend(ssh.key());
    let signature = ssh.sign(PLAIN.as_bytes());
    assert_in_any_order(&ssh.key(), &line, &signature, "the key expired");
}

#[track_caller]
fn assert_in_any_order(one: &[u8], other: &[u8], signature: &[u8], cause: &str) {
    let alone = folder(one, "sig", signature);
    alone.verify(&["config.ign"]).is(0, &["signed by"]);
    for (first, second) in [(one, other), (other, one)] {
        let both = folder(first, "sig", signature);
        both.put("keys/two", second);
        both.verify(&["config.ign"]).is(1, &[cause]);
    }
}

#[test]
fn quoted_signatures_are_ignored() {
    let quoting = "{\"ignition\":{\"version\":\"3.4.0\"},\"storage\":{\"files\":[{\"path\":\"/a\",\"contents\":\
                   {\"source\":\"data:,-----BEGIN%20SSH%20SIGNATURE-----\"},\"user\":{\"name\":\
                   \"-----BEGIN SSH SIGNATURE-----\"}}]}}\n";
    let ssh = Ssh::new(&["-t", "ed25519"]);
    let (key, signature) = (ssh.key(), ssh.sign(quoting.as_bytes()));
    let folder = folder(&key, "sig", &signature);
    folder.put("config.ign", quoting);
    folder.verify(&["config.ign"]).is(0, &["signed by"]);
    let served = signature.clone();
    let server = Server::start(move |seen, stream| match seen.target.as_str() {
        "/c" => respond(stream, "200 OK", "", quoting.as_bytes()),
        "/c.sig" => respond(stream, "200 OK", "", &served),
        _ => respond(stream, "404 Not Found", "", b""),
    });
    folder.verify(&[&server.url("/c")]).is(0, &["signed by"]);
    // An embedded signature takes precedence, both for files and for URLs.
    let embedded = [quoting.as_bytes(), signature.as_slice()].concat();
    folder.put("config.ign", &embedded);
    folder.put("config.ign.sig", ssh.sign(b"something else"));
    folder.verify(&["config.ign"]).is(0, &["signed by"]);
    let server = Server::start(move |_, stream| respond(stream, "200 OK", "", &embedded));
    folder.verify(&[&server.url("/c")]).is(0, &["signed by"]);
}

#[test]
fn a_clock_in_the_past_is_accepted() {
    // The clock of a new machine may be unset.
    let gpg = Gpg::at("ed25519", Some("20990101T000000"), "never");
    let folder = folder(&gpg.key(), "sig", &gpg.sign(PLAIN.as_bytes()));
    folder.verify(&["config.ign"]).is(
        0,
        &["it was made on 2099-01-01", "the clock of this machine"],
    );
}

#[test]
fn unusable_keys_are_reported() {
    let folder = Folder::new();
    folder.put("config.ign", PLAIN);
    folder
        .verify(&["config.ign"])
        .is(64, &["give --keys, --hash or --key"]);
    folder
        .verify(&["config.ign", "--keys", "missing"])
        .is(3, &["cannot read trusted keys from missing"]);
    folder.put("nested/team/key", Ssh::new(&["-t", "ed25519"]).key());
    folder
        .verify(&["config.ign", "--keys", "nested"])
        .is(3, &["nested/team: it is a directory"]);
    for (text, cause) in [
        ("", "there is no key in it"),
        ("hello", "there is no key in it"),
        (
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "cannot use trusted key",
        ),
        ("ssh-ed25519 AAAA", "cannot use trusted key"),
        ("-----BEGIN PGP SIGNATURE-----", "cannot use trusted key"),
    ] {
        folder.put("keys/one", text);
        folder
            .verify(&["config.ign"])
            .is(3, &["cannot use trusted key keys/one: ", cause]);
    }
}

#[test]
fn a_matching_digest_is_sufficient() {
    let folder = Folder::new();
    folder.put("config.ign", "{\"ignition\": {\"version\": \"3.4.0\"}}");
    // By `sha256sum`.
    let digest = "sha256-".to_owned() + &sha256(&folder, "config.ign");
    folder
        .verify(&["config.ign", "--hash", &digest])
        .is(0, &["its digest matches"]);
    folder.put("config.ign", PLAIN);
    folder.verify(&["config.ign", "--hash", &digest]).is(
        1,
        &[
            "its digest is sha256-",
            "kindling.config.hash on the kernel command line requires",
        ],
    );
    folder
        .verify(&["config.ign", "--hash", "sha256-12"])
        .is(64, &["wrong number of digits"]);
}

fn sha256(folder: &Folder, name: &str) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg(folder.path(name))
        .output()
        .expect("sha256sum");
    String::from_utf8_lossy(&output.stdout[..64]).into_owned()
}
