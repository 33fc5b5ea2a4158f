//! Findings about a config, as log lines.

use crate::config::{Findings, Severity};
use crate::log::{Log, LogLevel};

/// Logs every finding.
pub fn log_findings(log: &Log, findings: &Findings) {
    for finding in &findings.0 {
        let level = match finding.severity {
            Severity::Error => LogLevel::Critical,
            Severity::Warning => LogLevel::Warning,
            Severity::Info => LogLevel::Info,
        };
        log.write(level, finding);
    }
}
