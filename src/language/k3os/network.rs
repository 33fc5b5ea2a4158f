//! Name servers, time servers and wireless networks, in the files of the programs that manage them.

use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;
use crate::language::surroundings::Surroundings;
use crate::language::target::NetworkManager;
use std::fmt::Write as _;

/// The name server that ConnMan of k3OS uses if none is given.
const DEFAULT_NAME_SERVER: &str = "8.8.8.8";

/// A wireless network.
struct Wifi {
    at: u32,
    name: PlacedText,
    passphrase: Option<PlacedText>,
}

/// Adds the network settings of `k3os`.
pub(super) fn convert<'t>(
    k3os: &Node<'t>,
    surroundings: &Surroundings<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let dns = servers(k3os, "dns_nameservers", remarks);
    let ntp = servers(k3os, "ntp_servers", remarks);
    let wifi = networks(k3os, remarks);
    if surroundings.target.wireless == Some(NetworkManager::Connman) {
        add_connman(&dns, &ntp, &wifi, assembly);
        return;
    }
    let conf = |section: &str, key: &str, servers: &[PlacedText]| {
        format!("[{section}]\n{key}={}\n", joined(servers, " "))
    };
    if let Some(first) = dns.first() {
        let text = conf("Resolve", "FallbackDNS", &dns);
        let path = "/etc/systemd/resolved.conf.d/50-k3os.conf";
        assembly.add_file(AssembledFile::new(first.at, path, 0o644, text));
    }
    if let Some(first) = ntp.first() {
        let text = conf("Time", "FallbackNTP", &ntp);
        let path = "/etc/systemd/timesyncd.conf.d/50-k3os.conf";
        assembly.add_file(AssembledFile::new(first.at, path, 0o644, text));
    }
    for network in &wifi {
        add_wireless(network, surroundings.target.wireless, assembly, remarks);
    }
}

/// The servers of `key`. ConnMan takes a comma-separated list, so a text with commas always meant several servers.
fn servers(k3os: &Node<'_>, key: &str, remarks: &mut Remarks) -> Vec<PlacedText> {
    let texts = values::texts(k3os, key, remarks).unwrap_or_default();
    let servers = texts.iter().flat_map(|text| {
        let names = text.text.split(|c: char| c == ',' || c.is_whitespace());
        let names = names.filter(|name| !name.is_empty());
        names.map(|name| PlacedText {
            at: text.at,
            text: name.to_owned(),
        })
    });
    servers.collect()
}

fn joined(texts: &[PlacedText], separator: &str) -> String {
    let texts: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    texts.join(separator)
}

fn networks(k3os: &Node<'_>, remarks: &mut Remarks) -> Vec<Wifi> {
    let Some(list) = k3os.get("wifi") else {
        return Vec::new();
    };
    if !matches!(list.value, NodeContent::List(_)) {
        remarks.error(list.at, format!("wifi must be a list, not {}", list.kind()));
    }
    let mut networks = Vec::new();
    for entry in list.elements() {
        let name = PlacedText::of_key(entry, "name", remarks).filter(|name| !name.text.is_empty());
        let passphrase = PlacedText::of_key(entry, "passphrase", remarks);
        let passphrase = passphrase.filter(|text| !text.text.is_empty());
        let Some(name) = name else {
            remarks.warn(entry.at, "a wireless network without a name is left out");
            continue;
        };
        let texts = std::iter::once(&name).chain(&passphrase);
        for text in texts {
            if text.text.contains(char::is_control) {
                remarks.error(text.at, "a line end or another control character");
            }
        }
        networks.push(Wifi {
            at: entry.at,
            name,
            passphrase,
        });
    }
    networks
}

fn add_wireless<'t>(
    network: &Wifi,
    manager: Option<NetworkManager>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    match manager {
        Some(NetworkManager::Iwd) => add_iwd(network, assembly),
        Some(NetworkManager::Other) => {
            remarks.warn(
                network.at,
                "the system has nothing that is known here to manage wireless networks",
            );
        }
        Some(NetworkManager::NetworkManager | NetworkManager::Connman) => {
            add_profile(network, assembly);
        }
        None => {
            remarks.warn(
                network.at,
                "it is not known what manages wireless networks on the system; this is written for NetworkManager",
            );
            add_profile(network, assembly);
        }
    }
}

/// `name` as a single path component.
fn file_name(name: &str) -> String {
    name.replace('/', "_")
}

/// Adds a connection profile of NetworkManager, which reads escapes in values.
fn add_profile(network: &Wifi, assembly: &mut Assembly<'_>) {
    let name = escaped_value(&network.name.text);
    let mut text = format!(
        "[connection]\nid={name}\ntype=wifi\nautoconnect=true\n\n\
         [wifi]\nmode=infrastructure\nssid={name}\n\n"
    );
    if let Some(passphrase) = &network.passphrase {
        let passphrase = escaped_value(&passphrase.text);
        _ = write!(
            text,
            "[wifi-security]\nkey-mgmt=wpa-psk\npsk={passphrase}\n\n"
        );
    }
    text.push_str("[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n");
    let name = file_name(&network.name.text);
    let path = format!("/etc/NetworkManager/system-connections/{name}.nmconnection");
    assembly.add_file(AssembledFile::new(network.at, path, 0o600, text));
}

/// A value of a key file; a blank at its beginning or end would not be read as part of it.
fn escaped_value(text: &str) -> String {
    let mut escaped = text.replace('\\', "\\\\").replace(';', "\\;");
    if let Some(rest) = escaped.strip_prefix(' ') {
        escaped = format!("\\s{rest}");
    }
    match escaped.strip_suffix(' ') {
        Some(rest) => format!("{rest}\\s"),
        None => escaped,
    }
}

fn add_iwd(network: &Wifi, assembly: &mut Assembly<'_>) {
    let name = &network.name.text;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    let name = match name.chars().all(is_plain) {
        true => name.clone(),
        false => {
            let mut encoded = String::from("=");
            for byte in name.bytes() {
                _ = write!(encoded, "{byte:02x}");
            }
            encoded
        }
    };
    let (suffix, text) = match &network.passphrase {
        Some(passphrase) => (
            "psk",
            format!("[Security]\nPassphrase={}\n", passphrase.text),
        ),
        None => ("open", String::new()),
    };
    let path = format!("/var/lib/iwd/{name}.{suffix}");
    assembly.add_file(AssembledFile::new(network.at, path, 0o600, text));
}

fn add_connman(dns: &[PlacedText], ntp: &[PlacedText], wifi: &[Wifi], assembly: &mut Assembly<'_>) {
    let mut text = String::from(
        "[General]\nNetworkInterfaceBlacklist=veth\nPreferredTechnologies=ethernet,wifi\n",
    );
    let servers = match dns {
        [] => DEFAULT_NAME_SERVER.to_owned(),
        dns => joined(dns, ","),
    };
    _ = writeln!(text, "FallbackNameservers={servers}");
    if !ntp.is_empty() {
        _ = writeln!(text, "FallbackTimeservers={}", joined(ntp, ","));
    }
    let first = dns.first().or(ntp.first()).map(|text| text.at);
    let first = first.or(wifi.first().map(|network| network.at));
    let at = first.unwrap_or(assembly.at);
    assembly.add_file(AssembledFile::new(
        at,
        "/etc/connman/main.conf",
        0o644,
        text,
    ));
    let Some(network) = wifi.first() else { return };
    let settings = "[WiFi]\nEnable=true\nTethering=false\n";
    assembly.add_file(AssembledFile::new(
        network.at,
        "/var/lib/connman/settings",
        0o644,
        settings,
    ));
    let mut text =
        String::from("[global]\nName=cloud-config\nDescription=Networks of the k3OS config\n");
    for (index, network) in wifi.iter().enumerate() {
        _ = write!(text, "\n[service_wifi{index}]\nType=wifi\n");
        if let Some(passphrase) = &network.passphrase {
            _ = writeln!(text, "Passphrase={}", passphrase.text);
        }
        _ = writeln!(text, "Name={}", network.name.text);
    }
    let path = "/var/lib/connman/cloud-config.config";
    assembly.add_file(AssembledFile::new(network.at, path, 0o600, text));
}
