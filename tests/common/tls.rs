//! The side of a server in TLS, with a certificate of [`crate::namespace::certificates`].

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
