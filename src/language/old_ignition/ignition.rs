//! The section `ignition`: other configs, certificates, proxies, time limits.

use super::fields::{Fields, unique};
use super::resources;
use super::step::{FirstOffsets, OldTranslation};
use crate::config::url;
use crate::language::node::Node;

/// Checks and translates `section`, except for the version.
pub(super) fn translate<'t>(step: &mut OldTranslation<'_>, section: &Node<'t>, out: &mut Node<'t>) {
    translate_references(step, section.inner("config"), out);
    translate_proxy(step, section.inner("proxy"), out);
    let tls = section.inner("security").inner("tls");
    if let Some(list) = tls.get("certificateAuthorities") {
        let authorities = translate_list(step, list);
        let mut translated = Node::mapping(tls.at);
        translated.set_list("certificateAuthorities", list.at, authorities);
        if !translated.entries().is_empty() {
            let security = Node::mapping(section.at_of("security")).with("tls", translated);
            out.set("security", security);
        }
    }
    if let Some(timeouts) = section.get("timeouts") {
        out.set_object("timeouts", timeouts.clone());
    }
}

fn translate_references<'t>(step: &mut OldTranslation<'_>, config: &Node<'t>, out: &mut Node<'t>) {
    let mut translated = Node::mapping(config.at);
    if let Some(list) = config.get("append") {
        let references = translate_list(step, list);
        translated.set_list("merge", list.at, references);
    }
    if let Some(replace) = config.get("replace") {
        resources::check_reference(step, replace);
        translated.set("replace", resources::translate(replace));
    }
    out.set_object("config", translated);
}

/// Checks and translates a list of references, each source once.
fn translate_list<'t>(step: &mut OldTranslation<'_>, list: &Node<'t>) -> Vec<Node<'t>> {
    let mut seen = FirstOffsets::new();
    let mut translated = Vec::new();
    for reference in list.elements() {
        resources::check_reference(step, reference);
        match seen.record(reference.text_of("source"), reference.at) {
            None => translated.push(resources::translate(reference)),
            Some(first) => {
                let message = "duplicate source; it is fetched once";
                step.warn_of_repetition(reference.at, first, message, "remove one of them");
            }
        }
    }
    translated
}

fn translate_proxy<'t>(step: &mut OldTranslation<'_>, proxy: &Node<'t>, out: &mut Node<'t>) {
    let mut translated = Node::mapping(proxy.at);
    for key in ["httpProxy", "httpsProxy"] {
        let address = proxy.text_of(key);
        if address.is_empty() {
            continue;
        }
        let scheme = url::parse(address).map(|url| url.scheme);
        if !scheme.is_ok_and(|scheme| matches!(scheme.as_str(), "http" | "https")) {
            let help = "write it as http://HOST:PORT; leave it out for no proxy";
            let message = "a proxy must be an http or https URL";
            step.error_with_help(proxy.at_of(key), message, help);
        }
        translated.copy(proxy, key);
    }
    let direct = unique(proxy.items("noProxy"));
    translated.set_list("noProxy", proxy.at_of("noProxy"), direct);
    out.set_object("proxy", translated);
}
