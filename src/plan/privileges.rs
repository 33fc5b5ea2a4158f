//! Refuses what the kernel would not allow this process to do: mount, or change owners.

use super::op::{HomeAct, Owner, Permissions};
use super::permissions::OwnerNames;
use super::touched::is_idle;
use super::{Draft, ErrorCode, Failure, OpKind, Operation, TargetState};
use crate::accounts::AccountKind;
use crate::facts::privileges::{Ids, MountObstacle, Privileges};

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
        let no_loop = privileges.loop_obstacle.as_ref().filter(|_| by_loop);
        no_loop
            .map(|why| loop_refusal(operation, why))
            .or_else(|| find_refusal(operation, privileges, &names))
    });
    if let Some(refusal) = refusal {
        draft.refuse(refusal);
    }
}

/// True for operations on a part of an image, which need a loop device.
fn uses_loop(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::MakeFilesystem(_) | OpKind::WipeDevice(_) | OpKind::Mount(_)
    )
}

fn loop_refusal(operation: &Operation, why: &str) -> Failure {
    let cause = format!("a file system in an image needs a loop device, and {why}");
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause, PRIVILEGED)
}

fn find_refusal(
    operation: &Operation,
    privileges: &Privileges,
    names: &OwnerNames,
) -> Option<Failure> {
    if let (OpKind::Mount(_), Some(why)) = (&operation.kind, privileges.mount_obstacle) {
        return Some(mount_refusal(operation, why));
    }
    owners(&operation.kind, names)
        .into_iter()
        .find_map(|(kind, id)| {
            let ids = match kind {
                AccountKind::User => &privileges.users,
                AccountKind::Group => &privileges.groups,
            };
            (!ids.contains(id)).then(|| owner_refusal(operation, kind, id, ids))
        })
}

/// The users and groups that an operation makes owners of nodes.
fn owners(kind: &OpKind, names: &OwnerNames) -> Vec<(AccountKind, u32)> {
    match kind {
        OpKind::Directory(act) => of_permissions(&act.permissions, names),
        OpKind::File(act) => of_permissions(&act.permissions, names),
        OpKind::User(act) => match act.home_act {
            HomeAct::Leave | HomeAct::Remove { .. } => Vec::new(),
            HomeAct::Make { .. } | HomeAct::Move { .. } | HomeAct::HandOver { .. } => {
                vec![
                    (AccountKind::User, act.result.uid),
                    (AccountKind::Group, act.result.gid),
                ]
            }
        },
        OpKind::SshKeys(act) => {
            let user = names.id(AccountKind::User, &act.user).into_iter();
            user.map(|id| (AccountKind::User, id)).collect()
        }
        _ => Vec::new(),
    }
}

fn of_permissions(desired: &Permissions, names: &OwnerNames) -> Vec<(AccountKind, u32)> {
    [
        (AccountKind::User, &desired.user),
        (AccountKind::Group, &desired.group),
    ]
    .into_iter()
    .filter_map(|(kind, owner)| match owner {
        Owner::Keep => None,
        Owner::Id(id) => Some((kind, *id)),
        Owner::Name(name) => names.id(kind, name).map(|id| (kind, id)),
    })
    .collect()
}

fn mount_refusal(operation: &Operation, why: MountObstacle) -> Failure {
    let (cause, remedy) = match why {
        MountObstacle::Capability => ("this process may not mount file systems", PRIVILEGED),
        MountObstacle::UserNamespace => (
            "the kernel does not mount block devices in a user namespace",
            "run kindling as root outside of the namespace",
        ),
        MountObstacle::NoProc => (
            "mounting needs /proc, which is not mounted",
            "mount it first: mount -t proc proc /proc",
        ),
    };
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause.into(), remedy)
}

fn owner_refusal(operation: &Operation, kind: AccountKind, id: u32, ids: &Ids) -> Failure {
    let (cause, remedy) = match ids {
        Ids::Mapped(_) => (
            format!("the user namespace of this process has no {kind} {id}"),
            "run kindling as root, or map more ids into the namespace (unshare --map-auto --map-root-user)",
        ),
        Ids::All | Ids::Own(_) => (
            format!("this process may not change ownership to {kind} {id}"),
            "run kindling as root",
        ),
    };
    Failure::of_operation(ErrorCode::PRIVILEGE, operation, cause, remedy)
}
