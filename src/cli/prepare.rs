//! The way to a plan that `plan` and `apply` share: load, observe, plan.

use super::exit::{Exit, Failure};
use super::images;
use super::load::{self, Loaded};
use super::target::{ImageBinding, Mode, TargetArgs};
use crate::config::{Config, Document};
use crate::disk::DeviceRef;
use crate::disk::layout::Extent;
use crate::facts::{KernelFacts, Observed};
use crate::fetch::Fetcher;
use crate::host::devices::{Access, DeviceHandle, Image};
use crate::host::image_use::HeldImage;
use crate::host::{Devices, TargetRoot, mount, namespace};
use crate::observe;
use crate::plan::keys::{CRYPTTAB, KEY_DIRECTORY};
use crate::plan::show::Summary;
use crate::plan::{self, Mounts, Options, Plan, Refusal, Scope, Target};
use anyhow::Context;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a temporary directory can be made when the usual one cannot be written to, as on a read-only root.
const OTHER_SCRATCH: [&str; 2] = ["/run", "/dev/shm"];
/// Where file systems of a machine that is being provisioned are mounted by default.
const DEFAULT_TARGET: &str = "/sysroot";

/// A plan and all that is needed to execute it.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The config it came from.
    pub loaded: Loaded,
    /// The target root.
    pub root: TargetRoot,
    /// Devices and images.
    pub devices: Devices,
    /// For file contents.
    pub fetcher: Fetcher,
    /// What this run put together to look into it.
    pub opened: BTreeSet<DeviceRef>,
    /// What the plan is for.
    access: Access,
    /// Keeps other processes away from the images.
    _images: Vec<HeldImage>,
    /// Holds the mount points of image runs; removed in the end.
    _scratch: Option<tempfile::TempDir>,
}

/// Loads the config, observes the machine, and plans, for a look or for a run.
pub fn prepare(config: &str, args: &TargetArgs, access: Access) -> Result<Prepared, Failure> {
    let root = args.root.as_deref();
    let reading = args
        .reading
        .for_target(root, disks(args), args.ignore_unsupported);
    prepare_loaded(load::load(config, args.offline, &reading)?, args, access)
}

/// Bytes of the disks that the config is for, by the names that it has for them.
fn disks(args: &TargetArgs) -> Vec<(String, u64)> {
    match args.mode() {
        Mode::Tree => Vec::new(),
        Mode::Devices => observe::disks::sizes(),
        Mode::Images => args
            .images
            .iter()
            .filter_map(|binding| {
                let there = fs::metadata(&binding.file).map(|file| file.len());
                let bytes = there
                    .unwrap_or_default()
                    .max(binding.bytes.unwrap_or_default());
                (bytes > 0).then(|| (binding.device.clone(), bytes))
            })
            .collect(),
    }
}

/// Observes the machine, and plans a config that is loaded.
pub fn prepare_loaded(
    loaded: Loaded,
    args: &TargetArgs,
    access: Access,
) -> Result<Prepared, Failure> {
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
        return Err(Failure {
            exit: Exit::CannotObserve,
            message,
        });
    }
    let devices = Devices::with_images(args.images.iter().map(bound).collect());
    let mut prepared = Prepared {
        plan: Plan::default(),
        fetcher: loaded.fetcher.clone(),
        loaded,
        root,
        devices,
        opened: BTreeSet::new(),
        access,
        _images: images,
        _scratch: scratch,
    };
    prepared.plan(args)?;
    if !Summary::of(&prepared.plan).is_nothing() {
        check_target(args, &prepared.root)?;
    }
    Ok(prepared)
}

/// Refuses a target that a run could not write to.
fn check_target(args: &TargetArgs, root: &TargetRoot) -> Result<(), Failure> {
    images::check_writable(&args.images)?;
    if args.target.is_none() || root.path().is_dir() {
        return Ok(());
    }
    let directory = root.path().display();
    Err(Failure::refused(&[Refusal {
        act: "cannot use".into(),
        object: format!("{directory} as the target"),
        cause: "it is not a directory".into(),
        origin: None,
        remedy: format!("create it (mkdir -p {directory}), or name another directory"),
    }]))
}

impl Prepared {
    /// Looks at the machine as it is now, and plans.
    fn plan(&mut self, args: &TargetArgs) -> Result<(), Failure> {
        let options = options(args);
        let observed = Observed {
            opened: self.opened.clone(),
            ..observe_machine(&self.loaded, args, &self.root, &self.devices, &options)?
        };
        self.plan = plan::build(&self.loaded.document, &observed, &options)
            .map_err(|refusals| Failure::refused(&refusals))?;
        self.check_drivers(observed.kernel.as_ref())
    }

    /// A run needs what the kernel lacks; a plan tells it.
    fn check_drivers(&mut self, kernel: Option<&KernelFacts>) -> Result<(), Failure> {
        if self.access == Access::Read {
            let warnings = plan::drivers::warnings(&self.plan, kernel);
            self.plan.warnings.extend(warnings);
            return Ok(());
        }
        match plan::drivers::refusals(&self.plan, kernel).as_slice() {
            [] => Ok(()),
            refusals => Err(Failure::refused(refusals)),
        }
    }

    /// Plans again once `part` of the plan has run.
    pub fn plan_behind(&mut self, part: &Plan, args: &TargetArgs) -> Result<(), Failure> {
        self.opened.extend(plan::prerequisites::opened_by(part));
        self.plan(args)
    }
}

fn options(args: &TargetArgs) -> Options {
    let (scope, mounts, target) = match args.mode() {
        Mode::Tree => (Scope::TreeOnly, Mounts::Needed, Target::Present),
        Mode::Images => (Scope::Everything, Mounts::Needed, Target::Assembled),
        Mode::Devices => (Scope::Everything, Mounts::All, Target::Present),
    };
    Options {
        scope,
        mounts,
        ignore_unsupported: args.ignore_unsupported,
        target,
        first_boot: None,
    }
}

fn bound(binding: &ImageBinding) -> (String, Image) {
    let image = Image {
        path: binding.file.clone(),
        bytes: binding.bytes,
        sector_bytes: binding.sector_bytes,
    };
    (binding.device.clone(), image)
}

fn scratch_dir() -> Result<tempfile::TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("kindling-");
    let made = OTHER_SCRATCH.iter().fold(builder.tempdir(), |made, place| {
        made.or_else(|first| builder.tempdir_in(place).map_err(|_| first))
    });
    made.context("cannot create a temporary directory for mount points")
        .map_err(|error| Failure::new(Exit::CannotObserve, &error))
}

fn root_path(args: &TargetArgs, scratch: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match (scratch, &args.root, &args.target) {
        (Some(scratch), _, _) => return Ok(scratch.to_path_buf()),
        (None, Some(root), _) => root.clone(),
        (None, None, target) => target.clone().unwrap_or_else(|| DEFAULT_TARGET.into()),
    };
    std::path::absolute(&path)
        .with_context(|| format!("cannot use {} as target root", path.display()))
        .map_err(|error| Failure::new(Exit::CannotObserve, &error))
}

fn observe_machine(
    loaded: &Loaded,
    args: &TargetArgs,
    root: &TargetRoot,
    devices: &Devices,
    options: &Options,
) -> Result<Observed, Failure> {
    let unobservable = |error: anyhow::Error| Failure::new(Exit::CannotObserve, &error);
    let config = loaded.document.config();
    let mut observed = Observed {
        tools: observe::tools(),
        privileges: Some(observe::privileges()),
        body_faults: observe::bodies::observe(config, &loaded.fetcher),
        ..Observed::default()
    };
    if args.mode() != Mode::Tree {
        let (disks, others) = observe::disks::observe(config, devices).map_err(unobservable)?;
        observed.disks = disks;
        observed.devices = others;
        observed.has_tpm = observe::has_tpm();
        observed.raid = observe::arrays::observe(config, devices).map_err(unobservable)?;
        let places = plan::partitions::new_places(&loaded.document, &observed, options);
        observe::disks::look_beneath(&mut observed.disks, &places, devices)
            .map_err(unobservable)?;
        observed.kernel = observe::kernel();
        let requests = plan::filesystems::to_rehearse(&loaded.document, &observed, options);
        observed.rehearsals = observe::rehearse(requests);
        observed.option_faults = observe::option_faults(config);
    }
    let kept = KeptFilesystems {
        mounts: plan::mounts::kept(&loaded.document, &observed, options),
        moved: plan::partitions::moved(&loaded.document, &observed, options),
    };
    let mut view = observe::root::View {
        more_paths: key_paths(config, args.mode()),
        ..observe::root::View::default()
    };
    // Kept mounted until everything is looked at.
    let _views = open_views(&loaded.document, &kept, root, devices, &mut view)?;
    observed.kept_keys = observe::kept_keys(config, root).map_err(unobservable)?;
    observed.root =
        observe::root::observe(config, root, &loaded.fetcher, &view).map_err(unobservable)?;
    Ok(observed)
}

/// Where keys of encrypted volumes go.
fn key_paths(config: &Config, mode: Mode) -> Vec<String> {
    let volumes = &config.storage.luks;
    if volumes.is_empty() || mode == Mode::Tree {
        return Vec::new();
    }
    let keys = volumes
        .iter()
        .map(|luks| format!("{KEY_DIRECTORY}/{}", luks.name));
    [CRYPTTAB.to_owned(), KEY_DIRECTORY.to_owned()]
        .into_iter()
        .chain(keys)
        .collect()
}

/// File systems that will be kept.
struct KeptFilesystems {
    mounts: Vec<plan::op::Mount>,
    /// Partitions that will lie elsewhere than now: what is there is looked at.
    moved: Vec<(DeviceRef, Extent)>,
}

impl KeptFilesystems {
    fn open(&self, device: &DeviceRef, devices: &Devices) -> anyhow::Result<DeviceHandle> {
        let moved = self.moved.iter().find(|(other, _)| other == device);
        match (device.disk(), moved) {
            (Some(disk), Some((_, place))) => devices.open_place(disk, *place),
            _ => devices.open(device, Access::Read),
        }
    }
}

/// Mounts file systems that will be kept, read only, so that their trees can be observed; the last one mounted is
/// the first in the result, so that they are unmounted in that order. Notes in `view` where every mount point is, and
/// which of them hide what is there now: those of file systems that will be new. One that has never been mounted
/// here counts as new too; if it is not, the run that mounts it will find out.
/// What cannot be mounted now cannot be mounted in the run either: it is refused.
fn open_views(
    document: &Document,
    kept: &KeptFilesystems,
    root: &TargetRoot,
    devices: &Devices,
    view: &mut observe::root::View,
) -> Result<Vec<mount::View>, Failure> {
    let unobservable = |error: anyhow::Error| Failure::new(Exit::CannotObserve, &error);
    if !kept.mounts.is_empty() {
        namespace::enter_private_namespace().map_err(unobservable)?;
    }
    let mut opened: Vec<mount::View> = Vec::new();
    for written in plan::mounts::written_points(document.config()) {
        let point = observe::resolve_point(root, view, &written).map_err(unobservable)?;
        if let Ok(point) = &point {
            let stays = kept.mounts.iter().find(|mount| mount.point == written);
            let seen = match stays {
                Some(mount) => {
                    let device = kept.open(&mount.device, devices).map_err(unobservable)?;
                    let (format, options) = (&mount.format, &mount.options);
                    mount::View::open(device.path(), root, point, format, options).map_err(
                        |cause| {
                            let refusal = plan::mounts::cannot_be_mounted(document, mount, &cause);
                            Failure::refused(&[refusal])
                        },
                    )?
                }
                None => None,
            };
            match seen {
                Some(seen) => opened.insert(0, seen),
                None => _ = view.blank_mounts.insert(point.clone()),
            }
        }
        view.mount_points.insert(written, point);
    }
    Ok(opened)
}
