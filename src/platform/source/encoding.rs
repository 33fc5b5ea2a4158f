//! Encodings of configs: base64, gzip, and padding with NULs.

use crate::text::BASE64;
use anyhow::{Context, ensure};
use base64::Engine as _;
use flate2::read::MultiGzDecoder;
use std::io::{ErrorKind, Read};

/// The first bytes of gzip data.
pub(crate) const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
/// Maximum decompressed size, as a protection against decompression bombs.
const MAX_BYTES: u64 = 256 << 20;
/// Maximum number of NULs after a config.
const MAX_PADDING_BYTES: u64 = 16 << 30;
const CHUNK_BYTES: usize = 1 << 20;

/// Decodes base64, ignoring line breaks.
///
/// # Errors
/// If it is not base64. The message does not quote the text.
pub(crate) fn base64(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let is_digit = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let digits: Vec<u8> = text.iter().copied().filter(is_digit).collect();
    // The cause would quote bytes of the config, which may be secret.
    let decoded = BASE64.decode(digits).ok();
    decoded.context("not valid base64 (standard alphabet, with padding)")
}

/// Decompresses gzip.
///
/// # Errors
/// If it is not gzip, is truncated or corrupt, or decompresses to more than the limit.
pub(crate) fn gunzip(packed: &[u8]) -> anyhow::Result<Vec<u8>> {
    gunzip_up_to(packed, MAX_BYTES)
}

fn gunzip_up_to(packed: &[u8], max_bytes: u64) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut decoder = MultiGzDecoder::new(packed).take(max_bytes + 1);
    decoder
        .read_to_end(&mut text)
        .context("not valid gzip data")?;
    ensure!(
        text.len() as u64 <= max_bytes,
        "it decompresses to more than {max_bytes} bytes, the limit for a config"
    );
    Ok(text)
}

/// Reads a config that is padded with NULs, as on a disk of its own, without its padding. The padding takes no memory.
///
/// # Errors
/// If it cannot be read, or the config or its padding is larger than the limits. The limit of the padding ends the
/// wait for a large disk that was attached by mistake.
pub(crate) fn read_padded(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    read_padded_up_to(from, MAX_BYTES, MAX_PADDING_BYTES)
}

fn read_padded_up_to(
    from: &mut impl Read,
    max_bytes: u64,
    max_padding: u64,
) -> std::io::Result<Vec<u8>> {
    let too_large = |what: String| std::io::Error::new(ErrorKind::FileTooLarge, what);
    let mut text = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut padding = 0_u64;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(text),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = &chunk[..read];
        let end = read.iter().rposition(|byte| *byte != 0);
        let Some(end) = end.map(|last| last + 1) else {
            padding += read.len() as u64;
            if padding > max_padding {
                return Err(too_large(format!("more than {max_padding} NULs")));
            }
            continue;
        };
        let length = (text.len() as u64).saturating_add(padding + end as u64);
        if length > max_bytes {
            return Err(too_large(format!("more than {max_bytes} bytes")));
        }
        // The limit of a text fits into memory, so the NULs before this part do, too.
        text.resize(
            text.len() + usize::try_from(padding).unwrap_or(usize::MAX),
            0,
        );
        text.extend_from_slice(&read[..end]);
        padding = (read.len() - end) as u64;
    }
}

/// Removes NULs from both ends.
pub(crate) fn without_nuls(mut text: Vec<u8>) -> Vec<u8> {
    text = without_trailing_nuls(text);
    let start = text.iter().take_while(|byte| **byte == 0).count();
    text.drain(..start);
    text
}

/// Removes NULs from the end.
fn without_trailing_nuls(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().rposition(|byte| *byte != 0);
    text.truncate(end.map_or(0, |last| last + 1));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::gzip;

    #[test]
    fn padding_takes_no_memory_and_is_limited() {
        let read = |text: &str, max_bytes, max_padding| {
            let text = read_padded_up_to(&mut text.as_bytes(), max_bytes, max_padding);
            text.map_err(|error| error.to_string())
        };
        for (text, want) in [
            ("{}\0\0", "{}"),
            ("\0\0", ""),
            ("", ""),
            ("\0a\0b", "\0a\0b"),
        ] {
            assert_eq!(read(text, 4, 4), Ok(want.into()));
        }
        let long = format!(
            "{{{}}}{}",
            " ".repeat(CHUNK_BYTES),
            "\0".repeat(3 * CHUNK_BYTES)
        );
        let bytes = CHUNK_BYTES as u64 + 2;
        assert_eq!(
            read(&long, bytes, 3 * bytes).map(|text| text.len() as u64),
            Ok(bytes)
        );
        let split = format!("a{}b", "\0".repeat(2 * CHUNK_BYTES));
        assert_eq!(read(&split, 3 * bytes, 3 * bytes), Ok(split.clone().into()));
        assert_eq!(
            read(&split, 2 * bytes - 4, 3 * bytes),
            Err(format!("more than {} bytes", 2 * bytes - 4))
        );
        assert_eq!(
            read(&long, bytes - 1, 3 * bytes),
            Err(format!("more than {} bytes", bytes - 1))
        );
        assert_eq!(
            read(&long, bytes, bytes),
            Err(format!("more than {bytes} NULs"))
        );
        let endless =
            read_padded_up_to(&mut std::io::repeat(0), 9, 9).map_err(|error| error.kind());
        assert_eq!(endless, Err(ErrorKind::FileTooLarge));
    }

    #[test]
    fn base64_as_services_send_it() {
        let decoded = |text: &str| base64(text.as_bytes()).ok();
        for good in ["e30K", "e3\r\n0K\n", "\ne30K"] {
            assert_eq!(
                decoded(good).as_deref(),
                Some(b"{}\n".as_slice()),
                "{good:?}"
            );
        }
        assert_eq!(decoded(""), Some(Vec::new()));
        assert_eq!(decoded("e30=").as_deref(), Some(b"{}".as_slice()));
        assert_eq!(
            decoded("e31=").as_deref(),
            Some(b"{}".as_slice()),
            "trailing bits"
        );
        for bad in [
            "e30",
            "e3 0K",
            "{}",
            "-_==",
            "e30K\0",
            "e30==",
            "\u{feff}e30K",
        ] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
        let error = base64(b"secret!").expect_err("no base64").to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn gzip_in_one_or_more_members() {
        let packed = gzip(b"{}");
        assert!(packed.starts_with(&GZIP_MAGIC));
        assert_eq!(gunzip(&packed).expect("unpacked"), b"{}");
        let both = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(gunzip(&both).expect("unpacked"), b"{}");
        for bad in [b"".as_slice(), b"{}", &packed[..packed.len() - 4]] {
            gunzip(bad).expect_err("no gzip");
        }
        assert_eq!(gunzip_up_to(&packed, 2).expect("fits"), b"{}");
        let error = gunzip_up_to(&packed, 1).expect_err("too long").to_string();
        assert!(error.contains("more than 1 bytes"), "{error}");
    }

    #[test]
    fn nuls_are_removed_from_the_ends() {
        let stripped = |text: &[u8]| without_nuls(text.into());
        assert_eq!(stripped(b"\0\0{\0}\0"), b"{\0}");
        assert_eq!(stripped(b"\0\0"), b"");
        assert_eq!(without_trailing_nuls(b"\0{}\0".into()), b"\0{}");
    }
}
