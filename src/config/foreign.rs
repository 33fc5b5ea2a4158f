//! Texts that are no JSON, recognised by their marks: what people send by mistake.

/// What a text is instead of a config, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    /// In words, for `not JSON: ...`.
    pub(super) what: &'static str,
    /// A way out.
    pub(super) help: &'static str,
}

/// Marks at the beginning of binary data.
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
        b"\x1f\x8b",
        Foreign {
            what: "this is gzip-compressed data",
            help: "decompress it first, with `gzip -d`; where another config refers to it, set \"compression\": \"gzip\"",
        },
    ),
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
const BUTANE: Foreign = Foreign {
    what: "this is a Butane config",
    help: "translate it first: butane --strict < config.bu > config.ign",
};

/// First words of texts, after white space.
const BEGINNINGS: &[(&str, Foreign)] = &[
    (
        "#cloud-config",
        Foreign {
            what: "this is a cloud-config",
            help: "cloud-init reads it, this program does not; write what it does as an Ignition config, for example \
                   in Butane",
        },
    ),
    (
        "#!",
        Foreign {
            what: "this is a script",
            help: "put it into storage.files of a config, with a unit that runs it",
        },
    ),
    (
        "Content-Type:",
        Foreign {
            what: "this is a MIME message, as cloud-init takes it",
            help: "give the Ignition config in it by itself",
        },
    ),
    (
        "MIME-Version:",
        Foreign {
            what: "this is a MIME message, as cloud-init takes it",
            help: "give the Ignition config in it by itself",
        },
    ),
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

/// Recognises a text that is no JSON.
pub(super) fn recognize(text: &[u8]) -> Option<Foreign> {
    if let Some((_, foreign)) = MAGIC.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Some(*foreign);
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
    let known = BEGINNINGS.iter().find(|(beginning, _)| begins(beginning));
    known.map(|(_, foreign)| *foreign).or_else(|| yaml(&head))
}

/// How much of a text is looked at.
const HEAD_BYTES: usize = 64 * 1024;

/// Languages written in YAML, by the keys at the top level.
fn yaml(head: &str) -> Option<Foreign> {
    let keys: Vec<&str> = head.lines().filter_map(top_level_key).collect();
    let has = |key: &str| keys.contains(&key);
    if has("variant") {
        return Some(BUTANE);
    }
    if has("kind") && has("apiVersion") {
        return Some(Foreign {
            what: "this is a Kubernetes resource in YAML",
            help: "give the Ignition config that it holds (spec.config of a MachineConfig) as JSON",
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
            help: "write what it does as an Ignition config, for example in Butane",
        });
    }
    let of_container_linux = [
        "etcd",
        "flannel",
        "docker",
        "update",
        "locksmith",
        "networkd",
        "storage",
        "systemd",
        "passwd",
        "ignition",
    ];
    if of_container_linux.iter().any(|key| has(key)) {
        return Some(Foreign {
            what: "this is YAML, a Container Linux Config or a Butane config without `variant` and `version`",
            help: "add these two keys, and translate it: butane --strict < config.bu > config.ign",
        });
    }
    (!keys.is_empty()).then_some(Foreign {
        what: "this is YAML",
        help: "a config is JSON; Butane (`butane`) translates its YAML to that",
    })
}

/// The key of a line of YAML that is not indented.
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
    fn texts_are_recognised() {
        let cases: [(&[u8], Option<&str>); 22] = [
            (b"\xef\xbb\xbf{}", Some("byte order mark")),
            (b"\xff\xfe{\0}\0", Some("UTF-16")),
            (b"\x1f\x8b\x08\0", Some("gzip")),
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
        for (text, want) in cases {
            let what = recognize(text).map(|foreign| foreign.what);
            match want {
                None => assert_eq!(what, None),
                Some(word) => assert!(
                    what.is_some_and(|what| what.contains(word)),
                    "{word}: {what:?}"
                ),
            }
        }
    }
}
