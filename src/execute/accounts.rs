//! Users and groups. The code that planned a request also carries it out, on the databases as they are now.

use super::account_lock::AccountLock;
use super::{Context, Done, databases, homes};
use crate::plan::op::{GroupAct, UserAct};
use anyhow::{Context as _, ensure};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

/// The error if a request has another result than planned.
const CHANGED: &str = "the account databases changed since the plan was made; plan again";

/// Creates, changes or deletes a group.
pub fn group(act: &GroupAct, context: &Context) -> anyhow::Result<Done> {
    let _lock = AccountLock::take(context)?;
    let before = databases::read(context.root)?;
    let mut after = before.clone();
    let result = after.apply_group(&act.request)?;
    ensure!(result == act.result, CHANGED);
    databases::write(context.root, &before, &after)?;
    context.root.cached_databases().invalidate();
    Ok(Done::default())
}

/// Creates, changes or deletes a user.
pub fn user(act: &UserAct, context: &Context) -> anyhow::Result<Done> {
    let _lock = AccountLock::take(context)?;
    let before = databases::read(context.root)?;
    let mut after = before.clone();
    let present = before.user(&act.request.name);
    let result = after.apply_user(&act.request)?;
    ensure!(result == act.result, CHANGED);
    // The databases come last: after a run that is killed before, the next one repeats the request, with home and mail.
    homes::apply(act, present.as_ref(), &after, context.root)?;
    chown_mount_points(act, context)?;
    databases::write(context.root, &before, &after)?;
    context.root.cached_databases().invalidate();
    Ok(Done::default())
}

/// Gives directories that were only created as mount points below a home to its user.
fn chown_mount_points(act: &UserAct, context: &Context) -> anyhow::Result<()> {
    let (uid, gid) = (act.result.uid, act.result.gid);
    for path in &act.adopts {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let directory = match context.root.open_at(path, flags, Mode::empty()) {
            Err(Errno::ENOENT) => continue,
            other => other.with_context(|| format!("cannot open {path}"))?,
        };
        fchown(
            &directory,
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
        )
        .and_then(|()| fchmod(&directory, Mode::S_IRWXU))
        .with_context(|| format!("cannot change the owner of {path} to the user"))?;
    }
    Ok(())
}
