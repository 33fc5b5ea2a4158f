//! What there is to say about a config, as log lines.

use crate::config::{Findings, Severity};
use crate::log::{Level, Log};

/// Logs every finding.
pub fn log_findings(log: &Log, findings: &Findings) {
    for finding in &findings.0 {
        let level = match finding.severity {
            Severity::Error => Level::Critical,
            Severity::Warning => Level::Warning,
            Severity::Info => Level::Info,
        };
        log.say(level, finding);
    }
}
