//! The files stage: accounts, nodes, units, what unlocks volumes later, and the result file.

use super::{Body, Stand, result_file};
use crate::boot::labels;
use crate::boot::trouble::Trouble;
use crate::config::model::Luks;
use crate::disk::superblock;
use crate::facts::Observed;
use crate::facts::accounts::KeyFile;
use crate::observe::{self, root::View};
use crate::plan::first_boot::{CRYPTTAB, KEY_DIRECTORY, Key, REPORT_FILE, RESULT_FILE, Volume};
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
    }
    body
}

fn observe_root(stand: &Stand<'_>) -> anyhow::Result<Observed> {
    let fragment = stand.environment.authorized_keys_fragment.unwrap_or(true);
    let view = View {
        key_file: match fragment {
            true => KeyFile::Fragment,
            false => KeyFile::AuthorizedKeys,
        },
        more_paths: more_paths(stand),
        ..View::default()
    };
    let root = stand.root();
    let facts = observe::root::observe(stand.document.config(), &root, stand.fetcher, &view)?;
    Ok(Observed {
        tools: observe::tools(),
        root: facts,
        ..Observed::default()
    })
}

/// Paths that are written to though no config says so.
fn more_paths(stand: &Stand<'_>) -> Vec<String> {
    let mut paths = vec![RESULT_FILE.to_owned(), REPORT_FILE.to_owned()];
    let volumes = &stand.document.config().storage.luks;
    if !volumes.is_empty() {
        paths.extend([CRYPTTAB.to_owned(), KEY_DIRECTORY.to_owned()]);
        paths.extend(
            volumes
                .iter()
                .map(|luks| format!("{KEY_DIRECTORY}/{}", luks.name)),
        );
    }
    let platform = stand.state.provider_output_files.iter().flatten();
    paths.extend(platform.map(|file| file.path.clone()));
    paths
}

fn first_boot(stand: &Stand<'_>, observed: &Observed) -> anyhow::Result<FirstBoot> {
    let root = stand.root();
    Ok(FirstBoot {
        invented_directories: stand.state.notated_directories.clone().unwrap_or_default(),
        volumes: volumes(stand)?,
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
    let custom = luks
        .clevis
        .custom
        .pin
        .as_deref()
        .is_some_and(|pin| !pin.is_empty());
    let threshold = luks
        .clevis
        .threshold
        .is_some_and(|threshold| threshold != 0);
    let is_bound =
        custom || threshold || !luks.clevis.tang.is_empty() || luks.clevis.tpm2 == Some(true);
    let needs_network =
        !luks.clevis.tang.is_empty() || (custom && luks.clevis.custom.needs_network == Some(true));
    let key = match is_bound {
        true => None,
        false => Some(key(stand, &luks.name)?),
    };
    Ok(Volume {
        index,
        name: luks.name.clone(),
        uuid: uuid(luks)?,
        key,
        needs_network,
    })
}

fn key(stand: &Stand<'_>, volume: &str) -> anyhow::Result<Key> {
    let keys = stand.state.luks_persist_key_files.as_ref();
    let Some(url) = keys.and_then(|keys| keys.get(volume)) else {
        bail!(
            "the state file has no key for volume {volume}; did the disks stage run in this boot?"
        );
    };
    Ok(Key(url.clone()))
}

fn uuid(luks: &Luks) -> anyhow::Result<String> {
    let device = luks.device.as_deref().unwrap_or_default();
    let act = || format!("cannot read the UUID of volume {} from {device}", luks.name);
    let mut file = File::open(device).with_context(act)?;
    let found = superblock::probe(&mut file).with_context(act)?;
    match (found.kind.as_deref(), found.uuid) {
        (Some("crypto_LUKS"), Some(uuid)) => Ok(uuid),
        _ => bail!("{}: there is no LUKS header", act()),
    }
}
