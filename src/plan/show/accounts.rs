//! Users, groups, ssh keys and kernel arguments of a plan.

use super::Outline;
use crate::plan::op::{
    AccountChange, GroupAct, HomeAct, OpKind, Operation, Plan, Subject, UserAct,
};

/// Shows the account section, if the plan has one.
pub(super) fn show(outline: &mut Outline, plan: &Plan) {
    kernel_arguments(outline, plan);
    let operations: Vec<&Operation> = plan.operations.iter().filter(|o| is_account(o)).collect();
    if operations.is_empty() {
        return;
    }
    outline.heading("accounts");
    for operation in operations {
        outline.line(
            1,
            Some(operation.effect),
            &text(operation),
            operation.origin.as_ref(),
        );
    }
    outline.gap();
}

fn kernel_arguments(outline: &mut Outline, plan: &Plan) {
    for operation in &plan.operations {
        if let OpKind::Skipped(act) = &operation.kind {
            outline.heading(&format!("{}, skipped: {}", act.subject, act.because));
            for change in &act.changes {
                outline.line(1, Some(operation.effect), change, operation.origin.as_ref());
            }
            outline.gap();
        }
        let OpKind::KernelArguments(act) = &operation.kind else {
            continue;
        };
        outline.heading("kernel arguments");
        for argument in &act.should_exist {
            outline.line(
                1,
                Some(crate::plan::Effect::Create),
                argument,
                operation.origin.as_ref(),
            );
        }
        for argument in &act.should_not_exist {
            outline.line(
                1,
                Some(crate::plan::Effect::Destroy),
                argument,
                operation.origin.as_ref(),
            );
        }
        outline.gap();
    }
}

fn is_account(operation: &Operation) -> bool {
    matches!(
        operation.kind.subject(),
        Subject::User(_) | Subject::Group(_)
    )
}

fn text(operation: &Operation) -> String {
    match &operation.kind {
        OpKind::Group(act) => group_text(act),
        OpKind::User(act) => user_text(act),
        OpKind::SshKeys(act) => {
            let plural = if act.keys == 1 { "" } else { "s" };
            format!(
                "user {}: {} ssh key{plural} in ~/{}",
                act.user, act.keys, act.file
            )
        }
        OpKind::AlreadyRight(act) => format!("{}: {}", act.subject, act.because),
        other => other.describe(),
    }
}

fn group_text(act: &GroupAct) -> String {
    let name = &act.request.name;
    let source = act.source.as_deref().unwrap_or("the image");
    match act.request.change {
        AccountChange::Create => format!("group {name}, gid {}", act.result.gid),
        AccountChange::Modify => format!("group {name}: {}", act.differs.join(", ")),
        AccountChange::Delete => format!("group {name}"),
        AccountChange::Adopt => {
            format!("group {name}, gid {}, copied from {source}", act.result.gid)
        }
    }
}

fn user_text(act: &UserAct) -> String {
    let name = &act.request.name;
    let source = act.source.as_deref().unwrap_or("the image");
    match act.request.change {
        AccountChange::Create => new_user_text(act),
        AccountChange::Modify => format!("user {name}: {}", act.differs.join(", ")),
        AccountChange::Delete => match &act.home_act {
            HomeAct::Remove { .. } => format!("user {name} with home directory"),
            _ => format!("user {name}"),
        },
        AccountChange::Adopt => {
            format!("user {name}, uid {}, copied from {source}", act.result.uid)
        }
    }
}

fn new_user_text(act: &UserAct) -> String {
    let request = &act.request;
    let mut parts = vec![format!("user {}", request.name)];
    parts.push(format!("uid {}", act.result.uid));
    if let Some(group) = &request.primary_group {
        parts.push(format!("primary group {group}"));
    }
    if !request.groups.is_empty() {
        parts.push(format!("groups {}", request.groups.join(" ")));
    }
    if let Some(home) = &request.home {
        parts.push(format!("home {home}"));
    }
    if let Some(shell) = &request.shell {
        parts.push(format!("shell {shell}"));
    }
    if request.password_hash.is_some() {
        parts.push("password set".into());
    }
    parts.join(", ")
}
