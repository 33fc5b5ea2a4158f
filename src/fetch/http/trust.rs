//! Whom to trust, and why not: certificates are judged by webpki, refusals are put into words that help.
//!
//! At a first boot most refusals have one of two causes: an authority that nobody told the machine about, and a
//! clock that was never set.

mod authority;
mod certificate;
mod problem;
mod words;

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

/// Judges the certificates of servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    provider: Arc<CryptoProvider>,
    /// `None` without a single root: then nobody is trusted.
    judge: Option<Arc<WebPkiServerVerifier>>,
    /// The roots as they were given.
    trusted: Vec<CertificateDer<'static>>,
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct CertificateRefusal {
    words: String,
    /// What to do about it; `None` for one that only the time decides, which waiting may mend.
    remedy: Option<&'static str>,
}

impl ServerVerifier {
    /// Trust in these certificates. Those that cannot be read are not trusted, that is all: the error comes with the
    /// first server that needed them.
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Self {
            judge: builder.build().ok(),
            provider,
            trusted,
        }
    }

    /// What webpki says, and for what it refuses whatever else speaks for it, what is to be said of that.
    fn judge(&self, case: &PresentedChain<'_>, ocsp_response: &[u8]) -> Result<(), Error> {
        let judged = match &self.judge {
            Some(judge) => judge.verify_server_cert(
                case.end_entity,
                case.intermediates,
                case.name,
                ocsp_response,
                case.now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match judged {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why))))
                if why.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
            {
                case.judge()
            }
            Err(Error::InvalidCertificate(_)) if case.is_listed() => case.judge(),
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
        let case = PresentedChain {
            end_entity,
            intermediates,
            trusted: &self.trusted,
            algorithms: self.provider.signature_verification_algorithms.all,
            name: server_name,
            now,
        };
        // Such a key can sign no handshake with us, so that is said before anything else is.
        if let Some(words) = authority::weak_server_key(&case) {
            return Err(refused(words, Some(problem::STRONG_KEY)));
        }
        let Err(error) = self.judge(&case, ocsp_response) else {
            return Ok(ServerCertVerified::assertion());
        };
        let Error::InvalidCertificate(cause) = &error else {
            return Err(error);
        };
        if matches!(
            cause,
            CertificateError::BadSignature | CertificateError::UnknownIssuer
        ) && let Some(words) = authority::weak_key(&case)
        {
            return Err(refused(words, Some(problem::STRONG_KEY)));
        }
        let last = intermediates.last().unwrap_or(end_entity);
        Err(match words::in_words(cause, last) {
            Some(words) => refused(words, problem::certificate(cause)),
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

/// The words of a refusal somewhere in an error of a connection, which the library would show in the form for
/// programmers.
pub(super) fn in_words_of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    // Errors of the connection are wrapped more than once, and what wraps shows what it wraps.
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match (error.downcast_ref::<Error>(), inner) {
        (Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))), _) => {
            Some(format!("invalid peer certificate: {why}"))
        }
        (Some(error), _) => problem::describe(error),
        (_, Some(inner)) => in_words_of(inner),
        _ => None,
    }
}

fn refused(words: String, remedy: Option<&'static str>) -> Error {
    let other = OtherError(Arc::new(CertificateRefusal { words, remedy }));
    Error::InvalidCertificate(CertificateError::Other(other))
}
