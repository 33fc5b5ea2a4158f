//! The disks stage: partitions, arrays, encrypted volumes, file systems.

use super::{StageContext, StageResult, kept_keys, options};
use crate::boot::stage_failure::StageFailure;
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

pub(super) fn body(context: &mut StageContext<'_>) -> StageResult {
    let config = context.document.config();
    // A config without disks has nothing to do with udev or systemd either.
    if asks_for_nothing(config) {
        return StageResult::default();
    }
    let mut observed = match observe_disks(context) {
        Ok(observed) => observed,
        Err(failure) => return StageResult::failed(failure),
    };
    let document = match context.flatcar {
        true => oem::keep_oem(context.document, &observed),
        false => context.document.clone(),
    };
    let names = device_names(config);
    let found = kept_keys::look(
        &document,
        &observed,
        &options(Part::Disks, None),
        context.log,
    );
    observed.kept_keys.extend(found.keys().cloned());
    let body = plan_and_run(context, &document, observed, Keys::found(found));
    aliases::link(&names, context.log);
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
    context: &mut StageContext<'_>,
    document: &Document,
    mut observed: Observed,
    mut keys: Keys,
) -> StageResult {
    let options = options(Part::Disks, None);
    let mut body = StageResult::default();
    loop {
        let plan = match context.plan(document, &observed, &options) {
            Ok(plan) => plan,
            Err(failure) => return body.then(StageResult::failed(failure)),
        };
        let Some(part) = plan::prerequisites::ahead(&plan, &observed.opened) else {
            let (last, yielded) = context.run(&plan, keys);
            context.state.luks_persist_key_files = Some(as_urls(yielded.keys.files));
            context.state.luks_persist_volume_key_files = Some(as_urls(yielded.keys.volume_keys));
            return body.then(last);
        };
        let (first, yielded) = context.run(&part, keys);
        body = body.then(first.ahead_of(&plan));
        if body.failure.is_some() {
            return body;
        }
        keys = Keys::from(yielded.keys);
        observed = match look_again(context, observed, &part) {
            Ok(observed) => observed,
            Err(failure) => return body.then(StageResult::failed(failure)),
        };
    }
}

/// Looks at everything once more, when a part of the plan has run.
fn look_again(
    context: &StageContext<'_>,
    before: Observed,
    part: &Plan,
) -> Result<Observed, StageFailure> {
    let now = look(context, &Devices::default(), &options(Part::Disks, None))?;
    let opened = before
        .opened
        .into_iter()
        .chain(plan::prerequisites::opened_by(part));
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
fn observe_disks(context: &StageContext<'_>) -> Result<Observed, StageFailure> {
    let config = context.document.config();
    let disks: Vec<PathBuf> = config
        .storage
        .disks
        .iter()
        .map(|d| (&d.device).into())
        .collect();
    wait_for(context, "createPartitions", &disks)?;
    let devices = Devices::default();
    let options = options(Part::Disks, None);
    let mut observed = look(context, &devices, &options)?;
    let unknown = plan::devices::unknown(context.document, &observed, &options);
    if !unknown.is_empty() {
        let paths: Vec<PathBuf> = unknown.iter().map(PathBuf::from).collect();
        wait_for(context, "createFilesystems", &paths)?;
        observed = look(context, &devices, &options)?;
    }
    Ok(observed)
}

/// Waits, and links what is there to its alias.
fn wait_for(context: &StageContext<'_>, part: &str, paths: &[PathBuf]) -> Result<(), StageFailure> {
    if paths.is_empty() {
        return Ok(());
    }
    let _stage = context.log.prefixed(context.args.stage.name());
    let _part = context.log.prefixed(part);
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let description = format!("waiting for devices [{}]", names.join(" "));
    let _under_way = context.progress.under_way(description.clone());
    let waited = context
        .log
        .operation(&description, || wait::for_devices(paths, None));
    waited.map_err(|error| StageFailure {
        origin: origin_of(context.document, &names).map(Box::new),
        remedy: Some("attach the device, or name one that exists".into()),
        ..StageFailure::of(format!("wait for {}", names.join(", ")), &error)
    })?;
    aliases::link(&names, context.log);
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

fn look(
    context: &StageContext<'_>,
    devices: &Devices,
    options: &Options,
) -> Result<Observed, StageFailure> {
    let document = context.document;
    let observed = || -> anyhow::Result<Observed> {
        let (disks, others) = observe::disks::observe(document.config(), devices)?;
        let mut observed = Observed {
            tools: observe::tools(),
            body_faults: observe::bodies::observe(document.config(), context.fetcher),
            disks,
            devices: others,
            kept_keys: observe::kept_keys(document.config(), &context.root())?,
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
        .map_err(|error| StageFailure::of("look at the disks", &error))
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
