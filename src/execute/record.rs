//! Records of a run as entries of a report.

use super::scheduler::{Outcome, Record};
use crate::fetch::FetchError;
use crate::plan::{Effect, Operation, Plan};
use crate::report::{self, OperationReport};
use nix::errno::Errno;
use std::time::Duration;

/// Whom remedies are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Somebody at a desk, with an image or a tree.
    Desk,
    /// Somebody in front of a machine that does not boot, whose config has to change.
    Boot,
}

/// One entry per operation, in plan order.
pub fn reports(plan: &Plan, records: &[Record], place: Place) -> Vec<OperationReport> {
    let operations = plan.operations.iter().zip(records);
    operations
        .map(|(operation, record)| operation_report(operation, record, place))
        .collect()
}

/// Adds entries of a plan that ran behind another: their numbers go on from those.
pub fn append(entries: &mut Vec<OperationReport>, more: Vec<OperationReport>) {
    let first = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    entries.extend(more.into_iter().map(|entry| OperationReport {
        id: entry.id.saturating_add(first),
        ..entry
    }));
}

fn operation_report(operation: &Operation, record: &Record, place: Place) -> OperationReport {
    let (outcome, bytes) = match &record.outcome {
        Outcome::Done(_) if operation.effect == Effect::Skip => (report::Outcome::Skipped, None),
        Outcome::Done(_) if operation.effect == Effect::Keep => {
            (report::Outcome::AlreadyRight, None)
        }
        Outcome::Done(done) => (report::Outcome::Done, done.bytes),
        Outcome::Failed(error) if is_cancelled(error) => (report::Outcome::NotStarted, None),
        Outcome::Failed(error) => (
            report::Outcome::Failed {
                error: format!("{error:#}"),
                remedy: remedy(error, place),
            },
            None,
        ),
        Outcome::NotStarted => (report::Outcome::NotStarted, None),
    };
    OperationReport {
        id: operation.id.0,
        phase: operation.phase,
        act: operation.kind.describe(),
        origin: operation.origin.clone(),
        start_us: micros(record.started),
        duration_us: micros(record.duration),
        outcome,
        bytes,
    }
}

/// A fetch that was ended for the sake of another operation did not fail by itself.
pub fn is_cancelled(error: &anyhow::Error) -> bool {
    let cancelled = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(FetchError::Cancelled { .. }))
    };
    error.chain().any(cancelled)
}

/// Microseconds, as reports count them.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What to do about common causes.
pub fn remedy(error: &anyhow::Error, place: Place) -> Option<String> {
    let no_program = error.chain().any(|c| c.to_string().contains("on PATH"));
    error.chain().find_map(|cause| {
        let fetch = cause
            .downcast_ref::<FetchError>()
            .and_then(FetchError::remedy);
        let io = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error);
        let os = io.or(cause.downcast_ref::<Errno>().map(|errno| *errno as i32));
        let text = match (os.map(Errno::from_raw), place) {
            (Some(Errno::ENOSPC), Place::Desk) => {
                "make the file system larger (sizeMiB, or size= of the image)"
            }
            (Some(Errno::ENOSPC), Place::Boot) => {
                "make the file system larger (sizeMiB in the config, or a larger disk)"
            }
            (Some(Errno::EROFS | Errno::EACCES | Errno::EPERM | Errno::ETXTBSY), Place::Desk) => {
                "make the image or tree writable for this user"
            }
            (Some(Errno::EROFS), Place::Boot) => {
                "choose a path on a writable file system, or mount one there"
            }
            (Some(Errno::ENOENT), Place::Desk) if no_program => "install the program",
            (Some(Errno::ENOENT), Place::Boot) if no_program => {
                "add the program to the initramfs (dracut --install)"
            }
            _ => fetch?,
        };
        Some(text.to_string())
    })
}
