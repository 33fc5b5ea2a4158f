//! What comes from strangers: configs, `data:` URLs, bundles of certificates, packets, OVF environments.
#![allow(
    dead_code,
    reason = "each program that includes this uses a part of it"
)]

use kindling::config::{self, Document, ParseError, data_url, url};
use kindling::fetch::authorities;
use kindling::fetch::tftp::packet::{self, Packet};
use kindling::platform::vmware::ovf;

/// Reads a config, and does with a usable one what every run does: judges it, merges it, stores it and reads it back.
/// Returns what it is, if it is one.
pub fn config(input: &[u8]) -> Option<Document> {
    let parsed = config::parse("input", input);
    let lines = 1 + input.iter().filter(|b| **b == b'\n').count() as u32;
    for position in parsed.findings.0.iter().filter_map(|f| f.position) {
        assert!(
            (1..=lines).contains(&position.line),
            "{position:?} of {lines} lines"
        );
        assert!(position.column >= 1, "{position:?}");
    }
    // What cannot be read at all is refused in one word.
    let is_refused = matches!(
        parsed.outcome,
        Err(ParseError::Empty | ParseError::BadVersion(_) | ParseError::Unsupported(_))
    );
    assert!(
        is_refused || parsed.findings.is_fatal() == parsed.outcome.is_err(),
        "{:?}",
        parsed.findings
    );
    let document = parsed.outcome.ok()?;
    let _ = document.check();
    let alone = Document::merge(&Document::empty(), &document);
    assert_eq!(
        alone.config(),
        document.config(),
        "merged into nothing it is another"
    );
    let _ = Document::merge(&document, &document).check();
    let stored = document.to_json().expect("every config can be written");
    let again = config::read_stored("stored", &stored).expect("what was stored is a config");
    assert_eq!(again.config(), document.config(), "stored it is another");
    Some(document)
}

/// Reads a URL, and a `data:` URL to its end. Returns the bytes in it.
pub fn data_url(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?;
    let _ = url::parse(text);
    let _ = url::percent_decode(text);
    let bytes = data_url::decode(text);
    let length = data_url::decoded_len(text);
    assert_eq!(bytes.as_ref().map(Vec::len), length.as_ref().copied());
    let bytes = bytes.ok()?;
    assert!(bytes.len() < text.len());
    Some(bytes)
}

/// Reads a bundle. Returns how many certificates are in it.
pub fn pem(input: &[u8]) -> Option<usize> {
    let certificates = authorities::parse(input).ok()?;
    assert!(certificates.iter().all(|c| !c.is_empty()));
    assert_eq!(certificates.is_empty(), input.is_empty());
    Some(certificates.len())
}

/// Reads a packet of a TFTP server. Returns its opcode, if it is one.
pub fn tftp(input: &[u8]) -> Option<u8> {
    match packet::parse(input)? {
        Packet::Data { bytes, .. } => {
            assert_eq!(bytes.len(), input.len() - packet::HEADER_BYTES);
            Some(3)
        }
        Packet::Options(options) => {
            let sizes = 8..=packet::LARGEST_BLOCK_BYTES;
            assert!(options.block_bytes.is_none_or(|size| sizes.contains(&size)));
            Some(6)
        }
        Packet::Error { message, .. } => {
            assert!(message.chars().count() <= 200 && !message.contains(char::is_control));
            Some(5)
        }
    }
}

/// Keys as the properties of a config have them.
const KEYS: [&str; 2] = ["a", "guestinfo.ignition.config.data"];

/// Reads an OVF environment and deletes properties from it. Returns how many bytes went.
pub fn ovf(input: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(input).ok()?;
    let _ = ovf::properties(text);
    let kept = ovf::without(text, &KEYS).ok()??;
    let removed = text.len() - kept.len();
    assert!(removed > 0, "something was found, and nothing went");
    let again = ovf::without(&kept, &KEYS).expect("what was left can be read");
    assert_eq!(again, None, "not all went at once");
    let is_part = kept.bytes().try_fold(text.bytes(), |mut rest, byte| {
        rest.any(|other| other == byte).then_some(rest)
    });
    assert!(is_part.is_some(), "something was added");
    Some(removed)
}
