//! Drivers that the kernel of this machine lacks. `apply` refuses a plan that needs them before anything is written;
//! `plan` only warns, since the same plan is valid for the machine once it runs another kernel.

use super::op::{OpKind, Operation};
use super::touched::is_idle;
use super::{ErrorCode, Failure, Plan, Warning};
use crate::facts::KernelFacts;

/// Refuses every operation that needs a driver which is certainly missing.
pub fn refusals(plan: &Plan, kernel: Option<&KernelFacts>) -> Vec<Failure> {
    let Some(kernel) = kernel else {
        return Vec::new();
    };
    let operations = plan.operations.iter().filter(|op| !is_idle(op));
    operations
        .filter_map(|operation| refusal(operation, kernel))
        .collect()
}

/// Like [`refusals`], but as warnings.
pub fn warnings(plan: &Plan, kernel: Option<&KernelFacts>) -> Vec<Warning> {
    let warning = |refusal: Failure| Warning {
        what: refusal.object,
        cause: format!("apply would be refused, {}", refusal.cause),
        origin: refusal.origin,
        hint: refusal.remedy,
    };
    refusals(plan, kernel).into_iter().map(warning).collect()
}

fn refusal(operation: &Operation, kernel: &KernelFacts) -> Option<Failure> {
    let (driver, modules) = match operation.kind {
        OpKind::CreateLuks(_) if kernel.lacks_device_mapper => {
            ("device mapper", "dm_mod and dm_crypt")
        }
        OpKind::CreateArray(_) | OpKind::AssembleArray(_) if kernel.lacks_arrays => {
            ("driver for arrays", "md_mod and that of the level")
        }
        _ => return None,
    };
    let cause = format!("the kernel of this machine has no {driver}");
    let remedy = format!("install its modules {modules}, or boot a kernel that has them");
    Some(Failure::of_operation(
        ErrorCode::PROGRAM_MISSING,
        operation,
        cause,
        &remedy,
    ))
}
