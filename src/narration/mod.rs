//! Output about a run while it is in progress, by independent observers of the same events.
//!
//! | module | output |
//! |---|---|
//! | [`log_lines`] | log lines in the wording of Ignition |
//! | [`journal`] | journal entries with fields that distributions select by |
//! | [`console`] | progress and failures on the consoles of a booting machine |
//! | [`terminal`] | progress on a terminal |
//!
//! Output after the end of a run is up to [`crate::report`] and [`crate::failure`].

pub(crate) mod console;
pub(crate) mod journal;
pub(crate) mod log_lines;
pub(crate) mod terminal;
mod transfer;
