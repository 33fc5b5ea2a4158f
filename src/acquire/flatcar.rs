//! Flatcar only: user data for cloud-init or another tool, which is ignored rather than refused.

use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// How much of the text is inspected: more than any message header has.
const HEAD_BYTES: u64 = 64 * 1024;

/// Describes `text` if it is meant for another program, so that for us it is an empty config.
pub(super) fn foreign_kind(text: &[u8]) -> Option<&'static str> {
    let head = unpacked_head(text).unwrap_or_else(|| head(text));
    let first = head.lines().next().unwrap_or_default();
    if first.starts_with("#!") {
        Some("a script")
    } else if first.trim_end() == "#cloud-config" {
        Some("a cloud-config")
    } else if is_multipart(&head) {
        Some("a MIME message")
    } else {
        None
    }
}

fn head(text: &[u8]) -> String {
    let bytes = usize::try_from(HEAD_BYTES).unwrap_or(usize::MAX);
    String::from_utf8_lossy(text.get(..bytes).unwrap_or(text)).into_owned()
}

fn unpacked_head(text: &[u8]) -> Option<String> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(text).take(HEAD_BYTES);
    reader.read_to_end(&mut unpacked).ok()?;
    Some(head(&unpacked))
}

/// True if the text begins with the header of a multipart MIME message.
fn is_multipart(text: &str) -> bool {
    let mut content_type = String::new();
    let mut in_content_type = false;
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            if in_content_type {
                content_type.push_str(line);
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return false;
        };
        in_content_type = name.eq_ignore_ascii_case("content-type");
        if in_content_type {
            content_type.push_str(value);
        }
    }
    content_type
        .to_ascii_lowercase()
        .contains("multipart/mixed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::gzip;

    fn packed(text: &str) -> Vec<u8> {
        gzip(text.as_bytes())
    }

    #[test]
    fn scripts_cloud_configs_and_messages() {
        let message =
            "MIME-Version: 1.0\r\nContent-Type:\r\n multipart/mixed; boundary=x\r\n\r\n--x";
        let cases = [
            ("#!/bin/sh\n", Some("a script")),
            ("#cloud-config \r\nusers:", Some("a cloud-config")),
            ("#cloud-config", Some("a cloud-config")),
            (message, Some("a MIME message")),
            ("content-type: Multipart/Mixed", Some("a MIME message")),
            ("#cloud-config-archive\n", None),
            ("\n#!/bin/sh", None),
            ("{\"a\":\n \"Content-Type: multipart/mixed\"}", None),
            ("Content-Type: text/plain\n\nmultipart/mixed", None),
            ("{}", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(foreign_kind(text.as_bytes()), want, "{text:?}");
            assert_eq!(foreign_kind(&packed(text)), want, "packed {text:?}");
        }
        assert_eq!(foreign_kind(&packed("#!/bin/sh")[..12]), None, "cut short");
        assert_eq!(
            foreign_kind(&[0x1f, 0x8b, 0xff]),
            None,
            "not gzip after all"
        );
    }
}
