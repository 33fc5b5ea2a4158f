//! Users, groups, ssh keys and kernel arguments of a plan.

use super::Page;
use crate::plan::op::{AccountChange, OpKind, Operation, Plan, Subject, UserAct};

/// Shows the account section, if the plan has one.
pub(super) fn show(page: &mut Page, plan: &Plan) {
    kernel_arguments(page, plan);
    let operations: Vec<&Operation> = plan.operations.iter().filter(|o| is_account(o)).collect();
    if operations.is_empty() {
        return;
    }
    page.heading("accounts");
    for operation in operations {
        page.line(
            1,
            Some(operation.effect),
            &text(operation),
            operation.origin.as_ref(),
        );
    }
    page.gap();
}

fn kernel_arguments(page: &mut Page, plan: &Plan) {
    for operation in &plan.operations {
        if let OpKind::Skipped(act) = &operation.kind {
            page.heading(&format!("{}, skipped: {}", act.subject, act.because));
            for wish in &act.wishes {
                page.line(1, Some(operation.effect), wish, operation.origin.as_ref());
            }
            page.gap();
        }
        let OpKind::KernelArguments(act) = &operation.kind else {
            continue;
        };
        page.heading("kernel arguments");
        for argument in &act.should_exist {
            page.line(
                1,
                Some(crate::plan::Effect::Create),
                argument,
                operation.origin.as_ref(),
            );
        }
        for argument in &act.should_not_exist {
            page.line(
                1,
                Some(crate::plan::Effect::Destroy),
                argument,
                operation.origin.as_ref(),
            );
        }
        page.gap();
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
        OpKind::Group(act) if act.change == AccountChange::Modify => {
            format!("group {}: {}", act.name, act.differs.join(", "))
        }
        OpKind::Group(act) if act.change == AccountChange::Delete => format!("group {}", act.name),
        OpKind::Group(act) => {
            let gid = act.gid.map_or("next free".into(), |gid| gid.to_string());
            format!("group {}, gid {gid}", act.name)
        }
        OpKind::User(act) if act.change == AccountChange::Modify => {
            format!("user {}: {}", act.name, act.differs.join(", "))
        }
        OpKind::User(act) if act.change == AccountChange::Delete => {
            format!("user {} with home directory", act.name)
        }
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

fn user_text(act: &UserAct) -> String {
    let mut parts = vec![format!("user {}", act.name)];
    parts.push(
        act.uid
            .map_or("uid next free".into(), |uid| format!("uid {uid}")),
    );
    if let Some(group) = &act.primary_group {
        parts.push(format!("primary group {group}"));
    }
    if !act.groups.is_empty() {
        parts.push(format!("groups {}", act.groups.join(" ")));
    }
    if let Some(home) = &act.home {
        parts.push(format!("home {home}"));
    }
    if let Some(shell) = &act.shell {
        parts.push(format!("shell {shell}"));
    }
    if act.password_hash.is_some() {
        parts.push("password set".into());
    }
    parts.join(", ")
}
