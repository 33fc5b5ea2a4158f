//! Private certificate authorities, made with the `openssl` command.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use crate::common::server::{Accept, Stream};

/// An authority and a server certificate, in most cases for `localhost`, 127.0.0.1 and `secure.test`.
pub struct Authority {
    pub bundle: Vec<u8>,
    /// Server certificate and its key, PEM.
    pub leaf: (Vec<u8>, Vec<u8>),
    config: Arc<ServerConfig>,
}

pub static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::make("ours", NAMES, None));
/// An authority that is not trusted.
pub static OTHER: LazyLock<Authority> = LazyLock::new(|| Authority::make("theirs", NAMES, None));
/// Its server certificate expired long ago.
pub static EXPIRED: LazyLock<Authority> =
    LazyLock::new(|| Authority::make("past", NAMES, Some(("20150101000000Z", "20160101000000Z"))));
/// Its server certificate is not valid yet.
pub static NOT_YET_VALID: LazyLock<Authority> = LazyLock::new(|| {
    Authority::make(
        "future",
        NAMES,
        Some(("21900101000000Z", "21910101000000Z")),
    )
});

/// Its server certificate is for another host name.
pub static OTHER_NAME: LazyLock<Authority> =
    LazyLock::new(|| Authority::make("elsewhere", "DNS:elsewhere.test", None));

const NAMES: &str = "DNS:localhost,DNS:secure.test,IP:127.0.0.1";

/// Config of `openssl ca`.
const CA_CONF: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\nunique_subject = no\nnew_certs_dir = .\n\
certificate = NAME.pem\nprivate_key = NAME.key\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n";

impl Authority {
    /// Makes an authority and a server certificate with these names; `dates` are its first and last second as
    /// `YYYYMMDDhhmmssZ`.
    fn make(name: &str, names: &str, dates: Option<(&str, &str)>) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path();
        let names = format!("subjectAltName={names}\n");
        std::fs::write(directory.join("names"), names).expect("a written file");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            directory,
            &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN={name} -days 9"),
        );
        openssl(
            directory,
            &format!("req -new {key} -keyout leaf.key -out leaf.csr -subj /CN=server"),
        );
        prepare_ca(directory, "ca");
        let dates = match dates {
            None => "-days 9".to_owned(),
            Some((start, end)) => format!("-startdate {start} -enddate {end}"),
        };
        let sign = "ca -batch -config ca.conf -notext -in leaf.csr -extfile names";
        openssl(directory, &format!("{sign} {dates} -out leaf.pem"));
        Authority {
            bundle: read(directory.join("ca.pem")),
            leaf: (
                read(directory.join("leaf.pem")),
                read(directory.join("leaf.key")),
            ),
            config: Arc::new(server_config(directory)),
        }
    }

    /// Accepts connections with the server certificate.
    pub fn accept(&self) -> Accept {
        let config = Arc::clone(&self.config);
        Arc::new(move |tcp| {
            let session = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(session, tcp)) as Box<dyn Stream>)
        })
    }

    /// The bundle as a `data:` URL.
    pub fn data_url(&self) -> String {
        data_url(&self.bundle)
    }
}

pub fn data_url(bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("data:application/octet-stream;base64,{text}")
}

/// Writes the files that `openssl ca` needs to sign with `NAME.key`.
pub fn prepare_ca(directory: &Path, name: &str) {
    let files = [
        ("ca.conf", CA_CONF.replace("NAME", name)),
        ("index", String::new()),
        ("serial", "01".into()),
    ];
    for (file, text) in files {
        std::fs::write(directory.join(file), text).expect("a written file");
    }
}

fn server_config(directory: &Path) -> ServerConfig {
    let certificate =
        CertificateDer::from_pem_file(directory.join("leaf.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(directory.join("leaf.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key")
}

fn read(path: std::path::PathBuf) -> Vec<u8> {
    std::fs::read(path).expect("what openssl wrote")
}

pub fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl runs; install the Debian package `openssl`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {errors}");
}
