//! Server certificates that webpki always refuses: those that are authorities themselves (`CA:TRUE`, as
//! `openssl req -x509` makes them), and those that are listed as trusted although they are not self-signed.
//!
//! Other TLS libraries accept both. Everything else is checked here: validity, purpose, names, and a chain of
//! signatures to a trusted certificate.

use super::certificate::{authority_name, decode};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use std::cell::Cell;
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName,
};

/// Maximum number of intermediate certificates between the certificate of a server and a trusted one.
const MAX_DEPTH: usize = 6;
/// Maximum number of signatures that are checked for one server.
const MAX_SIGNATURES: usize = 64;
/// Shorter RSA keys can be broken.
const MIN_RSA_BITS: u32 = 2048;
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The certificates that a server presents, and what they are verified against.
pub(super) struct PresentedChain<'a> {
    /// The certificate of the server.
    pub end_entity: &'a CertificateDer<'a>,
    /// The other certificates that the server sent.
    pub intermediates: &'a [CertificateDer<'a>],
    pub trusted: &'a [CertificateDer<'static>],
    /// How signatures are verified.
    pub algorithms: &'a [&'static dyn SignatureVerificationAlgorithm],
    /// The requested server name.
    pub name: &'a ServerName<'a>,
    /// The current time.
    pub now: UnixTime,
}

impl PresentedChain<'_> {
    /// True if the certificate of the server is itself one of the trusted ones.
    pub(super) fn is_listed(&self) -> bool {
        self.trusted.contains(self.end_entity)
    }

    /// Verifies the certificate.
    ///
    /// # Errors
    /// If it is not valid now, not valid for this purpose or name, or neither it nor an issuer of it is trusted.
    pub(super) fn verify(&self) -> Result<(), Error> {
        let certificate = decode(self.end_entity)?;
        check_validity(&certificate, self.now)?;
        check_extensions(&certificate)?;
        if !self.is_listed() {
            let search = Search::new(self);
            if !search.reaches_trusted(&certificate, 0)? {
                return Err(CertificateError::UnknownIssuer.into());
            }
        }
        verify_server_name(&ParsedCertificate::try_from(self.end_entity)?, self.name)
    }
}

/// A search for a chain of signatures to a trusted certificate.
struct Search<'a> {
    trusted: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    algorithms: &'a [&'static dyn SignatureVerificationAlgorithm],
    now: UnixTime,
    remaining_signatures: Cell<usize>,
}

impl<'a> Search<'a> {
    fn new(chain: &PresentedChain<'a>) -> Self {
        let all = |certificates: &[CertificateDer<'_>]| {
            let decoded = certificates.iter().filter_map(|c| decode(c).ok());
            decoded.collect()
        };
        Search {
            trusted: all(chain.trusted),
            intermediates: all(chain.intermediates),
            algorithms: chain.algorithms,
            now: chain.now,
            remaining_signatures: Cell::new(MAX_SIGNATURES),
        }
    }

    fn reaches_trusted(&self, certificate: &Certificate, depth: usize) -> Result<bool, Error> {
        let issuer = certificate.tbs_certificate().issuer();
        let is_issuer = |c: &&Certificate| c.tbs_certificate().subject() == issuer;
        for trusted in self.trusted.iter().filter(is_issuer) {
            if !constrains_names(trusted) && self.is_signed_by(certificate, trusted)? {
                return Ok(true);
            }
        }
        if depth == MAX_DEPTH {
            return Ok(false);
        }
        for next in self.intermediates.iter().filter(is_issuer) {
            if may_issue(next, depth) && self.is_signed_by(certificate, next)? {
                // A wrong clock must not be reported as an unknown issuer.
                check_validity(next, self.now)?;
                if self.reaches_trusted(next, depth + 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// True if `issuer` signed `certificate`.
    fn is_signed_by(&self, certificate: &Certificate, issuer: &Certificate) -> Result<bool, Error> {
        let left = self.remaining_signatures.get().checked_sub(1);
        self.remaining_signatures.set(
            left.ok_or_else(|| Error::General("the server sent too many certificates".into()))?,
        );
        Ok(self
            .has_valid_signature(certificate, issuer)
            .unwrap_or(false))
    }

    /// `None` if a part of it cannot be parsed.
    fn has_valid_signature(&self, certificate: &Certificate, issuer: &Certificate) -> Option<bool> {
        let key = issuer.tbs_certificate().subject_public_key_info();
        let key_algorithm = sequence_content(&key.algorithm)?;
        let algorithm = sequence_content(certificate.signature_algorithm())?;
        if algorithm != sequence_content(certificate.tbs_certificate().signature())? {
            return Some(false);
        }
        let message = certificate.tbs_certificate().to_der().ok()?;
        let signature = certificate.signature().as_bytes()?;
        let key = key.subject_public_key.as_bytes()?;
        let matching = self.algorithms.iter().filter(|known| {
            known.public_key_alg_id().as_ref() == key_algorithm
                && known.signature_alg_id().as_ref() == algorithm
        });
        let mut verdicts = matching.map(|known| known.verify_signature(key, &message, signature));
        Some(verdicts.any(|verdict| verdict.is_ok()))
    }
}

/// An algorithm identifier in the form of the verifiers: without the header of the DER sequence.
fn sequence_content(algorithm: &impl Encode) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

fn check_validity(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.tbs_certificate().validity();
    let time = |time: &x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
    let (not_before, not_after) = (time(&validity.not_before), time(&validity.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    Ok(())
}

/// Checks the purpose, and that there are no unhandled critical extensions.
fn check_extensions(certificate: &Certificate) -> Result<(), Error> {
    let known = [
        BasicConstraints::OID,
        KeyUsage::OID,
        ExtendedKeyUsage::OID,
        SubjectAltName::OID,
        NameConstraints::OID,
    ];
    let extensions = certificate.tbs_certificate().extensions();
    let mut critical = extensions.into_iter().flatten().filter(|e| e.critical);
    if critical.any(|extension| !known.contains(&extension.extn_id)) {
        return Err(CertificateError::UnhandledCriticalExtension.into());
    }
    match extension::<ExtendedKeyUsage>(certificate)? {
        Some(usage)
            if !usage
                .0
                .iter()
                .any(|p| [SERVER_AUTH, ANY_PURPOSE].contains(p)) =>
        {
            Err(CertificateError::InvalidPurpose.into())
        }
        _ => Ok(()),
    }
}

/// The extension of type `T`, if present.
fn extension<T>(certificate: &Certificate) -> Result<Option<T>, Error>
where
    T: for<'a> Decode<'a> + AssociatedOid,
{
    let extensions = certificate.tbs_certificate().extensions();
    let mut extensions = extensions.into_iter().flatten();
    let Some(found) = extensions.find(|extension| extension.extn_id == T::OID) else {
        return Ok(None);
    };
    match T::from_der(found.extn_value.as_bytes()) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(CertificateError::BadEncoding.into()),
    }
}

/// Name constraints are not evaluated here, so an authority that has any is not followed.
fn constrains_names(certificate: &Certificate) -> bool {
    !matches!(extension::<NameConstraints>(certificate), Ok(None))
}

/// True if an intermediate certificate may issue others, with `below` intermediates between it and the server.
fn may_issue(certificate: &Certificate, below: usize) -> bool {
    let is_authority = match extension::<BasicConstraints>(certificate) {
        Ok(Some(constraints)) => {
            let max_length = constraints.path_len_constraint.map(usize::from);
            constraints.ca && max_length.is_none_or(|max_length| below <= max_length)
        }
        _ => false,
    };
    let may_sign = match extension::<KeyUsage>(certificate) {
        Ok(usage) => usage.is_none_or(|usage| usage.key_cert_sign()),
        Err(_) => false,
    };
    is_authority
        && may_sign
        && !constrains_names(certificate)
        && check_extensions(certificate).is_ok()
}

/// Describes a too short RSA key of the server, or of an issuer of its certificate, if there is one.
pub(super) fn weak_key(chain: &PresentedChain<'_>) -> Option<String> {
    let sent = std::iter::once(chain.end_entity).chain(chain.intermediates);
    let sent: Vec<Certificate> = sent.filter_map(|c| decode(c).ok()).collect();
    let trusted = chain.trusted.iter().filter_map(|c| decode(c).ok());
    let is_issuer = |c: &Certificate| {
        let subject = c.tbs_certificate().subject();
        sent.iter().any(|s| s.tbs_certificate().issuer() == subject)
    };
    let issuers: Vec<Certificate> = trusted.filter(is_issuer).collect();
    sent.iter().chain(&issuers).find_map(weakness)
}

/// The same for the key of the server only.
pub(super) fn weak_server_key(chain: &PresentedChain<'_>) -> Option<String> {
    weakness(&decode(chain.end_entity).ok()?)
}

fn weakness(certificate: &Certificate) -> Option<String> {
    let bits = rsa_bits(certificate).filter(|bits| *bits < MIN_RSA_BITS)?;
    Some(format!(
        "WeakKey: the RSA key of {} has {bits} bits, fewer than the {MIN_RSA_BITS} that are accepted",
        authority_name(certificate.tbs_certificate().subject()),
    ))
}

fn rsa_bits(certificate: &Certificate) -> Option<u32> {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    let key = certificate.tbs_certificate().subject_public_key_info();
    if key.algorithm.oid != RSA {
        return None;
    }
    let key = AnyRef::from_der(key.subject_public_key.as_bytes()?).ok()?;
    let mut reader = x509_cert::der::SliceReader::new(key.value()).ok()?;
    let modulus = x509_cert::der::asn1::UintRef::decode(&mut reader).ok()?;
    let (first, rest) = modulus.as_bytes().split_first()?;
    Some(u8::BITS - first.leading_zeros() + u32::try_from(rest.len()).ok()? * u8::BITS)
}
