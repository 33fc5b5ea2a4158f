//! The policy of a run: which configs are trusted.

use super::{KeyError, SignatureError, TrustedKeys, Verified, envelope};
use crate::config::digest::Digest;
use crate::text::hex;
use sha2::{Digest as _, Sha256, Sha512};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Which configs are trusted. Without a key and without a pin, all are.
#[derive(Debug, Default)]
pub struct Trust {
    keys: TrustedKeys,
    /// Digests of acceptable key files next to configs.
    key_digests: Vec<Digest>,
    found_keys: Mutex<TrustedKeys>,
    /// The digest of the first config.
    pin: Option<Digest>,
}

/// Why a config is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It has no signature.
    #[error("it has no signature ({0})")]
    Missing(String),
    /// Its signature is not accepted.
    #[error("its signature is not accepted: {0}")]
    Signature(#[from] SignatureError),
    /// It does not have the digest on the kernel command line.
    #[error(
        "its digest is {calculated}, but kindling.config.hash on the kernel command line requires {expected}"
    )]
    OtherDigest {
        /// Digest of the config, in the format of the command line.
        calculated: String,
        /// Expected digest.
        expected: String,
    },
    /// There is a pin but no key, and this config is not pinned.
    #[error(
        "only pinned configs are taken: there is no trusted key, and the config that asks for this one gives no verification.hash"
    )]
    NotPinned,
    /// A key next to a config cannot be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A key next to a config does not have one of the digests on the kernel command line.
    #[error("the key at {0} matches no kindling.config.key on the kernel command line")]
    OtherKey(String),
}

impl Trust {
    /// Trusts configs that are signed with one of `keys`, or with a key in a file that has one of `key_digests`; with a
    /// `pin`, also a first config that has this digest.
    pub fn new(keys: TrustedKeys, key_digests: Vec<Digest>, pin: Option<Digest>) -> Self {
        Trust {
            keys,
            key_digests,
            found_keys: Mutex::default(),
            pin,
        }
    }

    /// True if configs are verified.
    pub fn is_on(&self) -> bool {
        self.has_keys() || self.pin.is_some()
    }

    /// True if the digest of the first config is pinned, so that there must be one.
    pub fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    /// True if configs can be verified by their signature.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.key_digests.is_empty()
    }

    /// True if a key should be looked for next to a config: digests of keys are known, but no such key was found yet.
    pub fn needs_found_key(&self) -> bool {
        !self.key_digests.is_empty() && self.lock_found_keys().is_empty()
    }

    /// Adds the keys in a file that was found at `place`.
    ///
    /// # Errors
    /// If its digest is not one of the expected ones, or there is no key in it.
    pub fn add_found_keys(&self, place: &str, bytes: &[u8]) -> Result<(), Untrusted> {
        if !self
            .key_digests
            .iter()
            .any(|digest| has_digest(bytes, digest))
        {
            return Err(Untrusted::OtherKey(place.into()));
        }
        Ok(self.lock_found_keys().add(place, bytes)?)
    }

    /// Checks the first config against the pin; none without a pin.
    ///
    /// # Errors
    /// If it has another digest.
    pub fn check_pin(&self, bytes: &[u8]) -> Result<Option<Verified>, Untrusted> {
        let Some(pin) = &self.pin else {
            return Ok(None);
        };
        if has_digest(bytes, pin) {
            return Ok(Some(Verified::Pinned));
        }
        let (calculated, expected) = match pin {
            Digest::Sha256(pin) => (
                format_digest("sha256", &Sha256::digest(bytes)),
                format_digest("sha256", pin),
            ),
            Digest::Sha512(pin) => (
                format_digest("sha512", &Sha512::digest(bytes)),
                format_digest("sha512", pin),
            ),
        };
        Err(Untrusted::OtherDigest {
            calculated,
            expected,
        })
    }

    /// Verifies that `signature` is a trusted signature over `bytes`.
    ///
    /// # Errors
    /// If it is not.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<Verified, Untrusted> {
        if !self.has_keys() {
            return Err(Untrusted::NotPinned);
        }
        let now = SystemTime::now();
        let found_keys = self.lock_found_keys();
        if found_keys.is_empty() {
            return Ok(self.keys.verify(bytes, signature, now)?);
        }
        // Both may have a copy of the same key, and only one copy may include its revocation.
        let mut keys = self.keys.clone();
        keys.add_all(&found_keys);
        Ok(keys.verify(bytes, signature, now)?)
    }

    /// Verifies the first config from a source that cannot have a second file, so that the signature is embedded.
    /// Returns the config without the signature.
    ///
    /// # Errors
    /// If the config is not trusted.
    pub fn open<'b>(&self, bytes: &'b [u8]) -> Result<(&'b [u8], Verified), Untrusted> {
        if let Some(pinned) = self.check_pin(bytes)? {
            return Ok((bytes, pinned));
        }
        let (config, signature) = envelope::open(bytes)
            .ok_or_else(|| Untrusted::Missing("none follows it; append an armoured one".into()))?;
        Ok((config, self.verify(config, signature)?))
    }

    fn lock_found_keys(&self) -> MutexGuard<'_, TrustedKeys> {
        self.found_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_digest(bytes: &[u8], digest: &Digest) -> bool {
    match digest {
        Digest::Sha256(wanted) => Sha256::digest(bytes).as_slice() == wanted,
        Digest::Sha512(wanted) => Sha512::digest(bytes).as_slice() == wanted,
    }
}

fn format_digest(function: &str, digest: &[u8]) -> String {
    format!("{function}-{}", hex(digest))
}
