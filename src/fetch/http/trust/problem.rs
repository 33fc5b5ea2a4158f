//! TLS errors: which of them end a fetch, and what to do about them.
//!
//! Errors that a retry cannot change are final: an issuer that is not trusted, a certificate for another purpose,
//! nothing in common between both sides. The clock of a machine may be set while it waits, so a certificate that has
//! expired or is not valid yet is worth a retry.

use super::CertificateRefusal;
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use std::io;

/// A TLS error that a retry cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fetch::http) struct TlsProblem {
    /// What to do about it.
    pub remedy: &'static str,
}

const LIST_AUTHORITY: &str = "list the authority in ignition.security.tls.certificateAuthorities";
const NAME: &str =
    "use a name from the certificate of the server, or give the server a certificate for this name";
const SET_CLOCK: &str =
    "set the clock of this machine (firmware, hypervisor), or renew the certificate of the server";
const REPLACE: &str = "give the server another certificate";
/// Remedy for a key that is too short.
pub(super) const STRONG_KEY: &str =
    "give the server (or its authority) an RSA key with 2048 bits or more, or an ECDSA key";
const SUITES: &str =
    "let the server offer TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305";

/// The final TLS error somewhere in a connection error, if there is one.
pub(in crate::fetch::http) fn of(error: &(dyn std::error::Error + 'static)) -> Option<TlsProblem> {
    let remedy = final_remedy(first_tls_error(error)?)?;
    Some(TlsProblem { remedy })
}

/// Remedy for a certificate that is not valid according to the clock of this machine.
pub(in crate::fetch::http) fn clock_remedy(
    error: &(dyn std::error::Error + 'static),
) -> Option<&'static str> {
    is_about_time(first_tls_error(error)?).then_some(SET_CLOCK)
}

fn first_tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(tls_error)
}

fn is_about_time(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => why
            .downcast_ref::<CertificateRefusal>()
            .is_some_and(|refusal| refusal.remedy.is_none()),
        Error::InvalidCertificate(cause) => depends_on_time(cause),
        _ => false,
    }
}

/// Connection errors are wrapped more than once.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error);
    }
    tls_error(error.downcast_ref::<io::Error>()?.get_ref()?)
}

fn final_remedy(error: &Error) -> Option<&'static str> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            why.downcast_ref::<CertificateRefusal>()?.remedy
        }
        Error::InvalidCertificate(cause) => certificate_remedy(cause),
        Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )
        | Error::PeerIncompatible(_) => Some(SUITES),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => Some(NAME),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Some("configure the server to accept clients without a certificate")
        }
        _ => None,
    }
}

/// True if only the validity period is wrong, according to the clock of this machine.
pub(super) fn depends_on_time(cause: &CertificateError) -> bool {
    matches!(
        cause,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

/// Remedy for a certificate that will stay invalid; `None` if waiting may help.
pub(super) fn certificate_remedy(cause: &CertificateError) -> Option<&'static str> {
    match cause {
        about_time if depends_on_time(about_time) => None,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Some(LIST_AUTHORITY),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some(NAME)
        }
        _ => Some(REPLACE),
    }
}

/// Describes what both sides of the connection would have needed; `None` if the message of the library is good enough.
pub(super) fn describe(error: &Error) -> Option<String> {
    Some(match error {
        Error::AlertReceived(AlertDescription::HandshakeFailure) | Error::PeerIncompatible(_) => {
            format!(
                "no TLS version or cipher suite in common ({error}): supported are TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305"
            )
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("no TLS version in common ({error}): supported are 1.2 and 1.3")
        }
        _ => return None,
    })
}
