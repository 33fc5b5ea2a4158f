//! Helpful descriptions of certificate errors.

use super::certificate::{authority_name, decode};
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::time::{Duration, SystemTime};

/// Describes an error; `None` if the message of the library is good enough. `last` is the last certificate that the
/// server sent, the one nearest to a root.
pub(super) fn describe(cause: &CertificateError, last: &CertificateDer<'_>) -> Option<String> {
    Some(match cause {
        CertificateError::UnknownIssuer => format!("UnknownIssuer: {}", unknown_issuer(last)),
        CertificateError::BadSignature => format!(
            "BadSignature: it was not signed with the key of the trusted {}",
            issuer(last)
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

fn unknown_issuer(last: &CertificateDer<'_>) -> String {
    let untrusted = "neither this system nor the config trusts";
    match decode(last) {
        Ok(own) if own.tbs_certificate().issuer() == own.tbs_certificate().subject() => format!(
            "it is self-signed as {}, and {untrusted} it",
            authority_name(own.tbs_certificate().issuer())
        ),
        _ => format!(
            "it was issued by {}, an authority that {untrusted}",
            issuer(last)
        ),
    }
}

fn issuer(certificate: &CertificateDer<'_>) -> String {
    match decode(certificate) {
        Ok(parsed) => authority_name(parsed.tbs_certificate().issuer()),
        Err(_) => "an issuer without a readable name".into(),
    }
}

fn names(presented: &[String]) -> String {
    match presented {
        [] => "no name at all".into(),
        names => names.join(", "),
    }
}

fn date(time: UnixTime) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    crate::text::time::rfc3339(at)
}
