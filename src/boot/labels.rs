//! Says whether SELinux labels are set, and why not.

use crate::facts::root::SelinuxFacts;
use crate::log::Log;
use crate::plan::relabel::{self, Labels};

/// Decides by what the target says, unless `wish` overrules it, and logs a decision not to.
pub(super) fn decide(facts: &SelinuxFacts, wish: Option<bool>, log: &Log) -> Labels {
    let labels = relabel::decide(facts, wish);
    if labels == Labels::Off {
        let why = match (wish, facts.has_config) {
            (Some(false), _) => "IGNITION_SELINUX_RELABEL says so",
            (_, false) => "the target has no /etc/selinux/config",
            _ => "the target says SELINUX=disabled",
        };
        log.info(format_args!("SELinux labels are not set: {why}"));
    }
    labels
}
