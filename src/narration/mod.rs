//! What is told of a run while it goes on: observers of one stream of events, who know nothing of each other.
//!
//! | part | who hears |
//! |---|---|
//! | [`log_lines`] | the log, in the words that readers of Ignition's log know |
//! | [`journal`] | the journal: entries with fields that distributions select by |
//! | [`console`] | a person in front of a booting machine |
//! | [`terminal`] | a person at a desk |
//!
//! What is said when a run is over is the matter of [`crate::report`] and [`crate::failure`].

pub(crate) mod console;
pub(crate) mod journal;
pub(crate) mod log_lines;
pub(crate) mod terminal;
mod transfer;
