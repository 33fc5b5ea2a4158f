//! Parses PEM bundles of certificate authorities.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// Parses the certificates of a PEM bundle. Text around the PEM sections is skipped; any other kind of section makes
/// the bundle unusable. An empty bundle is valid and has no certificates.
///
/// # Errors
/// A description of what is wrong with the bundle.
pub fn parse(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bundle) {
        let (kind, der) = section.map_err(|e| e.to_string())?;
        if kind != SectionKind::Certificate {
            return Err(format!("{kind:?} found where certificates were expected"));
        }
        certificates.push(check(CertificateDer::from(der), certificates.len() + 1)?);
    }
    if certificates.is_empty() && !bundle.is_empty() {
        return Err("no PEM certificate in it".into());
    }
    Ok(certificates)
}

/// Checked here so that the error can name the bundle; the client is built much later.
fn check(
    certificate: CertificateDer<'static>,
    number: usize,
) -> Result<CertificateDer<'static>, String> {
    let mut store = RootCertStore::empty();
    let verdict = store.add(certificate.clone());
    verdict
        .map(|()| certificate)
        .map_err(|e| format!("certificate {number}: {e}"))
}
