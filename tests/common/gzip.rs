//! Compression of test data.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// One gzip member.
pub fn gzipped(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).expect("memory");
    encoder.finish().expect("memory")
}
