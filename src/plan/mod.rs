//! The plan: config and facts in, operations out. Pure; sees data, never the host.

pub mod claims;
pub mod op;

pub use claims::{Access, Claim, Resource};
pub use op::{Effect, OpId, OpKind, Operation, Phase, Plan};

use crate::config::{Document, JsonPath, Origin};
use crate::facts::Observed;

/// What `plan` needs besides config and facts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which parts of the config to plan.
    pub scope: Scope,
    /// Which file systems to mount.
    pub mounts: Mounts,
}

/// Which parts of a config to plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Disks and tree.
    Everything,
    /// Only files, users and units into an existing tree (`--root`).
    TreeOnly {
        /// Skip, rather than refuse, sections that cannot be applied to a tree.
        ignore_unsupported: bool,
    },
}

/// Which file systems to mount while the tree is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Every one with a path (a booting machine).
    All,
    /// Only those that something is written to (an image on a desk, whose kernel may lack the format).
    Needed,
}

/// A wish that cannot be planned: a conflict with what exists, or an impossible request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{act} {object}: {cause}\n  asked for at {origin}\n  {remedy}", origin = show_origin(.origin))]
pub struct Refusal {
    /// What should have been done, e.g. `cannot create partition`.
    pub act: String,
    /// To what, e.g. `3 on /dev/vda`.
    pub object: String,
    /// Why not.
    pub cause: String,
    /// Where it was asked for.
    pub origin: Option<Origin>,
    /// What to do about it.
    pub remedy: String,
}

fn show_origin(origin: &Option<Origin>) -> String {
    origin
        .as_ref()
        .map_or_else(|| "an unknown place".into(), Origin::to_string)
}

/// Collects operations and refusals while planning; gives ids in order.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The config with origins.
    pub document: &'a Document,
    /// What was observed.
    pub observed: &'a Observed,
    /// How to plan.
    pub options: &'a Options,
    operations: Vec<Operation>,
    refusals: Vec<Refusal>,
}

impl<'a> Draft<'a> {
    /// An empty draft.
    pub fn new(document: &'a Document, observed: &'a Observed, options: &'a Options) -> Self {
        Self {
            document,
            observed,
            options,
            operations: Vec::new(),
            refusals: Vec::new(),
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
    /// Notes what data an operation destroys; shown as a warning.
    pub fn destroys(&mut self, id: OpId, what: impl Into<String>) {
        if let Some(op) = self.operations.get_mut(id.0 as usize) {
            op.destroys.push(what.into());
        }
    }
    /// Adds a refusal; planning goes on so that all are reported at once.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }
    /// The refusals so far.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
    /// The operations so far.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
