//! The digest of a plan: equal digests mean that what ran is what was shown.

use super::Plan;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Feeds formatted text into a hash.
struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// SHA-256 in hex over every field of every operation, hidden ones (file contents, hashes) included. Warnings
/// do not count: they change nothing that runs.
pub fn digest(plan: &Plan) -> String {
    let mut hash = HashWriter(Sha256::new());
    // Writing into a hash cannot fail; a failing Debug implementation would only shorten the input.
    let _ = write!(hash, "{:?}", plan.operations);
    hash.0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
