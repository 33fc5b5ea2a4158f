//! Refuses what the kernel would not let this process do: mount, or give nodes to other users and groups.

use super::op::{HomeAct, Owner, Permissions};
use super::permissions::OwnerNames;
use super::touched::is_idle;
use super::{Draft, ErrorCode, Failure, OpKind, Operation, TargetState};
use crate::accounts::Space;
use crate::facts::privileges::{Ids, NoMounts, Privileges};

const PRIVILEGED: &str = "run kindling as root; a container needs the capability CAP_SYS_ADMIN and loop devices, as privileged ones have";

/// Refuses the first operation that this process may not carry out.
pub fn refuse(draft: &mut Draft<'_>) {
    let Some(privileges) = &draft.observed.privileges else {
        return;
    };
    let names = OwnerNames::of(draft);
    let mut active = draft.operations().iter().filter(|op| !is_idle(op));
    let in_image = draft.options.target == TargetState::Assembled;
    let refusal = active.find_map(|operation| {
        let by_loop = in_image && uses_loop(&operation.kind);
        let no_loop = privileges.no_loops.as_ref().filter(|_| by_loop);
        no_loop
            .map(|why| no_loop_device(operation, why))
            .or_else(|| obstacle(operation, privileges, &names))
    });
    if let Some(refusal) = refusal {
        draft.refuse(refusal);
    }
}

/// What is done to a part of an image through a loop device.
fn uses_loop(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::MakeFilesystem(_) | OpKind::WipeDevice(_) | OpKind::Mount(_)
    )
}

fn no_loop_device(operation: &Operation, why: &str) -> Failure {
    let cause = format!("a file system in an image needs a loop device, and {why}");
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause, PRIVILEGED)
}

fn obstacle(operation: &Operation, privileges: &Privileges, names: &OwnerNames) -> Option<Failure> {
    if let (OpKind::Mount(_), Some(why)) = (&operation.kind, privileges.no_mounts) {
        return Some(no_mount(operation, why));
    }
    owners(&operation.kind, names)
        .into_iter()
        .find_map(|(space, id)| {
            let ids = match space {
                Space::User => &privileges.users,
                Space::Group => &privileges.groups,
            };
            (!ids.contain(id)).then(|| no_owner(operation, space, id, ids))
        })
}

/// The users and groups that an operation gives nodes to.
fn owners(kind: &OpKind, names: &OwnerNames) -> Vec<(Space, u32)> {
    match kind {
        OpKind::Directory(act) => of_permissions(&act.permissions, names),
        OpKind::File(act) => of_permissions(&act.permissions, names),
        OpKind::User(act) => match act.home_act {
            HomeAct::Leave | HomeAct::Remove { .. } => Vec::new(),
            HomeAct::Make { .. } | HomeAct::Move { .. } | HomeAct::HandOver { .. } => {
                vec![
                    (Space::User, act.result.uid),
                    (Space::Group, act.result.gid),
                ]
            }
        },
        OpKind::SshKeys(act) => {
            let user = names.id(Space::User, &act.user).into_iter();
            user.map(|id| (Space::User, id)).collect()
        }
        _ => Vec::new(),
    }
}

fn of_permissions(wish: &Permissions, names: &OwnerNames) -> Vec<(Space, u32)> {
    [(Space::User, &wish.user), (Space::Group, &wish.group)]
        .into_iter()
        .filter_map(|(space, owner)| match owner {
            Owner::Keep => None,
            Owner::Id(id) => Some((space, *id)),
            Owner::Name(name) => names.id(space, name).map(|id| (space, id)),
        })
        .collect()
}

fn no_mount(operation: &Operation, why: NoMounts) -> Failure {
    let (cause, remedy) = match why {
        NoMounts::Capability => ("this process may not mount file systems", PRIVILEGED),
        NoMounts::UserNamespace => (
            "the kernel does not mount block devices in a user namespace",
            "run kindling as root outside of the namespace",
        ),
        NoMounts::NoProc => (
            "mounting needs /proc, which is not mounted",
            "mount it first: mount -t proc proc /proc",
        ),
    };
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause.into(), remedy)
}

fn no_owner(operation: &Operation, space: Space, id: u32, ids: &Ids) -> Failure {
    let (cause, remedy) = match ids {
        Ids::Mapped(_) => (
            format!("the user namespace of this process has no {space} {id}"),
            "run kindling as root, or map more ids into the namespace (unshare --map-auto --map-root-user)",
        ),
        Ids::All | Ids::Own(_) => (
            format!("this process may not change ownership to {space} {id}"),
            "run kindling as root",
        ),
    };
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause, remedy)
}
