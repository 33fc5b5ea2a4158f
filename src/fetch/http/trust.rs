//! Whom to trust, and why not: certificates are judged by webpki, refusals are put into words that help.
//!
//! At a first boot most refusals have one of two causes: an authority that nobody told the machine about, and a
//! clock that was never set.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use webpki::EndEntityCert;
use x509_cert::der::Decode;
use x509_cert::name::Name;

/// Judges the certificates of servers.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None` without a single root: then nobody is trusted.
    judge: Option<Arc<WebPkiServerVerifier>>,
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

impl Trust {
    /// Trust in these roots.
    pub(super) fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Self {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Self {
            judge: builder.build().ok(),
            provider,
        }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = match &self.judge {
            Some(judge) => {
                judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        judged.map_err(|error| match &error {
            Error::InvalidCertificate(cause) => {
                let last = intermediates.last().unwrap_or(end_entity);
                in_words(cause, last).map_or(error, refused)
            }
            _ => error,
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
        (_, Some(inner)) => in_words_of(inner),
        _ => None,
    }
}

fn refused(words: String) -> Error {
    let other = OtherError(Arc::new(Refusal(words)));
    Error::InvalidCertificate(CertificateError::Other(other))
}

/// A refusal in words; `None` where those of the library do. `last` is the certificate nearest to a root that the
/// server sent.
fn in_words(cause: &CertificateError, last: &CertificateDer<'_>) -> Option<String> {
    Some(match cause {
        CertificateError::UnknownIssuer => format!(
            "UnknownIssuer: it was issued by {}, an authority that neither this system nor the config trusts",
            issuer(last).unwrap_or_else(|| "somebody without a readable name".into())
        ),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "Expired: the certificate was valid until {}, the clock of this machine says {}",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "NotValidYet: the certificate is valid from {} on, the clock of this machine says {}, so it is \
             probably wrong",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "NotValidForName: the certificate is for {}, not for {}",
            names(presented),
            expected.to_str()
        ),
        _ => return None,
    })
}

fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    // What webpki gives has no header: it is the inside of the sequence.
    let inside = parsed.issuer();
    let mut whole = vec![0x30];
    whole.extend(
        x509_cert::der::Length::try_from(inside.len())
            .ok()
            .and_then(length)?,
    );
    whole.extend(inside);
    let name = Name::from_der(&whole).ok()?;
    Some(format!("{:?}", name.to_string()))
}

fn length(length: x509_cert::der::Length) -> Option<Vec<u8>> {
    x509_cert::der::Encode::to_der(&length).ok()
}

fn names(presented: &[String]) -> String {
    match presented {
        [] => "no name at all".into(),
        names => names.join(", "),
    }
}

fn date(time: UnixTime) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(at).to_string()
}
