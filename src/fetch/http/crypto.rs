//! The cryptography of TLS: *ring*, plus what *ring* lacks: P-521, and ECDSA with a hash that is longer or shorter
//! than its curve, as in certificates of `openssl req -x509` with a digest of the user's choice.
//!
//! The additions are pure Rust crates that verifying OpenPGP and OpenSSH signatures needs anyway.

use p521::elliptic_curve::sec1::ToEncodedPoint;
use p521::{PublicKey, SecretKey};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, SecureRandom, SharedSecret, SupportedKxGroup,
    WebPkiSupportedAlgorithms,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::{Arc, LazyLock};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(extended_provider()));

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// The cryptography for TLS.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

fn extended_provider() -> CryptoProvider {
    let ring = rustls::crypto::ring::default_provider();
    let random = ring.secure_random;
    let mut kx_groups = ring.kx_groups.clone();
    // Leaked only once, like the verifiers.
    kx_groups.push(Box::leak(Box::new(P521KeyExchange { random })));
    CryptoProvider {
        kx_groups,
        signature_verification_algorithms: algorithms(ring.signature_verification_algorithms),
        ..ring
    }
}

/// The verifiers of `ring`, and ours. They are leaked: the process creates them once.
fn algorithms(ring: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    // TLS 1.3 ties the curve to the hash and uses only the first entry; before it, any curve may be used with any hash.
    let added: [(SignatureScheme, &[Algorithm]); 3] = [
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            &[&P521_SHA512, &P384_SHA512, &P256_SHA512],
        ),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[&P521_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[&P521_SHA256]),
    ];
    let all: Vec<Algorithm> = ring
        .all
        .iter()
        .copied()
        .chain(added.iter().flat_map(|(_, own)| own.iter().copied()))
        .collect();
    let mut mapping: Vec<(SignatureScheme, &'static [Algorithm])> = ring.mapping.to_vec();
    for (scheme, own) in added {
        match mapping.iter_mut().find(|(known, _)| *known == scheme) {
            Some((_, known)) => *known = Vec::leak([known, own].concat()),
            None => mapping.insert(0, (scheme, Vec::leak(own.to_vec()))),
        }
    }
    WebPkiSupportedAlgorithms {
        all: Vec::leak(all),
        mapping: Vec::leak(mapping),
    }
}

/// ECDSA with one curve and hash.
#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Debug, Clone, Copy)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

static P256_SHA512: Ecdsa = Ecdsa::new(Curve::P256, Hash::Sha512);
static P384_SHA512: Ecdsa = Ecdsa::new(Curve::P384, Hash::Sha512);
static P521_SHA256: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha256);
static P521_SHA384: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha384);
static P521_SHA512: Ecdsa = Ecdsa::new(Curve::P521, Hash::Sha512);

/// Verifies with the types of one curve. A macro, since the trait bounds that the curves share are long.
macro_rules! verify {
    ($curve:ident, $key:expr, $hash:expr, $signature:expr) => {{
        use $curve::ecdsa::signature::hazmat::PrehashVerifier;
        use $curve::ecdsa::{Signature, VerifyingKey};
        let key = VerifyingKey::from_sec1_bytes($key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der($signature).map_err(|_| InvalidSignature)?;
        let verdict = key.verify_prehash($hash, &signature);
        verdict.map_err(|_| InvalidSignature)
    }};
}

impl Ecdsa {
    const fn new(curve: Curve, hash: Hash) -> Self {
        Ecdsa { curve, hash }
    }
}

impl Hash {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let hash = self.hash.digest(message);
        match self.curve {
            Curve::P256 => verify!(p256, public_key, &hash, signature),
            Curve::P384 => verify!(p384, public_key, &hash, signature),
            Curve::P521 => {
                // Padding does not change the number; the library refuses hashes shorter than half the curve.
                let mut padded = vec![0; P521_BYTES.saturating_sub(hash.len())];
                padded.extend(hash);
                verify!(p521, public_key, &padded, signature)
            }
        }
    }
}

/// Length of a P-521 scalar in bytes.
const P521_BYTES: usize = 66;

/// Mask for the first byte: 521 bits are 65 bytes and one bit.
const P521_FIRST_BYTE_MASK: u8 = 1;

/// First byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// Key exchange with P-521; offered last.
#[derive(Debug)]
struct P521KeyExchange {
    random: &'static dyn SecureRandom,
}

/// A key exchange in progress.
struct Exchange {
    secret: SecretKey,
    public: Vec<u8>,
}

impl SupportedKxGroup for P521KeyExchange {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        loop {
            let mut bytes = [0; P521_BYTES];
            self.random.fill(&mut bytes)?;
            bytes[0] &= P521_FIRST_BYTE_MASK;
            // Almost all numbers are valid secrets.
            if let Ok(secret) = SecretKey::from_slice(&bytes) {
                let public = secret.public_key().to_encoded_point(false);
                let public = public.as_bytes().to_vec();
                return Ok(Box::new(Exchange { secret, public }));
            }
        }
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::from(PeerMisbehaved::InvalidKeyShare);
        // TLS has no compressed points.
        if peer_pub_key.first() != Some(&UNCOMPRESSED) {
            return Err(invalid());
        }
        let peer = PublicKey::from_sec1_bytes(peer_pub_key).map_err(|_| invalid())?;
        let own = self.secret.to_nonzero_scalar();
        let shared = p521::ecdh::diffie_hellman(own, peer.as_affine());
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}
