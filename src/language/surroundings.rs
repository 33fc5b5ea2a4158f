//! What a translation needs from outside.

use super::target::Target;
use std::fmt;

/// What is known besides the text. The default is that of a boot: nothing.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'s> {
    /// Local files that a text may name; none at boot.
    pub files: Option<&'s dyn LocalDirectory>,
    /// The platform that the result is for, by its name in the language.
    pub platform: Option<&'s str>,
    /// File systems that an Ignition 2 text may name besides `root`, with their mount points.
    pub filesystems: &'s [(String, String)],
    /// File systems that configs which refer to this one name, with their mount points; those that this one names
    /// itself take precedence.
    pub inherited_filesystems: &'s [(String, String)],
    /// True if what the text appends is read with it afterwards, and may define what it names.
    pub is_followed: bool,
    /// True if of Ignition 1 and 2 only what the old converters translate is accepted.
    pub is_strict: bool,
    /// True if scripts that are user data, or a part of it, are rejected.
    pub refuses_scripts: bool,
    /// Size of the logical sectors that Ignition 1 and 2 configs count in; 512 bytes if it is not known.
    pub sector_bytes: Option<SectorBytes>,
    /// True if the text is translated for a machine that is booting, rather than offline.
    pub is_boot: bool,
    /// True if the result is printed, so that its shortest form is worth some work.
    pub is_printed: bool,
    /// True for plain Ignition, even if a variant would be wrapped in something else.
    pub is_raw: bool,
    /// The system that the result is for.
    pub target: Target<'s>,
    /// What the platform states about the machine.
    pub instance: InstanceData<'s>,
    /// True if unsupported settings are left out with a warning instead of being rejected.
    pub ignore_unsupported: bool,
}

/// True if a policy on scripts in user data rejects them; `None` for an unknown policy.
pub fn refuses_scripts(policy: &str) -> Option<bool> {
    match policy {
        "run" => Some(false),
        "refuse" => Some(true),
        _ => None,
    }
}

/// The message about a script where none is allowed.
pub(crate) const SCRIPTS_REFUSED: &str =
    "this is a script, and scripts among user data are refused";
/// The help text about a rejected script.
pub(crate) const SCRIPTS_HELP: &str = "write what it does as units and files, or allow scripts (--scripts=run; kindling.config.scripts=run at boot)";

/// The size of a logical sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectorBytes {
    /// That of most disks.
    B512,
    /// That of disks without 512-byte emulation.
    B4096,
}

impl SectorBytes {
    /// The size as a number.
    pub const fn count(self) -> i64 {
        match self {
            SectorBytes::B512 => 512,
            SectorBytes::B4096 => 4096,
        }
    }
}

/// What a platform states about the machine that it gives a text to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceData<'s> {
    /// The identity that distinguishes this machine from its predecessors.
    pub id: Option<&'s str>,
    /// Its host name, unless the text gives one.
    pub hostname: Option<&'s str>,
    /// SSH public keys for the default account.
    pub keys: &'s [String],
    /// Values by their names in templates, e.g. `v1.instance_id`.
    pub variables: &'s [(String, String)],
    /// Vendor data: user data of the platform's operator, over which that of the machine's owner is merged.
    pub vendor_data: Option<&'s [u8]>,
}

/// A directory of local files. Paths are as a text gives them: relative to the directory, even with a leading `/`.
pub trait LocalDirectory {
    /// The node at a path, without following a link there.
    ///
    /// # Errors
    /// If it is outside of the directory, does not exist, or cannot be inspected.
    fn inspect(&self, path: &str) -> Result<LocalNode, LocalError>;

    /// The bytes of a file. Links are followed.
    ///
    /// # Errors
    /// As [`LocalDirectory::inspect`], and if it is not a file, is too large, or cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, LocalError>;

    /// The names in a directory, in byte order.
    ///
    /// # Errors
    /// As [`LocalDirectory::inspect`], and if it is not a directory or has a name that is not UTF-8.
    fn list(&self, path: &str) -> Result<Vec<String>, LocalError>;
}

/// A node in a directory of local files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// Its type.
    pub kind: LocalKind,
    /// Permission bits, octal 07777 at most.
    pub mode: u32,
}

/// The type of a local node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target as written.
    Link(String),
    /// A device, a socket, a pipe.
    Other,
}

/// Why a local file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The path leads out of the directory.
    #[error("{path} is outside of the files directory")]
    Outside {
        /// As written.
        path: String,
    },
    /// Any error of the system.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// As written.
        path: String,
        /// The system's error message.
        cause: String,
    },
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("has_files", &self.files.is_some())
            .field("platform", &self.platform)
            .field("filesystems", &self.filesystems)
            .field("inherited_filesystems", &self.inherited_filesystems)
            .field("is_followed", &self.is_followed)
            .field("is_strict", &self.is_strict)
            .field("refuses_scripts", &self.refuses_scripts)
            .field("sector_bytes", &self.sector_bytes)
            .field("is_boot", &self.is_boot)
            .field("is_raw", &self.is_raw)
            .field("target", &self.target)
            .field("instance", &self.instance)
            .field("ignore_unsupported", &self.ignore_unsupported)
            .finish()
    }
}
