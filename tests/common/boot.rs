//! Stages of a boot on a directory that stands for a machine: `cmdline`, `root`, configs of the system in `run`, `etc` and
//! `usr`, and what stages leave: `ignition.json`, `neednet`, `state`, `kindling`.

use std::path::Path;
use std::process::Command;

/// Sets the variables by which a run finds the kernel command line and the directories of a machine.
pub fn set_environment(command: &mut Command, machine: &Path) {
    command
        .env("IGNITION_KERNEL_CMDLINE_PATH", machine.join("cmdline"))
        .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", machine.join("run"))
        .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", machine.join("etc"))
        .env("IGNITION_SYSTEM_CONFIG_DIR", machine.join("usr"))
        .env("KINDLING_RUN_DIR", machine.join("kindling"));
}

/// Adds the flags and the environment of a stage.
pub fn add_stage(command: &mut Command, platform: &str, stage: &str, machine: &Path) {
    command.args(["-log-to-stdout", "-platform", platform, "-stage", stage]);
    for (flag, name) in [
        ("-root", "root"),
        ("-config-cache", "ignition.json"),
        ("-neednet", "neednet"),
        ("-state-file", "state"),
    ] {
        command.arg(flag).arg(machine.join(name));
    }
    set_environment(command, machine);
}
