//! What unlocks encrypted volumes on later boots: key files in the target root and lines of crypttab. Also the
//! hand-over of a new volume, once its key file exists.

use super::lines::{self, WordSyntax};
use super::op::*;
use super::paths::PlannedTree;
use super::{Access, Claim, ClaimedResource, Draft, Effect, OpKind, Phase, devices, luks};
use crate::config::{JsonPath, Origin, model};
use crate::disk::DeviceRef;
use crate::layout::{CRYPTTAB, KEY_DIRECTORY, ZKEY_REPOSITORY, key_file};
use std::fmt;

/// An encrypted volume as crypttab describes it.
#[derive(Debug, Clone)]
pub struct CrypttabVolume {
    /// Index in `storage.luks`.
    pub index: usize,
    /// Mapper name.
    pub name: String,
    /// UUID of the LUKS header.
    pub uuid: Uuid,
    /// What unlocks it.
    pub key: UnlockKey,
    /// Unlocking needs a network.
    pub needs_network: bool,
    /// Set if it is new and has to be handed over.
    pub hand_over: Option<HandOver>,
}

/// A UUID, which may be chosen only when the volume is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uuid {
    /// This one.
    Known(String),
    /// The one in the header on this device.
    OnDevice(DeviceRef),
}

/// What unlocks a volume. Never shown.
#[derive(Clone)]
pub enum UnlockKey {
    /// Something other than a file.
    NoFile,
    /// A file that already exists.
    Kept,
    /// A file to write.
    File(Box<Content>),
}

impl UnlockKey {
    /// A file to write from a `data:` URL.
    pub fn from_url(url: String) -> Self {
        UnlockKey::File(Box::new(Content::fetched(&model::Resource {
            source: Some(url.into()),
            ..model::Resource::default()
        })))
    }
}

impl fmt::Debug for UnlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnlockKey::NoFile => "no file",
            UnlockKey::Kept => "kept",
            UnlockKey::File(_) => "[hidden]",
        })
    }
}

/// Drafts key files, crypttab and hand-over for volumes that this plan creates or opens.
pub fn plan_own(draft: &mut Draft<'_>) {
    let volumes = own_volumes(draft);
    plan(draft, &volumes);
    for volume in &volumes {
        let claims = vec![Claim::new(
            Access::Change,
            ClaimedResource::Path(volume.key_path().into()),
        )];
        push_hand_over(draft, volume, claims);
    }
}

/// Drafts key files and crypttab.
pub fn plan(draft: &mut Draft<'_>, volumes: &[CrypttabVolume]) {
    if volumes.is_empty() {
        return;
    }
    let planned = PlannedTree::of(draft);
    KeyFilePlanner { draft, planned }.plan_volumes(volumes);
}

/// Drafts files of the repository of keys for Crypto Express adapters.
pub fn plan_repository(draft: &mut Draft<'_>, files: &[(String, UnlockKey)]) {
    if files.is_empty() {
        return;
    }
    let planned = PlannedTree::of(draft);
    let mut planner = KeyFilePlanner { draft, planned };
    for (name, key) in files {
        if let UnlockKey::File(content) = key {
            let path = format!("{ZKEY_REPOSITORY}/{name}");
            planner.plan_file(&path, vec![(**content).clone()], None, Vec::new());
        }
    }
}

/// Drafts the hand-over of volumes as the last operation of a first boot: if it is interrupted earlier, the next one
/// starts over.
pub fn hand_over_last(draft: &mut Draft<'_>, volumes: &[CrypttabVolume]) {
    for volume in volumes {
        let last = Claim::new(Access::Release, ClaimedResource::Mount("/".into()));
        push_hand_over(draft, volume, vec![last]);
    }
}

fn push_hand_over(draft: &mut Draft<'_>, volume: &CrypttabVolume, mut claims: Vec<Claim>) {
    let Some(act) = volume.hand_over.clone() else {
        return;
    };
    // The last write to the device: its table was written before the volume was created, and may be released by then,
    // since the key file may be on a file system of the same disk.
    claims.push(Claim::new(
        Access::Release,
        ClaimedResource::Device(act.device.clone().into()),
    ));
    let origin = volume.origin(draft);
    draft.push(
        Phase::Finish,
        Effect::Step,
        OpKind::HandOver(act),
        origin,
        claims,
    );
}

fn own_volumes(draft: &Draft<'_>) -> Vec<CrypttabVolume> {
    let listed = draft.document.config().storage.luks.iter().enumerate();
    listed
        .filter_map(|(index, luks)| own_volume(draft, index, luks))
        .collect()
}

fn own_volume(draft: &Draft<'_>, index: usize, luks: &model::Luks) -> Option<CrypttabVolume> {
    let made = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::CreateLuks(act) if act.name == luks.name => Some(&**act),
        _ => None,
    });
    let name = luks.device.as_deref().unwrap_or_default();
    let device = devices::resolve(draft, name, "use", None).ok()?;
    let found = devices::content(draft, &device).uuid;
    let is_new = made.is_some_and(|act| act.way == OpenMode::Format);
    let uuid = match (is_new, found) {
        (false, Some(uuid)) => Uuid::Known(uuid),
        _ => Uuid::OnDevice(device.clone()),
    };
    let key = own_key(draft, luks, made);
    let has_file = !matches!(key, UnlockKey::NoFile);
    let hand_over = made
        .filter(|act| act.mark == MarkLifetime::UntilHandOver)
        .map(|act| HandOver {
            name: act.name.clone(),
            device,
            label: act.label.clone(),
            keys: has_file.then(|| KEY_DIRECTORY.into()),
        });
    Some(CrypttabVolume {
        index,
        name: luks.name.clone(),
        uuid,
        key,
        needs_network: luks::needs_network(&luks.clevis),
        hand_over,
    })
}

fn own_key(draft: &Draft<'_>, luks: &model::Luks, made: Option<&CreateLuks>) -> UnlockKey {
    let is_there = draft.observed.kept_keys.contains(&luks.name);
    if luks::is_bound(&luks.clevis) {
        return UnlockKey::NoFile;
    }
    match made {
        Some(act) if act.way == OpenMode::Format || !is_there => {
            UnlockKey::File(Box::new(match &act.key {
                KeySource::Given(resource) => Content::fetched(resource),
                _ => Content::VolumeKey {
                    volume: luks.name.clone(),
                },
            }))
        }
        None if !is_there => UnlockKey::File(Box::new(Content::fetched(&luks.key_file))),
        _ => UnlockKey::Kept,
    }
}

struct KeyFilePlanner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    planned: PlannedTree<'a>,
}

impl KeyFilePlanner<'_, '_> {
    fn plan_volumes(&mut self, volumes: &[CrypttabVolume]) {
        let Some(first) = volumes.first() else {
            return;
        };
        let is_file = |volume: &&CrypttabVolume| matches!(volume.key, UnlockKey::File(_));
        if let Some(first) = volumes.iter().find(is_file) {
            self.plan_key_directory(first.origin(self.draft));
        }
        for volume in volumes {
            if let UnlockKey::File(content) = &volume.key {
                let origin = volume.origin(self.draft);
                let claims = vec![volume.claim()];
                self.plan_file(
                    &volume.key_path(),
                    vec![(**content).clone()],
                    origin,
                    claims,
                );
            }
        }
        self.plan_crypttab(volumes, first.origin(self.draft));
    }

    fn plan_key_directory(&mut self, origin: Option<Origin>) {
        let Some(path) = self.resolve(KEY_DIRECTORY, &origin) else {
            return;
        };
        if self.planned.exists(&path) {
            return;
        }
        let kind = OpKind::Directory(DirectoryAct {
            path: path.clone(),
            permissions: Permissions::of_mode(0o700),
            implied: false,
            differs: Vec::new(),
        });
        self.push(Effect::Create, &path, kind, origin, Vec::new());
    }

    /// Drafts a private file. An interrupted run may have written one before; the writer replaces it.
    fn plan_file(
        &mut self,
        wanted: &str,
        parts: Vec<Content>,
        origin: Option<Origin>,
        claims: Vec<Claim>,
    ) {
        let Some(path) = self.resolve(wanted, &origin) else {
            return;
        };
        let replace = self.planned.exists(&path);
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base: Base::Empty,
            parts,
            permissions: Permissions::of_mode(0o600),
            replace,
            differs: Vec::new(),
            unit: None,
            finishes: false,
        });
        self.push(Effect::Create, &path, kind, origin, claims);
    }

    /// Existing lines are kept, except lines about these volumes; correct ones are not rewritten.
    fn plan_crypttab(&mut self, volumes: &[CrypttabVolume], origin: Option<Origin>) {
        let Some(path) = self.resolve(CRYPTTAB, &origin) else {
            return;
        };
        let present = self.draft.observed.root.crypttab_text.clone();
        let text = present.as_deref().unwrap_or_default();
        let missing: Vec<&CrypttabVolume> = volumes
            .iter()
            .filter(|volume| !volume.is_listed_in(text))
            .collect();
        let names = missing.iter().map(|volume| volume.name.as_str());
        if missing.is_empty()
            || lines::refuse_broken(
                self.draft,
                CRYPTTAB,
                WordSyntax::Plain,
                names,
                origin.as_ref(),
            )
        {
            return;
        }
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !missing.iter().any(|v| v.owns(line)))
            .collect();
        // Lines of recreated volumes would otherwise remain next to the new ones.
        let is_stale = kept.len() < text.lines().count();
        let mut parts = Vec::new();
        if is_stale && !kept.is_empty() {
            parts.push(Content::text(format!("{}\n", kept.join("\n"))));
        } else if !is_stale && !text.is_empty() && !text.ends_with('\n') {
            parts.push(Content::text("\n"));
        }
        parts.extend(missing.iter().flat_map(|volume| volume.line()));
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base: match present.is_some() && !is_stale {
                true => Base::Present,
                false => Base::Empty,
            },
            parts,
            permissions: Permissions::of_mode(0o600),
            replace: present.is_some(),
            differs: Vec::new(),
            unit: None,
            finishes: false,
        });
        let effect = match present {
            Some(_) => Effect::Change,
            None => Effect::Create,
        };
        let claims = missing.iter().map(|volume| volume.claim()).collect();
        self.push(effect, &path, kind, origin, claims);
    }

    fn resolve(&mut self, path: &str, origin: &Option<Origin>) -> Option<String> {
        self.planned.resolve_or_refuse(self.draft, path, origin)
    }

    fn push(
        &mut self,
        effect: Effect,
        path: &str,
        kind: OpKind,
        origin: Option<Origin>,
        extra_claims: Vec<Claim>,
    ) {
        if !self
            .planned
            .make_parents(self.draft, Phase::Keys, path, origin.as_ref())
        {
            return;
        }
        let mut claims = self.planned.claims(path);
        claims.extend(extra_claims);
        self.planned
            .push(self.draft, Phase::Keys, effect, kind, origin, claims);
    }
}

impl CrypttabVolume {
    fn key_path(&self) -> String {
        key_file(&self.name)
    }

    fn origin(&self, draft: &Draft<'_>) -> Option<Origin> {
        let path = JsonPath::new(format!("$.storage.luks.{}", self.index));
        draft.document.origin(&path)
    }

    /// A claim on the open volume, since its key and UUID are known only then.
    fn claim(&self) -> Claim {
        let name = self.name.clone();
        Claim::new(
            Access::Use,
            ClaimedResource::Device(DeviceRef::Luks { name }.into()),
        )
    }

    /// The text before and after the UUID in the line of crypttab. Discards are not an option here: the header holds
    /// that flag.
    fn line_parts(&self) -> (String, String) {
        let key = match self.key {
            UnlockKey::NoFile => "none".into(),
            UnlockKey::Kept | UnlockKey::File(_) => self.key_path(),
        };
        let network = if self.needs_network { ",_netdev" } else { "" };
        (
            format!("{} UUID=", self.name),
            format!(" {key} luks{network},x-initrd.attach\n"),
        )
    }

    fn line(&self) -> Vec<Content> {
        let (before, after) = self.line_parts();
        match &self.uuid {
            Uuid::Known(uuid) => vec![Content::text(format!("{before}{uuid}{after}"))],
            Uuid::OnDevice(device) => vec![
                Content::text(before),
                Content::VolumeUuid {
                    device: device.clone(),
                },
                Content::text(after),
            ],
        }
    }

    fn is_listed_in(&self, crypttab: &str) -> bool {
        let Uuid::Known(uuid) = &self.uuid else {
            return false;
        };
        let (before, after) = self.line_parts();
        let line = format!("{before}{uuid}{after}");
        crypttab.lines().any(|l| l == line.trim_end())
    }

    /// True for a line of crypttab with this volume's name.
    fn owns(&self, line: &str) -> bool {
        line.split_whitespace().next() == Some(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(key: UnlockKey, needs_network: bool) -> CrypttabVolume {
        CrypttabVolume {
            index: 0,
            name: "data".into(),
            uuid: Uuid::Known("u-1".into()),
            key,
            needs_network,
            hand_over: None,
        }
    }

    fn text(volume: &CrypttabVolume) -> String {
        let (before, after) = volume.line_parts();
        format!("{before}u-1{after}")
    }

    #[test]
    fn lines_of_every_kind() {
        let file = || UnlockKey::from_url("data:,k".into());
        for (key, network, want) in [
            (
                file(),
                false,
                "data UUID=u-1 /etc/luks/data luks,x-initrd.attach\n",
            ),
            (
                UnlockKey::Kept,
                false,
                "data UUID=u-1 /etc/luks/data luks,x-initrd.attach\n",
            ),
            (
                file(),
                true,
                "data UUID=u-1 /etc/luks/data luks,_netdev,x-initrd.attach\n",
            ),
            (
                UnlockKey::NoFile,
                false,
                "data UUID=u-1 none luks,x-initrd.attach\n",
            ),
            (
                UnlockKey::NoFile,
                true,
                "data UUID=u-1 none luks,_netdev,x-initrd.attach\n",
            ),
        ] {
            assert_eq!(text(&volume(key, network)), want);
        }
    }

    #[test]
    fn own_lines_are_recognized() {
        let volume = volume(UnlockKey::Kept, false);
        let line = text(&volume);
        assert!(volume.is_listed_in(&format!("# comment\n{line}")));
        assert!(!volume.is_listed_in(&line.replace("u-1", "u-2")));
        assert!(volume.owns("data UUID=u-2 none luks"));
        assert!(!volume.owns("database UUID=u-1 none luks") && !volume.owns(""));
    }

    #[test]
    fn keys_are_not_shown() {
        let key = UnlockKey::from_url("data:,secret".into());
        assert_eq!(format!("{key:?}"), "[hidden]");
    }
}
