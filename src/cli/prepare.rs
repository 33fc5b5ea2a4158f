//! The steps to a plan that `plan`, `diff` and `apply` share: load, observe, plan.

use super::exit::{Exit, ExitError};
use super::images;
use super::load::{self, LoadedConfig};
use super::target::{ImageBinding, Mode, TargetArgs};
use crate::host::devices::{DeviceAccess, Image};
use crate::host::image_use::HeldImage;
use crate::host::{Devices, TargetRoot};
use crate::observe;
use crate::plan::show::Summary;
use crate::plan::{ErrorCode, Failure, Mounts, Options, Plan, Scope, TargetState};
use crate::rounds::{Planner, RoundError, RunTarget};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Where to create a temporary directory if the default is not writable, as on a read-only root.
const FALLBACK_SCRATCH_DIRS: [&str; 2] = ["/run", "/dev/shm"];
/// The default mount point for the root of a machine that is being provisioned.
const DEFAULT_TARGET: &str = "/sysroot";

/// A plan and everything needed to execute it.
pub(crate) struct PreparedRun {
    pub plan: Plan,
    /// The config it was made from.
    pub loaded: LoadedConfig,
    pub machine: RunTarget,
    /// Made the plan, and makes the next one after a part of it was executed.
    pub planner: Planner,
    /// Locks the images against use by other processes.
    _images: Vec<HeldImage>,
    /// The directory with the mount points of an image run; removed on drop.
    _scratch: Option<tempfile::TempDir>,
}

/// Loads the config, observes the machine, and makes a plan to show or to execute.
pub(crate) fn prepare(
    config: &str,
    args: &TargetArgs,
    access: DeviceAccess,
) -> Result<PreparedRun, ExitError> {
    let root = args.root.as_deref();
    let reading = args
        .reading
        .for_target(root, disks(args), args.ignore_unsupported);
    prepare_loaded(load::load(config, args.offline, &reading)?, args, access)
}

/// Sizes in bytes of the target's disks, by their device names in the config.
fn disks(args: &TargetArgs) -> Vec<(String, u64)> {
    match args.mode() {
        Mode::Tree => Vec::new(),
        Mode::Devices => observe::disks::sizes(),
        Mode::Images => args
            .images
            .iter()
            .filter_map(|binding| {
                let existing = fs::metadata(&binding.file).map(|file| file.len());
                let bytes = existing
                    .unwrap_or_default()
                    .max(binding.bytes.unwrap_or_default());
                (bytes > 0).then(|| (binding.device.clone(), bytes))
            })
            .collect(),
    }
}

/// Observes the machine, and makes a plan of a loaded config.
pub(crate) fn prepare_loaded(
    loaded: LoadedConfig,
    args: &TargetArgs,
    access: DeviceAccess,
) -> Result<PreparedRun, ExitError> {
    let images = images::hold(&args.images, access)?;
    let scratch = match args.mode() {
        Mode::Images => Some(scratch_dir()?),
        Mode::Tree | Mode::Devices => None,
    };
    let root = TargetRoot::new(root_path(
        args,
        scratch.as_ref().map(tempfile::TempDir::path),
    )?);
    if args.mode() == Mode::Tree && !root.path().is_dir() {
        let message = format!("target root {} is not a directory", root.path().display());
        return Err(ExitError {
            exit: Exit::CannotObserve,
            message,
        });
    }
    let devices = Devices::with_images(args.images.iter().map(device_image).collect());
    let machine = RunTarget::new(root, devices, loaded.fetcher.clone());
    let planner = Planner::new(options(args), access);
    let plan = planner.plan(&loaded.document, &machine).map_err(failure)?;
    if !Summary::of(&plan).is_nothing() {
        check_target(args, &machine.root)?;
    }
    Ok(PreparedRun {
        plan,
        loaded,
        machine,
        planner,
        _images: images,
        _scratch: scratch,
    })
}

/// Refuses a target that is not writable or does not exist.
fn check_target(args: &TargetArgs, root: &TargetRoot) -> Result<(), ExitError> {
    images::check_writable(&args.images)?;
    if args.target.is_none() || root.path().is_dir() {
        return Ok(());
    }
    let directory = root.path().display();
    Err(ExitError::refused(&[Failure {
        act: "use".into(),
        object: format!("{directory} as the target"),
        cause: "it is not a directory".into(),
        origin: None,
        remedy: format!("create it (mkdir -p {directory}), or name another directory"),
        code: Some(ErrorCode::PATH),
    }]))
}

/// Converts a failure to make a plan.
pub(super) fn failure(error: RoundError) -> ExitError {
    match error {
        RoundError::Unobservable(error) => ExitError::new(Exit::CannotObserve, &error),
        RoundError::Refused(refusals) => ExitError::refused(&refusals),
    }
}

fn options(args: &TargetArgs) -> Options {
    let (scope, mounts, target) = match args.mode() {
        Mode::Tree => (Scope::TreeOnly, Mounts::Needed, TargetState::Present),
        Mode::Images => (Scope::Everything, Mounts::Needed, TargetState::Assembled),
        Mode::Devices => (Scope::Everything, Mounts::All, TargetState::Present),
    };
    Options {
        scope,
        mounts,
        ignore_unsupported: args.ignore_unsupported,
        target,
        first_boot: None,
    }
}

fn device_image(binding: &ImageBinding) -> (String, Image) {
    let image = Image {
        path: binding.file.clone(),
        bytes: binding.bytes,
        sector_bytes: binding.sector_bytes,
    };
    (binding.device.clone(), image)
}

fn scratch_dir() -> Result<tempfile::TempDir, ExitError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("kindling-");
    let made = FALLBACK_SCRATCH_DIRS
        .iter()
        .fold(builder.tempdir(), |made, place| {
            made.or_else(|first| builder.tempdir_in(place).map_err(|_| first))
        });
    made.context("cannot create a temporary directory for mount points")
        .map_err(|error| ExitError::new(Exit::CannotObserve, &error))
}

fn root_path(args: &TargetArgs, scratch: Option<&Path>) -> Result<PathBuf, ExitError> {
    let path = match (scratch, &args.root, &args.target) {
        (Some(scratch), _, _) => return Ok(scratch.to_path_buf()),
        (None, Some(root), _) => root.clone(),
        (None, None, target) => target.clone().unwrap_or_else(|| DEFAULT_TARGET.into()),
    };
    std::path::absolute(&path)
        .with_context(|| format!("cannot use {} as target root", path.display()))
        .map_err(|error| ExitError::new(Exit::CannotObserve, &error))
}
