//! Names of Ignition and their spelling in Butane.

use std::borrow::Cow;

/// The name of a member in Ignition, e.g. `sizeMiB` for `size_mib`.
pub(super) fn in_ignition(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let (body, suffix) = match name.strip_suffix("_mib") {
        Some(body) => (body, "MiB"),
        None => (name, ""),
    };
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in body.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out + suffix)
}

/// The spelling of a member of Ignition, e.g. `size_mib` for `sizeMiB`.
pub(super) fn in_butane(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let (body, suffix) = match name.strip_suffix("MiB") {
        Some(body) => (body, "_mib"),
        None => (name, ""),
    };
    for c in body.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out + suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_convert_both_ways() {
        for (butane, ignition) in [
            ("size_mib", "sizeMiB"),
            ("http_proxy", "httpProxy"),
            ("ssh_authorized_keys", "sshAuthorizedKeys"),
            ("type_guid", "typeGuid"),
            ("uuid", "uuid"),
            ("wipe_partition_entry", "wipePartitionEntry"),
        ] {
            assert_eq!(in_ignition(butane), ignition);
            assert_eq!(in_butane(ignition), butane);
        }
    }
}
