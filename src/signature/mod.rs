//! Verification of signed configs: which keys are trusted, and whether a signature is by one of them.
//!
//! Nothing in here uses the network. [`Trust`] is the policy of a run: without keys and without a pinned digest,
//! nothing is verified and no signatures are fetched. `fetch` checks every config that it fetches; a config from
//! elsewhere (firmware, a config drive, a file) must have an embedded signature (see [`envelope`]).
//!
//! There are two kinds of signatures, both implemented by crates: OpenPGP (`pgp`) and OpenSSH (`ssh-key`).

pub mod envelope;
mod keys;
mod openpgp;
mod openssh;
mod trust;

pub use keys::{KeyError, TrustedKeys};
pub use trust::{Trust, Untrusted};

use std::fmt;
use std::time::SystemTime;

/// The namespace of OpenSSH signatures: `ssh-keygen -Y sign -n kindling`.
pub const NAMESPACE: &str = "kindling";

/// Why a config is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// A trusted key signed it.
    Signed {
        /// Kind and fingerprint of the key, and the file it was read from.
        by: String,
        /// A peculiarity that is no reason to refuse it.
        remark: Option<String>,
    },
    /// It has the pinned digest.
    Pinned,
    /// It is embedded in a verified config.
    Embedded,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verified::Signed { by, remark: None } => write!(f, "signed by {by}"),
            Verified::Signed {
                by,
                remark: Some(remark),
            } => write!(f, "signed by {by}; {remark}"),
            Verified::Pinned => f.write_str("its digest matches"),
            Verified::Embedded => f.write_str("it is a part of a verified config"),
        }
    }
}

/// Why a signature does not make a config trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a signature.
    #[error("it is not a signature of OpenPGP or OpenSSH: {0}")]
    Malformed(String),
    /// By a key that is not trusted.
    #[error("it is by {0}, which is not among the trusted keys")]
    UnknownKey(String),
    /// By a trusted key, but over other bytes.
    #[error("it is by {0}, but not over these bytes: they or the signature were changed")]
    OtherBytes(String),
    /// By a trusted key, but the key may no longer sign, or this kind of signature is not accepted.
    #[error("it is by {by}, but {why}")]
    NotAccepted {
        /// The key.
        by: String,
        /// The cause.
        why: String,
    },
}

/// Formats a time for messages.
fn date(time: SystemTime) -> String {
    crate::text::time::rfc3339(time)
}
