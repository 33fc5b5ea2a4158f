//! Accounts without tools of the target (in the making).
use crate::host::TargetRoot;
use crate::plan::op::{GroupAct, UserAct};

pub(super) fn group(_: &GroupAct, _: &TargetRoot) -> anyhow::Result<()> {
    anyhow::bail!("the target has no account databases")
}

pub(super) fn user(_: &UserAct, _: &TargetRoot) -> anyhow::Result<()> {
    anyhow::bail!("the target has no account databases")
}
