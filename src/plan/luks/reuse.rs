//! What happens to a device on which an encrypted volume is requested: the volume on it is kept, a new one is created,
//! or both are refused.

use super::{LuksCase, Objection, clevis, has_key, is_cex, is_marked, non_empty};
use crate::disk::DeviceRef;
use crate::disk::device::partition_path;
use crate::facts::{DeviceFacts, MappingFacts};
use crate::plan::op::{Expected, KeySource, OpenMode};
use crate::plan::{Draft, Scope, StagePart, devices};

/// What to do with a volume.
pub(super) enum LuksDecision {
    /// Keep it, for this reason.
    Keep(String),
    /// Open it, or try the key if it is open.
    Open(OpenMode, KeySource),
    /// Create it.
    Format(VolumeFormat),
}

/// What is lost when a volume is created.
#[derive(Default)]
pub(super) struct VolumeFormat {
    pub expected: Option<Expected>,
    pub close_first: bool,
    pub lost: Option<String>,
}

/// The mapping with the volume's name.
enum Mapping<'a> {
    None,
    /// On the volume's device.
    Ours(&'a DeviceFacts),
    /// On other devices.
    Other(Vec<String>),
}

const WIPE: &str = "set wipeVolume to erase it, or make the config match";

impl LuksCase<'_> {
    /// Applies the rules for reuse, as far as they can be checked without the key.
    pub(super) fn decide(&self, draft: &Draft) -> Result<LuksDecision, Objection> {
        let mapping = self.mapping(draft);
        if let Mapping::Other(lower) = &mapping {
            let lower = lower.join(", ");
            return Err((
                format!(
                    "/dev/mapper/{} exists already, over {lower}",
                    self.luks.name
                ),
                "close it, or give the volume another name".into(),
            ));
        }
        self.refuse_if_held(draft, &mapping)?;
        if devices::is_recreated(draft, &self.device) {
            return Ok(LuksDecision::Format(VolumeFormat {
                expected: Some(Expected::Anything),
                ..VolumeFormat::default()
            }));
        }
        let Some(what) = self.found.describe().filter(|_| !self.found.incomplete) else {
            return Ok(LuksDecision::Format(VolumeFormat {
                expected: devices::is_unseen(draft, &self.device).then_some(Expected::Unseen),
                ..VolumeFormat::default()
            }));
        };
        if self.luks.wipe_volume == Some(true) {
            return self.recreate(draft, &mapping, what);
        }
        if self.found.kind.as_deref() != Some("crypto_LUKS") {
            let cause = format!("it holds {what}, which must not be erased");
            return Err((cause, WIPE.into()));
        }
        if is_marked(&self.found) {
            let what = "an unused encrypted volume left by an interrupted run";
            return self.recreate(draft, &mapping, what.into());
        }
        self.reuse(draft, &mapping).map_err(|reason| {
            let cause = format!("it holds {what}, which cannot be reused: {reason}");
            (cause, WIPE.into())
        })
    }

    fn recreate(
        &self,
        draft: &Draft,
        mapping: &Mapping,
        what: String,
    ) -> Result<LuksDecision, Objection> {
        if let Mapping::Ours(facts) = mapping
            && !facts.held_by.is_empty()
        {
            let cause = format!(
                "the volume is open and in use: {}",
                facts.held_by.join(", ")
            );
            return Err((cause, "unmount or detach it first".into()));
        }
        let kind = self.found.kind.clone().unwrap_or_default();
        let size = devices::bytes(draft, &self.device).map_or_else(String::new, |bytes| {
            format!(", {}", crate::text::human_size(bytes))
        });
        Ok(LuksDecision::Format(VolumeFormat {
            expected: Some(Expected::Kind(kind)),
            close_first: matches!(mapping, Mapping::Ours(_)),
            lost: Some(format!("{}: {what}{size}", self.device)),
        }))
    }

    /// How a volume is reused, or why it cannot be.
    fn reuse(&self, draft: &Draft, mapping: &Mapping) -> Result<LuksDecision, String> {
        self.compare()?;
        let is_open = matches!(mapping, Mapping::Ours(_));
        let is_bound = clevis::is_bound(&self.luks.clevis);
        let key = if is_bound {
            None
        } else if has_key(self.luks) && !is_cex(self.luks) {
            Some(KeySource::Given(Box::new(self.luks.key_file.clone())))
        } else if draft.observed.kept_keys.contains(&self.luks.name) && !is_cex(self.luks) {
            Some(KeySource::Kept)
        } else {
            None
        };
        match (key, is_open) {
            (Some(_), true) if draft.observed.opened.contains(&self.volume()) => {
                Ok(LuksDecision::Keep(self.because()))
            }
            (Some(key), true) if draft.options.scope == Scope::Stage(StagePart::Disks) => {
                Ok(LuksDecision::Open(OpenMode::Confirm, key))
            }
            (Some(_), true) => Ok(LuksDecision::Keep(self.because())),
            (Some(key), false) => Ok(LuksDecision::Open(OpenMode::Open, key)),
            // A volume that Clevis unlocks needs no other key.
            (None, true) if is_bound => Ok(LuksDecision::Keep(self.because())),
            (None, _) if is_bound => Err("volumes with clevis are always made again".into()),
            (None, _) => Err("without a key file in the config nothing can open it".into()),
        }
    }

    /// Compares version, label, UUID and flags.
    fn compare(&self) -> Result<(), String> {
        let header = self.found.luks.clone().unwrap_or_default();
        let differs = |what: &str, wanted: &str, found: &Option<String>| {
            let found = found.as_deref().unwrap_or_default();
            Err(format!("its {what} is {found:?}, not {wanted:?}"))
        };
        if header.version == 1 {
            return Err("it is of version 1, not LUKS2".into());
        }
        if header.damaged {
            return Err("its header is damaged".into());
        }
        let found = &self.found;
        if let Some(label) = non_empty(&self.luks.label).filter(|l| Some(l) != found.label.as_ref())
        {
            return differs("label", &label, &found.label);
        }
        let uuid = |uuid: &String| {
            !found
                .uuid
                .as_ref()
                .is_some_and(|f| f.eq_ignore_ascii_case(uuid))
        };
        if let Some(uuid) = non_empty(&self.luks.uuid).filter(uuid) {
            return differs("UUID", &uuid, &found.uuid);
        }
        let discards = header.flags.iter().any(|flag| flag == "allow-discards");
        match (discards, self.luks.discard == Some(true)) {
            (true, false) => {
                Err("it passes discards through, which the config does not request".into())
            }
            (false, true) => Err("it does not pass discards through".into()),
            _ => Ok(()),
        }
    }

    fn because(&self) -> String {
        let requested = [("label", &self.luks.label), ("UUID", &self.luks.uuid)];
        let compared = requested
            .iter()
            .filter(|(_, value)| non_empty(value).is_some());
        let words: Vec<&str> = ["version"]
            .into_iter()
            .chain(compared.map(|(word, _)| *word))
            .collect();
        format!("the volume is open; {} and flags match", words.join(", "))
    }

    /// Refuses a device that is in use. The volume's own mapping does not count.
    fn refuse_if_held(&self, draft: &Draft, mapping: &Mapping) -> Result<(), Objection> {
        let own = match mapping {
            Mapping::Ours(facts) => Some(facts.node.as_str()),
            _ => None,
        };
        let holders = devices::held_by(draft, &self.device).iter();
        let holders: Vec<&str> = holders
            .filter(|who| own.is_none_or(|node| !devices::is_held_by(who, node)))
            .map(String::as_str)
            .collect();
        match holders.is_empty() {
            true => Ok(()),
            false => Err((
                format!("it is in use: {}", holders.join(", ")),
                "unmount or detach it first".into(),
            )),
        }
    }

    fn mapping<'d>(&self, draft: &'d Draft) -> Mapping<'d> {
        let facts = draft.observed.devices.get(&self.volume().to_string());
        let Some(facts) = facts.filter(|facts| facts.exists) else {
            return Mapping::None;
        };
        let none = MappingFacts::default();
        let mapping = facts.mapping.as_ref().unwrap_or(&none);
        let node = node(draft, &self.device);
        let is_on_device = node.is_some_and(|node| mapping.lower_nodes.contains(&node));
        match is_on_device && mapping.uuid == self.mapping_uuid() {
            true => Mapping::Ours(facts),
            false => Mapping::Other(mapping.lower_nodes.clone()),
        }
    }

    /// The device-mapper UUID that cryptsetup sets.
    fn mapping_uuid(&self) -> String {
        let version = self.found.luks.as_ref().map_or(2, |luks| luks.version);
        let uuid = self
            .found
            .uuid
            .as_deref()
            .unwrap_or_default()
            .replace('-', "");
        format!("CRYPT-LUKS{version}-{uuid}-{}", self.luks.name)
    }
}

/// The kernel's node of a device that exists.
fn node(draft: &Draft, device: &DeviceRef) -> Option<String> {
    let disk = |disk: &String| {
        draft
            .observed
            .disks
            .get(disk)
            .map(|facts| facts.node.clone())
    };
    match device {
        DeviceRef::Disk { disk: name } => disk(name),
        DeviceRef::Partition { disk: name, number } => {
            disk(name).map(|node| partition_path(&node, *number))
        }
        other => {
            let facts = draft.observed.devices.get(&other.to_string());
            facts.map(|facts| facts.node.clone())
        }
    }
}
