//! A plan under construction.

use super::accounts::PredictedAccounts;
use super::op::{Effect, OpId, OpKind, Operation, Phase};
use super::{Claim, Options, Warning, devices};
use crate::config::{Document, JsonPath, Origin};
use crate::facts::Observed;
use crate::failure::{ErrorCode, Failure};
use std::collections::BTreeSet;

impl Failure {
    /// Creates the refusal of an operation.
    pub fn of_operation(
        code: ErrorCode,
        operation: &Operation,
        cause: String,
        remedy: &str,
    ) -> Self {
        Self {
            act: operation.kind.describe(),
            object: String::new(),
            cause,
            origin: operation.origin.clone(),
            remedy: remedy.into(),
            code: Some(code),
        }
    }
}

/// Collects operations and refusals while planning; assigns ids in order.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The config with origins.
    pub document: &'a Document,
    /// What was observed.
    pub observed: &'a Observed,
    /// How to plan.
    pub options: &'a Options,
    /// Users and groups as they will be after the operations so far.
    pub(super) accounts: PredictedAccounts,
    pub(super) operations: Vec<Operation>,
    pub(super) warnings: Vec<Warning>,
    refusals: Vec<Failure>,
    /// Disks whose partitions could not be planned, by their names in the config.
    refused_disks: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    /// An empty draft.
    pub fn new(document: &'a Document, observed: &'a Observed, options: &'a Options) -> Self {
        Self {
            document,
            observed,
            options,
            accounts: PredictedAccounts::observed(observed.root.accounts.databases.clone()),
            operations: Vec::new(),
            warnings: Vec::new(),
            refusals: Vec::new(),
            refused_disks: BTreeSet::new(),
        }
    }
    /// Origin of a config path in the merged document.
    pub fn origin(&self, path: &str) -> Option<Origin> {
        self.document.origin(&JsonPath::new(path))
    }
    /// Adds an operation and returns its id.
    pub fn push(
        &mut self,
        phase: Phase,
        effect: Effect,
        kind: OpKind,
        origin: Option<Origin>,
        claims: Vec<Claim>,
    ) -> OpId {
        let id = OpId(u32::try_from(self.operations.len()).unwrap_or(u32::MAX));
        self.operations.push(Operation {
            id,
            phase,
            effect,
            kind,
            origin,
            claims,
            destroys: Vec::new(),
            after: Vec::new(),
        });
        id
    }
    /// Records data that an operation destroys; shown as a warning.
    pub fn record_loss(&mut self, id: OpId, what: impl Into<String>) {
        if let Some(operation) = self.operations.get_mut(id.0 as usize) {
            operation.destroys.push(what.into());
        }
    }
    /// Adds a refusal. Planning continues, so that all are reported at once. A partition that is missing only because
    /// its disk was refused is not reported: the cause would be wrong, and the refusal of the disk says what to do.
    pub fn refuse(&mut self, mut refusal: Failure) {
        let texts = [&mut refusal.cause, &mut refusal.remedy];
        self.document.reword(refusal.origin.as_ref(), texts);
        let is_missing = refusal.code == Some(ErrorCode::DEVICE_MISSING);
        if !(is_missing && devices::is_on_refused_disk(self, &refusal.object)) {
            self.refusals.push(refusal);
        }
    }
    /// Adds the refusals of a disk's partitions.
    pub fn refuse_disk(&mut self, disk: &str, refusals: Vec<Failure>) {
        for refusal in refusals {
            self.refuse(refusal);
        }
        self.refused_disks.insert(disk.to_owned());
    }
    /// Whether the partitions of the disk were refused; `disk` is its name in the config.
    pub fn is_refused_disk(&self, disk: &str) -> bool {
        self.refused_disks.contains(disk)
    }
    /// Adds a warning unless there is an equal one: if several places have the same cause, only the first is reported.
    pub fn warn(&mut self, mut warning: Warning) {
        let texts = [&mut warning.cause, &mut warning.hint];
        self.document.reword(warning.origin.as_ref(), texts);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
    /// The refusals so far.
    pub fn refusals(&self) -> &[Failure] {
        &self.refusals
    }
    /// The warnings so far.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
    /// The operations so far.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
