//! OpenPGP: the parts of RFC 4880 and 9580 that detached signatures need.

mod merge;

pub(super) use merge::add;

use super::{SignatureError, Verified, date};
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, PublicKey, Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, SignedUser, Tag, Timestamp, VerifyingKey};
use std::cmp::Reverse;
use std::io::BufReader;
use std::time::{Duration, SystemTime};

const KEY_ARMOUR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Suffix of a refusal that takes precedence over everything else.
const REVOKED: &str = "was revoked";
const SIGNATURE_ARMOUR: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// A public key with its subkeys, and the file it came from.
#[derive(Debug, Clone)]
pub(super) struct PgpKey {
    key: SignedPublicKey,
    file: String,
}

/// True if `bytes` are armoured or binary OpenPGP keys, rather than other text.
pub(super) fn looks_like_keys(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b & 0x80 != 0)
        || memchr::memmem::find(bytes, b"-----BEGIN PGP").is_some()
}

/// Parses the keys in a file; at least one. Each must have a self-signature, so that its restrictions are known.
pub(super) fn keys(file: &str, bytes: &[u8]) -> Result<Vec<PgpKey>, String> {
    let mut found = Vec::new();
    let mut add = |key: pgp::errors::Result<SignedPublicKey>| {
        let key = key.map_err(|error| error.to_string())?;
        let key = PgpKey {
            key,
            file: file.into(),
        };
        if key.self_signatures().next().is_none() {
            return Err(format!("{} has no valid signature of its own", key.name()));
        }
        found.push(key);
        Ok(())
    };
    let armoured = memchr::memmem::find_iter(bytes, KEY_ARMOUR);
    let mut blocks = armoured.peekable();
    if blocks.peek().is_none() {
        let keys = SignedPublicKey::from_bytes_many(BufReader::new(bytes));
        keys.map_err(|error| error.to_string())?
            .try_for_each(&mut add)?;
    }
    for start in blocks {
        let keys = SignedPublicKey::from_armor_many(&bytes[start..]);
        keys.map_err(|error| error.to_string())?
            .0
            .try_for_each(&mut add)?;
    }
    match found.is_empty() {
        true => Err("there is no key in it".into()),
        false => Ok(found),
    }
}

/// Verifies that `signature` is a signature over `bytes` by one of `keys`.
pub(super) fn verify(
    keys: &[PgpKey],
    bytes: &[u8],
    signature: &[u8],
    now: SystemTime,
) -> Result<Verified, SignatureError> {
    let signature = read(signature)?;
    let mut verdicts = Vec::new();
    for key in keys {
        if key.is_by_primary(&signature) {
            verdicts.push(key.check(&signature, &key.key.primary_key, None, bytes, now));
        }
        let subkeys = key.key.public_subkeys.iter();
        for subkey in subkeys.filter(|subkey| is_by(&signature, &subkey.key)) {
            verdicts.push(key.check(&signature, &subkey.key, Some(subkey), bytes, now));
        }
    }
    decide(verdicts).unwrap_or_else(|| Err(SignatureError::UnknownKey(issuer(&signature))))
}

/// Picks one of the verdicts for all keys that may have made a signature: usually there is only one. Keys may share a
/// subkey, or the key ID that a signature names; then a revocation takes precedence over an acceptance, in any order.
fn decide(
    mut verdicts: Vec<Result<Verified, SignatureError>>,
) -> Option<Result<Verified, SignatureError>> {
    let rank = |verdict: &Result<Verified, SignatureError>| match verdict {
        Err(SignatureError::NotAccepted { why, .. }) if why.ends_with(REVOKED) => 0,
        Ok(_) => 1,
        Err(SignatureError::NotAccepted { .. }) => 2,
        Err(_) => 3,
    };
    verdicts.sort_by_cached_key(|verdict| (rank(verdict), format!("{verdict:?}")));
    verdicts.into_iter().next()
}

/// Parses the only signature in `bytes`; a second one would be ambiguous.
fn read(bytes: &[u8]) -> Result<Signature, SignatureError> {
    let malformed = |cause: String| SignatureError::Malformed(cause);
    let text = |error: pgp::errors::Error| malformed(error.to_string());
    let mut signatures: Vec<_> = match memchr::memmem::find(bytes, SIGNATURE_ARMOUR) {
        Some(start) => DetachedSignature::from_armor_many(&bytes[start..])
            .map_err(text)?
            .0
            .take(2)
            .collect(),
        None => DetachedSignature::from_bytes_many(BufReader::new(bytes))
            .map_err(text)?
            .take(2)
            .collect(),
    };
    match (signatures.pop(), signatures.pop()) {
        (Some(signature), None) => Ok(signature.map_err(text)?.signature),
        (None, _) => Err(malformed("there is none in it".into())),
        (Some(_), Some(_)) => Err(malformed("there is more than one in it".into())),
    }
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|f| format!("OpenPGP key {f}"));
    let id = || {
        signature
            .issuer_key_id()
            .first()
            .map(|id| format!("OpenPGP key {id}"))
    };
    fingerprint
        .or_else(id)
        .unwrap_or_else(|| "an unnamed OpenPGP key".into())
}

/// True if a signature claims to be by this key.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    signature.issuer_key_id().contains(&&key.legacy_key_id())
        || signature.issuer_fingerprint().contains(&&key.fingerprint())
}

fn created(signature: &Signature) -> Option<SystemTime> {
    signature.created().map(SystemTime::from)
}

/// Adds some seconds to a time; none for zero seconds, which mean no limit.
fn add_seconds(start: Timestamp, seconds: Option<pgp::types::Duration>) -> Option<SystemTime> {
    let seconds = seconds?.as_secs();
    let end = SystemTime::from(start) + Duration::from_secs(seconds.into());
    (seconds != 0).then_some(end)
}

/// Orders self-signatures by age. Of two in the same second, the stricter one counts.
fn recency(signature: &Signature) -> impl Ord {
    let seconds = signature.key_expiration_time().map(|limit| limit.as_secs());
    let limit = seconds.filter(|seconds| *seconds != 0);
    let is_shorter = Reverse(limit.unwrap_or(u32::MAX));
    (
        signature.created(),
        !signature.key_flags().sign(),
        is_shorter,
    )
}

/// True if the signature certifies this user ID and is by the primary key.
fn certifies(signature: &Signature, primary: &PublicKey, user: &SignedUser) -> bool {
    let verdict = signature.verify_certification(primary, Tag::UserId, &user.id);
    verdict.is_ok()
}

impl PgpKey {
    fn name(&self) -> String {
        format!(
            "OpenPGP key {} ({})",
            self.key.primary_key.fingerprint(),
            self.file
        )
    }

    fn is_by_primary(&self, signature: &Signature) -> bool {
        is_by(signature, &self.key.primary_key)
    }

    /// The valid self-signatures: over the key, or over the key and one of its user IDs.
    fn self_signatures(&self) -> impl Iterator<Item = &Signature> {
        let primary = &self.key.primary_key;
        let details = &self.key.details;
        let direct = details
            .direct_signatures
            .iter()
            .filter(|s| s.verify_key(primary).is_ok());
        let names = details.users.iter().flat_map(move |user| {
            let own = user.signatures.iter().filter(|s| {
                self.is_by_primary(s) && s.typ() != Some(SignatureType::CertRevocation)
            });
            let revoked = self.user_revoked_at(user);
            own.filter(move |s| s.created() > revoked && certifies(s, primary, user))
        });
        direct.chain(names)
    }

    /// When a user ID was revoked for the last time.
    fn user_revoked_at(&self, user: &SignedUser) -> Option<Timestamp> {
        let primary = &self.key.primary_key;
        let revocations = user.signatures.iter().filter(|s| {
            s.typ() == Some(SignatureType::CertRevocation)
                && self.is_by_primary(s)
                && certifies(s, primary, user)
        });
        revocations.filter_map(Signature::created).max()
    }

    /// The latest self-signature.
    fn latest_self_signature(&self) -> Option<&Signature> {
        self.self_signatures().max_by_key(|s| recency(s))
    }

    fn is_revoked(&self) -> bool {
        let primary = &self.key.primary_key;
        let revocations = &self.key.details.revocation_signatures;
        revocations.iter().any(|s| s.verify_key(primary).is_ok())
    }

    /// When the key expires, if ever.
    fn expiry(&self) -> Option<SystemTime> {
        let latest_self_signature = self.latest_self_signature()?;
        add_seconds(
            self.key.primary_key.created_at(),
            latest_self_signature.key_expiration_time(),
        )
    }

    fn check(
        &self,
        signature: &Signature,
        signer: &impl VerifyingKey,
        subkey: Option<&SignedPublicSubKey>,
        bytes: &[u8],
        now: SystemTime,
    ) -> Result<Verified, SignatureError> {
        let by = self.name();
        let refused = |why: String| SignatureError::NotAccepted {
            by: by.clone(),
            why,
        };
        check_form(signature).map_err(refused)?;
        if self.is_revoked() {
            return Err(refused(format!("the key {REVOKED}")));
        }
        if signature.verify(signer, bytes).is_err() {
            return Err(SignatureError::OtherBytes(by));
        }
        let made =
            created(signature).ok_or_else(|| refused("it does not say when it was made".into()))?;
        // A clock that was never set must not make an expired key valid again.
        let now_at_least = now.max(made);
        check_expiry("the key", self.expiry(), now_at_least).map_err(refused)?;
        match subkey {
            Some(subkey) => self.check_subkey(subkey, now_at_least).map_err(refused)?,
            None => check_flags(self.latest_self_signature().map(Signature::key_flags))
                .map_err(refused)?,
        }
        let start = signature.created().unwrap_or_default();
        if let Some(end) =
            add_seconds(start, signature.signature_expiration_time()).filter(|end| *end <= now)
        {
            return Err(refused(format!("it expired on {}", date(end))));
        }
        let remark = (made > now).then(|| {
            format!(
                "it was made on {}, after {}, which is what the clock of this machine says",
                date(made),
                date(now)
            )
        });
        Ok(Verified::Signed { by, remark })
    }

    /// A subkey is accepted if the primary key allows it to sign, and the subkey confirms that it belongs to that key.
    fn check_subkey(&self, subkey: &SignedPublicSubKey, now: SystemTime) -> Result<(), String> {
        let primary = &self.key.primary_key;
        let valid = |s: &&Signature| s.verify_subkey_binding(primary, &subkey.key).is_ok();
        let of_type = |typ| {
            subkey
                .signatures
                .iter()
                .filter(move |s| s.typ() == Some(typ))
                .filter(valid)
        };
        if of_type(SignatureType::SubkeyRevocation).next().is_some() {
            return Err(format!("its subkey {REVOKED}"));
        }
        let confirms = |binding: &Signature| {
            let back_signature = binding.embedded_signature();
            back_signature
                .is_some_and(|s| s.verify_primary_key_binding(&subkey.key, primary).is_ok())
        };
        // The back signature may be in the unhashed area, so a copy may lack it: prefer a binding that has it.
        let bindings = of_type(SignatureType::SubkeyBinding);
        let binding = bindings.max_by_key(|s| (recency(s), confirms(s)));
        let binding = binding.ok_or("its subkey does not belong to it")?;
        check_flags(Some(binding.key_flags()))?;
        if !confirms(binding) {
            return Err("its subkey does not confirm that it belongs to it".into());
        }
        check_expiry(
            "its subkey",
            add_seconds(subkey.key.created_at(), binding.key_expiration_time()),
            now,
        )
    }
}

fn check_expiry(what: &str, end: Option<SystemTime>, now: SystemTime) -> Result<(), String> {
    match end.filter(|end| *end <= now) {
        Some(end) => Err(format!("{what} expired on {}", date(end))),
        None => Ok(()),
    }
}

fn check_flags(flags: Option<KeyFlags>) -> Result<(), String> {
    match flags.is_some_and(|flags| flags.sign()) {
        true => Ok(()),
        false => Err("the key is not one for signing".into()),
    }
}

/// Accepts only known types, digests and critical subpackets.
fn check_form(signature: &Signature) -> Result<(), String> {
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Err("it is not a signature over a document".into());
    }
    if !matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    ) {
        return Err("it was made with a digest other than SHA-256, SHA-384 and SHA-512".into());
    }
    let subpackets = signature
        .config()
        .into_iter()
        .flat_map(|config| config.hashed_subpackets());
    let unknown = subpackets.filter(|part| part.is_critical).any(|part| {
        matches!(
            part.data,
            SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..)
        )
    });
    match unknown {
        true => Err("it has a critical subpacket that is not supported".into()),
        false => Ok(()),
    }
}
