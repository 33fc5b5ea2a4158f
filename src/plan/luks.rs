//! Encrypted volumes.

use super::op::{AlreadyRight, CreateLuks, Effect, OpKind, Phase, Subject};
use super::{Access, Claim, Draft, Part, Refusal, Resource, Scope, devices, filesystems};
use crate::config::Origin;
use crate::config::model::{Clevis, Luks};
use crate::disk::DeviceRef;
use crate::facts::SuperblockFacts;

/// Plans all encrypted volumes of the config.
pub fn plan(draft: &mut Draft) {
    let document = draft.document;
    for (index, luks) in document.config().storage.luks.iter().enumerate() {
        let origin = draft.origin(&format!("$.storage.luks.{index}"));
        if let Err(refusal) = plan_one(draft, luks, origin) {
            draft.refuse(*refusal);
        }
    }
}

/// What is to be done with a volume.
enum Way {
    Format,
    Open,
    Nothing,
}

fn plan_one(draft: &mut Draft, luks: &Luks, origin: Option<Origin>) -> Result<(), Box<Refusal>> {
    let text = luks.device.as_deref().unwrap_or_default();
    let act = format!("cannot make encrypted volume {:?} on", luks.name);
    let device = devices::resolve(draft, text, &act, origin.clone())?;
    let found = match devices::is_made_anew(draft, &device) {
        true => SuperblockFacts::default(),
        false => devices::content(draft, &device),
    };
    let refusal = |cause: String, remedy: &str| {
        Box::new(Refusal {
            act: act.clone(),
            object: device.to_string(),
            cause,
            origin: origin.clone(),
            remedy: remedy.into(),
        })
    };
    let way = way(draft, luks, &found).map_err(|(cause, remedy)| refusal(cause, remedy))?;
    if matches!(way, Way::Nothing) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Device(DeviceRef::Luks {
                name: luks.name.clone(),
            }),
            because: "the volume is open; label and UUID match".into(),
        });
        draft.push(Phase::Luks, Effect::Keep, kind, origin, Vec::new());
        return Ok(());
    }
    if !draft.observed.tools.contains("cryptsetup") {
        let cause = "the program cryptsetup is not installed".to_owned();
        return Err(refusal(cause, "install package cryptsetup"));
    }
    if let Some(what) = unsupported(luks, draft.options.scope) {
        let cause = format!("{what} is not supported by this version of kindling");
        return Err(refusal(cause, "give the volume a keyFile"));
    }
    push(
        draft,
        luks,
        device,
        &found,
        matches!(way, Way::Open),
        origin,
    );
    Ok(())
}

/// The reuse rules, as far as they can be judged without the key.
fn way(draft: &Draft, luks: &Luks, found: &SuperblockFacts) -> Result<Way, (String, &'static str)> {
    const WIPE: &str = "set wipeVolume to erase it, or make the config match";
    let Some(what) = found.describe() else {
        return Ok(Way::Format);
    };
    if luks.wipe_volume == Some(true) {
        return Ok(Way::Format);
    }
    if found.kind.as_deref() != Some("crypto_LUKS") {
        return Err((format!("it holds {what}, which must not be erased"), WIPE));
    }
    let has_key = luks.key_file.source.as_ref().is_some_and(|s| !s.is_empty());
    let reason = if clevis_in_words(&luks.clevis).is_some() {
        "volumes with clevis are always made anew"
    } else if !has_key {
        "without a key file in the config nothing can open it"
    } else if luks.label.is_some() && luks.label != found.label {
        "its label differs"
    } else if luks.uuid.is_some() && luks.uuid != found.uuid {
        "its UUID differs"
    } else {
        let node = format!("/dev/mapper/{}", luks.name);
        let open = draft.observed.devices.get(&node).is_some_and(|d| d.exists);
        return Ok(if open { Way::Nothing } else { Way::Open });
    };
    Err((
        format!("it holds {what}, which cannot be reused: {reason}"),
        WIPE,
    ))
}

fn push(
    draft: &mut Draft,
    luks: &Luks,
    device: DeviceRef,
    found: &SuperblockFacts,
    reuse: bool,
    origin: Option<Origin>,
) {
    let volume = DeviceRef::Luks {
        name: luks.name.clone(),
    };
    let mut claims = vec![Claim::new(Access::Make, Resource::Device(volume))];
    claims.extend(filesystems::changes_content(&device));
    let lost = found
        .describe()
        .filter(|_| !reuse)
        .map(|what| format!("{device}: {what}"));
    let kind = OpKind::CreateLuks(CreateLuks {
        name: luks.name.clone(),
        device,
        label: luks.label.clone(),
        uuid: luks.uuid.clone(),
        key_file: luks.key_file.clone(),
        options: luks.options.clone(),
        open_options: luks.open_options.clone(),
        discard: luks.discard == Some(true),
        reuse,
    });
    let effect = if reuse { Effect::Step } else { Effect::Create };
    let id = draft.push(Phase::Luks, effect, kind, origin, claims);
    lost.into_iter().for_each(|line| draft.destroys(id, line));
}

/// What of the section cannot be carried out yet. Refused before anything is touched: a volume whose
/// key is lost is worse than none.
fn unsupported(luks: &Luks, scope: Scope) -> Option<String> {
    // A first boot hands a generated key on to the real root; a desk has nowhere to put it.
    let keeps_keys = scope == Scope::Stage(Part::Disks);
    if let Some(pins) = clevis_in_words(&luks.clevis) {
        Some(format!("unlocking by Clevis ({pins})"))
    } else if luks.cex.enabled == Some(true) {
        Some("a CEX key".into())
    } else if !keeps_keys && luks.key_file.source.as_ref().is_none_or(String::is_empty) {
        Some("a generated key outside a first boot".into())
    } else {
        None
    }
}

/// `tang x2, tpm2, threshold 2`, or `None` if the section is not in effect.
fn clevis_in_words(clevis: &Clevis) -> Option<String> {
    if let Some(pin) = clevis.custom.pin.as_ref().filter(|pin| !pin.is_empty()) {
        return Some(format!("custom pin {pin}"));
    }
    let mut words = Vec::new();
    match clevis.tang.len() {
        0 => {}
        1 => words.push("tang".to_owned()),
        several => words.push(format!("tang x{several}")),
    }
    if clevis.tpm2 == Some(true) {
        words.push("tpm2".to_owned());
    }
    if let Some(threshold) = clevis.threshold.filter(|t| *t != 0) {
        words.push(format!("threshold {threshold}"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}
