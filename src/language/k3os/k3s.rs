//! k3s: its unit, its arguments, and where its server is.

use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::placed_text::PlacedText;
use crate::language::quoting::{double_quoted, environment, unit_argument};
use crate::language::surroundings::Surroundings;
use crate::language::target::K3s;

/// Keys that require the unit.
const UNIT_KEYS: [&str; 5] = ["server_url", "token", "labels", "k3s_args", "taints"];

/// Where the unit looks for the program, unless the system has it elsewhere.
const PROGRAM: &str = "/usr/local/bin/k3s";

/// A longer command line is broken into one line for each argument.
const MAX_LINE_BYTES: usize = 1000;

/// Adds k3s and the environment of services.
pub(super) fn convert<'t>(
    k3os: &Node<'t>,
    surroundings: &Surroundings<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let variables = variables(k3os, remarks);
    if let Some((at, lines)) = &variables {
        assembly.add_file(AssembledFile::appended(
            *at,
            "/etc/environment",
            0o644,
            lines.clone(),
        ));
    }
    let requested = UNIT_KEYS.iter().find_map(|key| k3os.get(key));
    let Some(requested) = requested else { return };
    let at = requested.at;
    let server = PlacedText::of_key(k3os, "server_url", remarks).filter(|url| !url.text.is_empty());
    let token = PlacedText::of_key(k3os, "token", remarks).filter(|token| !token.text.is_empty());
    let arguments = arguments(k3os, server.as_ref(), at, remarks);
    let role = arguments.first().map_or("server", String::as_str);
    let program = match surroundings.target.k3s {
        Some(K3s::System) => "/usr/bin/k3s",
        _ => PROGRAM,
    };
    assembly.add_unit(at, "k3s.service", unit(program, role, &arguments));
    add_settings(server.as_ref(), token.as_ref(), assembly);
    if let Some((at, lines)) = variables {
        let path = "/etc/systemd/system/k3s.service.env";
        assembly.add_file(AssembledFile::new(at, path, 0o600, lines));
    }
    let is_missing = surroundings.target.k3s == Some(K3s::Missing);
    if is_missing && !assembly.has_file(PROGRAM) {
        remarks.warn_with_help(
            at,
            format!("the system has no {PROGRAM}, and the config does not provide it"),
            "add a file that is fetched with a digest, or a system extension",
        );
    }
}

/// The environment as lines of a file, with the offset of the first variable.
fn variables(k3os: &Node<'_>, remarks: &mut Remarks) -> Option<(u32, String)> {
    let variables = values::map(k3os, "environment", remarks)?;
    let mut lines = String::new();
    for (name, value) in &variables {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let has_valid_start = !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
        if !has_valid_start || !name.chars().all(is_name) {
            let message = "the name of a variable is not letters, digits and `_`: left out";
            remarks.warn(value.at, message);
            continue;
        }
        lines.push_str(&environment(name, &value.text));
        lines.push('\n');
    }
    let (_, first) = variables.first().filter(|_| !lines.is_empty())?;
    Some((first.at, lines))
}

/// Role and arguments of the config, then labels by name, then taints in their order.
fn arguments(
    k3os: &Node<'_>,
    server: Option<&PlacedText>,
    at: u32,
    remarks: &mut Remarks,
) -> Vec<String> {
    let given = values::texts(k3os, "k3s_args", remarks).unwrap_or_default();
    let mut arguments: Vec<String> = given.iter().map(|text| text.text.clone()).collect();
    match arguments.first().map(String::as_str) {
        None if server.is_some() => arguments.push("agent".into()),
        None => arguments.push("server".into()),
        Some("server" | "agent") => {}
        Some(first) => {
            let message = "the first argument of k3s must be `server` or `agent`";
            let at = given.first().map_or(at, |text| text.at);
            let is_one_line = first.starts_with("server ") || first.starts_with("agent ");
            let help = match is_one_line {
                true => "write each argument as an element of the list",
                false => "put `server` or `agent` in front",
            };
            remarks.error_with_help(at, message, help);
        }
    }
    let labels = values::map(k3os, "labels", remarks).unwrap_or_default();
    let labels = labels.iter();
    arguments.extend(labels.map(|(name, value)| format!("--node-label={name}={}", value.text)));
    let taints = values::texts(k3os, "taints", remarks).unwrap_or_default();
    let taints = taints.iter();
    arguments.extend(taints.map(|taint| format!("--node-taint={}", taint.text)));
    arguments
}

/// Writes server and token into a drop-in, next to the file that users write themselves.
fn add_settings(
    server: Option<&PlacedText>,
    token: Option<&PlacedText>,
    assembly: &mut Assembly<'_>,
) {
    let Some(first) = server.or(token) else {
        return;
    };
    let mut text = String::new();
    for (key, value) in [("server", server), ("token", token)] {
        if let Some(value) = value {
            text.push_str(&format!("{key}: {}\n", double_quoted(&value.text)));
        }
    }
    let path = "/etc/rancher/k3s/config.yaml.d/50-k3os.yaml";
    assembly.add_file(AssembledFile::new(first.at, path, 0o600, text));
}

fn unit(program: &str, role: &str, arguments: &[String]) -> String {
    let kind = match role {
        "agent" => "exec",
        _ => "notify",
    };
    let arguments: Vec<String> = arguments.iter().map(|text| unit_argument(text)).collect();
    let bytes = arguments
        .iter()
        .map(|argument| argument.len() + 1)
        .sum::<usize>();
    // Lines of a unit may have 2048 bytes.
    let separator = match bytes > MAX_LINE_BYTES {
        true => " \\\n    ",
        false => " ",
    };
    let arguments = arguments.join(separator);
    format!(
        "\
[Unit]
Description=k3s, a small Kubernetes
Wants=network-online.target
After=network-online.target
ConditionFileIsExecutable={program}

[Service]
Type={kind}
EnvironmentFile=-/etc/environment
EnvironmentFile=-/etc/systemd/system/k3s.service.env
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart={program} {arguments}

[Install]
WantedBy=multi-user.target
"
    )
}
