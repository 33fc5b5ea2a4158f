//! Resources: what is fetched for file contents, keys, configs and certificates.

use super::{Rules, non_empty};
use crate::config::digest;
use crate::config::model::{HttpHeader, Resource};
use crate::config::path::Path;
use crate::config::url;
use crate::config::version::Version;

/// What the resource is used for; this only matters in 3.0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourceUse {
    /// A file or a volume.
    Contents,
    /// Another config.
    Reference,
    /// Certificates.
    Authority,
}

pub(super) fn check(
    rules: &mut Rules,
    resource: &Resource,
    resource_use: ResourceUse,
    path: &Path<'_>,
) {
    if resource_use == ResourceUse::Contents || rules.version >= Version::V3_1 {
        check_members(rules, resource, path);
    } else {
        reference_3_0(rules, resource, resource_use, path);
    }
    check_hash(rules, resource, path);
}

/// In 3.0 references had rules of their own; certificates needed a source, and a missing one was reported as an invalid
/// URL.
fn reference_3_0(
    rules: &mut Rules,
    resource: &Resource,
    resource_use: ResourceUse,
    path: &Path<'_>,
) {
    let source = match (non_empty(&resource.source), resource_use) {
        (None, ResourceUse::Authority) => "",
        (None, _) => return,
        (Some(source), _) => source,
    };
    if let Some(problem) = rules.source_problem(source) {
        rules.error(&path.member("source"), problem);
    }
}

fn check_members(rules: &mut Rules, resource: &Resource, path: &Path<'_>) {
    if !matches!(resource.compression.as_deref(), None | Some("" | "gzip")) {
        let help = "use gzip, or leave it out".into();
        rules.error_with_help(
            &path.member("compression"),
            "invalid compression method",
            help,
        );
    }
    let verification = path.member("verification");
    if resource.verification.hash.is_some() && resource.source.is_none() {
        let message = "source must be specified if verification is specified";
        rules.error(&verification.member("hash"), message);
    }
    if let Some(source) = non_empty(&resource.source)
        && let Some(problem) = rules.source_problem(source)
    {
        rules.error(&path.member("source"), problem);
    }
    if !resource.http_headers.is_empty() {
        check_headers(rules, resource, &path.member("httpHeaders"));
    }
}

fn check_headers(rules: &mut Rules, resource: &Resource, path: &Path<'_>) {
    match non_empty(&resource.source).map(url::parse) {
        None => rules.error(path, "unable to parse url: headers need a source"),
        Some(Err(e)) => rules.error(path, format!("unable to parse url: {e}")),
        Some(Ok(url)) if !matches!(url.scheme.as_str(), "http" | "https") => {
            rules.error(path, "cannot use HTTP headers with this source scheme");
        }
        Some(Ok(_)) => {}
    }
    for (i, header) in resource.http_headers.iter().enumerate() {
        check_header(rules, header, &path.index(i));
    }
}

fn check_header(rules: &mut Rules, header: &HttpHeader, path: &Path<'_>) {
    if header.name.is_empty() {
        rules.error(&path.member("name"), "HTTP header name can't be empty");
    }
    if header.value.as_deref() == Some("") {
        let help = "leave the value out to remove the header of a parent config".into();
        let message = "unable to parse HTTP header: the value is empty";
        rules.error_with_help(&path.member("value"), message, help);
    }
}

fn check_hash(rules: &mut Rules, resource: &Resource, path: &Path<'_>) {
    if let Some(text) = &resource.verification.hash
        && let Some(problem) = digest::problem(text, rules.version)
    {
        let help = match rules.version {
            Version::V3_0 => "write sha512- and 128 hexadecimal digits",
            _ => "write sha256- and 64, or sha512- and 128 hexadecimal digits",
        };
        let path = path.member("verification");
        rules.error_with_help(&path.member("hash"), problem.to_string(), help.into());
    }
}
