//! Refuses contents that are embedded in the config and contradict it: no target can have them.

use super::{Draft, ErrorCode, Failure};
use crate::facts::bodies::BodyFault;

/// Refuses every `data:` body that was found to be unusable.
pub fn refuse(draft: &mut Draft<'_>) {
    let faults = &draft.observed.body_faults;
    for fault in faults {
        let refusal = refusal(draft, fault);
        draft.refuse(refusal);
    }
}

/// The body and what it contradicts may come from different documents, as merging replaces members one by one.
fn refusal(draft: &Draft<'_>, fault: &BodyFault) -> Failure {
    let origin = draft.origin(&format!("{}.source", fault.path));
    let other = draft.origin(&format!("{}.{}", fault.path, fault.member));
    let other = other.filter(|other| Some(other) != origin.as_ref());
    let cause = match other {
        None => fault.cause.clone(),
        Some(other) => format!("{}; {} is set at {other}", fault.cause, fault.member),
    };
    Failure {
        act: "use".into(),
        object: fault.object.clone(),
        cause,
        origin,
        remedy: fault.remedy.clone(),
        code: Some(ErrorCode::CONTENT),
    }
}
