//! Messages of the kernel about key-value pairs (`struct hv_kvp_msg` in linux/hyperv.h), and records in the daemon's
//! files.

/// Size of every message in both directions.
pub(super) const MESSAGE_BYTES: usize = 7432;

const KEY_SIZE_OFFSET: usize = 8;
const VALUE_SIZE_OFFSET: usize = 12;
const KEY_OFFSET: usize = 16;
const KEY_BYTES: usize = 512;
const VALUE_OFFSET: usize = KEY_OFFSET + KEY_BYTES;
const VALUE_BYTES: usize = 2048;

const SET: u8 = 1;
const REGISTER: u8 = 100;
/// `HV_E_FAIL`.
const FAILED: u32 = 0x8000_4005;

/// A key and its value, without their trailing NULs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// At most 511 bytes.
    pub key: Vec<u8>,
    /// At most 2047 bytes.
    pub value: Vec<u8>,
}

/// A message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KvpMessage {
    /// The registration is confirmed; no reply is expected.
    Registered,
    /// The host sets a pair.
    Set {
        /// Number of the pool.
        pool: u8,
        pair: Pair,
    },
    /// Any other request from the host.
    Other,
}

/// The message that registers the program.
pub(super) fn register() -> Vec<u8> {
    let mut message = vec![0; MESSAGE_BYTES];
    message[0] = REGISTER;
    message
}

/// The reply to a message.
pub(super) fn reply(succeeded: bool) -> Vec<u8> {
    let mut message = vec![0; MESSAGE_BYTES];
    let status = if succeeded { 0 } else { FAILED };
    message[..4].copy_from_slice(&status.to_ne_bytes());
    message
}

/// Parses a message. Sizes out of range are clamped to the maximum.
pub(super) fn read(message: &[u8; MESSAGE_BYTES]) -> KvpMessage {
    match message[0] {
        REGISTER => KvpMessage::Registered,
        SET => KvpMessage::Set {
            pool: message[1],
            pair: Pair {
                key: text(message, KEY_SIZE_OFFSET, KEY_OFFSET, KEY_BYTES),
                value: text(message, VALUE_SIZE_OFFSET, VALUE_OFFSET, VALUE_BYTES),
            },
        },
        _ => KvpMessage::Other,
    }
}

/// The contents of a field whose size includes a trailing NUL.
fn text(
    message: &[u8; MESSAGE_BYTES],
    size_offset: usize,
    offset: usize,
    capacity: usize,
) -> Vec<u8> {
    let mut size = [0; 4];
    size.copy_from_slice(&message[size_offset..size_offset + 4]);
    let size = usize::try_from(u32::from_ne_bytes(size)).unwrap_or(capacity);
    let length = size.min(capacity).saturating_sub(1);
    message[offset..offset + length].into()
}

/// A record in the pool files: key and value, padded with NULs.
pub(super) fn record(pair: &Pair) -> Vec<u8> {
    let mut record = pair.key.clone();
    record.resize(KEY_BYTES, 0);
    record.extend(&pair.value);
    record.resize(KEY_BYTES + VALUE_BYTES, 0);
    record
}

#[cfg(test)]
pub(super) mod testing {
    use super::{KEY_OFFSET, KEY_SIZE_OFFSET, MESSAGE_BYTES, SET, VALUE_OFFSET, VALUE_SIZE_OFFSET};

    /// The message that the kernel sends when the host sets a pair.
    pub(crate) fn set(pool: u8, key: &str, value: &str) -> Vec<u8> {
        let mut message = vec![0; MESSAGE_BYTES];
        (message[0], message[1]) = (SET, pool);
        for (size_offset, offset, text) in [
            (KEY_SIZE_OFFSET, KEY_OFFSET, key),
            (VALUE_SIZE_OFFSET, VALUE_OFFSET, value),
        ] {
            let size = text.len() as u32 + 1;
            message[size_offset..size_offset + 4].copy_from_slice(&size.to_ne_bytes());
            message[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_vec(message: &[u8]) -> KvpMessage {
        read(message.try_into().expect("the right size"))
    }

    #[test]
    fn pairs_are_where_the_kernel_puts_them() {
        let message = testing::set(3, "key", "value");
        assert_eq!(
            message[8..16],
            [4_u32.to_ne_bytes(), 6_u32.to_ne_bytes()].concat()
        );
        assert_eq!(message[16..20], *b"key\0");
        assert_eq!(message[528..534], *b"value\0");
        let pair = Pair {
            key: b"key".into(),
            value: b"value".into(),
        };
        assert_eq!(read_vec(&message), KvpMessage::Set { pool: 3, pair });
        assert_eq!(read_vec(&register()), KvpMessage::Registered);
        let mut other = register();
        other[0] = 2;
        assert_eq!(read_vec(&other), KvpMessage::Other);
    }

    #[test]
    fn invalid_sizes_are_clamped() {
        for (size, want) in [(0, 0), (1, 0), (512, 511), (513, 511), (u32::MAX, 511)] {
            let mut message = testing::set(0, "", "");
            message[8..12].copy_from_slice(&size.to_ne_bytes());
            match read_vec(&message) {
                KvpMessage::Set { pair, .. } => assert_eq!(pair.key.len(), want, "{size}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn replies_have_a_status() {
        assert_eq!(reply(true), vec![0; MESSAGE_BYTES]);
        assert_eq!(reply(false)[..4], 0x8000_4005_u32.to_ne_bytes());
        assert_eq!(reply(false).len(), MESSAGE_BYTES);
    }
}
