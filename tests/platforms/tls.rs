//! A service by HTTPS, with a certificate of an authority that only the machine at hand trusts.

use crate::server::{Accept, Stream};
use crate::world::World;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::sync::Arc;

/// Of the service.
pub const NAME: &str = "metadata.packet.net";

/// Accepts connections with the certificate that the world has.
pub fn accept(world: &World) -> Accept {
    let certificate = CertificateDer::from_pem_file(world.path("leaf.pem"));
    let key = PrivateKeyDer::from_pem_file(world.path("leaf.key"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        );
    let config = Arc::new(config.expect("a certificate and its key"));
    Arc::new(move |tcp| {
        let session = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(session, tcp)) as Box<dyn Stream>)
    })
}
