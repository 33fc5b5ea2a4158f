//! Files of other programs: certificates, rsyslog, WireGuard, package repositories.

use super::Context;
use super::modules;
use super::values::{self, Kind};
use crate::language::assembly::{Assembly, File, clean_path};
use crate::language::findings::Remarks;
use crate::language::node::{Content, Node};
use crate::language::target::Distribution;
use std::fmt::Write as _;

/// Adds everything of this file.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &Context<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    certificates(root, context, assembly, remarks);
    rsyslog(root, assembly, remarks);
    wireguard(root, assembly, remarks);
    yum(root, assembly, remarks);
    zypper(root, context, assembly, remarks);
    apt(root, context, assembly, remarks);
}

fn certificates<'t>(
    root: &Node<'t>,
    context: &Context<'_>,
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
    let (folder, tool) = match context.target.distribution {
        Distribution::Fedora | Distribution::RedHat | Distribution::CoreOs => (
            "/etc/pki/ca-trust/source/anchors",
            "/usr/bin/update-ca-trust",
        ),
        Distribution::Suse => ("/etc/pki/trust/anchors", "/usr/sbin/update-ca-certificates"),
        Distribution::Arch => (
            "/etc/ca-certificates/trust-source/anchors",
            "/usr/bin/update-ca-trust",
        ),
        Distribution::Flatcar => ("/etc/ssl/certs", "/usr/sbin/update-ca-certificates"),
        _ => (
            "/usr/local/share/ca-certificates",
            "/usr/sbin/update-ca-certificates",
        ),
    };
    // Flatcar takes what ends in .pem.
    let suffix = match context.target.distribution {
        Distribution::Flatcar => "pem",
        _ => "crt",
    };
    for (index, text) in trusted.iter().enumerate() {
        let path = format!("{folder}/cloud-init-{}.{suffix}", index + 1);
        assembly.file(File::new(text.at, path, 0o644, ended(&text.text)));
    }
    let unit = format!(
        "\
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
"
    );
    assembly.unit(first.at, "cloud-init-ca-certs.service", unit);
}

/// `text` with a line end.
fn ended(text: &str) -> String {
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

fn rsyslog<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let Some(value) = root.get("rsyslog").filter(|value| !value.is_null()) else {
        return;
    };
    // The old form is the list alone.
    let settings = match &value.value {
        Content::List(_) => Node::mapping(value.at).with("configs", value.clone()),
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
    let folder = values::filled(&settings, "config_dir", remarks);
    let folder = folder.map_or("/etc/rsyslog.d".to_owned(), |text| text.text);
    let name = values::filled(&settings, "config_filename", remarks);
    let name = name.map_or("20-cloud-config.conf".to_owned(), |text| text.text);
    let place = |name: &str| match name.starts_with('/') {
        true => clean_path(name),
        false => clean_path(&format!("{folder}/{name}")),
    };
    let mut files: Vec<(u32, String, String)> = Vec::new();
    let mut add = |at: u32, path: String, text: String| match files
        .iter_mut()
        .find(|(_, have, _)| *have == path)
    {
        Some((_, _, earlier)) => earlier.push_str(&text),
        None => files.push((at, path, text)),
    };
    for entry in settings
        .get("configs")
        .map(Node::elements)
        .unwrap_or_default()
    {
        let (content, path) = match &entry.value {
            Content::Mapping(_) => {
                let entry = values::canonical(entry.clone(), &["content", "filename"], remarks);
                let name =
                    values::filled(&entry, "filename", remarks).map_or(name.clone(), |n| n.text);
                (values::filled(&entry, "content", remarks), place(&name))
            }
            _ => (values::as_text(entry), place(&name)),
        };
        match content {
            Some(content) => add(content.at, path, ended(&content.text)),
            None => remarks.error(entry.at, "the config of rsyslog has no content"),
        }
    }
    for (name_of_remote, address) in values::mapping_of_texts(&settings, "remotes", remarks) {
        let address_text = match address.text.starts_with('@') {
            true => address.text.clone(),
            false => format!("@{}", address.text),
        };
        let has_selector = address.text.contains(char::is_whitespace);
        let line = match has_selector {
            true => format!("{} # {name_of_remote}\n", address.text),
            false => format!("*.* {address_text} # {name_of_remote}\n"),
        };
        add(address.at, place(&name), line);
    }
    for (at, path, text) in files {
        assembly.file(File::new(at, path, 0o644, text));
    }
}

fn wireguard<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
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
        assembly.file(File::new(content.at, path, 0o600, content.text));
        assembly.enable(name.at, &format!("wg-quick@{}.service", name.text));
    }
}

/// True for what is one part of a path and nothing special.
fn is_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=');
    !name.starts_with('.') && !name.is_empty() && name.chars().all(is_plain)
}

fn yum<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let folder = values::filled(root, "yum_repo_dir", remarks);
    let folder = folder.map_or("/etc/yum.repos.d".to_owned(), |text| clean_path(&text.text));
    let Some(repos) = root.get("yum_repos").filter(|value| !value.is_null()) else {
        return;
    };
    if !matches!(repos.value, Content::Mapping(_)) {
        remarks.error(
            repos.at,
            format!("yum_repos must be a mapping, not {}", repos.kind()),
        );
    }
    for entry in repos.entries() {
        let id: String = entry
            .key
            .chars()
            .map(|c| if c == ' ' || c == '/' { '_' } else { c })
            .collect();
        repository(&folder, &id, &entry.value, assembly, remarks);
    }
}

fn zypper<'t>(
    root: &Node<'t>,
    context: &Context<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(zypper) = values::mapping(root, "zypper", &["repos", "config"], remarks) else {
        return;
    };
    if let Some(config) = zypper
        .get("config")
        .filter(|value| !values::is_nothing(value))
    {
        let message =
            "zypper.config is not supported: it changes a file that the system has".to_owned();
        modules::unsupported(config.at, message, context.ignore_unsupported, remarks);
    }
    for repo in values::mappings(&zypper, "repos", remarks) {
        match values::filled(repo, "id", remarks) {
            Some(id) => repository("/etc/zypp/repos.d", &id.text, repo, assembly, remarks),
            None => remarks.error(repo.at, "a repository needs an `id`"),
        }
    }
}

/// A file of one repository, in the form that yum and zypper share.
fn repository<'t>(
    folder: &str,
    id: &str,
    options: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    if !is_file_name(id) {
        remarks.error(options.at, "the id of a repository is not a file name");
        return;
    }
    if options.get("baseurl").is_none()
        && options.get("mirrorlist").is_none()
        && options.get("metalink").is_none()
    {
        remarks.error_with_help(options.at, "the repository has no address", "add `baseurl`");
        return;
    }
    let mut text = format!("[{id}]\n");
    for entry in options.entries().iter().filter(|entry| entry.key != "id") {
        let value = match &entry.value.value {
            Content::Scalar(scalar) => match values::kind(scalar) {
                Kind::Null => continue,
                Kind::Flag(flag) => u8::from(flag).to_string(),
                _ => scalar.text.clone().into_owned(),
            },
            Content::List(_) => {
                let texts = values::texts_of(&entry.value, &entry.key, remarks);
                let texts: Vec<String> = texts.into_iter().map(|text| text.text).collect();
                texts.join("\n    ")
            }
            Content::Mapping(_) => {
                remarks.error(
                    entry.value.at,
                    "an option of a repository cannot be a mapping",
                );
                continue;
            }
        };
        let is_one_line = !matches!(entry.value.value, Content::Scalar(_)) || !value.contains('\n');
        if !is_one_line || entry.key.contains(['\n', '=']) {
            remarks.error(entry.value.at, "an option of a repository must be one line");
        }
        _ = writeln!(text, "{} = {value}", entry.key);
    }
    assembly.file(File::new(
        options.at,
        format!("{folder}/{id}.repo"),
        0o644,
        text,
    ));
}

fn apt<'t>(
    root: &Node<'t>,
    context: &Context<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(apt) = root.get("apt").filter(|value| !value.is_null()) else {
        return;
    };
    if !matches!(apt.value, Content::Mapping(_)) {
        remarks.error(apt.at, format!("apt must be a mapping, not {}", apt.kind()));
    }
    for entry in apt.entries() {
        let is_nothing = values::is_nothing(&entry.value);
        match &*entry.key {
            "sources" => {
                for source in entry.value.entries() {
                    apt_source(&source.key, &source.value, context, assembly, remarks);
                }
            }
            "preserve_sources_list" => {}
            _ if is_nothing => {}
            key => {
                let message =
                    format!("apt.{key} is not supported: it needs the running package manager");
                modules::unsupported(entry.value.at, message, context.ignore_unsupported, remarks);
            }
        }
    }
}

fn apt_source<'t>(
    name: &str,
    source: &Node<'t>,
    context: &Context<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["source", "keyid", "keyserver", "key", "filename", "append"];
    let source = values::canonical(source.clone(), known, remarks);
    if let Some(id) = values::filled(&source, "keyid", remarks) {
        let has_key = values::filled(&source, "key", remarks).is_some();
        if !has_key {
            let message =
                "keyid is not supported: the key would be fetched from a key server".to_owned();
            modules::unsupported(id.at, message, context.ignore_unsupported, remarks);
        }
    }
    let file =
        values::filled(&source, "filename", remarks).map_or(name.to_owned(), |text| text.text);
    let file = match file.ends_with(".list") {
        true => file,
        false => format!("{file}.list"),
    };
    let path = match file.starts_with('/') {
        true => clean_path(&file),
        false if is_file_name(&file) => format!("/etc/apt/sources.list.d/{file}"),
        false => {
            remarks.error(source.at, "the name of a source is not a file name");
            return;
        }
    };
    if let Some(key) = values::filled(&source, "key", remarks) {
        let stem = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".list");
        let path = format!("/etc/apt/trusted.gpg.d/{stem}.asc");
        assembly.file(File::new(key.at, path, 0o644, ended(&key.text)));
    }
    let Some(line) = values::filled(&source, "source", remarks) else {
        return;
    };
    if line.text.starts_with("ppa:") || line.text.contains('$') {
        let message =
            "this source is not supported: it has to be looked up on the running system".to_owned();
        modules::unsupported(line.at, message, context.ignore_unsupported, remarks);
        return;
    }
    assembly.file(File::new(line.at, path, 0o644, ended(&line.text)));
}
