//! Findings about a merged document that were not reported for its parts.

use super::SourceFindings;
use crate::config::{Document, Finding, Findings, Severity};

/// Name of the merged document, for findings, which need a source.
pub(super) const NAME: &str = "merged config";

/// Validates `document` by the rules of the latest version. Errors are always returned; a warning is left out if
/// it was already reported for the same line.
pub(super) fn new_findings(
    document: &Document,
    first: &str,
    first_findings: &Findings,
    reported: &[SourceFindings],
) -> Findings {
    let known: Vec<(&str, &Findings)> = std::iter::once((first, first_findings))
        .chain(reported.iter().map(|s| (s.source.as_str(), &s.findings)))
        .collect();
    let is_new = |f: &Finding| f.severity == Severity::Error || !is_known(document, f, &known);
    Findings(document.check().0.into_iter().filter(is_new).collect())
}

fn is_known(document: &Document, finding: &Finding, known: &[(&str, &Findings)]) -> bool {
    let Some(origin) = finding.path.as_ref().and_then(|p| document.origin(p)) else {
        return false;
    };
    let same = |f: &Finding| {
        f.message == finding.message && f.position.is_some_and(|at| at.line == origin.line)
    };
    known
        .iter()
        .any(|(source, findings)| *source == &*origin.source && findings.0.iter().any(same))
}
