//! What every transport gives.

use std::io::Read;

/// A stream of bytes as the transport gives them.
pub(super) struct ByteStream<'a> {
    /// The bytes, still packed where the server packs them.
    pub body: Box<dyn Read + 'a>,
    /// How many they are, as the server announces them.
    pub length_bytes: Option<u64>,
    /// Attempts until the first byte.
    pub attempts: u32,
}
