//! Resources that are fetched: the contents of files, other configs, certificates.

use super::fields::Fields;
use super::step::OldTranslation;
use super::version::OldVersion;
use crate::config::Version;
use crate::config::digest::{Digest, DigestError};
use crate::config::url;
use crate::language::node::Node;
use std::collections::HashSet;

/// Checks a source with its compression, hash and headers.
pub(super) fn check(step: &mut OldTranslation<'_>, resource: &Node<'_>) {
    check_source(step, resource);
    let compression = resource.text_of("compression");
    if !matches!(compression, "" | "gzip") {
        let at = resource.at_of("compression");
        step.error_with_help(at, "unknown compression", "use gzip, or leave it out");
    }
    check_hash(step, resource.inner("verification"));
    check_headers(step, resource);
}

/// Checks a reference to a config or to certificates, which needs a source.
pub(super) fn check_reference(step: &mut OldTranslation<'_>, reference: &Node<'_>) {
    if reference.text_of("source").is_empty() {
        let at = reference.at_of("source");
        step.error(at, "a source is required here");
    }
    check(step, reference);
}

fn check_source(step: &mut OldTranslation<'_>, resource: &Node<'_>) {
    let source = resource.text_of("source");
    if source.is_empty() {
        return;
    }
    if let Some(problem) = source_problem(source, step.version_of(resource)) {
        step.error(resource.at_of("source"), problem);
    }
}

fn source_problem(source: &str, version: OldVersion) -> Option<String> {
    if let Some(problem) = url::source_problem(source, Version::V3_1) {
        return Some(problem);
    }
    let parsed = url::parse(source).ok()?;
    match parsed.scheme.as_str() {
        scheme @ ("tftp" | "s3") if version < OldVersion::V2_1 => Some(format!(
            "invalid url scheme: `{scheme}` is not supported in version {}",
            version.name()
        )),
        "oem" if !parsed.path.starts_with('/') => {
            Some("an oem URL has three slashes and a path: oem:///path".into())
        }
        _ => None,
    }
}

fn check_hash(step: &mut OldTranslation<'_>, verification: &Node<'_>) {
    let Some(hash) = verification.get("hash") else {
        return;
    };
    let problem = match Digest::parse(hash.as_text()) {
        Ok(Digest::Sha512(_)) => return,
        Ok(Digest::Sha256(_)) => DigestError::UnknownFunction,
        Err(problem) => problem,
    };
    let help = "write sha512- and 128 hexadecimal digits";
    step.error_with_help(hash.at, problem.to_string(), help);
}

fn check_headers(step: &mut OldTranslation<'_>, resource: &Node<'_>) {
    let Some(list) = resource.get("httpHeaders") else {
        return;
    };
    let headers = list.elements();
    if headers.is_empty() {
        return;
    }
    let source = url::parse(resource.text_of("source"));
    if !source.is_ok_and(|url| matches!(url.scheme.as_str(), "http" | "https")) {
        let message = "HTTP headers are for http and https sources only";
        step.error(list.at, message);
    }
    let mut seen = HashSet::new();
    for header in headers {
        let name = header.text_of("name");
        if name.is_empty() {
            step.error(header.at_of("name"), "the header name is empty");
        } else if !seen.insert(name) {
            step.error(header.at_of("name"), "duplicate header");
        }
        if header.text_of("value").is_empty() {
            let message = "the header has no value; in version 3 that removes the header";
            let at = header.at_of("value");
            step.error_with_help(at, message, "leave the header out, or give it a value");
        }
    }
}

/// `resource` translated to version 3, with a source even if it is empty.
pub(super) fn translate<'t>(resource: &Node<'t>) -> Node<'t> {
    let mut out = Node::mapping(resource.at);
    out.copy_or_empty(resource, "source");
    out.copy_text(resource, "compression");
    out.copy(resource, "verification");
    out.copy_list(resource, "httpHeaders");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_by_version() {
        use OldVersion::{V2_0, V2_1};
        let cases = [
            ("http://h/x", V2_0, true),
            ("https://h/x", V2_0, true),
            ("data:,x", V2_0, true),
            ("data:x", V2_0, false),
            ("oem:///x", V2_0, true),
            ("oem://x", V2_0, false),
            ("oem:x", V2_0, false),
            ("tftp://h/x", V2_0, false),
            ("tftp://h/x", V2_1, true),
            ("s3://b/k", V2_0, false),
            ("s3://b/k", V2_1, true),
            ("s3://b/k?versionId=", V2_1, false),
            ("gs://b/k", V2_1, false),
            ("ftp://h/x", V2_1, false),
            ("nope", V2_1, false),
            ("http://h/%", V2_1, false),
        ];
        for (source, version, is_fine) in cases {
            let problem = source_problem(source, version);
            assert_eq!(problem.is_none(), is_fine, "{source}: {problem:?}");
        }
    }
}
