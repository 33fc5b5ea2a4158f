//! Signatures of configs: whose they must be, and whether they are.
//!
//! Nothing in here reads a network. [`Trust`] is the policy of a run: no keys and no pin means that nothing is
//! checked and nothing more is asked for than ever. `fetch` asks it about every config it brings; what comes from
//! elsewhere (firmware, a config drive, a file) carries its signature inside (see [`envelope`]).
//!
//! Two kinds of signatures, both by crates: OpenPGP (`pgp`) and OpenSSH (`ssh-key`).

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

/// What a config was trusted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// A trusted key signed it.
    Signed {
        /// Kind and fingerprint of the key, and the file it was read from.
        by: String,
        /// What is odd about it, and no reason to refuse it.
        remark: Option<String>,
    },
    /// It has the digest it must have.
    Pinned,
    /// It is a part of a config that was verified.
    Inside,
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
            Verified::Inside => f.write_str("it is a part of a verified config"),
        }
    }
}

/// Why a signature does not make a config trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Bytes that are none.
    #[error("it is not a signature of OpenPGP or OpenSSH: {0}")]
    Malformed(String),
    /// Of a key that is not trusted.
    #[error("it is by {0}, which is not among the trusted keys")]
    UnknownKey(String),
    /// Of a trusted key, over other bytes.
    #[error("it is by {0}, but not over these bytes: they or the signature were changed")]
    OtherBytes(String),
    /// Of a trusted key that may no longer sign, or made in a way that does not count.
    #[error("it is by {by}, but {why}")]
    NotAccepted {
        /// The key.
        by: String,
        /// The cause.
        why: String,
    },
}

/// A moment for messages.
fn date(time: SystemTime) -> String {
    crate::text::time::rfc3339(time)
}
