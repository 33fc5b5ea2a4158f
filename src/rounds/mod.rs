//! Plan asks, observation answers, the plan runs; and again, when a part of it has shown more than could be seen before.
//!
//! The desk and every stage of a boot go through here, so that `kindling plan` and a boot cannot differ in what they look
//! at. What they do differently is in their [`Options`]: a stage looks at its own part of the machine.
//!
//! 1. [`Planner::look`] observes what the scope of the plan needs. [`crate::plan::questions`] says what to look at, step by
//!    step, since what is on a disk decides what else has to be known.
//! 2. [`Planner::plan`] plans by that.
//! 3. [`Planner::run`] executes. What exists but has to be put together to be looked into (volumes, arrays) comes first;
//!    then everything is observed and planned again, until nothing is left unseen.

mod error;
mod execute;
mod look;
mod planner;
mod run_target;

pub(crate) use error::RoundError;
pub(crate) use execute::{Execution, MAX_JOBS};
pub(crate) use planner::{Planner, Runner};
pub(crate) use run_target::RunTarget;

#[cfg(doc)]
use crate::plan::Options;
