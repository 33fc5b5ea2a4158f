//! Decodes certificates, and formats the names in them.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::name::Name;

/// Decodes a certificate.
///
/// # Errors
/// If it is not valid DER of a certificate.
pub(super) fn decode(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

/// Formats a name in a certificate for messages.
pub(super) fn authority_name(name: &Name) -> String {
    format!("{:?}", name.to_string())
}
