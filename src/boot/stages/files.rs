//! The files stage: accounts, nodes, units, what unlocks volumes later, and the result file.

use super::{Body, Stand, arrays, result_file};
use crate::boot::labels;
use crate::boot::trouble::Trouble;
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

pub(super) fn body(stand: &mut Stand<'_>) -> Body {
    let observed = match observe_root(stand) {
        Ok(observed) => observed,
        Err(error) => return Body::failed(Trouble::of("look at the target root", &error)),
    };
    let first_boot = match first_boot(stand, &observed) {
        Ok(first_boot) => first_boot,
        Err(error) => {
            return Body::failed(Trouble::of("prepare the files of the first boot", &error));
        }
    };
    let body = stand.plan_and_run(&observed, Part::Files, Some(first_boot));
    if body.trouble.is_none() {
        stand.state.luks_persist_key_files = None;
        stand.state.luks_persist_volume_key_files = None;
    }
    body
}

fn observe_root(stand: &Stand<'_>) -> anyhow::Result<Observed> {
    let fragment = stand.environment.authorized_keys_fragment;
    let view = View {
        key_file: fragment.map(|fragment| match fragment {
            true => KeyFile::Fragment,
            false => KeyFile::AuthorizedKeys,
        }),
        more_paths: more_paths(stand),
        ..View::default()
    };
    let root = stand.root();
    let facts = observe::root::observe(stand.document.config(), &root, stand.fetcher, &view)?;
    Ok(Observed {
        tools: observe::tools(),
        body_faults: observe::bodies::observe(stand.document.config(), stand.fetcher),
        root: facts,
        ..Observed::default()
    })
}

/// Paths that are written to though no config says so.
fn more_paths(stand: &Stand<'_>) -> Vec<String> {
    let mut paths = vec![RESULT_FILE.to_owned(), REPORT_FILE.to_owned()];
    paths.extend(arrays::paths(stand.document.config()));
    let volumes = &stand.document.config().storage.luks;
    if !volumes.is_empty() {
        paths.extend([CRYPTTAB.to_owned(), KEY_DIRECTORY.to_owned()]);
        paths.extend(
            volumes
                .iter()
                .map(|luks| format!("{KEY_DIRECTORY}/{}", luks.name)),
        );
    }
    let repository = stand.state.luks_persist_volume_key_files.iter().flatten();
    paths.extend(repository.map(|(name, _)| format!("{ZKEY_REPOSITORY}/{name}")));
    let platform = stand.state.provider_output_files.iter().flatten();
    paths.extend(platform.map(|file| file.path.clone()));
    paths
}

fn first_boot(stand: &Stand<'_>, observed: &Observed) -> anyhow::Result<FirstBoot> {
    let root = stand.root();
    Ok(FirstBoot {
        invented_directories: stand.state.notated_directories.clone().unwrap_or_default(),
        arrays: arrays::describe(stand)?,
        volumes: volumes(stand)?,
        volume_keys: volume_keys(stand),
        platform_files: stand
            .state
            .provider_output_files
            .clone()
            .unwrap_or_default(),
        result: result_file::text(&root, stand.state, stand.log)?,
        labels: labels::decide(
            &observed.root.selinux,
            stand.environment.selinux_relabel,
            stand.log,
        ),
    })
}

fn volumes(stand: &Stand<'_>) -> anyhow::Result<Vec<Volume>> {
    let volumes = stand.document.config().storage.luks.iter().enumerate();
    volumes
        .map(|(index, luks)| volume(stand, index, luks))
        .collect()
}

fn volume(stand: &Stand<'_>, index: usize, luks: &Luks) -> anyhow::Result<Volume> {
    let header = header(luks)?;
    let key = match luks::is_bound(&luks.clevis) {
        true => Key::NoFile,
        false => key(stand, &luks.name)?,
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

fn key(stand: &Stand<'_>, volume: &str) -> anyhow::Result<Key> {
    let keys = stand.state.luks_persist_key_files.as_ref();
    let Some(url) = keys.and_then(|keys| keys.get(volume)) else {
        bail!(
            "the state file has no key for volume {volume}; did the disks stage run in this boot?"
        );
    };
    Ok(Key::from_url(url.clone()))
}

fn volume_keys(stand: &Stand<'_>) -> Vec<(String, Key)> {
    let keys = stand.state.luks_persist_volume_key_files.iter().flatten();
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
