//! Texts that are not valid JSON but what people send by mistake, recognized by their first bytes or keys.

use crate::text::{GZIP_MAGIC, GzipError, MAX_UNPACKED_BYTES, gunzip};

/// What a text is instead of a config, and what to do about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    /// A phrase that follows `not JSON: `.
    pub(super) what: &'static str,
    /// What to do.
    pub(super) help: &'static str,
}

/// Magic numbers at the beginning of binary data.
const MAGIC: &[(&[u8], Foreign)] = &[
    (
        b"\xef\xbb\xbf",
        Foreign {
            what: "the text begins with a byte order mark (0xEF 0xBB 0xBF)",
            help: "save it as UTF-8 without a byte order mark",
        },
    ),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (
        b"\xfd7zXZ\0",
        Foreign {
            what: "this is xz-compressed data",
            help: "decompress it first, with `xz -d`",
        },
    ),
    (
        b"\x28\xb5\x2f\xfd",
        Foreign {
            what: "this is zstd-compressed data",
            help: "decompress it first, with `zstd -d`",
        },
    ),
    (
        b"BZh",
        Foreign {
            what: "this is bzip2-compressed data",
            help: "decompress it first, with `bzip2 -d`",
        },
    ),
    (
        b"PK\x03\x04",
        Foreign {
            what: "this is a zip archive",
            help: "unpack it first, with `unzip`",
        },
    ),
    (
        b"QFI\xfb",
        Foreign {
            what: "this is a qcow2 disk image",
            help: "give the config here, and the image with --image",
        },
    ),
    (
        b"\x7fELF",
        Foreign {
            what: "this is a program",
            help: CHECK_SOURCE,
        },
    ),
];

const UTF_16: Foreign = Foreign {
    what: "the text is encoded in UTF-16",
    help: "save it as UTF-8 without a byte order mark",
};
const CHECK_SOURCE: &str = "check the path or URL that the config comes from";
/// Help for languages that are detected and read if no format is given.
pub(super) const LEAVE_OUT_FORMAT: &str = "kindling detects and reads it if no language is given: leave out --from, or kindling.config.format= at boot";
const MIME: Foreign = Foreign {
    what: "this is a MIME message, as cloud-init takes it",
    help: "give the Ignition config in it by itself",
};
const BUTANE: Foreign = Foreign {
    what: "this is a Butane config",
    help: LEAVE_OUT_FORMAT,
};

/// First words of texts, after white space.
const BEGINNINGS: &[(&str, Foreign)] = &[
    (
        "#cloud-config",
        Foreign {
            what: "this is a cloud-config",
            help: LEAVE_OUT_FORMAT,
        },
    ),
    (
        "## template:",
        Foreign {
            what: "this is a template of cloud-init",
            help: LEAVE_OUT_FORMAT,
        },
    ),
    (
        "#include",
        Foreign {
            what: "this is an include file of cloud-init",
            help: "name the URL of a config in ignition.config.replace or ignition.config.merge of a config",
        },
    ),
    (
        "#!",
        Foreign {
            what: "this is a script",
            help: "put it into storage.files of a config, with a unit that runs it",
        },
    ),
    ("Content-Type:", MIME),
    ("MIME-Version:", MIME),
    (
        "-----BEGIN",
        Foreign {
            what: "this is a key, certificate or signed message in PEM form",
            help: CHECK_SOURCE,
        },
    ),
    (
        "<",
        Foreign {
            what: "this is a page in HTML or XML, perhaps a login or error page of a web server",
            help: CHECK_SOURCE,
        },
    ),
];

/// For a text in none of the known languages: what it is, and what to do about that.
pub(crate) fn hint(text: &[u8]) -> Option<(&'static str, &'static str)> {
    recognize(text).map(|foreign| (foreign.what, foreign.help))
}

/// Recognizes a text that is not valid JSON.
pub(super) fn recognize(text: &[u8]) -> Option<Foreign> {
    if text.starts_with(&GZIP_MAGIC) {
        return Some(gzipped(text));
    }
    if let Some((_, foreign)) = MAGIC.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Some(*foreign);
    }
    if let [0, b'{' | b'#', ..] | [b'{' | b'#', 0, ..] = text {
        return Some(UTF_16);
    }
    if text.iter().take(HEAD_BYTES).any(|byte| *byte == 0) {
        return Some(Foreign {
            what: "this is binary data",
            help: CHECK_SOURCE,
        });
    }
    let head = String::from_utf8_lossy(text.get(..HEAD_BYTES).unwrap_or(text));
    let begins = |beginning: &str| {
        let start = head.trim_start().get(..beginning.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    if is_base64(text) {
        return Some(Foreign {
            what: "this is JSON in base64",
            help: "decode it first, with `base64 -d`",
        });
    }
    let known = BEGINNINGS.iter().find(|(beginning, _)| begins(beginning));
    known
        .map(|(_, foreign)| *foreign)
        .or_else(|| recognize_yaml(&head))
}

/// Compressed configs are unpacked before they get here, so this one is broken, or compressed twice.
fn gzipped(text: &[u8]) -> Foreign {
    const CHECK_AND_RESEND: &str = "check it with `gzip -t`, and pack or send it again";
    let (what, help) = match gunzip(text, MAX_UNPACKED_BYTES) {
        Err(GzipError::Truncated) => (
            "this is gzip-compressed data that ends too early",
            CHECK_AND_RESEND,
        ),
        Err(GzipError::Damaged) => (
            "this is gzip-compressed data that is damaged",
            CHECK_AND_RESEND,
        ),
        Err(GzipError::TrailingData) => (
            "this is gzip-compressed data with something else behind it",
            "remove what follows the gzip data",
        ),
        Err(GzipError::TooLarge) => (
            "this is gzip-compressed data that unpacks to more than 256 MiB",
            "keep the config smaller: name large contents by a URL",
        ),
        Ok(_) => (
            "this is gzip-compressed data",
            "decompress it first, with `gzip -d`; where another config refers to it, set \"compression\": \"gzip\"",
        ),
    };
    Foreign { what, help }
}

/// True for base64 of a text that begins with `{"`, or with `{` and a blank or line end.
fn is_base64(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    let beginnings: [&[u8]; 5] = [b"eyJ", b"eyI", b"eyA", b"ewo", b"ew0"];
    beginnings.iter().any(|start| text.starts_with(start)) && text.iter().all(is_digit)
}

/// What to do about the unexpected byte at `offset`, if it is a common mistake.
pub(super) fn help_at(text: &[u8], offset: usize) -> Option<&'static str> {
    const QUOTES: &[&str] = &["\u{201c}", "\u{201d}", "\u{2018}", "\u{2019}", "'"];
    let rest = text.get(offset..)?;
    if QUOTES
        .iter()
        .any(|quote| rest.starts_with(quote.as_bytes()))
    {
        return Some("strings and keys are in straight double quotes (\")");
    }
    let is_comment = rest.starts_with(b"//") || rest.starts_with(b"/*") || rest.starts_with(b"#");
    if is_comment {
        return Some("JSON has no comments; remove it");
    }
    let before = text[..offset].iter().rev();
    let comma = before.copied().find(|byte| !byte.is_ascii_whitespace()) == Some(b',');
    (comma && matches!(rest, [b'}' | b']', ..])).then_some("remove the comma before it")
}

/// How much of a text is inspected.
const HEAD_BYTES: usize = 64 * 1024;

/// Recognizes languages that are written in YAML by their keys at the top level.
fn recognize_yaml(head: &str) -> Option<Foreign> {
    let keys: Vec<&str> = head.lines().filter_map(top_level_key).collect();
    let has = |key: &str| keys.contains(&key);
    if has("MIME-Version") || has("Content-Type") {
        return Some(MIME);
    }
    if has("variant") {
        return Some(BUTANE);
    }
    if has("kind") && has("apiVersion") {
        return Some(Foreign {
            what: "this is a Kubernetes resource in YAML",
            help: "of Kubernetes, only MachineConfigs are read, where no format is given",
        });
    }
    if [
        "k3os",
        "ssh_authorized_keys",
        "write_files",
        "run_cmd",
        "boot_cmd",
    ]
    .iter()
    .any(|key| has(key))
    {
        return Some(Foreign {
            what: "this is YAML, probably a config of k3OS or a cloud-config without its first line",
            help: LEAVE_OUT_FORMAT,
        });
    }
    if [
        "etcd",
        "flannel",
        "docker",
        "update",
        "locksmith",
        "networkd",
    ]
    .iter()
    .any(|key| has(key))
    {
        return Some(Foreign {
            what: "this is YAML, probably a Container Linux Config",
            help: LEAVE_OUT_FORMAT,
        });
    }
    if ["storage", "systemd", "passwd", "ignition"]
        .iter()
        .any(|key| has(key))
    {
        return Some(Foreign {
            what: "this is YAML, a Container Linux Config or a Butane config without `variant` and `version`",
            help: "a Container Linux Config is read as it is where no format is given; a Butane config needs both keys",
        });
    }
    (!keys.is_empty()).then_some(Foreign {
        what: "this is YAML",
        help: "a config of Ignition is JSON; `kindling validate --help` lists the languages that are YAML",
    })
}

/// The key in an unindented line of YAML.
fn top_level_key(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    (is_key && (rest.is_empty() || rest.starts_with([' ', '\t', '\r']))).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_recognized() {
        let cases: [(&[u8], Option<&str>); 31] = [
            (b"{\0\"\0", Some("UTF-16")),
            (b"## template: jinja\n#cloud-config\n", Some("template")),
            (b"#include\nhttps://h/c\n", Some("include file")),
            (b"eyJpZ25pdGlvbiI6e319Cg==\n", Some("base64")),
            (b"storage:\n  files: []\n", Some("without `variant`")),
            (b"From nobody Thu\nMIME-Version: 1.0\n", Some("MIME")),
            (b"\xef\xbb\xbf{}", Some("byte order mark")),
            (b"\xff\xfe{\0}\0", Some("UTF-16")),
            (b"\x1f\x8b\x08\0", Some("gzip-compressed data that ends")),
            (
                b"\x1f\x8b is not packed at all",
                Some("gzip-compressed data that is damaged"),
            ),
            (
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
                Some("gzip-compressed data"),
            ),
            (
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0\n",
                Some("something else behind"),
            ),
            (b"\xfd7zXZ\0\0", Some("xz")),
            (b"\x28\xb5\x2f\xfd..", Some("zstd")),
            (b"BZh9", Some("bzip2")),
            (b"PK\x03\x04", Some("zip")),
            (b"QFI\xfb", Some("qcow2")),
            (b"\x7fELF", Some("program")),
            (b"ab\0c", Some("binary")),
            (b"#cloud-config\nusers: []\n", Some("cloud-config")),
            (b"#!/bin/sh\n", Some("script")),
            (b"Content-Type: multipart/mixed; boundary=x\n", Some("MIME")),
            (b"-----BEGIN CERTIFICATE-----\n", Some("PEM")),
            (b"\n <!DOCTYPE html><html>", Some("HTML")),
            (b"variant: fcos\nversion: 1.5.0\n", Some("Butane")),
            (b"# x\nversion: 1.5.0\nvariant: flatcar\n", Some("Butane")),
            (
                b"apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n",
                Some("Kubernetes"),
            ),
            (b"k3os:\n  dns_nameservers: []\n", Some("k3OS")),
            (b"etcd:\n  version: 3.1\n", Some("Container Linux")),
            (b"hello: 1\n", Some("YAML")),
            (b"{\"a\": 1,}", None),
        ];
        for (text, wanted) in cases {
            let what = recognize(text).map(|foreign| foreign.what);
            match wanted {
                None => assert_eq!(what, None),
                Some(expected) => assert!(
                    what.is_some_and(|what| what.contains(expected)),
                    "{expected}: {what:?}"
                ),
            }
        }
    }

    #[test]
    fn unexpected_bytes_get_help() {
        let cases = [
            ("{\u{201c}a\u{201d}: 1}", 1, Some("straight double quotes")),
            ("{'a': 1}", 1, Some("straight double quotes")),
            ("// x\n{}", 0, Some("no comments")),
            ("{ # x\n}", 2, Some("no comments")),
            ("[1, ]", 4, Some("comma")),
            ("{}}", 2, None),
            ("", 0, None),
            ("{", 1, None),
        ];
        for (text, offset, wanted) in cases {
            let help = help_at(text.as_bytes(), offset);
            match wanted {
                None => assert_eq!(help, None, "{text}"),
                Some(expected) => assert!(
                    help.is_some_and(|h| h.contains(expected)),
                    "{text}: {help:?}"
                ),
            }
        }
    }
}
