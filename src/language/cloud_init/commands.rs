//! Commands and scripts: `bootcmd`, `runcmd`, scripts and boot hooks in the user data, `power_state`.

use super::CloudInitContext;
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;
use crate::language::quoting::shell;
use crate::language::surroundings::{SCRIPTS_HELP, SCRIPTS_REFUSED};
use std::fmt::Write as _;

/// Directory of the scripts.
const SCRIPT_DIRECTORY: &str = "/etc/cloud-init-compat";

/// A script that is a part of the user data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserScript {
    pub(super) at: u32,
    /// File name of its part, without directories.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) time: ScriptTime,
}

/// When a script runs, in the order of a first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptTime {
    /// At every boot, before anything else.
    BootHook,
    /// Once: a script of the operator of the platform.
    Vendor,
    /// Once, before the scripts of every boot.
    Once,
    /// At every boot, with the network.
    EachBoot,
    /// Once, after the scripts of every boot.
    Instance,
    /// Once, among the commands of `runcmd` in the order of names.
    User,
}

impl ScriptTime {
    /// The directory of its scripts.
    const fn folder(self) -> &'static str {
        match self {
            ScriptTime::BootHook => "boothooks",
            ScriptTime::Vendor => "vendor",
            ScriptTime::Once => "per-once",
            ScriptTime::EachBoot => "per-boot",
            ScriptTime::Instance => "per-instance",
            ScriptTime::User => "scripts",
        }
    }
}

/// Scripts that one unit runs one after the other.
#[derive(Default)]
struct Sequence {
    /// Offset of the first.
    at: Option<u32>,
    paths: Vec<String>,
}

impl Sequence {
    fn push(&mut self, at: u32, path: String) {
        self.at.get_or_insert(at);
        self.paths.push(path);
    }

    fn append(&mut self, other: Sequence) {
        self.at = self.at.or(other.at);
        self.paths.extend(other.paths);
    }
}

/// The name that the commands of `runcmd` have among the scripts of the user.
const COMMANDS_NAME: &str = "runcmd";

/// Adds the units of commands and scripts.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    scripts: &[UserScript],
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    if context.refuses_scripts {
        for script in scripts {
            remarks.error_with_help(script.at, SCRIPTS_REFUSED, SCRIPTS_HELP);
        }
        return;
    }
    add_hooks(scripts, context, assembly);
    if let Some((at, text)) = command_script(root, "bootcmd", context, remarks) {
        let path = format!("{SCRIPT_DIRECTORY}/bootcmd.sh");
        assembly.add_unit(
            at,
            "cloud-init-bootcmd.service",
            boot_unit("Commands of every boot", "", &[&path]),
        );
        assembly.add_file(AssembledFile::new(at, path, 0o700, text));
    }
    let mut once = written(scripts, ScriptTime::Vendor, assembly);
    once.append(written(scripts, ScriptTime::Once, assembly));
    // Scripts of every boot run between those that run once, so these need two units.
    if add_each_boot(scripts, assembly)
        && let Some(at) = once.at.take()
    {
        let paths = std::mem::take(&mut once.paths);
        let unit = once_unit("Scripts before those of every boot", "per-once", &paths);
        assembly.add_unit(at, "cloud-init-per-once.service", unit);
    }
    once.append(written(scripts, ScriptTime::Instance, assembly));
    once.append(user_scripts(root, scripts, context, assembly, remarks));
    if let Some(at) = once.at {
        let unit = once_unit("Commands of the first boot", "runcmd", &once.paths);
        assembly.add_unit(at, "cloud-init-runcmd.service", unit);
    }
    add_power_state(root, assembly, remarks);
}

/// Adds the scripts that run at `time`, in the order of their names.
fn written(scripts: &[UserScript], time: ScriptTime, assembly: &mut Assembly<'_>) -> Sequence {
    let mut sequence = Sequence::default();
    for script in in_order(scripts, time) {
        sequence.push(script.at, add_script(script, assembly));
    }
    sequence
}

/// The scripts that run at `time`, in the order of their names.
fn in_order(scripts: &[UserScript], time: ScriptTime) -> Vec<&UserScript> {
    let chosen = scripts.iter().filter(|script| script.time == time);
    let mut chosen: Vec<&UserScript> = chosen.collect();
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    chosen
}

/// Adds `runcmd` and the scripts of the user. The original writes the former into the directory of the latter and runs
/// everything there in the order of names, so that its name decides its place.
fn user_scripts(
    root: &Node<'_>,
    scripts: &[UserScript],
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'_>,
    remarks: &mut Remarks,
) -> Sequence {
    let scripts = in_order(scripts, ScriptTime::User);
    let commands = command_script(root, COMMANDS_NAME, context, remarks);
    let mut sequence = Sequence::default();
    let before = match &commands {
        Some(_) => scripts.partition_point(|script| *script.name < *COMMANDS_NAME),
        None => scripts.len(),
    };
    let (first, rest) = scripts.split_at(before);
    for script in first {
        sequence.push(script.at, add_script(script, assembly));
    }
    if let Some((at, text)) = commands {
        let path = format!("{SCRIPT_DIRECTORY}/runcmd.sh");
        assembly.add_file(AssembledFile::new(at, path.clone(), 0o700, text));
        sequence.push(at, path);
    }
    for script in rest {
        if script.name == COMMANDS_NAME {
            let message = "the commands of `runcmd` replace the script of that name";
            remarks.warn_with_help(script.at, message, "give the part another file name");
            continue;
        }
        sequence.push(script.at, add_script(script, assembly));
    }
    sequence
}

/// Adds a script and returns its path.
fn add_script(script: &UserScript, assembly: &mut Assembly<'_>) -> String {
    let folder = script.time.folder();
    let path = format!("{SCRIPT_DIRECTORY}/{folder}/{}", script.name);
    let bytes = script.bytes.clone();
    assembly.add_file(AssembledFile::new(script.at, path.clone(), 0o700, bytes));
    path
}

/// The commands of `key` as one script, with the place of the first.
fn command_script(
    root: &Node<'_>,
    key: &str,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<(u32, String)> {
    let value = root.get(key).filter(|value| !value.is_null())?;
    let NodeContent::List(items) = &value.value else {
        let message = format!("{key} must be a list of commands, not {}", value.kind());
        remarks.error_with_help(value.at, message, "put `- ` in front of the command");
        return None;
    };
    let first = items.first()?;
    let mut text = String::from("#!/bin/sh\n");
    if key == "bootcmd" {
        text.push_str(&instance_id(context));
    }
    // An item that consists of nothing but a comment is null.
    for item in items.iter().filter(|item| !item.is_null()) {
        if matches!(program(item), "cloud-init" | "cloud-init-per") {
            let help = "write what it does as a command of its own";
            let message = "a program of cloud-init, which the system may not have";
            remarks.warn_with_help(item.at, message, help);
        }
        match command(item, remarks) {
            Some(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            None => remarks.error_with_help(
                item.at,
                format!(
                    "a command must be a text or a list of arguments, not {}",
                    type_name(item)
                ),
                "put it in quotes",
            ),
        }
    }
    Some((first.at, text))
}

/// The name of the program that an item runs.
fn program<'n>(item: &'n Node<'_>) -> &'n str {
    let first = item.elements().first().unwrap_or(item).as_text();
    let word = first.split_whitespace().next().unwrap_or_default();
    word.rsplit('/').next().unwrap_or_default()
}

/// What an item, for messages.
fn type_name(item: &Node<'_>) -> &'static str {
    match item.as_scalar().map(values::kind) {
        Some(ScalarKind::Flag(_)) => "true or false",
        Some(ScalarKind::Int(_) | ScalarKind::Float) => "a number",
        _ => item.kind(),
    }
}

/// A shell command: a text as it is, a list as one command with quoted arguments. `None` for anything else.
fn command(item: &Node<'_>, remarks: &mut Remarks) -> Option<String> {
    if let NodeContent::List(arguments) = &item.value {
        let mut words = Vec::new();
        for argument in arguments {
            let Some(scalar) = argument.as_scalar() else {
                let message = format!("an argument must be a text, not {}", argument.kind());
                remarks.error(argument.at, message);
                continue;
            };
            if let ScalarKind::Flag(_) | ScalarKind::Null = values::kind(scalar) {
                let message = "true, false or null without quotes: it is passed as it is written";
                remarks.warn_with_help(argument.at, message, "put it in quotes");
            }
            words.push(shell(&scalar.text));
        }
        return Some(words.join(" "));
    }
    let scalar = item.as_scalar()?;
    (values::kind(scalar) == ScalarKind::Text).then(|| scalar.text.clone().into_owned())
}

/// The lines that set INSTANCE_ID: to that of the platform, else to the machine ID.
fn instance_id(context: &CloudInitContext<'_>) -> String {
    match context.instance.id {
        Some(id) => format!("INSTANCE_ID={}\nexport INSTANCE_ID\n", shell(id)),
        None => "INSTANCE_ID=$(cat /etc/machine-id)\nexport INSTANCE_ID\n".to_owned(),
    }
}

fn add_hooks(scripts: &[UserScript], context: &CloudInitContext<'_>, assembly: &mut Assembly<'_>) {
    let is_hook = |script: &&UserScript| script.time == ScriptTime::BootHook;
    let hooks = scripts.iter().filter(is_hook);
    let paths: Vec<String> = hooks.map(|hook| add_script(hook, assembly)).collect();
    let Some(first) = scripts.iter().find(is_hook) else {
        return;
    };
    let variable = context.instance.id.map(|id| {
        format!(
            "Environment={}\n",
            crate::language::quoting::unit_assignment("INSTANCE_ID", id)
        )
    });
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let unit = boot_unit(
        "Boot hooks of the user data",
        &variable.unwrap_or_default(),
        &paths,
    );
    assembly.add_unit(first.at, "cloud-init-boothook.service", unit);
}

/// Adds the unit for scripts that run at every boot with the network. Returns false if there are none.
fn add_each_boot(scripts: &[UserScript], assembly: &mut Assembly<'_>) -> bool {
    let sequence = written(scripts, ScriptTime::EachBoot, assembly);
    let Some(at) = sequence.at else {
        return false;
    };
    let mut unit = String::from(
        "\
[Unit]
Description=Scripts of every boot
Wants=network-online.target
After=network-online.target cloud-init-bootcmd.service cloud-init-per-once.service
Before=cloud-init-runcmd.service

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=0
",
    );
    push_commands(&mut unit, &sequence.paths);
    unit.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    assembly.add_unit(at, "cloud-init-per-boot.service", unit);
    true
}

/// A unit that runs at every boot, before services.
fn boot_unit(description: &str, variables: &str, paths: &[&str]) -> String {
    let order = match description.starts_with("Boot hooks") {
        true => "Before=cloud-init-bootcmd.service sysinit.target shutdown.target",
        false => "Before=sysinit.target shutdown.target",
    };
    let mut unit = format!(
        "[Unit]\nDescription={description}\nDefaultDependencies=no\nAfter=local-fs.target\n{order}\n\
         Conflicts=shutdown.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{variables}"
    );
    for path in paths {
        _ = writeln!(unit, "ExecStart={}", exec(path, paths.len()));
    }
    unit.push_str("\n[Install]\nWantedBy=sysinit.target\n");
    unit
}

/// The command line of one of `count` scripts. If there are several, a failure does not keep the next from running.
fn exec(path: &str, count: usize) -> String {
    let path = crate::language::quoting::unit_argument(path);
    match count {
        1 => path,
        _ => format!("-{path}"),
    }
}

/// Adds the command lines of scripts whose failure does not keep the next from running.
fn push_commands(unit: &mut String, paths: &[String]) {
    for path in paths {
        let path = crate::language::quoting::unit_argument(path);
        _ = writeln!(unit, "ExecStart=-{path}");
    }
}

/// A unit that runs scripts once; `name` distinguishes its mark from those of others.
fn once_unit(description: &str, name: &str, paths: &[String]) -> String {
    let mark = format!("/var/lib/cloud-init-compat/{name}.done");
    let mut unit = format!(
        "\
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target cloud-init-bootcmd.service
ConditionPathExists=!{mark}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=0
StateDirectory=cloud-init-compat
"
    );
    push_commands(&mut unit, paths);
    _ = write!(
        unit,
        "ExecStartPost=/bin/touch {mark}\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    unit
}

const POWER_UNIT: &str = "\
[Unit]
Description=Power off or restart after the first boot
After=network-online.target cloud-init-per-boot.service cloud-init-runcmd.service
ConditionPathExists=!/var/lib/cloud-init-compat/power_state.done

[Service]
Type=oneshot
StateDirectory=cloud-init-compat
ExecStartPre=/bin/touch /var/lib/cloud-init-compat/power_state.done
ExecStart=/etc/cloud-init-compat/power_state.sh

[Install]
WantedBy=multi-user.target
";

/// Adds the unit that ends the first boot.
fn add_power_state<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let known = &["mode", "delay", "message", "timeout", "condition"];
    let Some(power) = values::mapping(root, "power_state", known, remarks) else {
        return;
    };
    let Some(mode) = values::filled(&power, "mode", remarks) else {
        remarks.error_with_help(
            power.at,
            "power_state has no mode",
            "use poweroff, reboot or halt",
        );
        return;
    };
    let option = match &*mode.text {
        "poweroff" => "-P",
        "reboot" => "-r",
        "halt" => "-H",
        _ => {
            let help = "use poweroff, reboot or halt";
            remarks.error_with_help(mode.at, "unknown mode of power_state", help);
            return;
        }
    };
    let delay = values::filled(&power, "delay", remarks);
    let delay = delay.map_or("now".to_owned(), |delay| minutes(&delay, remarks));
    let message = values::filled(&power, "message", remarks);
    if let Some(timeout) = power.get("timeout").filter(|value| !value.is_null()) {
        remarks.warn(
            timeout.at,
            "timeout does nothing here: the commands are waited for",
        );
    }
    let Some(condition) = condition(&power, remarks) else {
        return;
    };
    let mut shutdown = format!("/sbin/shutdown {option} {}", shell(&delay));
    if let Some(message) = message {
        _ = write!(shutdown, " {}", shell(&message.text));
    }
    let text = format!("#!/bin/sh\n{condition}exec {shutdown}\n");
    let path = format!("{SCRIPT_DIRECTORY}/power_state.sh");
    assembly.add_file(AssembledFile::new(mode.at, path, 0o700, text));
    assembly.add_unit(mode.at, "cloud-init-power-state.service", POWER_UNIT);
}

/// `now`, or minutes with or without a sign.
fn minutes(delay: &PlacedText, remarks: &mut Remarks) -> String {
    if delay.text == "now" {
        return "now".into();
    }
    let digits = delay.text.strip_prefix('+').unwrap_or(&delay.text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        remarks.error_with_help(
            delay.at,
            "not a delay",
            "use now, or minutes such as \"+5\"",
        );
    }
    format!("+{digits}")
}

/// The lines that end the script unless the condition holds; `None` if it never does.
fn condition(power: &Node<'_>, remarks: &mut Remarks) -> Option<String> {
    let Some(value) = power.get("condition").filter(|value| !value.is_null()) else {
        return Some(String::new());
    };
    let kind = value.as_scalar().map(values::kind);
    match kind {
        Some(ScalarKind::Flag(true)) => Some(String::new()),
        Some(ScalarKind::Flag(false)) => {
            remarks.warn(
                value.at,
                "the condition is false, so power_state does nothing",
            );
            None
        }
        _ => match command(value, remarks) {
            // A subshell, so that an `exit` in it does not end the script.
            Some(line) => Some(format!("( {line}\n) || exit 0\n")),
            None => {
                let message = "the condition must be true, false, a text or a list of arguments";
                remarks.error(value.at, message);
                None
            }
        },
    }
}
