//! The side of a server in TLS, with a certificate of [`super::namespace::certificates`].

use super::server::{Accept, Stream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::path::Path;
use std::sync::Arc;

/// Takes `leaf.pem` and `leaf.key` of a directory.
pub fn config(directory: &Path) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("leaf.pem"));
    let key = PrivateKeyDer::from_pem_file(directory.join("leaf.key"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        );
    Arc::new(config.expect("a certificate and its key"))
}

/// Accepts connections with the certificate in a directory.
pub fn accept(directory: &Path) -> Accept {
    let config = config(directory);
    Arc::new(move |tcp| {
        let session = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(session, tcp)) as Box<dyn Stream>)
    })
}
