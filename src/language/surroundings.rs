//! What a translation needs from outside.

use super::target::Target;
use std::fmt;

/// What is known beside the text. The default is that of a boot: nothing.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'s> {
    /// Local files that a text may name; none at boot.
    pub files: Option<&'s dyn LocalFolder>,
    /// The platform that the result is for, by the name that its language has for it.
    pub platform: Option<&'s str>,
    /// File systems that a text of Ignition 2 may name besides `root`, with where they are mounted.
    pub filesystems: &'s [(String, String)],
    /// File systems that configs which refer to this one name, with where they are mounted; those that this one
    /// names itself come first.
    pub inherited_filesystems: &'s [(String, String)],
    /// What the text appends is read with it afterwards, and may define what it names.
    pub is_followed: bool,
    /// Of Ignition 1 and 2, only what the converters of old translate is accepted.
    pub is_strict: bool,
    /// Scripts that are user data, or a part of it, are refused.
    pub refuses_scripts: bool,
    /// Bytes of the logical sectors that configs of Ignition 1 and 2 count; 512 if it is not known.
    pub sector_bytes: Option<SectorBytes>,
    /// The text is translated for a machine that boots now, not at a desk.
    pub is_boot: bool,
    /// The result is printed, so the shortest form of it is worth some work.
    pub is_printed: bool,
    /// Plain Ignition, where a variant would be wrapped in something else.
    pub is_raw: bool,
    /// The system that the result is for.
    pub target: Target<'s>,
    /// What the platform says of the machine.
    pub instance: InstanceData<'s>,
    /// What cannot be done is left out with a warning instead of being refused.
    pub ignore_unsupported: bool,
}

/// True if a policy on scripts among user data refuses them; nothing for a word that names no policy.
pub fn refuses_scripts(policy: &str) -> Option<bool> {
    match policy {
        "run" => Some(false),
        "refuse" => Some(true),
        _ => None,
    }
}

/// What is said of a script where there may be none.
pub(crate) const SCRIPTS_REFUSED: &str =
    "this is a script, and scripts among user data are refused";
/// What to do about it.
pub(crate) const SCRIPTS_HELP: &str = "write what it does as units and files, or allow scripts (--scripts=run; kindling.config.scripts=run at boot)";

/// The size of a logical sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectorBytes {
    /// Of most disks.
    B512,
    /// Of disks that do not pretend.
    B4096,
}

impl SectorBytes {
    /// As a number.
    pub const fn count(self) -> i64 {
        match self {
            SectorBytes::B512 => 512,
            SectorBytes::B4096 => 4096,
        }
    }
}

/// What a platform says of the machine that it gives a text to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceData<'s> {
    /// What tells this machine from the one before it.
    pub id: Option<&'s str>,
    /// The name that it is to have unless the text gives one.
    pub hostname: Option<&'s str>,
    /// Public keys for the default account.
    pub keys: &'s [String],
    /// Values by the names that templates have for them, e.g. `v1.instance_id`.
    pub variables: &'s [(String, String)],
    /// User data of whoever runs the platform, below that of whoever runs the machine.
    pub vendor_data: Option<&'s [u8]>,
}

/// A folder of local files. Paths are those of a text: relative to the folder, a leading `/` stays inside.
pub trait LocalFolder {
    /// What is at a path, without following a link there.
    ///
    /// # Errors
    /// It is outside of the folder, is not there, or cannot be looked at.
    fn look(&self, path: &str) -> Result<LocalNode, LocalError>;

    /// The bytes of a file. Links are followed.
    ///
    /// # Errors
    /// As [`LocalFolder::look`], and if it is not a file, is too large, or cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, LocalError>;

    /// Names in a directory, in the order of their bytes.
    ///
    /// # Errors
    /// As [`LocalFolder::look`], and if it is not a directory or has a name that is not UTF-8.
    fn list(&self, path: &str) -> Result<Vec<String>, LocalError>;
}

/// Something in a folder of local files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// What it is.
    pub kind: LocalKind,
    /// Permission bits, octal 07777 at most.
    pub mode: u32,
}

/// What a local node is.
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

/// Why a local file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The path leads out of the folder.
    #[error("{path} is outside of the files directory")]
    Outside {
        /// As written.
        path: String,
    },
    /// Anything the system says.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// As written.
        path: String,
        /// The system's words.
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
