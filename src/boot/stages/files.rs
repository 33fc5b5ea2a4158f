//! The files stage: accounts, files, units, what later boots need to unlock volumes, and the result file.

use super::{StageContext, StageResult, arrays, planner, result_file};
use crate::acquire::environment::Environment;
use crate::boot::labels;
use crate::boot::stage_failure::StageFailure;
use crate::boot::state::State;
use crate::config::model::Luks;
use crate::disk::DeviceRef;
use crate::disk::superblock::{self, Superblock};
use crate::execute::VolumeKeys;
use crate::facts::Observed;
use crate::facts::accounts::KeyFile;
use crate::layout::{KEY_DIRECTORY, ZKEY_REPOSITORY};
use crate::plan::keys::{CrypttabVolume, UnlockKey, Uuid};
use crate::plan::luks;
use crate::plan::op::HandOver;
use crate::plan::volumes::MARK;
use crate::plan::{FirstBoot, StagePart};
use crate::rounds::RunTarget;
use anyhow::{Context, bail};
use std::fs::File;

pub(super) fn run_body(context: &mut StageContext<'_>) -> StageResult {
    let machine = RunTarget {
        key_file: key_file_of(context.environment),
        extra_paths: handed_over_paths(context.state),
        ..context.machine()
    };
    let observed = match planner(StagePart::Files, None).observe(context.document, &machine) {
        Ok(observed) => observed,
        Err(error) => {
            return StageResult::failed(context.failure(error, "examine the target root"));
        }
    };
    let first_boot = match first_boot(context, &observed) {
        Ok(first_boot) => first_boot,
        Err(error) => {
            return StageResult::failed(StageFailure::of(
                "prepare the files of the first boot",
                &error,
            ));
        }
    };
    let planner = planner(StagePart::Files, Some(first_boot));
    let result = match context.plan(&planner, context.document, &observed) {
        Ok(plan) => context.run(&plan, &machine, &VolumeKeys::default()).0,
        Err(failure) => return StageResult::failed(failure),
    };
    if result.failure.is_none() {
        context.state.luks_persist_key_files = None;
        context.state.luks_persist_volume_key_files = None;
    }
    result
}

/// Which file SSH keys go to, if the environment decides it.
fn key_file_of(environment: &Environment) -> Option<KeyFile> {
    environment
        .authorized_keys_fragment
        .map(|fragment| match fragment {
            true => KeyFile::Fragment,
            false => KeyFile::AuthorizedKeys,
        })
}

/// Paths of the files that earlier stages and the platform provide.
fn handed_over_paths(state: &State) -> Vec<String> {
    let repository = state.luks_persist_volume_key_files.iter().flatten();
    let repository = repository.map(|(name, _)| format!("{ZKEY_REPOSITORY}/{name}"));
    let platform = state.provider_output_files.iter().flatten();
    repository
        .chain(platform.map(|file| file.path.clone()))
        .collect()
}

fn first_boot(context: &StageContext<'_>, observed: &Observed) -> anyhow::Result<FirstBoot> {
    let root = context.machine().root;
    Ok(FirstBoot {
        mount_directories: context
            .state
            .notated_directories
            .clone()
            .unwrap_or_default(),
        arrays: arrays::describe(context)?,
        volumes: volumes(context)?,
        volume_keys: volume_keys(context),
        platform_files: context
            .state
            .provider_output_files
            .clone()
            .unwrap_or_default(),
        result: result_file::text(&root, context.state, context.log)?,
        labels: labels::decide(
            &observed.root.selinux,
            context.environment.selinux_relabel,
            context.log,
        ),
    })
}

fn volumes(context: &StageContext<'_>) -> anyhow::Result<Vec<CrypttabVolume>> {
    let volumes = context.document.config().storage.luks.iter().enumerate();
    volumes
        .map(|(index, luks)| volume(context, index, luks))
        .collect()
}

fn volume(context: &StageContext<'_>, index: usize, luks: &Luks) -> anyhow::Result<CrypttabVolume> {
    let header = header(luks)?;
    let key = match luks::is_bound(&luks.clevis) {
        true => UnlockKey::NoFile,
        false => key(context, &luks.name)?,
    };
    let has_file = !matches!(key, UnlockKey::NoFile);
    let is_marked = header
        .luks
        .is_some_and(|luks| luks.subsystem.as_deref() == Some(MARK));
    let hand_over = is_marked.then(|| HandOver {
        name: luks.name.clone(),
        device: DeviceRef::Path {
            path: luks.device.clone().unwrap_or_default(),
        },
        label: header.label,
        keys: has_file.then(|| KEY_DIRECTORY.into()),
    });
    Ok(CrypttabVolume {
        index,
        name: luks.name.clone(),
        uuid: Uuid::Known(header.uuid.unwrap_or_default()),
        key,
        needs_network: luks::needs_network(&luks.clevis),
        hand_over,
    })
}

fn key(context: &StageContext<'_>, volume: &str) -> anyhow::Result<UnlockKey> {
    let keys = context.state.luks_persist_key_files.as_ref();
    let Some(url) = keys.and_then(|keys| keys.get(volume)) else {
        bail!(
            "the state file has no key for volume {volume}; did the disks stage run in this boot?"
        );
    };
    Ok(UnlockKey::from_url(url.clone()))
}

fn volume_keys(context: &StageContext<'_>) -> Vec<(String, UnlockKey)> {
    let keys = context.state.luks_persist_volume_key_files.iter().flatten();
    keys.map(|(name, url)| (name.clone(), UnlockKey::from_url(url.clone())))
        .collect()
}

fn header(luks: &Luks) -> anyhow::Result<Superblock> {
    let device = luks.device.as_deref().unwrap_or_default();
    let act = || format!("cannot read the UUID of volume {} from {device}", luks.name);
    let mut file = File::open(device).with_context(act)?;
    let found = superblock::probe(&mut file).with_context(act)?;
    match found.luks.is_some() && found.uuid.is_some() {
        true => Ok(found),
        false => bail!("{}: there is no LUKS header", act()),
    }
}
