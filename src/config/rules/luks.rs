//! Encrypted volumes.

use super::resource::{self, ResourceUse};
use super::{Rules, non_empty};
use crate::config::json;
use crate::config::model::{Clevis, ClevisCustom, Luks, Tang};
use crate::config::path::Path;
use crate::config::url;
use crate::config::version::Version;

/// Maximum length of a volume label in bytes.
const MAX_LABEL_BYTES: usize = 47;
/// Maximum length of a device mapper name in bytes: `DM_NAME_LEN` without the terminating NUL.
const MAX_NAME_BYTES: usize = 127;
/// Names that are not available in the directory of the volumes, `/dev/mapper`.
const RESERVED_NAMES: [&str; 3] = [".", "..", "control"];

pub(super) fn check(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    if rules.version < Version::V3_2 {
        return;
    }
    check_volume(rules, luks, path);
    check_conflicts(rules, luks, path);
    let clevis = path.member("clevis");
    check_custom(rules, &luks.clevis.custom, &clevis.member("custom"));
    let servers = clevis.member("tang");
    for (i, server) in luks.clevis.tang.iter().enumerate() {
        check_tang(rules, server, &servers.index(i));
    }
    resource::check(
        rules,
        &luks.key_file,
        ResourceUse::Contents,
        &path.member("keyFile"),
    );
}

/// Rejects names that the kernel's device mapper rejects. An empty name is left to planning, since Ignition accepts a
/// config with one as valid.
fn check_name(rules: &mut Rules, name: &str, path: &Path<'_>) {
    if name.contains('/') {
        rules.error(path, "a volume name cannot hold slashes");
    } else if RESERVED_NAMES.contains(&name) {
        let message =
            format!("{name:?} is not a volume name: /dev/mapper/{name} is something else");
        rules.error(path, message);
    } else if name.len() > MAX_NAME_BYTES {
        let message = format!("volume name has more than {MAX_NAME_BYTES} bytes");
        rules.error(path, message);
    }
}

fn check_volume(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    check_name(rules, &luks.name, &path.member("name"));
    if luks
        .label
        .as_ref()
        .is_some_and(|label| label.len() > MAX_LABEL_BYTES)
    {
        let message = format!("volume label has more than {MAX_LABEL_BYTES} bytes");
        rules.error(&path.member("label"), message);
    }
    match non_empty(&luks.device) {
        None => rules.error(&path.member("device"), "device is required"),
        Some(device) => rules.check_path(&path.member("device"), device),
    }
}

fn check_conflicts(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    let others = uses_builtin_pins(&luks.clevis);
    if uses_custom_pin(rules.version, &luks.clevis.custom) && others {
        let message = "clevis custom cannot be used together with tang, tpm2 or threshold";
        rules.error(&path.member("clevis"), message);
    }
    let key_file = non_empty(&luks.key_file.source);
    if luks.cex.enabled != Some(true) {
        return;
    }
    if non_empty(&luks.clevis.custom.pin).is_some() || others {
        rules.error(
            &path.member("cex"),
            "cex cannot be used together with clevis",
        );
    }
    if key_file.is_some() {
        rules.error(
            &path.member("cex"),
            "cex cannot be used together with a key file",
        );
    }
}

fn uses_builtin_pins(clevis: &Clevis) -> bool {
    !clevis.tang.is_empty()
        || clevis.tpm2 == Some(true)
        || clevis.threshold.is_some_and(|threshold| threshold != 0)
}

/// In 3.2 a custom pin was used if the object was present. In a document of that version the object always has a pin
/// text then, if an empty one.
fn uses_custom_pin(version: Version, custom: &ClevisCustom) -> bool {
    match version {
        Version::V3_2 => custom.pin.is_some(),
        _ => non_empty(&custom.pin).is_some(),
    }
}

fn check_custom(rules: &mut Rules, custom: &ClevisCustom, path: &Path<'_>) {
    let (pin, config) = (non_empty(&custom.pin), non_empty(&custom.config));
    let needs_network = custom.needs_network == Some(true) && rules.version >= Version::V3_3;
    if pin.is_none() && config.is_none() && !needs_network {
        return;
    }
    match pin {
        None if rules.version == Version::V3_2 => report_unknown_pin(rules, &path.member("pin")),
        None => rules.error(&path.member("pin"), "clevis custom pin is required"),
        Some("tpm2" | "tang" | "sss") => {}
        Some(_) if rules.version >= Version::V3_6 => {}
        Some(_) => report_unknown_pin(rules, &path.member("pin")),
    }
    if config.is_none() {
        rules.error(&path.member("config"), "clevis custom config is required");
    }
}

fn report_unknown_pin(rules: &mut Rules, path: &Path<'_>) {
    let newer = rules.name_of(Version::V3_6);
    let help = format!("use tpm2, tang or sss; other pins need {newer}");
    rules.error_with_help(path, "unsupported clevis pin", help);
}

fn check_tang(rules: &mut Rules, tang: &Tang, path: &Path<'_>) {
    match url::parse(&tang.url) {
        Err(e) => rules.error(&path.member("url"), format!("unable to parse url: {e}")),
        Ok(url) if !matches!(url.scheme.as_str(), "http" | "https") => {
            let message = "invalid url scheme: tang servers are reached over http or https";
            rules.error(&path.member("url"), message);
        }
        Ok(_) => {}
    }
    if non_empty(&tang.thumbprint).is_none() {
        rules.error(&path.member("thumbprint"), "thumbprint is required");
    }
    let advertisement = non_empty(&tang.advertisement);
    if advertisement.is_some_and(|text| !json::is_portable(text)) {
        rules.error(
            &path.member("advertisement"),
            "the advertisement is not JSON",
        );
    }
}
