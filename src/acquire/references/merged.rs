//! What is to say about a merged document that was not said about its parts.

use super::SourceFindings;
use crate::config::{Document, Finding, Findings, Severity};

/// Name of the merged document where findings need a source.
pub(super) const NAME: &str = "merged config";

/// Judges `document` by the rules of the latest version. Errors are always news; a warning is not
/// if it was given for the same line already.
pub(super) fn findings(
    document: &Document,
    first: &str,
    said_of_first: &Findings,
    said: &[SourceFindings],
) -> Findings {
    let known: Vec<(&str, &Findings)> = std::iter::once((first, said_of_first))
        .chain(said.iter().map(|s| (s.source.as_str(), &s.findings)))
        .collect();
    let is_news = |f: &Finding| f.severity == Severity::Error || !is_known(document, f, &known);
    Findings(document.check().0.into_iter().filter(is_news).collect())
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
