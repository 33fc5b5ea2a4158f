//! The digest of a plan: equal digests mean that what ran is what was shown.

use super::Plan;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};

/// Fields are collected up to this size before they are hashed.
const MAX_PENDING_BYTES: usize = 4096;

/// Feeds values into a hash, field by field, with numbers encoded alike on every machine.
///
/// `Debug` output would have the same information, but escapes each character of megabytes of contents.
struct FieldHasher {
    hash: Sha256,
    /// Fields are short, and hashing each separately takes longer than hashing their bytes.
    pending: Vec<u8>,
}

impl FieldHasher {
    fn flush(&mut self) {
        self.hash.update(&self.pending);
        self.pending.clear();
    }
}

impl Hasher for FieldHasher {
    fn write(&mut self, bytes: &[u8]) {
        if self.pending.len() + bytes.len() > MAX_PENDING_BYTES {
            self.flush();
        }
        match bytes.len() < MAX_PENDING_BYTES {
            true => self.pending.extend_from_slice(bytes),
            false => self.hash.update(bytes),
        }
    }
    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }
    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }
    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }
    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }
    /// Lengths.
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
    /// Discriminants of enums.
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
    /// Not used: the digest has more bits.
    fn finish(&self) -> u64 {
        0
    }
}

/// SHA-256 in hex over all fields of all operations, including those that are not shown (file contents, hashes).
/// Warnings do not count: they do not affect the run.
pub fn digest(plan: &Plan) -> String {
    let mut hasher = FieldHasher {
        hash: Sha256::new(),
        pending: Vec::with_capacity(MAX_PENDING_BYTES),
    };
    plan.operations.hash(&mut hasher);
    hasher.flush();
    let digest = hasher.hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
