//! Looks at the part of a machine that a plan is for.

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

/// Looks at everything that the scope of `options` needs.
pub(super) fn look(
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
        look_at_disks(document, machine, options, &mut observed)?;
    }
    match options.scope {
        Scope::Everything | Scope::TreeOnly => {
            look_at_tree_to_be(document, machine, options, &mut observed)?;
        }
        // The root is not mounted yet; keys may lie in it all the same when there is one.
        Scope::Stage(StagePart::Disks) => {
            observed.kept_keys = observe::kept_keys(config, &machine.root)?;
        }
        Scope::Stage(StagePart::Mounts) => {
            look_at_tree(&filesystems_only(config), machine, options, &mut observed)?
        }
        Scope::Stage(StagePart::Files) => look_at_tree(config, machine, options, &mut observed)?,
        Scope::Stage(StagePart::KernelArguments | StagePart::Unmounts) => {}
    }
    Ok(observed)
}

/// Disks, devices and arrays. What lies on them decides what else has to be known, so the questions are asked again after
/// each answer.
fn look_at_disks(
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
    observe::disks::look_beneath(&mut observed.disks, &places, devices)?;
    if options.scope == Scope::Everything {
        observed.kernel = observe::kernel();
    }
    let rehearsals = Questions::of(document, observed, options).rehearsals();
    observed.rehearsals = observe::rehearse(rehearsals);
    observed.option_faults = observe::option_faults(config);
    Ok(())
}

/// The target root with what will be mounted in it.
fn look_at_tree_to_be(
    document: &Document,
    machine: &RunTarget,
    options: &Options,
    observed: &mut Observed,
) -> Result<(), RoundError> {
    let asked = Questions::of(document, observed, options);
    let kept = KeptFilesystems {
        mounts: asked.kept_mounts(),
        moved: asked.moved_partitions(),
    };
    let mut view = view(document.config(), machine, options);
    // Kept mounted until everything is looked at.
    let _views = kept.open_all(document, machine, &mut view)?;
    observed.kept_keys = observe::kept_keys(document.config(), &machine.root)?;
    observed.root =
        observe::root::observe(document.config(), &machine.root, &machine.fetcher, &view)?;
    Ok(())
}

/// The target root as it is. What lies below a mount point that this very stage mounts is seen as the root has it; a
/// directory that turns out to be missing is made all the same.
fn look_at_tree(
    config: &Config,
    machine: &RunTarget,
    options: &Options,
    observed: &mut Observed,
) -> anyhow::Result<()> {
    let view = view(config, machine, options);
    observed.root = observe::root::observe(config, &machine.root, &machine.fetcher, &view)?;
    Ok(())
}

fn view(config: &Config, machine: &RunTarget, options: &Options) -> ObserveOptions {
    let mut more_paths = questions::own_paths(config, options.scope);
    more_paths.extend(machine.more_paths.iter().cloned());
    ObserveOptions {
        key_file: machine.key_file,
        more_paths,
        ..ObserveOptions::default()
    }
}

/// What concerns mounting; the tree need not be compared yet.
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
    /// Partitions that will lie elsewhere than now: what is there is looked at.
    moved: Vec<(DeviceRef, Extent)>,
}

impl KeptFilesystems {
    fn open(&self, device: &DeviceRef, devices: &Devices) -> anyhow::Result<DeviceHandle> {
        let moved = self.moved.iter().find(|(other, _)| other == device);
        match (device.disk(), moved) {
            (Some(disk), Some((_, place))) => devices.open_place(disk, *place),
            _ => devices.open(device, DeviceAccess::Read),
        }
    }

    /// Mounts these file systems read only, so that their trees can be observed; the last one mounted is the first in the
    /// result, so that they are unmounted in that order. Notes in `view` where every mount point is, and which of them hide
    /// what is there now: those of file systems that will be new. One that has never been mounted here counts as new too; if
    /// it is not, the run that mounts it will find out.
    ///
    /// What cannot be mounted now cannot be mounted in the run either: it is refused.
    fn open_all(
        &self,
        document: &Document,
        machine: &RunTarget,
        view: &mut ObserveOptions,
    ) -> Result<Vec<mount::View>, RoundError> {
        if !self.mounts.is_empty() {
            namespace::enter_private_namespace()?;
        }
        let mut opened: Vec<mount::View> = Vec::new();
        for written in plan::mounts::written_points(document.config()) {
            let point = observe::resolve_point(&machine.root, view, &written)?;
            if let Ok(point) = &point {
                match self.mount(document, machine, &written, point)? {
                    Some(seen) => opened.insert(0, seen),
                    None => _ = view.blank_mounts.insert(point.clone()),
                }
            }
            view.mount_points.insert(written, point);
        }
        Ok(opened)
    }

    /// `None` if no file system that is kept has this mount point, or if it cannot be made to look below it.
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
            let refusal = plan::mounts::cannot_be_mounted(document, mount, &cause);
            RoundError::Refused(vec![refusal])
        })
    }
}
