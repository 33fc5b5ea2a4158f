//! Configs in the encodings of clouds.

use crate::common::gzip::gzipped;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A recognizable config, which must not be in a log.
pub const CONFIG: &str =
    r#"{"ignition": {"version": "3.4.0"}, "storage": {"directories": [{"path": "/srv/s3cret"}]}}"#;
/// The part of it that is also in the rendered config.
pub const FOUND: &str = "/srv/s3cret";

/// How a cloud encodes a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Base64,
    /// Base64, and inside that optionally gzip.
    Base64Gzip,
}

impl Encoding {
    /// Encodes a text.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Encoding::Plain => text.into(),
            Encoding::Base64 => base64(text.as_bytes()),
            Encoding::Base64Gzip => base64(&gzipped(text)),
        }
    }
}

pub fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into()
}
