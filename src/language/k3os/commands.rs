//! Commands: a script and a unit that runs it at every boot.

use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::placed_text::PlacedText;
use crate::language::quoting::shell;

const BOOT_SCRIPT: &str = "/etc/k3os/boot_cmd.sh";
const RUN_SCRIPT: &str = "/etc/k3os/run_cmd.sh";

const BOOT_UNIT: &str = "\
[Unit]
Description=Commands of the k3OS config, before services
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service
Before=basic.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=-/etc/environment
ExecStart=/bin/sh /etc/k3os/boot_cmd.sh

[Install]
WantedBy=basic.target
";

const RUN_UNIT: &str = "\
[Unit]
Description=Commands of the k3OS config, with the network
Wants=network-online.target
After=network-online.target k3os-boot-cmd.service
Before=k3s.service

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=0
EnvironmentFile=-/etc/environment
ExecStart=/bin/sh /etc/k3os/run_cmd.sh

[Install]
WantedBy=multi-user.target
";

/// Adds the commands of `config`.
pub(super) fn convert<'t>(config: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let mut boot = values::texts(config, "init_cmd", remarks).unwrap_or_default();
    if let Some(first) = boot.first() {
        remarks.warn(
            first.at,
            "init_cmd ran in the initial ramdisk of k3OS; here it runs first of boot_cmd",
        );
    }
    boot.extend(values::texts(config, "boot_cmd", remarks).unwrap_or_default());
    let run = values::texts(config, "run_cmd", remarks).unwrap_or_default();
    if let Some(first) = boot.first() {
        assembly.add_file(AssembledFile::new(
            first.at,
            BOOT_SCRIPT,
            0o700,
            script(&boot),
        ));
        assembly.add_unit(first.at, "k3os-boot-cmd.service", BOOT_UNIT);
    }
    if let Some(first) = run.first() {
        assembly.add_file(AssembledFile::new(
            first.at,
            RUN_SCRIPT,
            0o700,
            script(&run),
        ));
        assembly.add_unit(first.at, "k3os-run-cmd.service", RUN_UNIT);
    }
}

/// Makes the run commands source the script at `path`.
pub(super) fn source_script(path: &str, assembly: &mut Assembly<'_>) {
    let text = format!(". {path}");
    let command = PlacedText { at: 0, text };
    assembly.add_file(AssembledFile::new(0, RUN_SCRIPT, 0o700, script(&[command])));
    assembly.add_unit(0, "k3os-run-cmd.service", RUN_UNIT);
}

/// A script that runs each command in its own shell; the first failure ends it with that status.
fn script(commands: &[PlacedText]) -> String {
    let mut script = String::from("#!/bin/sh\n");
    for command in commands {
        script.push_str(&format!("sh -c {} || exit\n", shell(&command.text)));
    }
    script
}
