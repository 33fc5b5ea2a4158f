//! Observes the part of a machine that a plan is for.

use super::{RoundError, RunTarget};
use crate::config::Document;
use crate::config::model::{Config, Storage};
use crate::disk::DeviceRef;
use crate::disk::extent::Extent;
use crate::facts::Observed;
use crate::host::devices::{DeviceAccess, DeviceHandle};
use crate::host::{Devices, mount, namespace};
use crate::observe::{self, options::ObserveOptions};
use crate::plan::questions::{self, Questions};
use crate::plan::{self, Options, Scope, StagePart};

/// Observes everything that the scope of `options` needs.
pub(super) fn observe_scope(
    document: &Document,
    machine: &RunTarget,
    options: &Options,
) -> Result<Observed, RoundError> {
    let config = document.config();
    let mut observed = Observed::default();
    if options.scope == Scope::Stage(StagePart::Unmounts) {
        return Ok(observed);
    }
    observed.tools = observe::tools();
    if options.scope != Scope::Stage(StagePart::Mounts) {
        observed.body_faults = observe::bodies::observe(config, &machine.fetcher);
    }
    if matches!(options.scope, Scope::Everything | Scope::TreeOnly) {
        observed.privileges = Some(observe::privileges());
    }
    if matches!(
        options.scope,
        Scope::Everything | Scope::Stage(StagePart::Disks)
    ) {
        observe_disks(document, machine, options, &mut observed)?;
    }
    match options.scope {
        Scope::Everything | Scope::TreeOnly => {
            observe_future_tree(document, machine, options, &mut observed)?;
        }
        // The root is not mounted yet, but if there is one already, keys may be in it.
        Scope::Stage(StagePart::Disks) => {
            observed.kept_keys = observe::kept_keys(config, &machine.root)?;
        }
        Scope::Stage(StagePart::Mounts) => {
            observe_tree(&filesystems_only(config), machine, options, &mut observed)?
        }
        Scope::Stage(StagePart::Files) => observe_tree(config, machine, options, &mut observed)?,
        Scope::Stage(StagePart::KernelArguments | StagePart::Unmounts) => {}
    }
    Ok(observed)
}

/// Observes disks, devices and arrays. What is on them decides what else has to be known, so the questions are questions
/// again after each answer.
fn observe_disks(
    document: &Document,
    machine: &RunTarget,
    options: &Options,
    observed: &mut Observed,
) -> anyhow::Result<()> {
    let (config, devices) = (document.config(), &machine.devices);
    (observed.disks, observed.devices) = observe::disks::observe(config, devices)?;
    observed.has_tpm = observe::has_tpm();
    observed.raid = observe::arrays::observe(config, devices)?;
    let places = Questions::of(document, observed, options).new_places();
    observe::disks::probe_leftovers(&mut observed.disks, &places, devices)?;
    if options.scope == Scope::Everything {
        observed.kernel = observe::kernel();
    }
    let rehearsals = Questions::of(document, observed, options).rehearsals();
    observed.rehearsals = observe::rehearse(rehearsals);
    observed.option_faults = observe::option_faults(config);
    Ok(())
}

/// Observes the target root with what will be mounted in it.
fn observe_future_tree(
    document: &Document,
    machine: &RunTarget,
    options: &Options,
    observed: &mut Observed,
) -> Result<(), RoundError> {
    let questions = Questions::of(document, observed, options);
    let kept = KeptFilesystems {
        mounts: questions.kept_mounts(),
        moved: questions.moved_partitions(),
    };
    let mut observe_options = observe_options(document.config(), machine, options);
    // Kept mounted until everything is observed.
    let _views = kept.open_all(document, machine, &mut observe_options)?;
    observed.kept_keys = observe::kept_keys(document.config(), &machine.root)?;
    observed.root = observe::root::observe(
        document.config(),
        &machine.root,
        &machine.fetcher,
        &observe_options,
    )?;
    Ok(())
}

/// Observes the target root as it is. Below a mount point that this stage mounts, what the root has is seen; a
/// directory that turns out to be missing is created nevertheless.
fn observe_tree(
    config: &Config,
    machine: &RunTarget,
    options: &Options,
    observed: &mut Observed,
) -> anyhow::Result<()> {
    let observe_options = observe_options(config, machine, options);
    observed.root =
        observe::root::observe(config, &machine.root, &machine.fetcher, &observe_options)?;
    Ok(())
}

fn observe_options(config: &Config, machine: &RunTarget, options: &Options) -> ObserveOptions {
    let mut extra_paths = questions::own_paths(config, options.scope);
    extra_paths.extend(machine.extra_paths.iter().cloned());
    ObserveOptions {
        key_file: machine.key_file,
        extra_paths,
        ..ObserveOptions::default()
    }
}

/// The part of a config that concerns mounting; the tree need not be compared yet.
fn filesystems_only(config: &Config) -> Config {
    Config {
        storage: Storage {
            filesystems: config.storage.filesystems.clone(),
            ..Storage::default()
        },
        ..Config::default()
    }
}

/// File systems that will be kept.
struct KeptFilesystems {
    mounts: Vec<plan::op::Mount>,
    /// Partitions that will be moved, with their new places, where they are inspected.
    moved: Vec<(DeviceRef, Extent)>,
}

impl KeptFilesystems {
    fn open(&self, device: &DeviceRef, devices: &Devices) -> anyhow::Result<DeviceHandle> {
        let moved = self.moved.iter().find(|(other, _)| other == device);
        match (device.disk(), moved) {
            (Some(disk), Some((_, place))) => devices.open_extent(disk, *place),
            _ => devices.open(device, DeviceAccess::Read),
        }
    }

    /// Mounts these file systems read-only, so that their trees can be observed; the last one mounted is the first in
    /// the result, so that they are unmounted in that order. Records in `options` where every mount point is, and which
    /// of them hide what is there now: those of new file systems. One that has never been mounted here also counts as
    /// new; if it is not, the run that mounts it will find out.
    ///
    /// A file system that cannot be mounted now cannot be mounted in the run either, so it is refused.
    fn open_all(
        &self,
        document: &Document,
        machine: &RunTarget,
        options: &mut ObserveOptions,
    ) -> Result<Vec<mount::View>, RoundError> {
        if !self.mounts.is_empty() {
            namespace::enter_private_namespace()?;
        }
        let mut opened: Vec<mount::View> = Vec::new();
        for written in plan::mounts::written_points(document.config()) {
            let point = observe::resolve_point(&machine.root, options, &written)?;
            if let Ok(point) = &point {
                match self.mount(document, machine, &written, point)? {
                    Some(seen) => opened.insert(0, seen),
                    None => _ = options.blank_mounts.insert(point.clone()),
                }
            }
            options.mount_points.insert(written, point);
        }
        Ok(opened)
    }

    /// `None` if no file system that is kept has this mount point, or if what is below it cannot be observed.
    fn mount(
        &self,
        document: &Document,
        machine: &RunTarget,
        written: &str,
        point: &str,
    ) -> Result<Option<mount::View>, RoundError> {
        let Some(mount) = self.mounts.iter().find(|mount| mount.point == written) else {
            return Ok(None);
        };
        let device = self.open(&mount.device, &machine.devices)?;
        let (format, options) = (&mount.format, &mount.options);
        let opened = mount::View::open(device.path(), &machine.root, point, format, options);
        opened.map_err(|cause| {
            let refusal = plan::mounts::mount_failure(document, mount, &cause);
            RoundError::Refused(vec![refusal])
        })
    }
}
