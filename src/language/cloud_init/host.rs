//! The host name, and `/etc/hosts`.

use super::CloudInitContext;
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::placed_text::PlacedText;

/// The host names of a machine.
struct HostNames {
    at: u32,
    short: String,
    long: String,
}

/// Sets the host name and adds `/etc/hosts`.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let prefers_long = values::flag(root, "prefer_fqdn_over_hostname", remarks);
    let is_preserved = values::flag(root, "preserve_hostname", remarks) == Some(true);
    let has_no_file = values::flag(root, "create_hostname_file", remarks) == Some(false);
    let names = names(root, context, remarks);
    if let Some(names) = &names {
        let is_long = prefers_long.unwrap_or(context.target.distribution.has_long_hostname());
        let name = if is_long { &names.long } else { &names.short };
        if is_preserved || has_no_file {
            remarks.warn(
                names.at,
                "the name is not set, since the config says to leave it alone",
            );
        } else {
            let line = format!("{name}\n");
            assembly.add_file(AssembledFile::new(names.at, "/etc/hostname", 0o644, line));
        }
    }
    add_hosts(root, names.as_ref(), assembly, remarks);
}

fn names(
    root: &Node<'_>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<HostNames> {
    let hostname = values::filled(root, "hostname", remarks);
    let fqdn = values::filled(root, "fqdn", remarks);
    for name in hostname.iter().chain(&fqdn) {
        if name
            .text
            .contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
        {
            remarks.error(
                name.at,
                "not a host name: it has a blank, a slash or a control character",
            );
        }
    }
    let given = context.instance.hostname.map(|name| PlacedText {
        at: root.at,
        text: name.to_owned(),
    });
    let short = hostname.clone().or(fqdn.clone()).or(given.clone())?;
    // If both names are given, `hostname` is used as written.
    let is_whole = hostname.is_some() && fqdn.is_some();
    // A name without a domain is not a long one, so the platform's name takes precedence over it.
    let dotted = hostname.filter(|name| name.text.contains('.'));
    let long = fqdn.or(dotted).or(given);
    let long = long.map_or_else(|| short.text.clone(), |name| name.text);
    let first = match short.text.split_once('.') {
        Some((first, _)) if !is_whole => first,
        _ => short.text.as_str(),
    };
    Some(HostNames {
        at: short.at,
        short: first.to_owned(),
        long,
    })
}

fn add_hosts<'t>(
    root: &Node<'t>,
    names: Option<&HostNames>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(value) = root
        .get("manage_etc_hosts")
        .filter(|value| !value.is_null())
    else {
        return;
    };
    let scalar = value.as_scalar();
    let is_enabled = match scalar.map(|scalar| (values::kind(scalar), &*scalar.text)) {
        Some((ScalarKind::Flag(flag), _)) => flag,
        Some((_, "template" | "localhost" | "true" | "True")) => true,
        Some((_, "false" | "False")) => false,
        _ => {
            let help = "use true, false, template or localhost";
            remarks.warn_with_help(
                value.at,
                "an unknown value, so /etc/hosts is left alone",
                help,
            );
            false
        }
    };
    if !is_enabled {
        return;
    }
    let Some(names) = names else {
        let help = "add `hostname` or `fqdn`";
        remarks.error_with_help(value.at, "/etc/hosts needs the name of the machine", help);
        return;
    };
    let own = format!("{} {}", names.long, names.short);
    let text = format!(
        "127.0.1.1 {own}\n127.0.0.1 localhost\n\n\
         ::1 localhost ip6-localhost ip6-loopback\n\
         ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    );
    assembly.add_file(AssembledFile::new(value.at, "/etc/hosts", 0o644, text));
}
