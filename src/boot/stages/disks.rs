//! The disks stage: partitions, arrays, encrypted volumes, file systems.

use super::{StageContext, StageResult, kept_keys, planner};
use crate::boot::stage_failure::StageFailure;
use crate::boot::{aliases, oem};
use crate::config::{Config, Document, data_url};
use crate::execute::VolumeKeys;
use crate::facts::Observed;
use crate::failure::{ErrorCode, Failure};
use crate::host::wait;
use crate::plan::questions::Questions;
use crate::plan::{self, Plan, StagePart};
use crate::rounds::{Planner, RoundError, RunTarget, Runner};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) fn body(context: &mut StageContext<'_>) -> StageResult {
    let config = context.document.config();
    // A config without disks has nothing to do with udev or systemd either.
    if asks_for_nothing(config) {
        return StageResult::default();
    }
    let machine = context.machine();
    let mut planner = planner(StagePart::Disks, None);
    let mut observed = match observe_disks(context, &planner, &machine) {
        Ok(observed) => observed,
        Err(failure) => return StageResult::failed(failure),
    };
    let document = match context.flatcar {
        true => &oem::keep_oem(context.document, &observed),
        false => context.document,
    };
    let found = kept_keys::find_keys(document, &observed, planner.options(), context.log);
    observed.kept_keys.extend(found.keys().cloned());
    planner.add_keys(found.keys().cloned());
    let result = match context.plan(&planner, document, &observed) {
        Ok(plan) => run(
            context,
            &mut planner,
            document,
            &machine,
            plan,
            VolumeKeys::found(found),
        ),
        Err(failure) => StageResult::failed(failure),
    };
    aliases::link(&plan::devices::named(config), context.log);
    result
}

/// Runs the plan, and keeps the keys of volumes for the files stage.
fn run(
    context: &mut StageContext<'_>,
    planner: &mut Planner,
    document: &Document,
    machine: &RunTarget,
    plan: Plan,
    keys: VolumeKeys,
) -> StageResult {
    let mut runner = StageRunner {
        context,
        machine,
        keys: &keys,
        is_whole: false,
        result: StageResult::default(),
    };
    let ended = planner.run(Cow::Borrowed(document), machine, plan, &mut runner);
    let StageRunner {
        is_whole, result, ..
    } = runner;
    let result = match ended {
        Ok(_) => result,
        Err(error) => result.then(StageResult::failed(look_failure(context, error))),
    };
    if is_whole {
        let keys = keys.into_inner();
        context.state.luks_persist_key_files = Some(as_urls(keys.files));
        context.state.luks_persist_volume_key_files = Some(as_urls(keys.volume_keys));
    }
    result
}

/// Executes plans, and keeps what became of them.
struct StageRunner<'a, 'c> {
    context: &'a StageContext<'c>,
    machine: &'a RunTarget,
    keys: &'a VolumeKeys,
    /// A plan ran that was not only a part of one.
    is_whole: bool,
    result: StageResult,
}

impl Runner for StageRunner<'_, '_> {
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool {
        let (ran, _) = self.context.run(plan, self.machine, self.keys);
        let ran = match part_of {
            Some(whole) => ran.ahead_of(whole),
            None => ran,
        };
        self.is_whole = part_of.is_none();
        self.result = std::mem::take(&mut self.result).then(ran);
        self.result.failure.is_none()
    }

    /// The log has the warnings of every plan that runs.
    fn replanned(&mut self, _before: &Plan, _now: &Plan) {}
}

fn look_failure(context: &StageContext<'_>, error: RoundError) -> StageFailure {
    let error = match error {
        RoundError::Unobservable(error) => {
            RoundError::Unobservable(error.context("nothing was changed"))
        }
        refused @ RoundError::Refused(_) => refused,
    };
    context.failure(error, "inspect the disks")
}

fn asks_for_nothing(config: &Config) -> bool {
    let storage = &config.storage;
    storage.disks.is_empty()
        && storage.raid.is_empty()
        && storage.luks.is_empty()
        && storage.filesystems.is_empty()
}

/// Keys as the state holds them. Those of an earlier run of this stage open nothing any more, or were
/// found to open it again.
fn as_urls(keys: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    keys.into_iter()
        .map(|(name, key)| (name, data_url::of(&key)))
        .collect()
}

/// Looks at all disks and devices, once those that nobody makes are there.
fn observe_disks(
    context: &StageContext<'_>,
    planner: &Planner,
    machine: &RunTarget,
) -> Result<Observed, StageFailure> {
    let document = context.document;
    let disks = document.config().storage.disks.iter();
    let disks: Vec<PathBuf> = disks.map(|disk| (&disk.device).into()).collect();
    wait_for(context, "createPartitions", &disks)?;
    let look = || planner.look(document, machine);
    let observed = look().map_err(|error| look_failure(context, error))?;
    let missing = Questions::of(document, &observed, planner.options()).missing_devices();
    if missing.is_empty() {
        return Ok(observed);
    }
    let missing: Vec<PathBuf> = missing.iter().map(PathBuf::from).collect();
    wait_for(context, "createFilesystems", &missing)?;
    look().map_err(|error| look_failure(context, error))
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
    waited.map_err(|error| Failure {
        origin: origin_of(context.document, &names),
        remedy: "attach the device, or name one that exists".into(),
        code: Some(ErrorCode::DEVICE_MISSING),
        ..Failure::new(
            format!("wait for {}", names.join(", ")),
            format!("{error:#}"),
        )
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
