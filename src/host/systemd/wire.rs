//! D-Bus messages as bytes: the calls we make, and what we may receive.
//!
//! A message consists of a preamble of 16 bytes, header fields, and a body. Numbers are aligned to their size, relative
//! to the start of the message; the body starts at a multiple of 8, so its own start can be used instead. The sender
//! chooses the byte order; ours is little-endian.

/// Fixed part of a message: byte order, kind, flags, version, length of the body, serial number, length of
/// the header fields.
pub(super) const PREAMBLE_BYTES: usize = 16;
/// Maximum length of a message in bytes. Those of systemd are much smaller than a page.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
const VERSION: u8 = 1;
const LITTLE: u8 = b'l';
const BIG: u8 = b'B';
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER_NAME: &str = "org.freedesktop.systemd1";

/// Numbers of header fields.
mod field {
    pub(super) const PATH: u8 = 1;
    pub(super) const INTERFACE: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ERROR_NAME: u8 = 4;
    pub(super) const REPLY_SERIAL: u8 = 5;
    pub(super) const DESTINATION: u8 = 6;
    pub(super) const SIGNATURE: u8 = 8;
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageKind {
    /// A call; nobody calls us.
    Call,
    /// A successful reply to a call.
    Return,
    /// An error reply to a call.
    Error,
    /// A signal.
    Signal,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BusMessage {
    pub kind: MessageKind,
    /// The call it answers.
    pub reply_to: Option<u32>,
    /// Name of a signal.
    pub member: Option<String>,
    pub error_name: Option<String>,
    /// Its values.
    pub body: MessageBody,
}

/// Values of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageBody {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl MessageBody {
    /// Reads the values in their order.
    pub(super) fn reader(&self) -> WireReader<'_> {
        WireReader {
            bytes: &self.bytes,
            at: 0,
            is_big_endian: self.is_big_endian,
        }
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// It ends too early.
    #[error("a D-Bus message ends early")]
    Short,
    /// It is longer than any message of systemd.
    #[error("a D-Bus message is too long")]
    TooLong,
    /// Its byte order, version or kind is unknown.
    #[error("not a D-Bus message")]
    Malformed,
    /// A value of another type than expected.
    #[error("a D-Bus message holds a value of type {0:?}")]
    Type(char),
}

/// A call to the manager of systemd.
pub(super) fn call(serial: u32, interface: &str, member: &str, arguments: &[&str]) -> Vec<u8> {
    let mut body = WireWriter::default();
    for argument in arguments {
        body.string(argument);
    }
    let mut fields = WireWriter::default();
    fields.text_field(field::PATH, 'o', MANAGER_PATH);
    fields.text_field(field::DESTINATION, 's', MANAGER_NAME);
    fields.text_field(field::INTERFACE, 's', interface);
    fields.text_field(field::MEMBER, 's', member);
    fields.signature_field(field::SIGNATURE, &"s".repeat(arguments.len()));
    // The kind, then no flags.
    let mut message = WireWriter(vec![LITTLE, 1, 0, VERSION]);
    message.number(length(&body.0));
    message.number(serial);
    message.number(length(&fields.0));
    message.0.extend(fields.0);
    message.align(8);
    message.0.extend(body.0);
    message.0
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Length of the whole message that starts with `preamble`.
pub(super) fn message_bytes(preamble: &[u8; PREAMBLE_BYTES]) -> Result<usize, WireError> {
    let (_, body, fields) = lengths(preamble)?;
    let bytes = (PREAMBLE_BYTES + fields).next_multiple_of(8) + body;
    if bytes > MAX_MESSAGE_BYTES {
        return Err(WireError::TooLong);
    }
    Ok(bytes)
}

/// Byte order, length of the body and of the header fields.
fn lengths(message: &[u8]) -> Result<(bool, usize, usize), WireError> {
    let is_big_endian = match message {
        [LITTLE, _, _, VERSION, ..] => false,
        [BIG, _, _, VERSION, ..] => true,
        _ => return Err(WireError::Malformed),
    };
    let mut reader = WireReader {
        bytes: message,
        at: 4,
        is_big_endian,
    };
    let body = reader.length()?;
    reader.number()?;
    let fields = reader.length()?;
    Ok((is_big_endian, body, fields))
}

/// Reads a whole message.
pub(super) fn parse(bytes: &[u8]) -> Result<BusMessage, WireError> {
    let (is_big_endian, body, fields) = lengths(bytes)?;
    let end = PREAMBLE_BYTES + fields;
    let start = end.next_multiple_of(8);
    let body = bytes.get(start..start + body).ok_or(WireError::Short)?;
    let mut message = BusMessage {
        kind: kind(bytes[1])?,
        reply_to: None,
        member: None,
        error_name: None,
        body: MessageBody {
            bytes: body.into(),
            is_big_endian,
        },
    };
    let mut reader = WireReader {
        bytes: bytes.get(..end).ok_or(WireError::Short)?,
        at: PREAMBLE_BYTES,
        is_big_endian,
    };
    while reader.at < end {
        reader.field(&mut message)?;
    }
    Ok(message)
}

fn kind(byte: u8) -> Result<MessageKind, WireError> {
    Ok(match byte {
        1 => MessageKind::Call,
        2 => MessageKind::Return,
        3 => MessageKind::Error,
        4 => MessageKind::Signal,
        _ => return Err(WireError::Malformed),
    })
}

/// Writes values one after the other.
#[derive(Default)]
struct WireWriter(Vec<u8>);

impl WireWriter {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.number(length(text.as_bytes()));
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    fn text_field(&mut self, number: u8, kind: char, text: &str) {
        self.align(8);
        self.0.push(number);
        self.signature(&kind.to_string());
        self.string(text);
    }

    fn signature_field(&mut self, number: u8, text: &str) {
        self.align(8);
        self.0.push(number);
        self.signature("g");
        self.signature(text);
    }
}

/// Reads values one after the other.
#[derive(Debug)]
pub(super) struct WireReader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big_endian: bool,
}

impl WireReader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], WireError> {
        let end = self.at.checked_add(count).ok_or(WireError::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short)?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A number of 32 bits.
    pub(super) fn number(&mut self) -> Result<u32, WireError> {
        self.align(4);
        let is_big_endian = self.is_big_endian;
        let bytes = self.take(4)?.try_into().map_err(|_| WireError::Short)?;
        Ok(if is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn length(&mut self) -> Result<usize, WireError> {
        usize::try_from(self.number()?).map_err(|_| WireError::TooLong)
    }

    /// A text.
    pub(super) fn string(&mut self) -> Result<String, WireError> {
        let count = self.length()?;
        let text = String::from_utf8_lossy(self.take(count)?).into_owned();
        self.byte()?;
        Ok(text)
    }

    /// The path of an object.
    pub(super) fn object_path(&mut self) -> Result<String, WireError> {
        self.string()
    }

    fn signature(&mut self) -> Result<String, WireError> {
        let count = usize::from(self.byte()?);
        let text = String::from_utf8_lossy(self.take(count)?).into_owned();
        self.byte()?;
        Ok(text)
    }

    /// Reads one header field into `message`.
    fn field(&mut self, message: &mut BusMessage) -> Result<(), WireError> {
        self.align(8);
        let number = self.byte()?;
        match self.signature()?.as_str() {
            "u" => {
                let value = self.number()?;
                if number == field::REPLY_SERIAL {
                    message.reply_to = Some(value);
                }
            }
            "s" | "o" => {
                let text = self.string()?;
                match number {
                    field::MEMBER => message.member = Some(text),
                    field::ERROR_NAME => message.error_name = Some(text),
                    _ => {}
                }
            }
            "g" => drop(self.signature()?),
            other => return Err(WireError::Type(other.chars().next().unwrap_or('?'))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of a call as a reference implementation sends it.
    const PING: &[u8] = b"l\x01\x00\x01\x00\x00\x00\x00\x07\x00\x00\x00\x7f\x00\x00\x00";

    #[test]
    fn a_call_is_laid_out_as_the_protocol_says() {
        let bytes = call(7, "a.b.I", "Do", &["x", "yz"]);
        let preamble: &[u8; PREAMBLE_BYTES] = bytes.first_chunk().expect("long enough");
        // Two strings: 4 + 1 + 1, padding to 8, 4 + 2 + 1.
        assert_eq!(
            &preamble[..12],
            b"l\x01\x00\x01\x0f\x00\x00\x00\x07\x00\x00\x00"
        );
        assert_eq!(message_bytes(preamble), Ok(bytes.len()));
        let path = b"\x01\x01o\x00\x19\x00\x00\x00/org/freedesktop/systemd1\x00";
        assert_eq!(&bytes[16..16 + path.len()], path);
        assert!(bytes.ends_with(b"\x01\x00\x00\x00x\x00\x00\x00\x02\x00\x00\x00yz\x00"));
        let message = parse(&bytes).expect("our own");
        assert_eq!(message.kind, MessageKind::Call);
        assert_eq!(message.member.as_deref(), Some("Do"));
        let mut reader = message.body.reader();
        assert_eq!(reader.string().as_deref(), Ok("x"));
        assert_eq!(reader.string().as_deref(), Ok("yz"));
        assert_eq!(reader.string(), Err(WireError::Short));
    }

    #[test]
    fn both_byte_orders_are_read() {
        // A return with serial 1 to call 9, body: the number 5.
        let message = b"B\x02\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x0f\
            \x05\x01u\x00\x00\x00\x00\x09\x08\x01g\x00\x01u\x00\x00\x00\x00\x00\x05";
        let message = parse(message).expect("fine");
        assert_eq!(
            (message.kind, message.reply_to),
            (MessageKind::Return, Some(9))
        );
        assert_eq!(message.body.reader().number(), Ok(5));
    }

    #[test]
    fn invalid_messages_are_rejected() {
        let head = |text: &[u8; 16]| message_bytes(text);
        assert_eq!(head(b"GET / HTTP/1.1\r\n"), Err(WireError::Malformed));
        let long = b"l\x01\0\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0";
        assert_eq!(head(long), Err(WireError::TooLong));
        assert_eq!(parse(PING), Err(WireError::Short));
        let mut cut = call(1, "i", "m", &["x"]);
        cut.pop();
        assert_eq!(parse(&cut), Err(WireError::Short));
        for end in 0..cut.len() {
            parse(&cut[..end]).expect_err("cut");
        }
    }
}
