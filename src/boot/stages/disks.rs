//! The disks stage: partitions, arrays, encrypted volumes, file systems.

use super::{Body, Stand, kept_keys, options};
use crate::boot::trouble::Trouble;
use crate::boot::{aliases, oem};
use crate::config::{Config, Document, data_url};
use crate::execute::Keys;
use crate::facts::Observed;
use crate::host::{Devices, wait};
use crate::observe;
use crate::plan::{self, Options, Part, Plan};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) fn body(stand: &mut Stand<'_>) -> Body {
    let config = stand.document.config();
    // A config without disks has nothing to do with udev or systemd either.
    if asks_for_nothing(config) {
        return Body::default();
    }
    let mut observed = match observe_disks(stand) {
        Ok(observed) => observed,
        Err(trouble) => return Body::failed(trouble),
    };
    let document = match stand.flatcar {
        true => oem::keep_oem(stand.document, &observed),
        false => stand.document.clone(),
    };
    let names = device_names(config);
    let found = kept_keys::look(&document, &observed, &options(Part::Disks, None), stand.log);
    observed.kept_keys.extend(found.keys().cloned());
    let body = plan_and_run(stand, &document, observed, Keys::found(found));
    aliases::link(&names, stand.log);
    body
}

fn asks_for_nothing(config: &Config) -> bool {
    let storage = &config.storage;
    storage.disks.is_empty()
        && storage.raid.is_empty()
        && storage.luks.is_empty()
        && storage.filesystems.is_empty()
}

/// What exists but has to be put together to be looked into comes first, then all is planned again.
fn plan_and_run(
    stand: &mut Stand<'_>,
    document: &Document,
    mut observed: Observed,
    mut keys: Keys,
) -> Body {
    let options = options(Part::Disks, None);
    let mut body = Body::default();
    loop {
        let plan = match stand.plan(document, &observed, &options) {
            Ok(plan) => plan,
            Err(trouble) => return body.then(Body::failed(trouble)),
        };
        let Some(part) = plan::ahead::ahead(&plan, &observed.opened) else {
            let (last, yielded) = stand.run(&plan, keys);
            stand.state.luks_persist_key_files = Some(as_urls(yielded.keys.files));
            stand.state.luks_persist_volume_key_files = Some(as_urls(yielded.keys.volume_keys));
            return body.then(last);
        };
        let (first, yielded) = stand.run(&part, keys);
        body = body.then(first.ahead_of(&plan));
        if body.trouble.is_some() {
            return body;
        }
        keys = Keys::from(yielded.keys);
        observed = match look_again(stand, observed, &part) {
            Ok(observed) => observed,
            Err(trouble) => return body.then(Body::failed(trouble)),
        };
    }
}

/// Looks at everything once more, when a part of the plan has run.
fn look_again(stand: &Stand<'_>, before: Observed, part: &Plan) -> Result<Observed, Trouble> {
    let now = look(stand, &Devices::default(), &options(Part::Disks, None))?;
    let opened = before
        .opened
        .into_iter()
        .chain(plan::ahead::opened_by(part));
    Ok(Observed {
        opened: opened.collect(),
        kept_keys: before.kept_keys,
        ..now
    })
}

/// Keys as the state holds them. Those of an earlier run of this stage open nothing any more, or were
/// found to open it again.
fn as_urls(keys: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    keys.into_iter()
        .map(|(name, key)| (name, data_url::of(&key)))
        .collect()
}

/// Looks at all disks and devices, once those that nobody makes are there.
fn observe_disks(stand: &Stand<'_>) -> Result<Observed, Trouble> {
    let config = stand.document.config();
    let disks: Vec<PathBuf> = config
        .storage
        .disks
        .iter()
        .map(|d| (&d.device).into())
        .collect();
    wait_for(stand, "createPartitions", &disks)?;
    let devices = Devices::default();
    let options = options(Part::Disks, None);
    let mut observed = look(stand, &devices, &options)?;
    let unknown = plan::devices::unknown(stand.document, &observed, &options);
    if !unknown.is_empty() {
        let paths: Vec<PathBuf> = unknown.iter().map(PathBuf::from).collect();
        wait_for(stand, "createFilesystems", &paths)?;
        observed = look(stand, &devices, &options)?;
    }
    Ok(observed)
}

/// Waits, and links what is there to its alias.
fn wait_for(stand: &Stand<'_>, part: &str, paths: &[PathBuf]) -> Result<(), Trouble> {
    if paths.is_empty() {
        return Ok(());
    }
    let _stage = stand.log.prefixed(stand.args.stage.name());
    let _part = stand.log.prefixed(part);
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let description = format!("waiting for devices [{}]", names.join(" "));
    let _under_way = stand.progress.under_way(description.clone());
    let waited = stand
        .log
        .operation(&description, || wait::for_devices(paths, None));
    waited.map_err(|error| Trouble {
        origin: origin_of(stand.document, &names).map(Box::new),
        remedy: Some("attach the device, or name one that exists".into()),
        ..Trouble::of(format!("wait for {}", names.join(", ")), &error)
    })?;
    aliases::link(&names, stand.log);
    Ok(())
}

/// Where the first of these devices is named that does not exist.
fn origin_of(document: &Document, names: &[String]) -> Option<crate::config::Origin> {
    let missing = names
        .iter()
        .find(|name| !std::path::Path::new(name).exists())?;
    let path = plan::devices::named_at(document.config(), missing)?;
    document.origin(&path)
}

fn look(stand: &Stand<'_>, devices: &Devices, options: &Options) -> Result<Observed, Trouble> {
    let document = stand.document;
    let observed = || -> anyhow::Result<Observed> {
        let (disks, others) = observe::disks::observe(document.config(), devices)?;
        let mut observed = Observed {
            tools: observe::tools(),
            body_faults: observe::bodies::observe(document.config(), stand.fetcher),
            disks,
            devices: others,
            kept_keys: observe::kept_keys(document.config(), &stand.root())?,
            has_tpm: observe::has_tpm(),
            raid: observe::arrays::observe(document.config(), devices)?,
            ..Observed::default()
        };
        let places = plan::partitions::new_places(document, &observed, options);
        observe::disks::look_beneath(&mut observed.disks, &places, devices)?;
        let requests = plan::filesystems::to_rehearse(document, &observed, options);
        observed.rehearsals = observe::rehearse(requests);
        observed.option_faults = observe::option_faults(document.config());
        Ok(observed)
    };
    observed()
        .context("nothing was changed")
        .map_err(|error| Trouble::of("look at the disks", &error))
}

/// Every block device the config names.
fn device_names(config: &Config) -> Vec<String> {
    let storage = &config.storage;
    let disks = storage.disks.iter().map(|disk| disk.device.clone());
    let members = storage
        .raid
        .iter()
        .flat_map(|raid| raid.devices.iter().cloned());
    let volumes = storage.luks.iter().filter_map(|luks| luks.device.clone());
    let filesystems = storage
        .filesystems
        .iter()
        .filter(|fs| fs.format.as_deref() != Some("virtiofs"))
        .map(|fs| fs.device.clone());
    let mut names: Vec<String> = disks
        .chain(members)
        .chain(volumes)
        .chain(filesystems)
        .collect();
    names.sort();
    names.dedup();
    names
}
