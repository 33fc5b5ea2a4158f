//! Seek positions in objects that act like files of a known length.

use std::io::{Error, ErrorKind, Result, SeekFrom};

/// The position a seek leads to, in bytes.
///
/// # Errors
/// If it is before the start, or does not fit 64 bits.
pub fn after_seek(position: u64, bytes: u64, to: SeekFrom) -> Result<u64> {
    let target = match to {
        SeekFrom::Start(at) => i128::from(at),
        SeekFrom::End(by) => i128::from(bytes) + i128::from(by),
        SeekFrom::Current(by) => i128::from(position) + i128::from(by),
    };
    u64::try_from(target).map_err(|_| Error::new(ErrorKind::InvalidInput, "seek before the start"))
}
