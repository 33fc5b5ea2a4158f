//! Time, language, name servers and the random seed: `timezone`, `ntp`, `locale`, `keyboard`, `resolv_conf`,
//! `random_seed`.

use super::CloudInitContext;
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::placed_text::{PlacedText, bytes_of_key};
use crate::language::target::{Distribution, TimeClient};
use std::fmt::Write as _;

/// Sets the time zone.
pub(super) fn convert_timezone<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(zone) = values::filled(root, "timezone", remarks) else {
        return;
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    let has_parts = zone.text.split('/').all(|part| !part.is_empty());
    if !has_parts || !zone.text.chars().all(is_name) {
        let help = "use for example Europe/Berlin";
        remarks.error_with_help(zone.at, "not the name of a time zone", help);
        return;
    }
    if let Some(zones) = context.target.zones
        && zones.binary_search(&zone.text).is_err()
    {
        let help = "choose one that is in /usr/share/zoneinfo of the system, or put tzdata into it";
        let message = format!("the system has no time zone {}", zone.text);
        remarks.error_with_help(zone.at, message, help);
        return;
    }
    let target = format!("/usr/share/zoneinfo/{}", zone.text);
    assembly.add_link(zone.at, "/etc/localtime", target);
    if context.target.distribution.is_debian() {
        let line = format!("{}\n", zone.text);
        assembly.add_file(AssembledFile::new(zone.at, "/etc/timezone", 0o644, line));
    }
}

/// Sets the locale.
pub(super) fn convert_locale<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let file = values::filled(root, "locale_configfile", remarks);
    let Some(locale) = values::filled(root, "locale", remarks) else {
        return;
    };
    let scalar = root.get("locale").and_then(Node::as_scalar);
    if scalar.is_some_and(|scalar| values::kind(scalar) == ScalarKind::Flag(false)) {
        return;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    if !locale.text.chars().all(is_name) {
        let help = "use for example en_US.UTF-8";
        remarks.error_with_help(locale.at, "not the name of a locale", help);
        return;
    }
    let path = match (file, context.target.distribution.is_debian()) {
        (Some(file), _) => crate::language::assembly::clean_path(&file.text),
        (None, true) => "/etc/default/locale".to_owned(),
        (None, false) => "/etc/locale.conf".to_owned(),
    };
    let line = format!("LANG={}\n", locale.text);
    assembly.add_file(AssembledFile::new(locale.at, path, 0o644, line));
}

/// Sets the keyboard layout.
pub(super) fn convert_keyboard<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["layout", "model", "variant", "options"];
    let Some(keyboard) = values::mapping(root, "keyboard", known, remarks) else {
        return;
    };
    let Some(layout) = values::filled(&keyboard, "layout", remarks) else {
        remarks.error_with_help(keyboard.at, "the keyboard has no layout", "add `layout`");
        return;
    };
    let at = layout.at;
    let mut part = |key: &str| {
        let text = values::filled(&keyboard, key, remarks);
        text.map(|text| text.text).unwrap_or_default()
    };
    let (model, variant, options) = (part("model"), part("variant"), part("options"));
    let model = if model.is_empty() {
        "pc105".to_owned()
    } else {
        model
    };
    let layout = layout.text;
    for text in [&layout, &model, &variant, &options] {
        if text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\' | '`' | '$')) {
            remarks.error(
                at,
                "a part of the keyboard has a quote or a control character",
            );
        }
    }
    if context.target.distribution.is_debian() {
        let text = format!(
            "XKBMODEL=\"{model}\"\nXKBLAYOUT=\"{layout}\"\nXKBVARIANT=\"{variant}\"\nXKBOPTIONS=\"{options}\"\n"
        );
        assembly.add_file(AssembledFile::new(at, "/etc/default/keyboard", 0o644, text));
        return;
    }
    let parts = [
        ("XkbLayout", &layout),
        ("XkbModel", &model),
        ("XkbVariant", &variant),
        ("XkbOptions", &options),
    ];
    let path = "/etc/X11/xorg.conf.d/00-keyboard.conf";
    assembly.add_file(AssembledFile::new(at, path, 0o644, input_class(&parts)));
    let map = match variant.is_empty() {
        true => layout,
        false => format!("{layout}-{variant}"),
    };
    let line = format!("KEYMAP={map}\n");
    assembly.add_file(AssembledFile::new(at, "/etc/vconsole.conf", 0o644, line));
}

/// The options of a keyboard as an X server reads them.
fn input_class(options: &[(&str, &String)]) -> String {
    let mut text = String::from("Section \"InputClass\"\n");
    text.push_str("    Identifier \"system-keyboard\"\n    MatchIsKeyboard \"on\"\n");
    for (name, value) in options.iter().filter(|(_, value)| !value.is_empty()) {
        _ = writeln!(text, "    Option \"{name}\" \"{value}\"");
    }
    text.push_str("EndSection\n");
    text
}

const NTP_KEYS: &[&str] = &[
    "enabled",
    "ntp_client",
    "servers",
    "pools",
    "peers",
    "allow",
    "config",
];

/// Configures the NTP client.
pub(super) fn convert_ntp<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(ntp) = values::mapping(root, "ntp", NTP_KEYS, remarks) else {
        return;
    };
    if values::flag(&ntp, "enabled", remarks) == Some(false) {
        return;
    }
    if let Some(config) = ntp.get("config").filter(|value| !values::is_nothing(value)) {
        let message = "ntp.config is not supported: it needs templates and packages".to_owned();
        super::modules::report_unsupported(config.at, message, context.ignore_unsupported, remarks);
    }
    let mut servers_of = |key: &str| {
        let servers = values::texts(&ntp, key, remarks);
        for server in &servers {
            if server.text.contains(char::is_whitespace) || server.text.is_empty() {
                remarks.error(
                    server.at,
                    format!("an element of {key} is not one name or address"),
                );
            }
        }
        servers
    };
    let lists = ["servers", "pools", "peers", "allow"].map(&mut servers_of);
    let [servers, pools, peers, allow] = lists;
    let client = match time_client(&ntp, context, remarks) {
        Some(client) => client,
        None => return,
    };
    let Some(first) = first_offset(&[&servers, &pools, &peers, &allow]) else {
        remarks.warn(ntp.at, "no servers and no pools: the system's own are used");
        return;
    };
    match client {
        TimeClient::Timesyncd => {
            for text in peers.iter().chain(&allow) {
                remarks.warn(text.at, "systemd-timesyncd has neither peers nor clients");
            }
            let names: Vec<&str> = servers
                .iter()
                .chain(&pools)
                .map(|text| text.text.as_str())
                .collect();
            let text = format!("[Time]\nNTP={}\n", names.join(" "));
            let path = "/etc/systemd/timesyncd.conf.d/cloud-init.conf";
            assembly.add_file(AssembledFile::new(first, path, 0o644, text));
        }
        TimeClient::Chrony => {
            add_chrony((&servers, &pools, &peers, &allow), first, context, assembly)
        }
    }
}

fn first_offset(lists: &[&Vec<PlacedText>]) -> Option<u32> {
    lists
        .iter()
        .find_map(|list| list.first())
        .map(|text| text.at)
}

fn time_client(
    ntp: &Node<'_>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<TimeClient> {
    let own = context.target.time_client.unwrap_or(TimeClient::Timesyncd);
    let Some(client) = values::filled(ntp, "ntp_client", remarks) else {
        return Some(own);
    };
    match &*client.text {
        "auto" => Some(own),
        "systemd-timesyncd" | "timesyncd" => Some(TimeClient::Timesyncd),
        "chrony" => Some(TimeClient::Chrony),
        _ => {
            let message = "this ntp_client is not supported: it needs packages".to_owned();
            super::modules::report_unsupported(
                client.at,
                message,
                context.ignore_unsupported,
                remarks,
            );
            None
        }
    }
}

fn add_chrony(
    (servers, pools, peers, allow): (&[PlacedText], &[PlacedText], &[PlacedText], &[PlacedText]),
    at: u32,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'_>,
) {
    let mut sources = String::new();
    for (directive, list, options) in [
        ("server", servers, " iburst"),
        ("pool", pools, " iburst"),
        ("peer", peers, ""),
    ] {
        for text in list {
            _ = writeln!(sources, "{directive} {}{options}", text.text);
        }
    }
    let allowed: String = allow
        .iter()
        .map(|text| format!("allow {}\n", text.text))
        .collect();
    if context.target.distribution.is_debian() {
        // Files in sources.d may only contain sources.
        if !sources.is_empty() {
            let path = "/etc/chrony/sources.d/cloud-init.sources";
            assembly.add_file(AssembledFile::new(at, path, 0o644, sources));
        }
        if !allowed.is_empty() {
            let path = "/etc/chrony/conf.d/cloud-init.conf";
            assembly.add_file(AssembledFile::new(at, path, 0o644, allowed));
        }
    } else {
        let path = "/etc/chrony.d/cloud-init.conf";
        assembly.add_file(AssembledFile::new(at, path, 0o644, sources + &allowed));
        // On SUSE and Amazon Linux, chrony reads the files of this directory; elsewhere it needs a directive.
        let main = match context.target.distribution {
            Distribution::Suse | Distribution::Amazon => None,
            Distribution::Alpine => Some("/etc/chrony/chrony.conf"),
            _ => Some("/etc/chrony.conf"),
        };
        if let Some(main) = main {
            let line = format!("include {path}\n");
            assembly.add_file(AssembledFile::appended(at, main, 0o644, line));
        }
    }
}

/// Configures the name servers of systemd-resolved.
pub(super) fn convert_resolver<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let is_managed = values::flag(root, "manage_resolv_conf", remarks) == Some(true);
    let known = &[
        "nameservers",
        "searchdomains",
        "domain",
        "sortlist",
        "options",
    ];
    let Some(conf) = values::mapping(root, "resolv_conf", known, remarks) else {
        return;
    };
    if !is_managed {
        let help = "add `manage_resolv_conf: true`";
        remarks.warn_with_help(conf.at, "resolv_conf does nothing by itself", help);
        return;
    }
    for key in ["sortlist", "options"] {
        if let Some(value) = conf.get(key).filter(|value| !value.is_null()) {
            remarks.warn(value.at, format!("systemd-resolved has no {key}"));
        }
    }
    let servers = values::texts(&conf, "nameservers", remarks);
    let mut domains = values::texts(&conf, "searchdomains", remarks);
    domains.extend(values::filled(&conf, "domain", remarks));
    let mut text = String::from("[Resolve]\n");
    for (key, list) in [("DNS", &servers), ("Domains", &domains)] {
        for one in list
            .iter()
            .filter(|one| one.text.contains(char::is_whitespace))
        {
            remarks.error(one.at, "not one name or address");
        }
        let list: Vec<&str> = list.iter().map(|text| text.text.as_str()).collect();
        if !list.is_empty() {
            _ = writeln!(text, "{key}={}", list.join(" "));
        }
    }
    if let Some(at) = first_offset(&[&servers, &domains]) {
        let path = "/etc/systemd/resolved.conf.d/cloud-init.conf";
        assembly.add_file(AssembledFile::new(at, path, 0o644, text));
    }
}

/// Appends bytes to the file of the random seed.
pub(super) fn convert_random_seed<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["file", "data", "encoding", "command", "command_required"];
    let Some(seed) = values::mapping(root, "random_seed", known, remarks) else {
        return;
    };
    if let Some(command) = seed
        .get("command")
        .filter(|value| !values::is_nothing(value))
    {
        remarks.warn(command.at, "no command is run for random numbers");
    }
    let Some(data) = bytes_of_key(&seed, "data", remarks).filter(|data| !data.is_empty()) else {
        return;
    };
    let at = seed.get("data").map_or(seed.at, |data| data.at);
    let file = values::filled(&seed, "file", remarks);
    let path = file.map_or("/dev/urandom".to_owned(), |file| {
        crate::language::assembly::clean_path(&file.text)
    });
    if path == "/" || path.starts_with("/dev/") {
        remarks.warn(at, "the data is not used: the file is a device");
        return;
    }
    let encoding = values::filled(&seed, "encoding", remarks).map(|text| text.text);
    let encoding = encoding
        .filter(|encoding| encoding != "raw")
        .unwrap_or_default();
    let Some(packing) = crate::language::packed::packing(&encoding) else {
        remarks.error_with_help(
            at,
            "unknown encoding of the data",
            "use raw, base64 or gzip",
        );
        return;
    };
    match crate::language::packed::unpack(data, packing) {
        Ok(bytes) => _ = assembly.add_file(AssembledFile::appended(at, path, 0o644, bytes)),
        Err(broken) => remarks.error(at, format!("the data {broken}")),
    }
}
