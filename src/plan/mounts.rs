//! Mounts the file systems of a config below the target root, and releases them at the end.

use super::op::{self, AlreadyRight, DirectoryAct, Effect, MountPoint, OpKind, Permissions};
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
    /// Its resolved place in the tree.
    point: String,
}

/// Plans the mounts, the directories they need, and sync and unmount at the end. With [`Mounts::Needed`], only file
/// systems that hold one of `touched_paths`, and those that hold their mount points. Returns the mount points.
pub fn plan(draft: &mut Draft, touched_paths: &BTreeSet<String>) -> BTreeSet<String> {
    let requests = resolve_requests(draft);
    let all: BTreeSet<String> = requests.iter().map(|w| w.point.clone()).collect();
    let points = match draft.options.mounts {
        Mounts::All => all,
        Mounts::Needed => needed_points(&all, touched_paths),
    };
    let mut mounted = Vec::new();
    for request in requests.iter().filter(|w| points.contains(&w.point)) {
        match plan_one(draft, request, &points) {
            Ok(()) => mounted.push((request.point.clone(), origin(draft, request))),
            Err(refusal) => draft.refuse(*refusal),
        }
    }
    for (point, origin) in mounted.into_iter().rev() {
        push_release(draft, &points, &point, origin);
    }
    points
}

/// Plans the mounts of a stage that leaves them mounted. Devices are used by their names in the config, since all of
/// them exist by then. Returns the mount points.
pub fn plan_lasting(draft: &mut Draft) -> BTreeSet<String> {
    let document = draft.document;
    let requests = mount_requests(document.config());
    let points: BTreeSet<String> = requests.iter().map(|w| w.point.clone()).collect();
    for request in &requests {
        match plan_one(draft, request, &points) {
            Ok(()) => relabel::mounted_root(draft, &request.point),
            Err(refusal) => draft.refuse(*refusal),
        }
    }
    points
}

/// Mount points of a config, as written there.
pub fn points(config: &Config) -> BTreeSet<String> {
    written_points(config).into_iter().collect()
}

/// Mount points of a config, as written there, in the order in which they are mounted.
pub fn written_points(config: &Config) -> Vec<String> {
    mount_requests(config)
        .into_iter()
        .map(|request| request.written)
        .collect()
}

/// Where the mount points of a config are in the tree, as far as they can be resolved.
pub fn resolved_points(observed: &Observed, config: &Config) -> BTreeSet<String> {
    let points = mount_requests(config).into_iter();
    points
        .filter_map(|request| resolved_point(observed, &request.written).ok())
        .collect()
}

/// The place of a mount point in the tree. One that was not resolved is where it is written.
fn resolved_point(observed: &Observed, written: &str) -> Result<String, ResolveError> {
    match observed.root.mount_points.get(written) {
        Some(place) => place.clone(),
        None => Ok(written.to_owned()),
    }
}

/// The file systems to mount with their places, shallow ones first. Refuses mount points that cannot be resolved, and
/// two at one place.
fn resolve_requests<'a>(draft: &mut Draft<'a>) -> Vec<MountRequest<'a>> {
    let document = draft.document;
    let mut found: Vec<MountRequest<'a>> = Vec::new();
    for mut request in mount_requests(document.config()) {
        let origin = origin(draft, &request);
        match resolved_point(draft.observed, &request.written) {
            Ok(place) => request.point = place,
            Err(cause) => {
                refuse_path(draft, &request.written, &cause, origin);
                continue;
            }
        }
        if let Some(other) = found.iter().find(|other| other.point == request.point) {
            draft.refuse(Failure {
                act: "mount at".into(),
                object: request.written,
                cause: format!("{} is at the same place, {}", other.written, request.point),
                origin,
                remedy: "give one of the two file systems another path".into(),
                code: Some(ErrorCode::MOUNT),
            });
            continue;
        }
        found.push(request);
    }
    found.sort_by_key(|request| depth(&request.point));
    found
}

/// Plans unmounting everything [`plan_lasting`] mounts, deepest first.
pub fn plan_unmounts(draft: &mut Draft) {
    let document = draft.document;
    let requests = mount_requests(document.config());
    let points: BTreeSet<String> = requests.iter().map(|w| w.point.clone()).collect();
    for request in requests.iter().rev() {
        let origin = origin(draft, request);
        push_unmount(draft, &points, &request.point, origin);
    }
}

/// Mounts of file systems that exist and stay as they are, by a draft of the disks part.
pub(super) fn kept_mounts(draft: &Draft<'_>) -> Vec<op::Mount> {
    mount_requests(draft.document.config())
        .iter()
        .filter_map(|request| {
            let mount = mount_of(draft, request).ok()?;
            // It can neither be inspected nor written to.
            formats::check_mountable(draft.observed.kernel.as_ref(), &mount.format).ok()?;
            // The content of an array can be inspected only once it runs.
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

/// The failure to mount a file system that is kept as the config requests; `cause` is the kernel's reason.
pub fn mount_failure(document: &Document, mount: &op::Mount, cause: &str) -> Failure {
    let requests = mount_requests(document.config());
    let request = requests.iter().find(|request| request.point == mount.point);
    let origin = request.and_then(|request| {
        let path = format!("$.storage.filesystems.{}.path", request.index);
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

/// The deepest of `points` at or above `path`.
pub fn point_of<'a>(points: &'a BTreeSet<String>, path: &str) -> Option<&'a str> {
    points
        .iter()
        .filter(|point| is_at_or_below(path, point))
        .max_by_key(|point| point.len())
        .map(String::as_str)
}

/// The file systems to mount, shallow ones first, in the order of the config among equals.
fn mount_requests(config: &Config) -> Vec<MountRequest<'_>> {
    let mut requests: Vec<MountRequest> = config
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
    requests.sort_by_key(|request| depth(&request.point));
    requests
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn needed_points(all: &BTreeSet<String>, touched_paths: &BTreeSet<String>) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let mut todo: Vec<String> = touched_paths
        .iter()
        .filter_map(|path| point_of(all, path).map(str::to_owned))
        .collect();
    while let Some(point) = todo.pop() {
        if needed.insert(point.clone())
            && let Some(holder) = holder_of(all, &point)
        {
            todo.push(holder.to_owned());
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

fn origin(draft: &Draft, request: &MountRequest) -> Option<Origin> {
    let path = format!("$.storage.filesystems.{}", request.index);
    draft
        .origin(&format!("{path}.path"))
        .or_else(|| draft.origin(&path))
}

fn mount_of(draft: &Draft, request: &MountRequest) -> Result<op::Mount, Box<Failure>> {
    let name = &request.filesystem.device;
    let device = match request.format {
        "virtiofs" => DeviceRef::Path { path: name.clone() },
        _ if draft.options.scope == Scope::Stage(StagePart::Mounts) => {
            DeviceRef::Path { path: name.clone() }
        }
        _ => devices::resolve(draft, name, "mount", origin(draft, request))?,
    };
    Ok(op::Mount {
        device,
        point: request.point.clone(),
        format: request.format.into(),
        options: request.filesystem.mount_options.clone(),
    })
}

fn plan_one(
    draft: &mut Draft,
    request: &MountRequest,
    points: &BTreeSet<String>,
) -> Result<(), Box<Failure>> {
    let mount = mount_of(draft, request)?;
    let origin = origin(draft, request);
    check_mountable(draft, &mount, &origin)?;
    push_directories(draft, request, points, origin.clone())?;
    relabel::before_mounting(draft, &request.point);
    let point = request.point.as_str();
    let mut claims = vec![
        Claim::new(Access::Make, ClaimedResource::Mount(point.into())),
        Claim::new(
            Access::Use,
            ClaimedResource::Device(mount.device.clone().into()),
        ),
    ];
    claims.extend(table_release(&mount.device));
    claims.extend(holder_of(points, point).map(Claim::use_mount));
    let kind = OpKind::Mount(mount);
    draft.push(Phase::Mount, Effect::Step, kind, origin, claims);
    Ok(())
}

/// Outside a boot, the machine that mounts is not the one that the config is for, so its kernel may lack a format.
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

/// Mounting waits until everything on the disk is created. Besides being easier to follow, mkfs.btrfs takes two loop
/// devices on one image for the same device, and refuses to run while either is mounted.
fn table_release(device: &DeviceRef) -> Option<Claim> {
    let disk = device.disk()?;
    Some(Claim::new(
        Access::Release,
        ClaimedResource::Table(disk.into()),
    ))
}

/// Drafts the missing directories on the way to a mount point. What is below the mount point of a file system that does
/// not exist yet is unknown, so it counts as missing; creating a directory that exists changes nothing.
fn push_directories(
    draft: &mut Draft,
    request: &MountRequest,
    points: &BTreeSet<String>,
    origin: Option<Origin>,
) -> Result<(), Box<Failure>> {
    let mut path = String::new();
    for part in components(&request.point) {
        path = format!("{path}/{part}");
        match draft.observed.root.nodes.get(&path).map(|node| &node.kind) {
            Some(NodeKind::Directory { .. }) => {}
            Some(kind) => return Err(not_a_directory(&path, kind, request, origin)),
            None => push_directory(draft, &path, request, points, origin.clone()),
        }
    }
    Ok(())
}

fn not_a_directory(
    path: &str,
    kind: &NodeKind,
    request: &MountRequest,
    origin: Option<Origin>,
) -> Box<Failure> {
    let what = match kind {
        NodeKind::Symlink { target } => format!("{path} is a symbolic link to {target}"),
        NodeKind::File { .. } => format!("{path} is a file"),
        _ => format!("{path} is not a directory"),
    };
    Box::new(Failure {
        act: "mount at".into(),
        object: request.point.clone(),
        cause: what,
        origin,
        remedy: "name the real directory in the path, or remove what is in the way".into(),
        code: Some(ErrorCode::MOUNT),
    })
}

fn push_directory(
    draft: &mut Draft,
    path: &str,
    request: &MountRequest,
    points: &BTreeSet<String>,
    origin: Option<Origin>,
) {
    let is_planned = draft
        .operations()
        .iter()
        .any(|op| matches!(&op.kind, OpKind::Directory(directory) if directory.path == path));
    if is_planned || (points.contains(path) && path != request.point) {
        return;
    }
    // Within `Make`, plan order holds: the directory first, then the mount on it.
    let mut claims = vec![
        Claim::make_path(path),
        Claim::new(
            Access::Make,
            ClaimedResource::Mount(request.point.as_str().into()),
        ),
    ];
    claims.extend(holder_of(points, path).map(Claim::use_mount));
    let kind = OpKind::Directory(DirectoryAct {
        path: path.into(),
        permissions: Permissions::KEEP,
        implied: true,
        differs: Vec::new(),
    });
    draft.push(Phase::Mount, Effect::Create, kind, origin, claims);
}

/// Drafts sync and unmount.
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

/// Unmounting uses the mount that holds the mount point, so that one is released later.
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
