//! The policy of a run: which configs are taken.

use super::{KeyError, SignatureError, TrustedKeys, Verified, envelope};
use crate::config::digest::Digest;
use sha2::{Digest as _, Sha256, Sha512};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Which configs are taken. Without a key and without a pin: all.
#[derive(Debug, Default)]
pub struct Trust {
    keys: TrustedKeys,
    /// Digests of files with keys that are found beside configs.
    named: Vec<Digest>,
    found: Mutex<TrustedKeys>,
    /// The digest of the first config.
    pin: Option<Digest>,
}

/// Why a config is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It has no signature.
    #[error("it has no signature ({0})")]
    Missing(String),
    /// It has one that does not count.
    #[error("its signature does not count: {0}")]
    Signature(#[from] SignatureError),
    /// It is another one than the kernel command line names.
    #[error(
        "its digest is {calculated}, but kindling.config.hash on the kernel command line requires {expected}"
    )]
    OtherDigest {
        /// Digest of what came, as it would have to be written.
        calculated: String,
        /// Digest asked for.
        expected: String,
    },
    /// There is a pin only, and this config is not pinned.
    #[error(
        "only pinned configs are taken: there is no trusted key, and the config that asks for this one gives no verification.hash"
    )]
    NotPinned,
    /// A key that was found beside a config.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A key that was found beside a config, and is not named.
    #[error("the key at {0} matches no kindling.config.key on the kernel command line")]
    OtherKey(String),
}

impl Trust {
    /// Configs signed by one of `keys`, or by a key from a file that has one of the digests `named`; and with a `pin`
    /// a first config that has it.
    pub fn new(keys: TrustedKeys, named: Vec<Digest>, pin: Option<Digest>) -> Self {
        Trust {
            keys,
            named,
            found: Mutex::default(),
            pin,
        }
    }

    /// True if not every config is taken.
    pub fn is_on(&self) -> bool {
        self.has_keys() || self.pin.is_some()
    }

    /// True if the first config is named, so that there must be one.
    pub fn names_config(&self) -> bool {
        self.pin.is_some()
    }

    /// True if a signature can make a config trusted.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.named.is_empty()
    }

    /// True if a key should be looked for beside a config: one is named, and none was found.
    pub fn lacks_named_key(&self) -> bool {
        !self.named.is_empty() && self.found().is_empty()
    }

    /// Takes the keys in a file that was found at `place`.
    ///
    /// # Errors
    /// Its digest is not named, or there is no key in it.
    pub fn add_found(&self, place: &str, bytes: &[u8]) -> Result<(), Untrusted> {
        if !self.named.iter().any(|digest| has(bytes, digest)) {
            return Err(Untrusted::OtherKey(place.into()));
        }
        Ok(self.found().add(place, bytes)?)
    }

    /// Whether the pin says everything about the first config; none without a pin.
    ///
    /// # Errors
    /// It is another config.
    pub fn check_pin(&self, bytes: &[u8]) -> Result<Option<Verified>, Untrusted> {
        let Some(pin) = &self.pin else {
            return Ok(None);
        };
        if has(bytes, pin) {
            return Ok(Some(Verified::Pinned));
        }
        let (calculated, expected) = match pin {
            Digest::Sha256(pin) => (
                words("sha256", &Sha256::digest(bytes)),
                words("sha256", pin),
            ),
            Digest::Sha512(pin) => (
                words("sha512", &Sha512::digest(bytes)),
                words("sha512", pin),
            ),
        };
        Err(Untrusted::OtherDigest {
            calculated,
            expected,
        })
    }

    /// Whether `signature` makes `bytes` a config to take.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<Verified, Untrusted> {
        if !self.has_keys() {
            return Err(Untrusted::NotPinned);
        }
        let now = SystemTime::now();
        let found = self.found();
        if found.is_empty() {
            return Ok(self.keys.verify(bytes, signature, now)?);
        }
        // A key may be among both, and only one copy of it know that it was revoked.
        let mut keys = self.keys.clone();
        keys.add_all(&found);
        Ok(keys.verify(bytes, signature, now)?)
    }

    /// The first config, from a place that has no room for a second file; its signature follows it.
    ///
    /// # Errors
    /// It is not one to take.
    pub fn open<'b>(&self, bytes: &'b [u8]) -> Result<(&'b [u8], Verified), Untrusted> {
        if let Some(pinned) = self.check_pin(bytes)? {
            return Ok((bytes, pinned));
        }
        let (config, signature) = envelope::open(bytes)
            .ok_or_else(|| Untrusted::Missing("none follows it; append an armoured one".into()))?;
        Ok((config, self.verify(config, signature)?))
    }

    fn found(&self) -> MutexGuard<'_, TrustedKeys> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has(bytes: &[u8], digest: &Digest) -> bool {
    match digest {
        Digest::Sha256(wanted) => Sha256::digest(bytes).as_slice() == wanted,
        Digest::Sha512(wanted) => Sha512::digest(bytes).as_slice() == wanted,
    }
}

fn words(function: &str, digest: &[u8]) -> String {
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{function}-{digits}")
}
