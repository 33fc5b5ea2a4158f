//! Mounting the file systems of a config below the target root, and letting go of them again.

use super::op::{self, AlreadyRight, DirectoryAct, Effect, MountPoint, OpKind, Owner, Permissions};
use super::paths::refuse_path;
use super::{
    Access, Claim, ClaimedResource, Draft, ErrorCode, Failure, Mounts, Phase, Scope, StagePart,
    devices, drafted, formats, relabel,
};
use crate::config::model::Filesystem;
use crate::config::{Config, Document, JsonPath, Origin};
use crate::disk::DeviceRef;
use crate::facts::{NodeKind, Observed};
use crate::paths::{ResolveError, clean, depth, is_at_or_below};
use std::collections::BTreeSet;

/// A file system to mount.
struct MountRequest<'a> {
    index: usize,
    filesystem: &'a Filesystem,
    format: &'a str,
    /// The mount point, as a clean path.
    written: String,
    /// Where that is in the tree.
    point: String,
}

/// Plans the mounts, the directories they need, and sync and unmount at the end. With
/// [`Mounts::Needed`] only file systems that one of `touched_paths` lies on, and those that hold their
/// mount points. Returns the mount points.
pub fn plan(draft: &mut Draft, touched_paths: &BTreeSet<String>) -> BTreeSet<String> {
    let wanted = resolved(draft);
    let all: BTreeSet<String> = wanted.iter().map(|w| w.point.clone()).collect();
    let points = match draft.options.mounts {
        Mounts::All => all,
        Mounts::Needed => needed(&all, touched_paths),
    };
    let mut mounted = Vec::new();
    for want in wanted.iter().filter(|w| points.contains(&w.point)) {
        match plan_one(draft, want, &points) {
            Ok(()) => mounted.push((want.point.clone(), origin(draft, want))),
            Err(refusal) => draft.refuse(*refusal),
        }
    }
    for (point, origin) in mounted.into_iter().rev() {
        push_release(draft, &points, &point, origin);
    }
    points
}

/// Plans the mounts of a stage that leaves them mounted. The devices are used by the names the config
/// has for them: all exist by then. Returns the mount points.
pub fn plan_lasting(draft: &mut Draft) -> BTreeSet<String> {
    let document = draft.document;
    let wanted = wanted(document.config());
    let points: BTreeSet<String> = wanted.iter().map(|w| w.point.clone()).collect();
    for want in &wanted {
        match plan_one(draft, want, &points) {
            Ok(()) => relabel::mounted_root(draft, &want.point),
            Err(refusal) => draft.refuse(*refusal),
        }
    }
    points
}

/// Mount points of a config, as it has them.
pub fn points(config: &Config) -> BTreeSet<String> {
    written_points(config).into_iter().collect()
}

/// Mount points of a config, as it has them, in the order in which they are mounted.
pub fn written_points(config: &Config) -> Vec<String> {
    wanted(config)
        .into_iter()
        .map(|want| want.written)
        .collect()
}

/// Where the mount points of a config are in the tree, as far as they can be resolved.
pub fn resolved_points(observed: &Observed, config: &Config) -> BTreeSet<String> {
    let points = wanted(config).into_iter();
    points
        .filter_map(|want| place(observed, &want.written).ok())
        .collect()
}

/// Where a mount point is in the tree. What nobody resolved is where it is written.
fn place(observed: &Observed, written: &str) -> Result<String, ResolveError> {
    match observed.root.mount_points.get(written) {
        Some(place) => place.clone(),
        None => Ok(written.to_owned()),
    }
}

/// The file systems to mount with their places, shallow ones first. What cannot be placed is refused, and so are
/// two at one place.
fn resolved<'a>(draft: &mut Draft<'a>) -> Vec<MountRequest<'a>> {
    let document = draft.document;
    let mut found: Vec<MountRequest<'a>> = Vec::new();
    for mut want in wanted(document.config()) {
        let origin = origin(draft, &want);
        match place(draft.observed, &want.written) {
            Ok(place) => want.point = place,
            Err(cause) => {
                refuse_path(draft, &want.written, &cause, origin);
                continue;
            }
        }
        if let Some(other) = found.iter().find(|other| other.point == want.point) {
            draft.refuse(Failure {
                act: "mount at".into(),
                object: want.written,
                cause: format!("{} is at the same place, {}", other.written, want.point),
                origin,
                remedy: "give one of the two file systems another path".into(),
                code: Some(ErrorCode::MOUNT),
            });
            continue;
        }
        found.push(want);
    }
    found.sort_by_key(|want| depth(&want.point));
    found
}

/// Plans unmounting everything [`plan_lasting`] mounts, deepest first.
pub fn plan_unmounts(draft: &mut Draft) {
    let document = draft.document;
    let wanted = wanted(document.config());
    let points: BTreeSet<String> = wanted.iter().map(|w| w.point.clone()).collect();
    for want in wanted.iter().rev() {
        let origin = origin(draft, want);
        push_unmount(draft, &points, &want.point, origin);
    }
}

/// Mounts of file systems that exist and stay as they are, by a draft of the disks part.
pub(super) fn kept(draft: &Draft<'_>) -> Vec<op::Mount> {
    wanted(draft.document.config())
        .iter()
        .filter_map(|want| {
            let mount = mount_of(draft, want).ok()?;
            // Nobody can look into it, and nothing can be written to it either.
            formats::check_mountable(draft.observed.kernel.as_ref(), &mount.format).ok()?;
            // What is on an array can be looked at once it runs.
            if matches!(&mount.device, DeviceRef::Array { name } if drafted::is_assembled_by(draft, name)) {
                return None;
            }
            let stays = draft.operations().iter().filter(|op| op.phase == Phase::Filesystems).any(|op| {
                matches!(&op.kind, OpKind::AlreadyRight(AlreadyRight { subject: op::Subject::Device(device), .. })
                    if *device == mount.device)
            });
            stays.then_some(mount)
        })
        .collect()
}

/// That a file system that is kept cannot be mounted the way the config asks for; `cause` is the kernel's reason.
pub fn cannot_be_mounted(document: &Document, mount: &op::Mount, cause: &str) -> Failure {
    let wanted = wanted(document.config());
    let want = wanted.iter().find(|want| want.point == mount.point);
    let origin = want.and_then(|want| {
        let path = format!("$.storage.filesystems.{}.path", want.index);
        document.origin(&JsonPath::new(&path))
    });
    let options = mount.options.join(",");
    let (with, remedy) = if options.is_empty() {
        (String::new(), "")
    } else {
        (format!(" with options {options}"), "correct mountOptions, ")
    };
    Failure {
        act: "mount".into(),
        object: format!(
            "{} ({}) at {}{with}",
            mount.device, mount.format, mount.point
        ),
        cause: cause.into(),
        origin,
        remedy: format!(
            "{remedy}repair the file system, or have it made again with wipeFilesystem"
        ),
        code: Some(ErrorCode::MOUNT),
    }
}

/// The deepest of `points` that `path` lies on.
pub fn point_of<'a>(points: &'a BTreeSet<String>, path: &str) -> Option<&'a str> {
    points
        .iter()
        .filter(|point| is_at_or_below(path, point))
        .max_by_key(|point| point.len())
        .map(String::as_str)
}

/// Shallow ones first, config order between equals.
fn wanted(config: &Config) -> Vec<MountRequest<'_>> {
    let mut wanted: Vec<MountRequest> = config
        .storage
        .filesystems
        .iter()
        .enumerate()
        .filter_map(|(index, filesystem)| {
            let point = clean(filesystem.path.as_deref().filter(|path| !path.is_empty())?);
            let format = filesystem.format.as_deref()?;
            let is_mountable = !matches!(format, "" | "none" | "swap");
            is_mountable.then(|| MountRequest {
                index,
                filesystem,
                format,
                written: point.clone(),
                point,
            })
        })
        .collect();
    wanted.sort_by_key(|want| depth(&want.point));
    wanted
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn needed(all: &BTreeSet<String>, touched_paths: &BTreeSet<String>) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = touched_paths
        .iter()
        .filter_map(|path| point_of(all, path).map(str::to_owned))
        .collect();
    while let Some(point) = open.pop() {
        if needed.insert(point.clone())
            && let Some(holder) = holder_of(all, &point)
        {
            open.push(holder.to_owned());
        }
    }
    needed
}

/// The mount point that holds the directory `point`.
fn holder_of<'a>(points: &'a BTreeSet<String>, point: &str) -> Option<&'a str> {
    let parent = match point.rsplit_once('/') {
        _ if point == "/" => return None,
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    };
    point_of(points, parent)
}

fn origin(draft: &Draft, want: &MountRequest) -> Option<Origin> {
    let path = format!("$.storage.filesystems.{}", want.index);
    draft
        .origin(&format!("{path}.path"))
        .or_else(|| draft.origin(&path))
}

fn mount_of(draft: &Draft, want: &MountRequest) -> Result<op::Mount, Box<Failure>> {
    let name = &want.filesystem.device;
    let device = match want.format {
        "virtiofs" => DeviceRef::Path { path: name.clone() },
        _ if draft.options.scope == Scope::Stage(StagePart::Mounts) => {
            DeviceRef::Path { path: name.clone() }
        }
        _ => devices::resolve(draft, name, "mount", origin(draft, want))?,
    };
    Ok(op::Mount {
        device,
        point: want.point.clone(),
        format: want.format.into(),
        options: want.filesystem.mount_options.clone(),
    })
}

fn plan_one(
    draft: &mut Draft,
    want: &MountRequest,
    points: &BTreeSet<String>,
) -> Result<(), Box<Failure>> {
    let mount = mount_of(draft, want)?;
    let origin = origin(draft, want);
    check_mountable(draft, &mount, &origin)?;
    push_directories(draft, want, points, origin.clone())?;
    relabel::before_mounting(draft, &want.point);
    let point = want.point.as_str();
    let mut claims = vec![
        Claim::new(Access::Make, ClaimedResource::Mount(point.into())),
        Claim::new(
            Access::Use,
            ClaimedResource::Device(mount.device.clone().into()),
        ),
    ];
    claims.extend(end_of_making(&mount.device));
    claims.extend(holder_of(points, point).map(Claim::use_mount));
    let kind = OpKind::Mount(mount);
    draft.push(Phase::Mount, Effect::Step, kind, origin, claims);
    Ok(())
}

/// At a desk the kernel is that of another machine than the one the config is for.
fn check_mountable(
    draft: &Draft,
    mount: &op::Mount,
    origin: &Option<Origin>,
) -> Result<(), Box<Failure>> {
    if draft.options.scope != Scope::Everything {
        return Ok(());
    }
    let kernel = draft.observed.kernel.as_ref();
    formats::check_mountable(kernel, &mount.format).map_err(|(cause, remedy)| {
        Box::new(Failure {
            act: "mount".into(),
            object: format!("{} at {}", mount.device, mount.point),
            cause,
            origin: origin.clone(),
            remedy,
            code: Some(ErrorCode::MOUNT),
        })
    })
}

/// A disk is mounted from when everything on it is made. Besides being easier to follow, mkfs.btrfs
/// takes two loop devices over one image for the same device, and so refuses while any is mounted.
fn end_of_making(device: &DeviceRef) -> Option<Claim> {
    let disk = device.disk()?;
    Some(Claim::new(
        Access::Release,
        ClaimedResource::Table(disk.into()),
    ))
}

/// The missing directories on the way to a mount point. What lies below the mount point of a file
/// system that is not there yet is not known, so it counts as missing; making a directory that exists
/// changes nothing.
fn push_directories(
    draft: &mut Draft,
    want: &MountRequest,
    points: &BTreeSet<String>,
    origin: Option<Origin>,
) -> Result<(), Box<Failure>> {
    let mut path = String::new();
    for part in components(&want.point) {
        path = format!("{path}/{part}");
        match draft.observed.root.nodes.get(&path).map(|node| &node.kind) {
            Some(NodeKind::Directory { .. }) => {}
            Some(kind) => return Err(in_the_way(&path, kind, want, origin)),
            None => push_directory(draft, &path, want, points, origin.clone()),
        }
    }
    Ok(())
}

fn in_the_way(
    path: &str,
    kind: &NodeKind,
    want: &MountRequest,
    origin: Option<Origin>,
) -> Box<Failure> {
    let what = match kind {
        NodeKind::Symlink { target } => format!("{path} is a symbolic link to {target}"),
        NodeKind::File { .. } => format!("{path} is a file"),
        _ => format!("{path} is not a directory"),
    };
    Box::new(Failure {
        act: "mount at".into(),
        object: want.point.clone(),
        cause: what,
        origin,
        remedy: "name the real directory in the path, or remove what is in the way".into(),
        code: Some(ErrorCode::MOUNT),
    })
}

fn push_directory(
    draft: &mut Draft,
    path: &str,
    want: &MountRequest,
    points: &BTreeSet<String>,
    origin: Option<Origin>,
) {
    let is_planned = draft
        .operations()
        .iter()
        .any(|op| matches!(&op.kind, OpKind::Directory(directory) if directory.path == path));
    if is_planned || (points.contains(path) && path != want.point) {
        return;
    }
    // Within `Make` plan order holds: directory first, then the mount on it.
    let mut claims = vec![
        Claim::make_path(path),
        Claim::new(
            Access::Make,
            ClaimedResource::Mount(want.point.as_str().into()),
        ),
    ];
    claims.extend(holder_of(points, path).map(Claim::use_mount));
    let kind = OpKind::Directory(DirectoryAct {
        path: path.into(),
        permissions: Permissions {
            user: Owner::Keep,
            group: Owner::Keep,
            mode: None,
        },
        implied: true,
        differs: Vec::new(),
    });
    draft.push(Phase::Mount, Effect::Create, kind, origin, claims);
}

/// Sync and unmount.
fn push_release(draft: &mut Draft, points: &BTreeSet<String>, point: &str, origin: Option<Origin>) {
    let at = MountPoint {
        point: point.into(),
    };
    let release = Claim::new(Access::Release, ClaimedResource::Mount(point.into()));
    let sync = OpKind::Sync(at);
    draft.push(
        Phase::Finish,
        Effect::Step,
        sync,
        origin.clone(),
        vec![release],
    );
    push_unmount(draft, points, point, origin);
}

/// Unmounting uses the mount below it, which so is released later.
fn push_unmount(draft: &mut Draft, points: &BTreeSet<String>, point: &str, origin: Option<Origin>) {
    let mut claims = vec![Claim::new(
        Access::Release,
        ClaimedResource::Mount(point.into()),
    )];
    claims.extend(holder_of(points, point).map(Claim::use_mount));
    let unmount = OpKind::Unmount(MountPoint {
        point: point.into(),
    });
    draft.push(Phase::Finish, Effect::Step, unmount, origin, claims);
}
