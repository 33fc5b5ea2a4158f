//! Verifies server certificates with webpki, and makes its errors more helpful.
//!
//! On a first boot most refusals have one of two causes: an authority that the machine does not know, and a clock that
//! was never set.

mod authority;
mod certificate;
mod description;
mod problem;

pub(super) use problem::{clock_remedy, of as final_problem};

use authority::PresentedChain;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::io;
use std::sync::Arc;

/// Verifies the certificates of servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    provider: Arc<CryptoProvider>,
    /// `None` if there are no roots: then no server is trusted.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// The roots.
    trusted: Vec<CertificateDer<'static>>,
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct CertificateRefusal {
    message: String,
    /// What to do about it; `None` if it depends on the time, so that waiting may help.
    remedy: Option<&'static str>,
}

impl ServerVerifier {
    /// Trusts these certificates. Those that cannot be parsed are skipped: the first server that needs them causes an
    /// error.
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Self {
            webpki: builder.build().ok(),
            provider,
            trusted,
        }
    }

    /// Verifies with webpki, and then itself the kinds of certificates that webpki always refuses.
    fn verify(&self, chain: &PresentedChain<'_>, ocsp_response: &[u8]) -> Result<(), Error> {
        let verified = match &self.webpki {
            Some(webpki) => webpki.verify_server_cert(
                chain.end_entity,
                chain.intermediates,
                chain.name,
                ocsp_response,
                chain.now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match verified {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why))))
                if why.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
            {
                chain.verify()
            }
            Err(Error::InvalidCertificate(_)) if chain.is_listed() => chain.verify(),
            Err(error) => Err(error),
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = PresentedChain {
            end_entity,
            intermediates,
            trusted: &self.trusted,
            algorithms: self.provider.signature_verification_algorithms.all,
            name: server_name,
            now,
        };
        // We accept no handshake signed with such a key, so this is reported before anything else.
        if let Some(message) = authority::weak_server_key(&chain) {
            return Err(refusal(message, Some(problem::STRONG_KEY)));
        }
        let Err(error) = self.verify(&chain, ocsp_response) else {
            return Ok(ServerCertVerified::assertion());
        };
        let Error::InvalidCertificate(cause) = &error else {
            return Err(error);
        };
        if matches!(
            cause,
            CertificateError::BadSignature | CertificateError::UnknownIssuer
        ) && let Some(message) = authority::weak_key(&chain)
        {
            return Err(refusal(message, Some(problem::STRONG_KEY)));
        }
        let last = intermediates.last().unwrap_or(end_entity);
        Err(match description::describe(cause, last) {
            Some(message) => refusal(message, problem::certificate_remedy(cause)),
            None => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A readable description of a TLS error somewhere in a connection error, which the library would show in its `Debug`
/// form.
pub(super) fn describe_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    // Connection errors are wrapped more than once, and each wrapper shows what it wraps.
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match (error.downcast_ref::<Error>(), inner) {
        (Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))), _) => {
            Some(format!("invalid peer certificate: {why}"))
        }
        (Some(error), _) => problem::describe(error),
        (_, Some(inner)) => describe_error(inner),
        _ => None,
    }
}

fn refusal(message: String, remedy: Option<&'static str>) -> Error {
    let other = OtherError(Arc::new(CertificateRefusal { message, remedy }));
    Error::InvalidCertificate(CertificateError::Other(other))
}
