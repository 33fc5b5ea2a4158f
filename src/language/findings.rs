//! Findings of a language while it reads: collected with offsets, placed when all is known.

use crate::config::{Finding, JsonPath, LineStarts, Severity, WrittenPaths};

/// What a language has to say so far.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Vec<Remark>);

#[derive(Debug)]
struct Remark {
    severity: Severity,
    at: u32,
    /// Where the path of the value at `at` is not what is meant.
    path: Option<JsonPath>,
    message: String,
    help: Option<String>,
}

impl Remarks {
    /// The config cannot be used, because of the value at offset `at`.
    pub(crate) fn error(&mut self, at: u32, message: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), None);
    }

    /// [`Remarks::error`] with what to do about it.
    pub(crate) fn error_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, at, message.into(), Some(help.into()));
    }

    /// The value at offset `at` does something other than its author may think.
    pub(crate) fn warn(&mut self, at: u32, message: impl Into<String>) {
        self.push(Severity::Warning, at, message.into(), None);
    }

    /// [`Remarks::warn`] with what to do about it.
    pub(crate) fn warn_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, at, message.into(), Some(help.into()));
    }

    /// A remark at offset `at` about `path`, e.g. a key that has no value of its own or stands elsewhere.
    pub(crate) fn at_path(
        &mut self,
        severity: Severity,
        at: u32,
        path: JsonPath,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(severity, at, message.into(), help);
        if let Some(last) = self.0.last_mut() {
            last.path = Some(path);
        }
    }

    fn push(&mut self, severity: Severity, at: u32, message: String, help: Option<String>) {
        self.0.push(Remark {
            severity,
            at,
            path: None,
            message,
            help,
        });
    }

    /// True if there is an error among them.
    pub(crate) fn is_fatal(&self) -> bool {
        self.0.iter().any(|r| r.severity == Severity::Error)
    }

    /// All of them in the order of the text.
    pub(crate) fn placed(self, lines: &LineStarts, paths: &WrittenPaths) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .0
            .into_iter()
            .map(|remark| Finding {
                severity: remark.severity,
                path: remark.path.or_else(|| paths.path_to(remark.at, true)),
                position: Some(lines.position(remark.at)),
                message: remark.message,
                help: remark.help,
            })
            .collect();
        findings.sort_by_key(|finding| finding.position);
        findings
    }
}
