//! Observes, plans and runs in rounds: when a part of a plan has made more visible, everything is observed and planned
//! again.
//!
//! Commands and stages of a boot share this code, so that `kindling plan` and a boot cannot differ in what they
//! observe. They differ in their [`Options`]: a stage observes its own part of the machine.
//!
//! 1. [`Planner::observe`] observes what the scope of the plan needs. [`crate::plan::questions`] determines what to
//!    observe, step by step, since what is on a disk decides what else has to be known.
//! 2. [`Planner::plan`] plans with that.
//! 3. [`Planner::run`] executes. Existing volumes and arrays that have to be opened to be inspected come first; then
//!    everything is observed and planned again, until nothing is left unknown.

mod error;
mod execute;
mod observation;
mod planner;
mod run_target;

pub(crate) use error::RoundError;
pub(crate) use execute::{Execution, MAX_JOBS};
pub(crate) use planner::{Planner, Runner};
pub(crate) use run_target::RunTarget;

#[cfg(doc)]
use crate::plan::Options;
