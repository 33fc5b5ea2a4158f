//! Bundles of certificate authorities: PEM text becomes certificates.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// The certificates of a PEM bundle. Text around them is skipped, also after the last one; anything
/// in between that is not a certificate makes the bundle unusable. Zero bytes are not certificates.
///
/// # Errors
/// What is wrong, in words.
pub fn parse(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bundle) {
        let (kind, der) = section.map_err(|e| e.to_string())?;
        if kind != SectionKind::Certificate {
            return Err(format!("{kind:?} found where certificates were expected"));
        }
        certificates.push(checked(CertificateDer::from(der), certificates.len() + 1)?);
    }
    if certificates.is_empty() && !bundle.is_empty() {
        return Err("no PEM certificate in it".into());
    }
    Ok(certificates)
}

/// Judged here, so that the message can name the bundle; the client is made much later.
fn checked(
    certificate: CertificateDer<'static>,
    number: usize,
) -> Result<CertificateDer<'static>, String> {
    let mut store = RootCertStore::empty();
    let verdict = store.add(certificate.clone());
    verdict
        .map(|()| certificate)
        .map_err(|e| format!("certificate {number}: {e}"))
}
