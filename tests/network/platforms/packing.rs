//! Configs, as clouds pack them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// A config that is known by what is in it, and must not be in a log.
pub const CONFIG: &str =
    r#"{"ignition": {"version": "3.4.0"}, "storage": {"directories": [{"path": "/srv/s3cret"}]}}"#;
/// What a rendered config has of it.
pub const FOUND: &str = "/srv/s3cret";

/// How a cloud packs a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Base64,
    /// By base64, and in that by gzip, which need not be.
    Base64Gzip,
}

impl Packing {
    /// A text, packed.
    pub fn pack(self, text: &str) -> Vec<u8> {
        match self {
            Packing::Plain => text.into(),
            Packing::Base64 => base64(text.as_bytes()),
            Packing::Base64Gzip => base64(&gzip(text)),
        }
    }
}

pub fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into()
}

pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}
