//! Codes of errors: stable names of kinds of failures, and what is known about each.
//!
//! A code is never reused for another kind. Its first digit says what the failure is about: 1 configs, 2 fetching, 3
//! disks, 4 the tree, 5 accounts, 6 units, 7 the process and its environment.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ErrorCode(u16);

/// What is known about a kind of failure.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// Its code.
    pub code: ErrorCode,
    /// The kind, as a clause without a full stop.
    pub title: &'static str,
    /// What it means, and where it comes from.
    pub meaning: &'static str,
    /// What to do, a step per element.
    pub steps: &'static [&'static str],
}

/// A text that is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code {0:?}; `kindling explain` lists all")]
pub struct UnknownCode(String);

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $meaning:literal, [$($step:literal),+ $(,)?];)+) => {
        impl ErrorCode {
            $(#[doc = $title] pub const $name: ErrorCode = ErrorCode($number);)+
        }

        /// Every kind, by code.
        pub(crate) const EXPLANATIONS: &[Explanation] = &[
            $(Explanation {
                code: ErrorCode($number),
                title: $title,
                meaning: $meaning,
                steps: &[$($step),+],
            },)+
        ];
    };
}

codes! {
    INVALID_CONFIG = 101, "the config is not valid",
        "The text is empty, not valid JSON, in a version that is not supported, or breaks a rule of its version. Every finding \
         has its place in the text. A boot stops here: a machine is provisioned as a whole, or not at all.",
        ["run `kindling validate CONFIG`, which shows all findings at once, with hints",
         "an old or another language is detected by itself; `--from LANGUAGE` (kindling.config.format= at boot) states it"];
    UNTRUSTED = 102, "the config is not trusted",
        "Trusted keys are configured, but the config has no valid signature by one of them: there is none, it is by another \
         key, the key was revoked or has expired, or the text was changed after it was signed.",
        ["run `kindling verify CONFIG --keys PATH`, which lists each signature and why it is not accepted",
         "sign the config again, or state its digest where it is referenced"];
    REFERENCE = 103, "a config that another one refers to cannot be used",
        "`ignition.config.merge` and `replace` name further configs. One of them cannot be fetched, is not valid, is not trusted, \
         or they refer to each other without end.",
        ["fetch the URL that the message names, and validate what it gives",
         "remove circular references"];
    NEEDS_NETWORK = 201, "a network is required",
        "Something has to be fetched, and the run must not use a network (`--offline`), or the stage runs before there is one.",
        ["leave out `--offline`, or embed the content as a data: URL",
         "during a boot no action is needed: the stage `fetch` tries again when the network is up"];
    NOT_FOUND = 202, "the server has nothing at this URL",
        "The server answered 404 Not Found. This is final: the request is not retried.",
        ["check the URL for typing errors, and whether the file is on the server",
         "a path of S3 or another store is case-sensitive"];
    REFUSED_BY_SERVER = 203, "the server refuses the request",
        "The answer was a status that another attempt does not change, such as 401, 403 or 407.",
        ["check the URL and the headers in the config that the server needs",
         "407 comes from a proxy: give user and password in the URL of the proxy"];
    TIMED_OUT = 204, "the server did not answer successfully in time",
        "Requests that get no answer, or 5xx, are repeated with growing pauses until `ignition.timeouts.httpTotal` is over. \
         The message ends with how the last attempt went. A boot without this limit retries indefinitely.",
        ["check name, address, route and firewall from the same network",
         "check the clock of the machine if the last attempt was about a certificate",
         "raise ignition.timeouts.httpTotal for a server that needs longer"];
    TLS = 205, "cannot establish a TLS connection",
        "The server shows a certificate that is not accepted, or both sides have no version or cipher suite in common. \
         Waiting does not help.",
        ["list the authority in ignition.security.tls.certificateAuthorities",
         "use the name that is in the certificate",
         "let the server offer TLS 1.3, or TLS 1.2 with ECDHE and an AEAD cipher"];
    HASH_MISMATCH = 206, "the content does not match its hash in the config",
        "The content does not match `verification.hash`. For compressed files it is that of the decompressed \
         bytes.",
        ["compute the digest of the file on the server, e.g. with sha512sum, and compare",
         "inspect what was received: it may be the login page of a proxy"];
    NOT_GZIP = 207, "the content is not valid gzip data",
        "The config sets `\"compression\": \"gzip\"`, but the content is in another format, is truncated, or is followed by \
         trailing data.",
        ["test the file with `gzip -t`", "remove `compression` for files that are not compressed"];
    CUT_OFF = 208, "the transfer was cut off",
        "The connection ended before the content did, several times. A part is never written under the final name.",
        ["try again", "check the server, and proxies on the way, for limits of size and time"];
    TOO_LARGE = 209, "the content is larger than what fits in memory",
        "Configs, certificates and keys are read into memory, with a limit.",
        ["check the URL", "put large content into a file of the config: files are written as they come"];
    TFTP = 210, "a transfer by TFTP failed",
        "The server refuses the file, or does not answer. It answers from a port of its own, which firewalls often do not \
         let through.",
        ["check that the server has the file and that it may be read", "allow UDP from every port of the server"];
    OBJECT_STORE = 211, "an object store does not provide the object",
        "A bucket or key does not exist, or neither the role of this machine nor the public may read it.",
        ["check bucket, key and region", "check the role or service account of the machine, and its permission to read"];
    BAD_REQUEST = 212, "the config requests something that cannot be fetched",
        "A URL, header, digest or compression of the config is malformed, or of a scheme that is not supported.",
        ["correct it where the message says it was requested"];
    AUTHORITIES = 213, "certificate authorities cannot be used",
        "What ignition.security.tls.certificateAuthorities names is not a bundle of PEM certificates.",
        ["use a file with one or more blocks of `BEGIN CERTIFICATE`"];
    DEVICE_MISSING = 301, "a device of the config does not exist",
        "No disk, partition, array or volume has this name, and the config does not make one. In a boot every device is \
         waited for until DefaultDeviceTimeoutSec of systemd is over.",
        ["attach the device, or correct its name; names in /dev/disk/by-id do not change",
         "outside a boot, bind an image file to it with --image DEVICE=FILE",
         "raise DefaultDeviceTimeoutSec in the initramfs for hardware that needs longer"];
    DEVICE_IN_USE = 302, "a device is in use",
        "Something that would be changed is mounted, or is a member of an array, a volume group or an open volume that \
         does not belong to the config.",
        ["unmount it, or stop what holds it (`mdadm --stop`, `vgchange -an`, `cryptsetup close`)",
         "leave the device out of the config"];
    DEVICE_USED_TWICE = 303, "a device has two uses",
        "Two parts of the config want the same device or disk, or one lies on what another would destroy.",
        ["use each device for one array, volume or file system", "name a partition instead of the whole disk"];
    PARTITIONS = 304, "the partition table cannot be changed as requested",
        "An existing partition does not match the config, there is no room for a new one, or the table is \
         damaged. Nothing is deleted or moved unless the config says so.",
        ["set wipePartitionEntry to replace a partition, or wipeTable to start with an empty table",
         "set resize to let a partition grow",
         "compare with `sgdisk --print` or `lsblk`"];
    ARRAY = 305, "an array cannot be created or used",
        "Members are missing, damaged or of another array, the level needs more of them, or the name is not valid.",
        ["run `mdadm --examine` on each member", "erase members that are free to be used: `wipefs -a`"];
    VOLUME = 306, "an encrypted volume cannot be created or opened",
        "The key does not open it, it is another volume than the config describes, or what binds it (TPM, Tang, CEX) is missing.",
        ["check keyFile, and the label and uuid of the volume", "set wipeVolume to create it again"];
    FILESYSTEM = 307, "a file system cannot be created or kept",
        "The device holds another file system than the config describes, or its format, label, uuid, size or options are \
         not possible together.",
        ["set wipeFilesystem to create it again", "correct label, uuid or format; `blkid DEVICE` shows what is there"];
    MOUNT = 308, "a file system cannot be mounted",
        "The mount options are refused by the kernel, the mount point is not a directory, or two mounts claim it.",
        ["try the options by hand: `mount -o OPTIONS DEVICE DIRECTORY`", "repair the file system, or create it again"];
    NO_ROOM = 309, "there is not enough space",
        "What the plan puts on a file system is larger than what it has free. Where the sizes are known, this is found \
         before anything is touched.",
        ["make the partition or image larger (sizeMiB, or size= of --image)", "put large files on another file system"];
    EXISTS = 401, "something else is at the path",
        "A node of another kind, or with other content, is at a path of the config, and the config does not say that it may be \
         replaced.",
        ["set `overwrite` to true", "choose another path"];
    PATH = 402, "a path cannot be used",
        "It is too long, leads through something that is not a directory, follows links without end, or is a name that kindling \
         keeps for a file of its own. Links never lead out of the target.",
        ["look at each part of the path with `namei -l`", "correct the path, or the link in its way"];
    READ_ONLY = 403, "the path cannot be written to",
        "The file system is mounted read-only, or the file is immutable or append-only.",
        ["mount it with write access", "remove the attribute: `chattr -i FILE`", "choose another path"];
    PERMISSIONS = 404, "owner or mode cannot be set",
        "The file system keeps neither owners nor modes (FAT), or the named user or group does not exist.",
        ["leave out user, group and mode there", "create the user or group in the config"];
    NO_TARGET_FILE_SYSTEM = 405, "no file system to write to",
        "The config writes to a path that none of its file systems holds, and the run has no tree besides.",
        ["add a file system with the path `/`", "apply to a tree with --root"];
    LABELS = 406, "SELinux labels cannot be set",
        "The target has a policy, and the program or file that labels need is missing.",
        ["install policycoreutils in the target", "remove its policy if it does not use SELinux"];
    CONTENT = 407, "content of the config cannot be used",
        "Inline content is malformed, too large, or not what its own digest or compression says.",
        ["create the config again with the tool that made it", "check hash and compression of that content"];
    NOT_FOR_A_TREE = 408, "a tree or an image cannot have what the config asks for",
        "A directory tree has no disks and no kernel; kernel arguments are set by the machine itself, not in an image.",
        ["apply to an image (--image) or to the disks of this machine (--target)",
         "leave such sections out with --ignore-unsupported"];
    IMAGE = 409, "an image file cannot be used",
        "It does not exist, is too small or too large, is in use, or is bound to two disks.",
        ["check the file and its size", "add size= to create it"];
    ACCOUNT = 501, "an account cannot be created or changed",
        "Its name, id, home, shell or groups are not possible in the target, or contradict an account that exists.",
        ["look into /etc/passwd and /etc/group of the target", "choose another name or id"];
    ACCOUNT_DATABASE = 502, "an account database cannot be used",
        "passwd, group, shadow or one of their companions of the target is damaged, locked or not a regular file.",
        ["repair it with `pwck` and `grpck`", "remove a lock file that a dead process left"];
    UNIT = 601, "a systemd unit cannot be set up",
        "A unit cannot be enabled, disabled or masked: its file has no [Install] section, is missing, or what is in its place is \
         something else.",
        ["check the unit with `systemd-analyze verify`", "correct the name; templates are enabled by their instances"];
    LINE_FORMAT = 602, "a value cannot be written into the file that it belongs in",
        "crypttab, presets, mdadm.conf and others have a line per entry, in which blanks, colons or control characters would \
         begin something else.",
        ["correct the value where the message says it was requested"];
    PRIVILEGE = 701, "the process lacks a permission",
        "It lacks a capability, an id in its user namespace, loop devices, or /proc.",
        ["run kindling as root", "give the container the capability that is named", "see docs/confined.md for what works where"];
    PROGRAM_MISSING = 702, "a program or a driver is missing",
        "Partitions and accounts need no other programs; file systems, arrays and volumes do, and drivers of the kernel as well.",
        ["install the package of the program", "for a boot, add it to the initramfs (`dracut --install`)"];
    COMMAND_FAILED = 703, "a program that was started failed",
        "The message has its status and the end of what it said.",
        ["run the command by hand, as the message has it"];
    ORDER = 704, "operations depend on each other in a cycle",
        "No order of the operations satisfies all dependencies. This is a bug in kindling; no config should cause it.",
        ["report it with the config"];
}

/// The explanation of a code such as `K0203`, in upper or lower case, with or without the letter and leading zeros.
///
/// # Errors
/// If the text is not a known code.
pub(crate) fn explanation(text: &str) -> Result<&'static Explanation, UnknownCode> {
    let digits = text.trim_start_matches(['K', 'k']);
    let number = digits
        .parse()
        .ok()
        .filter(|_| text.len() - digits.len() <= 1);
    let known = EXPLANATIONS
        .iter()
        .find(|known| number == Some(known.code.0));
    known.ok_or_else(|| UnknownCode(text.to_owned()))
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K{:04}", self.0)
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.to_string()
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownCode;

    /// Accepts the same forms as [`explanation`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        explanation(text).map(|known| known.code)
    }
}

impl TryFrom<String> for ErrorCode {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for known in EXPLANATIONS {
            let code = known.code;
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
            assert_eq!(code.0.to_string().parse(), Ok(code));
        }
        for other in ["", "K", "K9999", "KK0203", "K-203", "203x", "99999999"] {
            assert!(other.parse::<ErrorCode>().is_err(), "{other}");
        }
    }

    #[test]
    fn codes_are_in_order_and_each_is_explained() {
        assert!(EXPLANATIONS.is_sorted_by(|a, b| a.code < b.code));
        for known in EXPLANATIONS {
            assert!(
                !known.title.ends_with('.') && !known.steps.is_empty(),
                "{}",
                known.code
            );
            assert!(known.meaning.ends_with('.'), "{}", known.code);
        }
    }
}
