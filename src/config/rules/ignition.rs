//! `ignition`: references, proxies, certificate authorities.

use super::resource::{self, ResourceUse};
use super::{Rules, non_empty};
use crate::config::model::{Ignition, Proxy, References, Resource};
use crate::config::path::Path;
use crate::config::url;
use crate::config::version::Version;

pub(super) fn check(rules: &mut Rules, ignition: &Ignition, path: &Path<'_>) {
    check_references(rules, &ignition.config, &path.member("config"));
    check_proxy(rules, &ignition.proxy, &path.member("proxy"));
    let security = path.member("security");
    let tls = security.member("tls");
    let list = tls.member("certificateAuthorities");
    for (i, authority) in ignition
        .security
        .tls
        .certificate_authorities
        .iter()
        .enumerate()
    {
        check_required(rules, authority, ResourceUse::Authority, &list.index(i));
    }
}

fn check_references(rules: &mut Rules, references: &References, path: &Path<'_>) {
    let merge = path.member("merge");
    for (i, reference) in references.merge.iter().enumerate() {
        check_required(rules, reference, ResourceUse::Reference, &merge.index(i));
    }
    resource::check(
        rules,
        &references.replace,
        ResourceUse::Reference,
        &path.member("replace"),
    );
}

/// Checks a reference that must have a source: since 3.1 the error is reported for the entry itself as well.
fn check_required(
    rules: &mut Rules,
    reference: &Resource,
    resource_use: ResourceUse,
    path: &Path<'_>,
) {
    if rules.version >= Version::V3_1 {
        match non_empty(&reference.source) {
            None => rules.error(path, "source is required"),
            Some(source) => {
                if let Some(problem) = url::source_problem(source, rules.version) {
                    rules.error(path, problem);
                }
            }
        }
    }
    resource::check(rules, reference, resource_use, path);
}

fn check_proxy(rules: &mut Rules, proxy: &Proxy, path: &Path<'_>) {
    if rules.version < Version::V3_1 {
        return;
    }
    if let Some(text) = &proxy.http_proxy {
        check_proxy_url(rules, text, &path.member("httpProxy"));
    }
    if let Some(text) = &proxy.https_proxy {
        let path = path.member("httpsProxy");
        if check_proxy_url(rules, text, &path).as_deref() == Some("http") {
            rules.warn(&path, "requests for https go through a plain-text proxy");
        }
    }
}

/// Checks the URL of a proxy; returns its scheme if it can be parsed.
fn check_proxy_url(rules: &mut Rules, text: &str, path: &Path<'_>) -> Option<String> {
    match url::parse(text) {
        Err(e) => {
            rules.error(path, format!("unable to parse url: {e}"));
            None
        }
        Ok(url) => {
            if !matches!(url.scheme.as_str(), "http" | "https") {
                let help = "write it as http://HOST:PORT; leave it out for no proxy".into();
                rules.error_with_help(path, "a proxy must be an http or https URL", help);
            }
            Some(url.scheme)
        }
    }
}
