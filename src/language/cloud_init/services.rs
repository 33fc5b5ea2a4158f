//! Files of other programs: certificates, rsyslog, WireGuard.

use super::CloudInitContext;
use super::values;
use crate::language::assembly::{AssembledFile, Assembly, clean_path};
use crate::language::findings::Remarks;
use crate::language::keyed::KeyedList;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;
use crate::language::target::Distribution;

/// Adds CA certificates, the configuration of rsyslog, and WireGuard interfaces.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    add_certificates(root, context, assembly, remarks);
    add_rsyslog(root, assembly, remarks);
    add_wireguard(root, assembly, remarks);
}

/// Adds the certificates to the bundle once.
const CERTIFICATES_UNIT: &str = "\
[Unit]
Description=Add certificates of the cloud-config to the bundle
DefaultDependencies=no
After=local-fs.target
Before=network-online.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!/var/lib/cloud-init-compat/ca-certs.done

[Service]
Type=oneshot
RemainAfterExit=yes
StateDirectory=cloud-init-compat
ExecStart={tool}
ExecStartPost=/bin/touch /var/lib/cloud-init-compat/ca-certs.done

[Install]
WantedBy=multi-user.target
";

/// The directory of CA certificates, the extension of their names, and the program that makes the bundle.
fn bundle(distribution: Distribution) -> (&'static str, &'static str, &'static str) {
    match distribution.family() {
        Distribution::Fedora | Distribution::RedHat | Distribution::CoreOs => (
            "/etc/pki/ca-trust/source/anchors",
            "crt",
            "/usr/bin/update-ca-trust",
        ),
        Distribution::Suse => (
            "/etc/pki/trust/anchors",
            "crt",
            "/usr/sbin/update-ca-certificates",
        ),
        Distribution::Arch => (
            "/etc/ca-certificates/trust-source/anchors",
            "crt",
            "/usr/bin/update-ca-trust",
        ),
        Distribution::Flatcar => ("/etc/ssl/certs", "pem", "/usr/sbin/update-ca-certificates"),
        _ => (
            "/usr/local/share/ca-certificates",
            "crt",
            "/usr/sbin/update-ca-certificates",
        ),
    }
}

fn add_certificates<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["trusted", "remove_defaults"];
    let Some(certs) = values::mapping(root, "ca_certs", known, remarks) else {
        return;
    };
    if values::flag(&certs, "remove_defaults", remarks) == Some(true) {
        let at = certs
            .get("remove_defaults")
            .map_or(certs.at, |value| value.at);
        remarks.warn(
            at,
            "remove_defaults is not supported: the certificates of the system stay",
        );
    }
    let trusted = values::texts(&certs, "trusted", remarks);
    let Some(first) = trusted.first() else { return };
    let (directory, suffix, tool) = bundle(context.target.distribution);
    for (index, text) in trusted.iter().enumerate() {
        let path = format!("{directory}/cloud-init-{}.{suffix}", index + 1);
        assembly.add_file(AssembledFile::new(
            text.at,
            path,
            0o644,
            with_newline(&text.text),
        ));
    }
    let unit = CERTIFICATES_UNIT.replace("{tool}", tool);
    assembly.add_unit(first.at, "cloud-init-ca-certs.service", unit);
}

/// `text` with a trailing newline.
pub(super) fn with_newline(text: &str) -> String {
    match text.ends_with('\n') {
        true => text.to_owned(),
        false => format!("{text}\n"),
    }
}

const RSYSLOG_KEYS: &[&str] = &[
    "configs",
    "remotes",
    "config_dir",
    "config_filename",
    "service_reload_command",
    "check_exe",
    "install_rsyslog",
    "packages",
];

fn add_rsyslog<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let Some(value) = root.get("rsyslog").filter(|value| !value.is_null()) else {
        return;
    };
    let settings = match &value.value {
        NodeContent::List(_) => listed_rsyslog(root, value),
        _ => match values::mapping(root, "rsyslog", RSYSLOG_KEYS, remarks) {
            Some(settings) => settings,
            None => return,
        },
    };
    for key in [
        "service_reload_command",
        "check_exe",
        "install_rsyslog",
        "packages",
    ] {
        if let Some(value) = settings.get(key).filter(|value| !value.is_null()) {
            remarks.warn(
                value.at,
                format!("{key} does nothing here: nothing runs before boot"),
            );
        }
    }
    for (file, text) in rsyslog_files(&settings, remarks) {
        assembly.add_file(AssembledFile::new(file.at, file.text, 0o644, text));
    }
}

/// The settings of the old form, which is just the list: the rest are keys beside it.
fn listed_rsyslog<'t>(root: &Node<'t>, list: &Node<'t>) -> Node<'t> {
    let mut settings = Node::mapping(list.at).with("configs", list.clone());
    for (key, old) in [
        ("config_dir", "rsyslog_dir"),
        ("config_filename", "rsyslog_filename"),
    ] {
        if let Some(value) = root.get(old) {
            settings.set(key, value.clone());
        }
    }
    settings
}

/// Paths and contents. Contents of the same file are joined in the order of the text.
fn rsyslog_files(settings: &Node<'_>, remarks: &mut Remarks) -> Vec<(PlacedText, String)> {
    let directory = values::filled(settings, "config_dir", remarks);
    let directory = directory.map_or("/etc/rsyslog.d".to_owned(), |text| text.text);
    let name = values::filled(settings, "config_filename", remarks);
    let name = name.map_or("20-cloud-config.conf".to_owned(), |text| text.text);
    let path = |name: &str| match name.starts_with('/') {
        true => clean_path(name),
        false => clean_path(&format!("{directory}/{name}")),
    };
    let mut files: KeyedList<(PlacedText, String)> = KeyedList::default();
    let mut add = |at: u32, text: String, contents: &str| {
        let path = text.clone();
        let (_, all) = files.or_insert_with(&path, || (PlacedText { at, text }, String::new()));
        all.push_str(contents);
    };
    let configs = settings.get("configs").map(Node::elements);
    for entry in configs.unwrap_or_default() {
        let (content, name) = match &entry.value {
            NodeContent::Mapping(_) => {
                let entry = values::canonical(entry.clone(), &["content", "filename"], remarks);
                let own = values::filled(&entry, "filename", remarks);
                let own = own.map_or(name.clone(), |own| own.text);
                (values::filled(&entry, "content", remarks), own)
            }
            _ => (PlacedText::of(entry), name.clone()),
        };
        match content {
            Some(content) => add(content.at, path(&name), &with_newline(&content.text)),
            None => remarks.error(entry.at, "the config of rsyslog has no content"),
        }
    }
    for (remote, address) in values::mapping_of_texts(settings, "remotes", remarks) {
        // Without a selector a rule applies to all messages, and without a protocol they are sent over UDP.
        let written = address.text.trim();
        let (selector, to) = written
            .split_once(char::is_whitespace)
            .unwrap_or(("*.*", written));
        let to = to.trim_start();
        let rule = match to.starts_with('@') {
            true => format!("{selector} {to}"),
            false => format!("{selector} @{to}"),
        };
        add(address.at, path(&name), &format!("{rule} # {remote}\n"));
    }
    files.into_values().collect()
}

fn add_wireguard<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let known = &["interfaces", "readinessprobe"];
    let Some(wireguard) = values::mapping(root, "wireguard", known, remarks) else {
        return;
    };
    if let Some(probe) = wireguard
        .get("readinessprobe")
        .filter(|value| !values::is_nothing(value))
    {
        remarks.warn(
            probe.at,
            "readinessprobe does nothing here: nothing waits for the tunnel",
        );
    }
    for entry in values::mappings(&wireguard, "interfaces", remarks) {
        let known = &["name", "config_path", "content"];
        let entry = values::canonical(entry.clone(), known, remarks);
        let name = values::filled(&entry, "name", remarks);
        let content = values::filled(&entry, "content", remarks);
        let path = values::filled(&entry, "config_path", remarks);
        let (Some(name), Some(content)) = (name, content) else {
            remarks.error(
                entry.at,
                "an interface of wireguard needs `name` and `content`",
            );
            continue;
        };
        if !is_file_name(&name.text) {
            remarks.error(name.at, "not the name of an interface");
            continue;
        }
        let path = path.map_or(format!("/etc/wireguard/{}.conf", name.text), |path| {
            clean_path(&path.text)
        });
        assembly.add_file(AssembledFile::new(content.at, path, 0o600, content.text));
        assembly.enable_unit(name.at, &format!("wg-quick@{}.service", name.text));
    }
}

/// True for a single path component without special characters.
pub(super) fn is_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=');
    !name.starts_with('.') && !name.is_empty() && name.chars().all(is_plain)
}
