//! Decides whether SELinux labels are set, and logs why not.

use crate::facts::root::SelinuxFacts;
use crate::log::Log;
use crate::plan::relabel::{self, Labels};

/// Decides by the configuration of the target, unless `requested` overrides it, and logs the reason for not setting
/// them.
pub(super) fn decide(facts: &SelinuxFacts, requested: Option<bool>, log: &Log) -> Labels {
    let labels = relabel::decide(facts, requested);
    if labels == Labels::Off {
        let why = match (requested, facts.has_config) {
            (Some(false), _) => "IGNITION_SELINUX_RELABEL is false",
            (_, false) => "the target has no /etc/selinux/config",
            _ => "the target says SELINUX=disabled",
        };
        log.info(format_args!("SELinux labels are not set: {why}"));
    }
    labels
}
