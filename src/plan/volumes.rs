//! Operations on encrypted volumes.

use super::expected::Expected;
use crate::config::model::Resource;
use crate::disk::DeviceRef;
use serde::{Serialize, Serializer};

/// The subsystem field in the header of a volume that a run is still creating. Nobody has used such a volume yet, so a
/// run that finds one creates it again.
pub const MARK: &str = "kindling-provisioning";

/// Formats or opens an encrypted volume.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLuks {
    /// Mapper name.
    pub name: String,
    /// Backing device.
    pub device: DeviceRef,
    /// Label.
    pub label: Option<String>,
    /// UUID.
    pub uuid: Option<String>,
    /// What opens the volume during its creation.
    pub key: KeySource,
    /// Arguments for formatting.
    pub options: Vec<String>,
    /// Arguments for opening.
    pub open_options: Vec<String>,
    /// Pass discards through.
    pub discard: bool,
    /// Create it, open it, or only try the key.
    pub way: OpenMode,
    /// What is expected on the device before.
    #[serde(skip)]
    pub expected: Expected,
    /// A mapping of this name, left by an earlier run, is closed first.
    pub close_first: bool,
    /// How long the header marks the volume as incomplete.
    pub mark: MarkLifetime,
    /// What unlocks the volume on later boots instead of the key.
    pub clevis: Option<ClevisBinding>,
}

/// What is done with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenMode {
    /// Erase what is there, format, open.
    Format,
    /// It exists: open it.
    Open,
    /// It is open already: try the key.
    Confirm,
}

/// What opens a volume during its creation. Shown by its name only.
#[derive(Debug, Clone, Hash)]
pub enum KeySource {
    /// Fetched. Secret.
    Given(Box<Resource>),
    /// Random bytes.
    Generated,
    /// The key file that an earlier run left in the target root.
    Kept,
    /// A fixed text; the secret is in a Crypto Express adapter (s390x).
    Cex,
}

impl KeySource {
    /// The name of the variant.
    pub fn name(&self) -> &'static str {
        match self {
            KeySource::Given(_) => "given",
            KeySource::Generated => "generated",
            KeySource::Kept => "kept",
            KeySource::Cex => "cex",
        }
    }
}

impl Serialize for KeySource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How long [`MARK`] stays in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkLifetime {
    /// It is never there.
    Never,
    /// Until the volume is open: from then on the key of the config opens it again.
    UntilOpen,
    /// Until a [`HandOver`]: before that, its key is only in memory.
    UntilHandOver,
}

/// A Clevis binding.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClevisBinding {
    /// Name of the pin.
    pub pin: String,
    /// Its configuration, JSON text. It may hold secrets of a custom pin.
    #[serde(skip)]
    pub config: String,
    /// Description: `tang x2, tpm2, threshold 2`.
    pub words: String,
    /// URLs of advertisements; each server has to answer before anything is written.
    #[serde(skip)]
    pub servers: Vec<String>,
    /// The volume is closed and unlocked by Clevis once, to prove that this works.
    pub prove: bool,
    /// The key is removed from the volume once the binding exists.
    pub remove_key: bool,
}

/// Removes [`MARK`] from a volume whose key is stored.
#[derive(Debug, Clone, Hash, Serialize)]
pub struct HandOver {
    /// Mapper name.
    pub name: String,
    /// Backing device.
    pub device: DeviceRef,
    /// Its label, which is written together with the mark.
    pub label: Option<String>,
    /// The directory inside the target that the key was written to, if it was; it is made durable before.
    pub keys: Option<String>,
}
