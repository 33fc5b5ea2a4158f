//! A certificate, read, and the names in it.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::name::Name;

/// Reads a certificate.
///
/// # Errors
/// It is not in the encoding of certificates.
pub(super) fn decoded(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

/// A name in a certificate, for messages.
pub(super) fn authority_name(name: &Name) -> String {
    format!("{:?}", name.to_string())
}
