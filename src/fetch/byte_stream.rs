//! What every transport gives.

use std::io::Read;

/// A stream of bytes as the transport gives them.
pub(super) struct ByteStream<'a> {
    /// The bytes, still packed where the server packs them.
    pub body: Box<dyn Read + 'a>,
    /// Attempts until the first byte.
    pub attempts: u32,
}
