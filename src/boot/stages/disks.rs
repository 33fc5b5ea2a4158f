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

pub(super) fn run_body(context: &mut StageContext<'_>) -> StageResult {
    let config = context.document.config();
    // Without disks, there is no need to wait for udev or systemd either.
    if has_no_disk_sections(config) {
        return StageResult::default();
    }
    let machine = context.machine();
    let mut planner = planner(StagePart::Disks, None);
    let mut observed = match observe_disks(context, &planner, &machine) {
        Ok(observed) => observed,
        Err(failure) => return StageResult::failed(failure),
    };
    let document = match context.is_flatcar {
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
    aliases::link(&plan::devices::named_devices(config), context.log);
    result
}

/// Runs the plan, and stores the keys of volumes for the files stage.
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
        ran_last_plan: false,
        result: StageResult::default(),
    };
    let outcome = planner.run(Cow::Borrowed(document), machine, plan, &mut runner);
    let StageRunner {
        ran_last_plan,
        result,
        ..
    } = runner;
    let result = match outcome {
        Ok(_) => result,
        Err(error) => result.then(StageResult::failed(observation_failure(context, error))),
    };
    if ran_last_plan {
        let keys = keys.into_inner();
        context.state.luks_persist_key_files = Some(to_data_urls(keys.files));
        context.state.luks_persist_volume_key_files = Some(to_data_urls(keys.volume_keys));
    }
    result
}

/// Executes plans and collects their results.
struct StageRunner<'a, 'c> {
    context: &'a StageContext<'c>,
    machine: &'a RunTarget,
    keys: &'a VolumeKeys,
    /// True if the plan that ran last was not only a part of one.
    ran_last_plan: bool,
    result: StageResult,
}

impl Runner for StageRunner<'_, '_> {
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool {
        let (result, _) = self.context.run(plan, self.machine, self.keys);
        let result = match part_of {
            Some(whole) => result.of_part(whole),
            None => result,
        };
        self.ran_last_plan = part_of.is_none();
        self.result = std::mem::take(&mut self.result).then(result);
        self.result.failure.is_none()
    }

    /// Nothing to do: the warnings of every plan are logged when it runs.
    fn replanned(&mut self, _before: &Plan, _now: &Plan) {}
}

fn observation_failure(context: &StageContext<'_>, error: RoundError) -> StageFailure {
    let error = match error {
        RoundError::Unobservable(error) => {
            RoundError::Unobservable(error.context("nothing was changed"))
        }
        refused @ RoundError::Refused(_) => refused,
    };
    context.failure(error, "inspect the disks")
}

fn has_no_disk_sections(config: &Config) -> bool {
    let storage = &config.storage;
    storage.disks.is_empty()
        && storage.raid.is_empty()
        && storage.luks.is_empty()
        && storage.filesystems.is_empty()
}

/// Keys as `data:` URLs, for the state. They replace those of an earlier run of this stage, which no longer open
/// anything or have been found again.
fn to_data_urls(keys: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    keys.into_iter()
        .map(|(name, key)| (name, data_url::encode(&key)))
        .collect()
}

/// Observes all disks and devices, after waiting for those that the plan does not create.
fn observe_disks(
    context: &StageContext<'_>,
    planner: &Planner,
    machine: &RunTarget,
) -> Result<Observed, StageFailure> {
    let document = context.document;
    let disks = document.config().storage.disks.iter();
    let disks: Vec<PathBuf> = disks.map(|disk| (&disk.device).into()).collect();
    wait_for(context, "createPartitions", &disks)?;
    let observe = || planner.observe(document, machine);
    let observed = observe().map_err(|error| observation_failure(context, error))?;
    let missing = Questions::of(document, &observed, planner.options()).missing_devices();
    if missing.is_empty() {
        return Ok(observed);
    }
    let missing: Vec<PathBuf> = missing.iter().map(PathBuf::from).collect();
    wait_for(context, "createFilesystems", &missing)?;
    observe().map_err(|error| observation_failure(context, error))
}

/// Waits for devices, and creates their aliases.
fn wait_for(context: &StageContext<'_>, part: &str, paths: &[PathBuf]) -> Result<(), StageFailure> {
    if paths.is_empty() {
        return Ok(());
    }
    let _stage = context.log.push_prefix(context.args.stage.name());
    let _part = context.log.push_prefix(part);
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let description = format!("waiting for devices [{}]", names.join(" "));
    let _activity = context.progress.begin_activity(description.clone());
    let result = context
        .log
        .operation(&description, || wait::for_devices(paths, None));
    result.map_err(|error| Failure {
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

/// Where the config names the first of these devices that does not exist.
fn origin_of(document: &Document, names: &[String]) -> Option<crate::config::Origin> {
    let missing = names
        .iter()
        .find(|name| !std::path::Path::new(name).exists())?;
    let path = plan::devices::path_of_first_use(document.config(), missing)?;
    document.origin(&path)
}
