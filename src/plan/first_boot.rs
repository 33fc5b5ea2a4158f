//! What a first boot leaves in the target besides what its config asks for: what unlocks encrypted
//! volumes, files of the platform, the result file, and room for the report.

use super::op::*;
use super::paths::{Ground, refuse_path};
use super::{Access, Claim, Draft, Effect, OpKind, Phase, Refusal, Resource, relabel};
use crate::config::Origin;
use crate::config::model;
use crate::facts::NodeKind;
use std::fmt;

/// Where the provisioner tells later readers that, and when, it ran.
pub const RESULT_FILE: &str = "/etc/.ignition-result.json";
/// Where the report of a first boot lies in the real root.
pub const REPORT_FILE: &str = "/var/log/kindling/first-boot.json";
/// Where keys of encrypted volumes lie in the real root.
pub const KEY_DIRECTORY: &str = "/etc/luks";
/// The table of encrypted volumes.
pub const CRYPTTAB: &str = "/etc/crypttab";

/// What the files stage of a first boot needs to know besides the config.
#[derive(Debug, Clone, Default)]
pub struct FirstBoot {
    /// Directories that mounting had to make, paths inside the target.
    pub invented_directories: Vec<String>,
    /// Encrypted volumes to unlock on later boots.
    pub volumes: Vec<Volume>,
    /// Files the platform hands over.
    pub platform_files: Vec<model::File>,
    /// Text of the result file.
    pub result: String,
    /// Whether new nodes get SELinux labels.
    pub labels: relabel::Labels,
}

/// An encrypted volume as crypttab describes it.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Index in `storage.luks`.
    pub index: usize,
    /// Mapper name.
    pub name: String,
    /// UUID of the LUKS header.
    pub uuid: String,
    /// The key to write to a file; `None` when something else unlocks the volume.
    pub key: Option<Key>,
    /// Unlocking needs a network.
    pub needs_network: bool,
}

/// The key of a volume as a `data:` URL. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Drafts all of it.
pub fn plan(draft: &mut Draft<'_>) {
    let Some(first_boot) = &draft.options.first_boot else {
        return;
    };
    let ground = Ground::of(draft);
    let mut planner = Planner { draft, ground };
    planner.volumes(&first_boot.volumes);
    for file in &first_boot.platform_files {
        planner.platform_file(file);
    }
    planner.result(first_boot.result.clone());
    // The report is complete when everything is done; its file gets a name and a label before.
    planner.replace(REPORT_FILE, String::new());
}

struct Planner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    ground: Ground<'a>,
}

impl Planner<'_, '_> {
    // ---- encrypted volumes

    fn volumes(&mut self, volumes: &[Volume]) {
        let (Some(first), document) = (volumes.first(), self.draft.document) else {
            return;
        };
        let origin = |index| {
            document.origin(&crate::config::JsonPath::new(format!(
                "$.storage.luks.{index}"
            )))
        };
        if volumes.iter().any(|volume| volume.key.is_some()) {
            self.key_directory(origin(first.index));
        }
        for volume in volumes {
            if let Some(key) = &volume.key {
                self.key_file(volume, key, origin(volume.index));
            }
        }
        let lines: String = volumes.iter().map(Volume::line).collect();
        self.crypttab(&lines, origin(first.index));
    }

    fn key_directory(&mut self, origin: Option<Origin>) {
        let Some(path) = self.resolve(KEY_DIRECTORY, &origin) else {
            return;
        };
        if self.ground.exists(&path) {
            return;
        }
        let kind = OpKind::Directory(DirectoryAct {
            path: path.clone(),
            permissions: permissions(0o700),
            implied: false,
            differs: Vec::new(),
        });
        self.push(Phase::Keys, Effect::Create, &path, kind, origin);
    }

    fn key_file(&mut self, volume: &Volume, key: &Key, origin: Option<Origin>) {
        let wanted = volume.key_path();
        let Some(path) = self.resolve(&wanted, &origin) else {
            return;
        };
        // A run that was cut may have written the same key; the writer replaces it.
        let replace = self.ground.exists(&path);
        let kind = OpKind::File(FileAct {
            path: path.clone(),
            base: Base::Empty,
            parts: vec![Content::fetched(&model::Resource {
                source: Some(key.0.clone()),
                ..model::Resource::default()
            })],
            permissions: permissions(0o600),
            replace,
            differs: Vec::new(),
            unit: None,
        });
        self.push(Phase::Keys, Effect::Create, &path, kind, origin);
    }

    /// What is there stays; lines that are there already are not added again.
    fn crypttab(&mut self, lines: &str, origin: Option<Origin>) {
        let Some(path) = self.resolve(CRYPTTAB, &origin) else {
            return;
        };
        let present = self.draft.observed.root.crypttab_text.as_deref();
        let missing: String = lines
            .split_inclusive('\n')
            .filter(|line| !present.is_some_and(|text| text.lines().any(|l| l == line.trim_end())))
            .collect();
        if missing.is_empty() {
            return;
        }
        let gap = present.is_some_and(|text| !text.is_empty() && !text.ends_with('\n'));
        let text = if gap { format!("\n{missing}") } else { missing };
        let kind = OpKind::File(FileAct {
            path: path.clone(),
            base: if present.is_some() {
                Base::Present
            } else {
                Base::Empty
            },
            parts: vec![Content::text(&text)],
            permissions: permissions(0o600),
            replace: present.is_some(),
            differs: Vec::new(),
            unit: None,
        });
        let effect = if present.is_some() {
            Effect::Change
        } else {
            Effect::Create
        };
        self.push(Phase::Keys, effect, &path, kind, origin);
    }

    // ---- files

    fn platform_file(&mut self, file: &model::File) {
        let Some(path) = self.resolve(&file.path, &None) else {
            return;
        };
        let overwrite = file.overwrite == Some(true);
        if self.ground.exists(&path) && !overwrite {
            return self.in_the_way(&path);
        }
        let kind = OpKind::File(FileAct {
            path: path.clone(),
            base: Base::Empty,
            parts: vec![Content::fetched(&file.contents)],
            permissions: permissions(
                file.mode
                    .and_then(|mode| u32::try_from(mode).ok())
                    .unwrap_or(0o644),
            ),
            replace: self.ground.exists(&path),
            differs: Vec::new(),
            unit: None,
        });
        self.push(Phase::Records, Effect::Create, &path, kind, None);
    }

    /// Says that a machine was provisioned, so it comes when everything else is done: it has the claim of
    /// those that end the use of the root.
    fn result(&mut self, text: String) {
        let last = self.draft.operations().len();
        self.replace(RESULT_FILE, text);
        let release = Claim::new(Access::Release, Resource::Mount("/".into()));
        let written = self.draft.operations.iter_mut().skip(last);
        written
            .filter(|operation| matches!(operation.kind, OpKind::File(_)))
            .for_each(|operation| operation.claims.push(release.clone()));
    }

    fn replace(&mut self, wanted: &str, text: String) {
        let Some(path) = self.resolve(wanted, &None) else {
            return;
        };
        let node = self.ground.node(&path);
        if node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. })) {
            return self.in_the_way(&path);
        }
        let effect = if node.is_some() {
            Effect::Change
        } else {
            Effect::Create
        };
        let kind = OpKind::File(FileAct {
            path: path.clone(),
            base: Base::Empty,
            parts: vec![Content::text(&text)],
            permissions: permissions(0o600),
            replace: node.is_some(),
            differs: Vec::new(),
            unit: None,
        });
        self.push(Phase::Records, effect, &path, kind, None);
    }

    // ---- common

    fn resolve(&mut self, path: &str, origin: &Option<Origin>) -> Option<String> {
        let resolved = self.ground.resolve(path);
        resolved
            .map_err(|cause| refuse_path(self.draft, path, &cause, origin.clone()))
            .ok()
    }

    fn push(
        &mut self,
        phase: Phase,
        effect: Effect,
        path: &str,
        kind: OpKind,
        origin: Option<Origin>,
    ) {
        self.ground
            .make_parents(self.draft, phase, path, origin.as_ref());
        let claims = self.ground.claims(path);
        self.ground
            .push(self.draft, phase, effect, kind, origin, claims);
    }

    fn in_the_way(&mut self, path: &str) {
        self.draft.refuse(Refusal {
            act: "cannot write".into(),
            object: path.into(),
            cause: "something else is there".into(),
            origin: None,
            remedy: "remove it from the image".into(),
        });
    }
}

fn permissions(mode: u32) -> Permissions {
    Permissions {
        user: Owner::Keep,
        group: Owner::Keep,
        mode: Some(mode),
    }
}

impl Volume {
    fn key_path(&self) -> String {
        format!("{KEY_DIRECTORY}/{}", self.name)
    }

    /// The line of crypttab. Discards are no option here: the header holds that flag.
    fn line(&self) -> String {
        let key = self.key.as_ref().map_or("none".into(), |_| self.key_path());
        let network = if self.needs_network { ",_netdev" } else { "" };
        format!(
            "{} UUID={} {key} luks{network},x-initrd.attach\n",
            self.name, self.uuid
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crypttab_lines() {
        let volume = |key: Option<Key>, needs_network| Volume {
            index: 0,
            name: "data".into(),
            uuid: "u-1".into(),
            key,
            needs_network,
        };
        let line = volume(Some(Key("data:,k".into())), false).line();
        assert_eq!(line, "data UUID=u-1 /etc/luks/data luks,x-initrd.attach\n");
        let line = volume(None, true).line();
        assert_eq!(line, "data UUID=u-1 none luks,_netdev,x-initrd.attach\n");
    }

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(format!("{:?}", Key("data:,secret".into())), "[hidden]");
    }
}
