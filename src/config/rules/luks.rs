//! Encrypted volumes.

use super::resource::{self, ResourceUse};
use super::{Rules, given};
use crate::config::json;
use crate::config::model::{Clevis, ClevisCustom, Luks, Tang};
use crate::config::path::Path;
use crate::config::url;
use crate::config::version::Version;

/// Bytes a volume label may have.
const LABEL_MAX_BYTES: usize = 47;
/// Bytes a name of the device mapper may have: `DM_NAME_LEN` less the NUL at the end.
const MAX_NAME_BYTES: usize = 127;
/// Names that are taken in the directory of the volumes, `/dev/mapper`.
const RESERVED_NAMES: [&str; 3] = [".", "..", "control"];

pub(super) fn check(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    if rules.version < Version::V3_2 {
        return;
    }
    itself(rules, luks, path);
    conflicts(rules, luks, path);
    let clevis = path.member("clevis");
    custom(rules, &luks.clevis.custom, &clevis.member("custom"));
    let servers = clevis.member("tang");
    for (i, server) in luks.clevis.tang.iter().enumerate() {
        tang(rules, server, &servers.index(i));
    }
    resource::check(
        rules,
        &luks.key_file,
        ResourceUse::Contents,
        &path.member("keyFile"),
    );
}

/// Refuses names that the device mapper of the kernel refuses. An empty name is left to planning, since Ignition takes
/// a config with one for valid.
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

fn itself(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    check_name(rules, &luks.name, &path.member("name"));
    if luks
        .label
        .as_ref()
        .is_some_and(|label| label.len() > LABEL_MAX_BYTES)
    {
        let message = format!("volume label has more than {LABEL_MAX_BYTES} bytes");
        rules.error(&path.member("label"), message);
    }
    match given(&luks.device) {
        None => rules.error(&path.member("device"), "device is required"),
        Some(device) => rules.path(&path.member("device"), device),
    }
}

fn conflicts(rules: &mut Rules, luks: &Luks, path: &Path<'_>) {
    let others = uses_members(&luks.clevis);
    if uses_custom(rules.version, &luks.clevis.custom) && others {
        let message = "clevis custom cannot be used together with tang, tpm2 or threshold";
        rules.error(&path.member("clevis"), message);
    }
    let key_file = given(&luks.key_file.source);
    if luks.cex.enabled != Some(true) {
        return;
    }
    if given(&luks.clevis.custom.pin).is_some() || others {
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

fn uses_members(clevis: &Clevis) -> bool {
    !clevis.tang.is_empty()
        || clevis.tpm2 == Some(true)
        || clevis.threshold.is_some_and(|threshold| threshold != 0)
}

/// In 3.2 a custom pin was in use when the object was there. A document of that version always has
/// a present pin text in it, if an empty one.
fn uses_custom(version: Version, custom: &ClevisCustom) -> bool {
    match version {
        Version::V3_2 => custom.pin.is_some(),
        _ => given(&custom.pin).is_some(),
    }
}

fn custom(rules: &mut Rules, custom: &ClevisCustom, path: &Path<'_>) {
    let (pin, config) = (given(&custom.pin), given(&custom.config));
    let needs_network = custom.needs_network == Some(true) && rules.version >= Version::V3_3;
    if pin.is_none() && config.is_none() && !needs_network {
        return;
    }
    match pin {
        None if rules.version == Version::V3_2 => unknown_pin(rules, &path.member("pin")),
        None => rules.error(&path.member("pin"), "clevis custom pin is required"),
        Some("tpm2" | "tang" | "sss") => {}
        Some(_) if rules.version >= Version::V3_6 => {}
        Some(_) => unknown_pin(rules, &path.member("pin")),
    }
    if config.is_none() {
        rules.error(&path.member("config"), "clevis custom config is required");
    }
}

fn unknown_pin(rules: &mut Rules, path: &Path<'_>) {
    let help = "use tpm2, tang or sss; other pins need version 3.6.0".into();
    rules.error_with_help(path, "unsupported clevis pin", help);
}

fn tang(rules: &mut Rules, tang: &Tang, path: &Path<'_>) {
    match url::parse(&tang.url) {
        Err(e) => rules.error(&path.member("url"), format!("unable to parse url: {e}")),
        Ok(url) if !matches!(url.scheme.as_str(), "http" | "https") => {
            let message = "invalid url scheme: tang servers are reached over http or https";
            rules.error(&path.member("url"), message);
        }
        Ok(_) => {}
    }
    if given(&tang.thumbprint).is_none() {
        rules.error(&path.member("thumbprint"), "thumbprint is required");
    }
    let advertisement = given(&tang.advertisement);
    if advertisement.is_some_and(|text| !json::is_portable(text)) {
        rules.error(
            &path.member("advertisement"),
            "the advertisement is not JSON",
        );
    }
}
