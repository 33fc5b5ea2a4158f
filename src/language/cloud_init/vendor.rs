//! Vendor data: user data of the platform's operator, over which that of the machine's owner is merged.

use super::CloudInitContext;
use super::commands::{ScriptTime, UserScript};
use super::forms::{self, UserDataParts};
use super::merge::{self, MergeRules};
use super::modules;
use super::values;
use crate::language::findings::Remarks;
use crate::language::node::Node;

/// Merges `parts` over the vendor data of the platform, unless they disable it. What is unsupported in it is left out
/// with a warning, since the owner of the machine could not change it.
pub(super) fn merge_under(
    parts: &mut UserDataParts,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) {
    let Some(text) = context.instance.vendor_data else {
        return;
    };
    let at = parts.config.as_ref().map_or(0, |config| config.at);
    if !is_enabled(parts.config.as_ref()) {
        return;
    }
    let mut own = Remarks::default();
    let mut vendor = forms::read_elsewhere(text, at, context, &mut own);
    if own.is_fatal() {
        remarks.warn(
            at,
            "the vendor data of the platform cannot be read; it is left out",
        );
        return;
    }
    if let Some(config) = vendor.config.take() {
        let (config, left_out) = modules::supported(config);
        if !left_out.is_empty() {
            let message = format!(
                "left out of the vendor data of the platform: {}",
                left_out.join(", ")
            );
            remarks.warn(at, message);
        }
        parts.config = Some(match parts.config.take() {
            Some(over) => merge::merge(config, over, MergeRules::default_rules()),
            None => config,
        });
    }
    for mut script in vendor.scripts {
        if script.time == ScriptTime::User {
            script.time = ScriptTime::Vendor;
        }
        let is_same = |own: &UserScript| own.time == script.time && own.name == script.name;
        if parts.scripts.iter().any(is_same) {
            script.name.insert_str(0, "vendor-");
        }
        parts.scripts.push(script);
    }
    vendor.included.append(&mut parts.included);
    parts.included = vendor.included;
}

/// `vendor_data: {enabled: false}` turns it off.
fn is_enabled(config: Option<&Node<'_>>) -> bool {
    let setting = config.and_then(|config| config.get("vendor_data"));
    let enabled = setting.map(|setting| values::flag(setting, "enabled", &mut Remarks::default()));
    enabled.flatten() != Some(false)
}
