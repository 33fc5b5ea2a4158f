//! TFTP packets: RFC 1350, with options as in RFC 2347 to 2349.

/// Block size without options.
pub const DEFAULT_BLOCK_BYTES: usize = 512;
/// Maximum block size (RFC 2348).
pub const MAX_BLOCK_BYTES: usize = 65464;
/// Length of the DATA header: opcode and block number.
pub const HEADER_BYTES: usize = 4;
/// Maximum length of a file name: with opcode, mode and options, a request still fits any datagram.
pub const MAX_NAME_BYTES: usize = 504;

/// Error 5: unknown transfer ID.
pub const UNKNOWN_TRANSFER: u16 = 5;
/// Error 8: option negotiation refused (RFC 2347).
pub const OPTIONS_REFUSED: u16 = 8;

const READ_REQUEST: u16 = 1;
const DATA: u16 = 3;
const ACKNOWLEDGMENT: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACKNOWLEDGMENT: u16 = 6;

/// A packet from a server.
#[derive(Debug, PartialEq, Eq)]
pub enum TftpPacket<'a> {
    /// A block of the file.
    Data {
        /// Number of the block, starting at 1; wraps to 0 after 65535.
        block: u16,
        /// Contents; shorter than a full block in the last one.
        bytes: &'a [u8],
    },
    /// The options that the server accepted.
    Options(TransferOptions),
    /// The transfer has failed.
    Error {
        /// Code of RFC 1350, section 5.
        code: u16,
        /// Message of the server, without control characters, at most 200 characters.
        message: String,
    },
}

/// Options of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferOptions {
    /// Block size in bytes; within the valid range.
    pub block_bytes: Option<usize>,
    /// Size of the file in bytes.
    pub file_bytes: Option<u64>,
}

/// Parses a packet from a server; none if it is not one a server may send.
pub fn parse(packet: &[u8]) -> Option<TftpPacket<'_>> {
    let (opcode, rest) = number(packet)?;
    match opcode {
        DATA => {
            let (block, bytes) = number(rest)?;
            Some(TftpPacket::Data { block, bytes })
        }
        OPTION_ACKNOWLEDGMENT => options(rest).map(TftpPacket::Options),
        ERROR => {
            let (code, text) = number(rest)?;
            let message = sanitized(text);
            Some(TftpPacket::Error { code, message })
        }
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// Parses pairs of NUL-terminated strings. Names are case-insensitive; unknown options are ignored.
fn options(mut bytes: &[u8]) -> Option<TransferOptions> {
    let mut options = TransferOptions::default();
    while !bytes.is_empty() {
        let (name, rest) = text(bytes)?;
        let (value, rest) = text(rest)?;
        bytes = rest;
        if name.eq_ignore_ascii_case("blksize") {
            let block_bytes = value.parse().ok()?;
            if !(8..=MAX_BLOCK_BYTES).contains(&block_bytes) {
                return None;
            }
            options.block_bytes = Some(block_bytes);
        } else if name.eq_ignore_ascii_case("tsize") {
            options.file_bytes = Some(value.parse().ok()?);
        }
    }
    Some(options)
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((text, &bytes[end + 1..]))
}

/// Sanitizes a message of the server: a terminal must not interpret control characters in it.
fn sanitized(text: &[u8]) -> String {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let text = String::from_utf8_lossy(&text[..end]);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A request for the file `name`. If `block_bytes` is some, it also requests this block size and the size of the file.
pub fn read_request(name: &[u8], block_bytes: Option<usize>) -> Vec<u8> {
    let mut packet = READ_REQUEST.to_be_bytes().to_vec();
    packet.extend_from_slice(name);
    packet.extend_from_slice(b"\0octet\0");
    if let Some(block_bytes) = block_bytes {
        packet.extend_from_slice(format!("tsize\x000\0blksize\0{block_bytes}\0").as_bytes());
    }
    packet
}

/// Acknowledges `block`.
pub fn acknowledgment(block: u16) -> Vec<u8> {
    [ACKNOWLEDGMENT.to_be_bytes(), block.to_be_bytes()].concat()
}

/// An error packet, which ends a transfer.
pub fn error(code: u16, message: &str) -> Vec<u8> {
    let mut packet = [ERROR.to_be_bytes(), code.to_be_bytes()].concat();
    packet.extend_from_slice(message.as_bytes());
    packet.push(0);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_servers() {
        let options = |block_bytes, file_bytes| {
            Some(TftpPacket::Options(TransferOptions {
                block_bytes,
                file_bytes,
            }))
        };
        let error = |code, message: &str| {
            Some(TftpPacket::Error {
                code,
                message: message.into(),
            })
        };
        let block = |block, bytes| Some(TftpPacket::Data { block, bytes });
        let cases: [(&[u8], Option<TftpPacket<'_>>); 19] = [
            (b"", None),
            (b"\0", None),
            (b"\0\x03", None),
            (b"\0\x03\0", None),
            (b"\0\x03\x01\x02", block(258, b"")),
            (b"\0\x03\0\x01ab", block(1, b"ab")),
            (b"\0\x05\0\x01no\0", error(1, "no")),
            (b"\0\x05\0\x01no", error(1, "no")),
            (b"\0\x05\0\0\x1b[2Jx\n\xff\0y", error(0, "[2Jx \u{fffd}")),
            (b"\0\x05\0", None),
            (b"\0\x06", options(None, None)),
            (
                b"\0\x06blksize\x001428\0TSIZE\x007\0",
                options(Some(1428), Some(7)),
            ),
            (b"\0\x06windowsize\x004\0", options(None, None)),
            (b"\0\x06blksize\x007\0", None),
            (b"\0\x06blksize\x0065465\0", None),
            (b"\0\x06blksize\x00-9\0", None),
            (b"\0\x06blksize\0", None),
            (b"\0\x06tsize\x0099999999999999999999\0", None),
            (b"\0\x01a\0octet\0", None),
        ];
        for (bytes, packet) in cases {
            assert_eq!(parse(bytes), packet, "{bytes:?}");
        }
    }

    #[test]
    fn our_packets() {
        assert_eq!(read_request(b"/a b", None), b"\0\x01/a b\0octet\0");
        let request = read_request(b"/a", Some(1428));
        assert_eq!(request, b"\0\x01/a\0octet\0tsize\x000\0blksize\x001428\0");
        assert_eq!(acknowledgment(258), b"\0\x04\x01\x02");
        assert_eq!(error(5, "who"), b"\0\x05\0\x05who\0");
    }
}
