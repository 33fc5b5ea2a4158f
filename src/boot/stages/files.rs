//! The files stage: accounts, nodes, units, what unlocks volumes later, and the result file.

use super::{StageContext, StageResult, arrays, result_file};
use crate::boot::labels;
use crate::boot::stage_failure::StageFailure;
use crate::config::model::Luks;
use crate::disk::DeviceRef;
use crate::disk::superblock::{self, Superblock};
use crate::facts::Observed;
use crate::facts::accounts::KeyFile;
use crate::observe::{self, root::View};
use crate::plan::first_boot::{REPORT_FILE, RESULT_FILE};
use crate::plan::keys::{CRYPTTAB, KEY_DIRECTORY, Key, Uuid, Volume, ZKEY_REPOSITORY};
use crate::plan::luks;
use crate::plan::op::HandOver;
use crate::plan::volumes::MARK;
use crate::plan::{FirstBoot, Part};
use anyhow::{Context, bail};
use std::fs::File;

pub(super) fn body(context: &mut StageContext<'_>) -> StageResult {
    let observed = match observe_root(context) {
        Ok(observed) => observed,
        Err(error) => {
            return StageResult::failed(StageFailure::of("look at the target root", &error));
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
    let body = context.plan_and_run(&observed, Part::Files, Some(first_boot));
    if body.failure.is_none() {
        context.state.luks_persist_key_files = None;
        context.state.luks_persist_volume_key_files = None;
    }
    body
}

fn observe_root(context: &StageContext<'_>) -> anyhow::Result<Observed> {
    let fragment = context.environment.authorized_keys_fragment;
    let view = View {
        key_file: fragment.map(|fragment| match fragment {
            true => KeyFile::Fragment,
            false => KeyFile::AuthorizedKeys,
        }),
        more_paths: more_paths(context),
        ..View::default()
    };
    let root = context.root();
    let facts = observe::root::observe(context.document.config(), &root, context.fetcher, &view)?;
    Ok(Observed {
        tools: observe::tools(),
        body_faults: observe::bodies::observe(context.document.config(), context.fetcher),
        root: facts,
        ..Observed::default()
    })
}

/// Paths that are written to though no config says so.
fn more_paths(context: &StageContext<'_>) -> Vec<String> {
    let mut paths = vec![RESULT_FILE.to_owned(), REPORT_FILE.to_owned()];
    paths.extend(arrays::paths(context.document.config()));
    let volumes = &context.document.config().storage.luks;
    if !volumes.is_empty() {
        paths.extend([CRYPTTAB.to_owned(), KEY_DIRECTORY.to_owned()]);
        paths.extend(
            volumes
                .iter()
                .map(|luks| format!("{KEY_DIRECTORY}/{}", luks.name)),
        );
    }
    let repository = context.state.luks_persist_volume_key_files.iter().flatten();
    paths.extend(repository.map(|(name, _)| format!("{ZKEY_REPOSITORY}/{name}")));
    let platform = context.state.provider_output_files.iter().flatten();
    paths.extend(platform.map(|file| file.path.clone()));
    paths
}

fn first_boot(context: &StageContext<'_>, observed: &Observed) -> anyhow::Result<FirstBoot> {
    let root = context.root();
    Ok(FirstBoot {
        invented_directories: context
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

fn volumes(context: &StageContext<'_>) -> anyhow::Result<Vec<Volume>> {
    let volumes = context.document.config().storage.luks.iter().enumerate();
    volumes
        .map(|(index, luks)| volume(context, index, luks))
        .collect()
}

fn volume(context: &StageContext<'_>, index: usize, luks: &Luks) -> anyhow::Result<Volume> {
    let header = header(luks)?;
    let key = match luks::is_bound(&luks.clevis) {
        true => Key::NoFile,
        false => key(context, &luks.name)?,
    };
    let has_file = !matches!(key, Key::NoFile);
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
    Ok(Volume {
        index,
        name: luks.name.clone(),
        uuid: Uuid::Known(header.uuid.unwrap_or_default()),
        key,
        needs_network: luks::needs_network(&luks.clevis),
        hand_over,
    })
}

fn key(context: &StageContext<'_>, volume: &str) -> anyhow::Result<Key> {
    let keys = context.state.luks_persist_key_files.as_ref();
    let Some(url) = keys.and_then(|keys| keys.get(volume)) else {
        bail!(
            "the state file has no key for volume {volume}; did the disks stage run in this boot?"
        );
    };
    Ok(Key::from_url(url.clone()))
}

fn volume_keys(context: &StageContext<'_>) -> Vec<(String, Key)> {
    let keys = context.state.luks_persist_volume_key_files.iter().flatten();
    keys.map(|(name, url)| (name.clone(), Key::from_url(url.clone())))
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
