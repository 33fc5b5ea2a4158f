//! `openssl s_server` with certificates as `openssl req -x509` makes them.

use crate::certificates::{data_url, openssl, prepare_ca};
use crate::common::run::KilledOnDrop;
use crate::{impatient, settings};
use kindling::config::Config;
use kindling::config::model::Resource;
use kindling::fetch::{FetchError, Fetcher, Request, Settings, Silent};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A directory with certificates.
pub struct Certificates(TempDir);

/// `openssl s_server`, which answers `/answer` with `abc`.
pub struct OpenSsl {
    _process: KilledOnDrop,
    pub port: String,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        std::fs::write(directory.path().join("answer"), answer).expect("a written file");
        Certificates(directory)
    }

    /// Makes a self-signed certificate in `NAME.pem`, with its key in `NAME.key`.
    pub fn self_signed(&self, name: &str, options: &str) {
        openssl(
            self.path(),
            &format!(
                "req -x509 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} {options}"
            ),
        );
    }

    /// Makes a self-signed certificate that has expired.
    fn self_signed_expired(&self, name: &str) {
        let directory = self.path();
        prepare_ca(directory, name);
        let extensions = "basicConstraints=CA:TRUE\nsubjectAltName=IP:127.0.0.1";
        std::fs::write(directory.join("extensions"), extensions).expect("a written file");
        let request = format!("req -new {P256} -nodes -keyout {name}.key");
        openssl(
            directory,
            &format!("{request} -out {name}.csr -subj /CN={name}"),
        );
        let sign = "ca -selfsign -batch -config ca.conf -notext -extfile extensions";
        let dates = "-startdate 20150101000000Z -enddate 20160101000000Z";
        openssl(
            directory,
            &format!("{sign} {dates} -in {name}.csr -out {name}.pem"),
        );
    }

    /// Makes a certificate that is signed by `issuer`.
    fn issued(&self, name: &str, issuer: &str, extensions: &str) {
        std::fs::write(self.path().join("extensions"), extensions).expect("a written file");
        let request = "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            self.path(),
            &format!("{request} -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        let by = format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial");
        openssl(
            self.path(),
            &format!("x509 -req -in {name}.csr {by} -days 9 -extfile extensions -out {name}.pem"),
        );
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A fetcher that trusts the certificates in these files.
    pub fn trusting(&self, names: &[&str], settings: Settings) -> Fetcher {
        let listed = names.iter().map(|name| {
            let bundle = std::fs::read(self.path().join(format!("{name}.pem")));
            Resource {
                source: Some(data_url(&bundle.expect("a certificate")).into()),
                ..Resource::default()
            }
        });
        let mut config = Config::default();
        config.ignition.security.tls.certificate_authorities = listed.collect();
        let fetcher = Fetcher::new(settings).configured(&config, &Silent);
        fetcher.expect("good bundles")
    }

    /// Starts a server with this certificate; `options` are for `openssl s_server`.
    fn serve(&self, name: &str, options: &str) -> OpenSsl {
        self.serve_at("127.0.0.1:0", name, options)
    }

    /// The same with another listen address.
    pub fn serve_at(&self, address: &str, name: &str, options: &str) -> OpenSsl {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", address, "-HTTP"])
            .args([
                "-cert",
                &format!("{name}.pem"),
                "-key",
                &format!("{name}.key"),
            ])
            .args(options.split_whitespace())
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let stdout = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("text");
            Some(line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.to_owned())
        });
        // Its further output must be consumed.
        std::thread::spawn(move || lines.for_each(drop));
        OpenSsl {
            _process: KilledOnDrop(process),
            port: port.expect("it listens"),
        }
    }
}

impl OpenSsl {
    fn get(&self, fetcher: &Fetcher) -> Result<Vec<u8>, FetchError> {
        let url = format!("https://127.0.0.1:{}/answer", self.port);
        let fetched = fetcher.fetch_to_vec(&Request::get(url), &Silent);
        fetched.map(|(bytes, _)| bytes)
    }
}

const NAMED: &str = "-addext subjectAltName=IP:127.0.0.1";
const P256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
const P384: &str = "-newkey ec -pkeyopt ec_paramgen_curve:secp384r1";
const P521: &str = "-newkey ec -pkeyopt ec_paramgen_curve:secp521r1";

#[test]
fn listed_certificates_of_any_kind_are_trusted() {
    let kinds = [
        "-newkey rsa:2048".to_owned(),
        "-newkey rsa:2048 -sha1".to_owned(),
        "-newkey rsa:2048 -addext basicConstraints=critical,CA:FALSE".to_owned(),
        "-newkey ed25519".to_owned(),
        format!("{P256} -sha512"),
        format!("{P384} -sha512"),
        format!("{P521} -sha256"),
        format!("{P521} -sha384"),
        format!("{P521} -sha512"),
    ];
    let certificates = Certificates::new();
    for kind in kinds {
        certificates.self_signed("own", &format!("{kind} {NAMED}"));
        let fetcher = certificates.trusting(&["own"], settings());
        for version in ["-tls1_3", "-tls1_2"] {
            let server = certificates.serve("own", version);
            assert_eq!(
                server.get(&fetcher).ok(),
                Some(b"abc".into()),
                "{kind} {version}"
            );
        }
    }
}

#[test]
fn p521_is_a_curve_for_key_exchanges() {
    let certificates = Certificates::new();
    certificates.self_signed("own", &format!("{P256} {NAMED}"));
    let fetcher = certificates.trusting(&["own"], settings());
    for version in ["-tls1_3", "-tls1_2"] {
        let server = certificates.serve("own", &format!("-groups P-521 {version}"));
        assert_eq!(server.get(&fetcher).ok(), Some(b"abc".into()), "{version}");
    }
}

/// Server certificates that are authorities themselves, issued by `root` directly or through an intermediate.
#[test]
fn servers_that_are_authorities_need_a_trusted_issuer() {
    let authority = "basicConstraints=critical,CA:TRUE\n";
    let server = &format!("{authority}subjectAltName=IP:127.0.0.1");
    let cases = [
        ("directly", "", None),
        ("by an intermediate", authority, None),
        (
            "by one that is not an authority",
            "basicConstraints=CA:FALSE",
            Some("UnknownIssuer"),
        ),
        (
            "by one that may not sign",
            "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature",
            Some("UnknownIssuer"),
        ),
        (
            "by one for certain names",
            "basicConstraints=CA:TRUE\nnameConstraints=permitted;DNS:example.org",
            Some("UnknownIssuer"),
        ),
    ];
    for (what, extensions, refusal) in cases {
        let certificates = Certificates::new();
        certificates.self_signed("root", P521);
        let issuer = match extensions {
            "" => "root",
            extensions => {
                certificates.issued("middle", "root", extensions);
                "middle"
            }
        };
        certificates.issued("server", issuer, server);
        let options = format!("-cert_chain {issuer}.pem");
        let running = certificates.serve("server", &options);
        let got = running.get(&certificates.trusting(&["root"], settings()));
        match refusal {
            None => assert_eq!(got.ok(), Some(b"abc".into()), "{what}"),
            Some(refusal) => assert_final(got, refusal, "certificateAuthorities"),
        }
    }
}

#[test]
fn permanent_tls_errors_end_the_fetch() {
    let cases = [
        // Another certificate with the same name is trusted.
        (
            format!("{P256} {NAMED}"),
            "",
            "UnknownIssuer",
            "certificateAuthorities",
        ),
        (
            format!("{P256} -addext subjectAltName=DNS:elsewhere.test"),
            "",
            "NotValidForName",
            "use a name from the certificate",
        ),
        (
            P256.to_owned(),
            "",
            "NotValidForName",
            "use a name from the certificate",
        ),
        (
            format!("{P256} {NAMED} -addext extendedKeyUsage=clientAuth"),
            "",
            "InvalidPurpose",
            "another certificate",
        ),
        (
            format!("-newkey rsa:1024 {NAMED}"),
            "-cipher DEFAULT@SECLEVEL=0",
            "1024 bits",
            "2048",
        ),
        (
            format!("-newkey rsa:2048 {NAMED}"),
            "-tls1_2 -cipher ECDHE-RSA-AES128-SHA",
            "no TLS version or cipher suite in common",
            "AES-GCM",
        ),
        (
            format!("-newkey rsa:2048 {NAMED}"),
            "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
            "no TLS version in common",
            "TLS 1.3",
        ),
    ];
    for (kind, options, cause, remedy) in cases {
        let certificates = Certificates::new();
        certificates.self_signed("own", &kind);
        certificates.self_signed("other", &format!("{P256} {NAMED}"));
        let trusted = match cause {
            "UnknownIssuer" => "other",
            _ => "own",
        };
        let server = certificates.serve("own", options);
        assert_final(
            server.get(&certificates.trusting(&[trusted], settings())),
            cause,
            remedy,
        );
    }
}

/// The clock may be set while a machine waits.
#[test]
fn expired_certificates_are_retried() {
    let certificates = Certificates::new();
    certificates.self_signed_expired("own");
    let server = certificates.serve("own", "");
    let got = server.get(&certificates.trusting(&["own"], impatient()));
    let error = got.expect_err("it is over");
    let is_waiting =
        matches!(&error, FetchError::OutOfTime { last, .. } if last.contains("Expired"));
    assert!(is_waiting, "{error}");
    assert!(error.remedy().is_some_and(|r| r.contains("set the clock")));
}

#[track_caller]
fn assert_final(got: Result<Vec<u8>, FetchError>, cause: &str, remedy: &str) {
    let error = got.expect_err(cause);
    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    assert!(error.to_string().contains(cause), "{cause}: {error}");
    let actual = error.remedy().unwrap_or_default();
    assert!(actual.contains(remedy), "{cause}: {actual}");
}
