//! Encrypted volumes.

mod clevis;
mod reuse;

use super::formats::Objection;
use super::op::{
    AlreadyRight, CreateLuks, Effect, Expected, KeySource, MarkLifetime, OpKind, OpenMode, Phase,
    Subject,
};
use super::volumes::MARK;
use super::{
    Access, Claim, ClaimedResource, Draft, ErrorCode, Failure, Options, devices, filesystems,
};
use crate::config::model::Luks;
use crate::config::{Document, Origin};
use crate::disk::DeviceRef;
use crate::facts::{Observed, SuperblockFacts};
use reuse::{LuksDecision, VolumeFormat};

pub use clevis::{is_bound, needs_network};

/// Plans all encrypted volumes of the config.
pub fn plan(draft: &mut Draft) {
    let document = draft.document;
    for (index, luks) in outer_first(&document.config().storage.luks) {
        let origin = draft.origin(&format!("$.storage.luks.{index}"));
        if let Err(refusal) = plan_one(draft, luks, origin) {
            draft.refuse(*refusal);
        }
    }
}

/// In the order of the config, but a volume inside another one comes after that.
fn outer_first(volumes: &[Luks]) -> Vec<(usize, &Luks)> {
    let mut ordered: Vec<(usize, &Luks)> = Vec::new();
    let mut remaining: Vec<(usize, &Luks)> = volumes.iter().enumerate().collect();
    while !remaining.is_empty() {
        let is_inside = |(index, luks): &(usize, &Luks)| {
            remaining.iter().any(|(other, outside)| {
                let mapping = volume_of(outside).to_string();
                other != index && luks.device.as_deref() == Some(mapping.as_str())
            })
        };
        // Volumes inside each other cannot be ordered; that is detected when all operations are ordered.
        let next = remaining.iter().position(|volume| !is_inside(volume));
        ordered.push(remaining.remove(next.unwrap_or(0)));
    }
    ordered
}

fn volume_of(luks: &Luks) -> DeviceRef {
    DeviceRef::Luks {
        name: luks.name.clone(),
    }
}

/// Existing volumes that would be kept if there were a key: the config has none, nothing else unlocks them, and an
/// earlier run handed them over.
pub fn without_key(document: &Document, observed: &Observed, options: &Options) -> Vec<String> {
    let mut draft = Draft::new(document, observed, options);
    super::partitions::plan(&mut draft);
    super::raid::plan(&mut draft);
    let volumes = document.config().storage.luks.iter().filter(|luks| {
        let is_found = || -> Option<bool> {
            let device = luks.device.as_deref()?;
            let device = devices::resolve(&draft, device, "", None).ok()?;
            let found = found(&draft, &device);
            Some(found.kind.as_deref() == Some("crypto_LUKS") && !is_marked(&found))
        };
        let is_generated = !has_key(luks) && !is_cex(luks) && !is_bound(&luks.clevis);
        is_generated && luks.wipe_volume != Some(true) && is_found() == Some(true)
    });
    volumes.map(|luks| luks.name.clone()).collect()
}

fn plan_one(draft: &mut Draft, luks: &Luks, origin: Option<Origin>) -> Result<(), Box<Failure>> {
    let text = luks.device.as_deref().unwrap_or_default();
    let act = format!("create encrypted volume {:?} on", luks.name);
    let device = devices::resolve(draft, text, &act, origin.clone())?;
    let case = LuksCase {
        luks,
        found: found(draft, &device),
        device,
        origin: origin.clone(),
    };
    case.plan(draft).map_err(|(cause, remedy)| {
        Box::new(Failure {
            act,
            object: case.device.to_string(),
            cause,
            origin,
            remedy,
            code: Some(ErrorCode::VOLUME),
        })
    })
}

fn found(draft: &Draft, device: &DeviceRef) -> SuperblockFacts {
    match devices::is_recreated(draft, device) {
        true => SuperblockFacts::default(),
        false => devices::content(draft, device),
    }
}

/// One entry with what is known about its device.
struct LuksCase<'a> {
    luks: &'a Luks,
    device: DeviceRef,
    found: SuperblockFacts,
    origin: Option<Origin>,
}

impl LuksCase<'_> {
    fn plan(&self, draft: &mut Draft) -> Result<(), Objection> {
        if self.luks.name.is_empty() {
            return Err(("it has no name".into(), "give the volume a name".into()));
        }
        if self.luks.name.starts_with('-') {
            let cause = "its name begins with a dash, so cryptsetup takes it for an option";
            return Err((cause.into(), "give the volume another name".into()));
        }
        if devices::uses_images(draft) {
            return Err((
                "an encrypted volume in an image file would stay open in the kernel of this machine".into(),
                "remove it from storage.luks; or attach the image files with losetup --partscan, name the loop \
                 devices in the config, and use --target"
                    .into(),
            ));
        }
        match self.decide(draft)? {
            LuksDecision::Keep(because) => self.push_already_right(draft, because),
            LuksDecision::Open(way, key) => {
                self.check_tool(draft, "cryptsetup", "cryptsetup")?;
                self.push(draft, way, key, &VolumeFormat::default());
            }
            LuksDecision::Format(format) => {
                self.check_tools(draft)?;
                let id = self.push(draft, OpenMode::Format, self.new_key(), &format);
                format
                    .lost
                    .into_iter()
                    .for_each(|line| draft.record_loss(id, line));
            }
        }
        Ok(())
    }

    fn check_tools(&self, draft: &Draft) -> Result<(), Objection> {
        self.check_tool(draft, "cryptsetup", "cryptsetup")?;
        if is_cex(self.luks) {
            self.check_tool(draft, "zkey", "s390-tools")?;
            self.check_tool(draft, "zkey-cryptsetup", "s390-tools")?;
        }
        clevis::check(&self.luks.clevis, draft.observed)
    }

    fn check_tool(&self, draft: &Draft, program: &str, package: &str) -> Result<(), Objection> {
        match draft.observed.tools.contains(program) {
            true => Ok(()),
            false => Err(missing_program(program, package)),
        }
    }

    /// The key of a volume that is created.
    fn new_key(&self) -> KeySource {
        match (is_cex(self.luks), has_key(self.luks)) {
            (true, _) => KeySource::Cex,
            (false, true) => KeySource::Given(Box::new(self.luks.key_file.clone())),
            (false, false) => KeySource::Generated,
        }
    }

    fn push_already_right(&self, draft: &mut Draft, because: String) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Device(self.volume()),
            because,
        });
        let origin = self.origin.clone();
        draft.push(Phase::Luks, Effect::Keep, kind, origin, Vec::new());
    }

    fn push(
        &self,
        draft: &mut Draft,
        way: OpenMode,
        key: KeySource,
        format: &VolumeFormat,
    ) -> super::OpId {
        let luks = self.luks;
        let mut claims = vec![Claim::new(
            Access::Make,
            ClaimedResource::Device(self.volume().into()),
        )];
        claims.extend(filesystems::content_claims(&self.device));
        claims.push(Claim::new(Access::Change, ClaimedResource::KeyDerivation));
        let kind = OpKind::CreateLuks(Box::new(CreateLuks {
            name: luks.name.clone(),
            device: self.device.clone(),
            label: non_empty(&luks.label),
            uuid: non_empty(&luks.uuid),
            mark: mark_lifetime(luks, way, &key),
            clevis: clevis::binding(&luks.clevis, &key).filter(|_| way == OpenMode::Format),
            key,
            options: luks.options.clone(),
            open_options: luks.open_options.clone(),
            discard: luks.discard == Some(true),
            way,
            expected: format.expected.clone().unwrap_or(Expected::Blank),
            close_first: format.close_first,
        }));
        let effect = match way {
            OpenMode::Format => Effect::Create,
            OpenMode::Open | OpenMode::Confirm => Effect::Step,
        };
        draft.push(Phase::Luks, effect, kind, self.origin.clone(), claims)
    }

    fn volume(&self) -> DeviceRef {
        volume_of(self.luks)
    }
}

/// How long a new volume is marked. The mark is a field of the header that options of the config may set themselves; in
/// a detached header it would not be found.
fn mark_lifetime(luks: &Luks, way: OpenMode, key: &KeySource) -> MarkLifetime {
    let taken = |option: &String| {
        ["--subsystem", "--header"].iter().any(|name| {
            let rest = option.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    if way != OpenMode::Format || luks.options.iter().any(taken) {
        return MarkLifetime::Never;
    }
    match key {
        KeySource::Given(_) if !is_bound(&luks.clevis) => MarkLifetime::UntilOpen,
        _ => MarkLifetime::UntilHandOver,
    }
}

/// True if an earlier run did not finish creating the volume.
fn is_marked(found: &SuperblockFacts) -> bool {
    let luks = found.luks.as_ref();
    luks.is_some_and(|luks| luks.subsystem.as_deref() == Some(MARK))
}

fn is_cex(luks: &Luks) -> bool {
    luks.cex.enabled == Some(true)
}

fn has_key(luks: &Luks) -> bool {
    luks.key_file.source.as_ref().is_some_and(|s| !s.is_empty())
}

fn non_empty(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn missing_program(program: &str, package: &str) -> Objection {
    (
        format!("the program {program} is not installed"),
        format!("install package {package}"),
    )
}
