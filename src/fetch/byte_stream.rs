//! The result of every transport.

use std::io::Read;

/// A stream of bytes as the transport delivers them.
pub(super) struct ByteStream<'a> {
    /// The bytes, still compressed if the server stores them compressed.
    pub body: Box<dyn Read + 'a>,
    /// The length that the server announced.
    pub length_bytes: Option<u64>,
    /// Number of attempts until the first byte.
    pub attempts: u32,
}
