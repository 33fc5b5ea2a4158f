//! Settings from the environment of the process, read once.
//!
//! # Flatcar
//! Flatcar's Ignition differs from upstream. One build serves all distributions, so every difference is either
//! accepted everywhere or behind a switch:
//!
//! | difference | where |
//! |---|---|
//! | `flatcar.config.url`, `coreos.config.url` on the kernel command line | everywhere |
//! | `oem://` URLs | everywhere: nobody else has that directory, and a missing file is an error |
//! | fw_cfg key `opt/org.flatcar-linux/config` | everywhere |
//! | older guest properties of VMware | everywhere, with that platform |
//! | platforms `cloudsigma`, `rackspace`, `rackspace-onmetal`, `vagrant` | everywhere |
//! | a script, a cloud-config or a MIME message instead of a config counts as an empty config | switch: elsewhere it would silently leave a machine unprovisioned |
//! | a file system labelled `OEM` is reused although its type differs | switch: elsewhere the config requests that type |
//! | `/usr/share/oem` on `/dev/disk/by-label/OEM` is mounted at `/oem` | switch: elsewhere it goes where the config says |
//!
//! The switch is `KINDLING_FLATCAR=true` or `false`; without it, it is on if the kernel command line has an
//! argument that begins with `flatcar.`, as on every first boot of Flatcar.

use super::command_line::CommandLine;
use crate::fetch::OEM_DIR;
use anyhow::bail;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where the keys are that a config may be signed with.
pub const TRUSTED_KEYS_DIR: &str = "/etc/kindling/trusted-keys.d";

/// Directories with the system's configs, highest priority first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDirs(pub [PathBuf; 3]);

impl ConfigDirs {
    /// `name` in each directory, highest priority first.
    pub fn each(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        self.0.each_ref().map(|dir| dir.join(name)).into_iter()
    }
}

/// Settings from the environment; an empty value counts as unset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The kernel command line (`IGNITION_KERNEL_CMDLINE_PATH`).
    pub command_line: PathBuf,
    /// Where the system's configs are (`IGNITION_SYSTEM_RUNTIME_CONFIG_DIR`,
    /// `IGNITION_SYSTEM_LOCAL_CONFIG_DIR`, `IGNITION_SYSTEM_CONFIG_DIR`).
    pub config_dirs: ConfigDirs,
    /// Write SSH keys to a file of their own (`IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT`).
    pub authorized_keys_fragment: Option<bool>,
    /// Label files for SELinux (`IGNITION_SELINUX_RELABEL`).
    pub selinux_relabel: Option<bool>,
    /// The config of platform `file` (`IGNITION_CONFIG_FILE`).
    pub config_file: PathBuf,
    /// Root directory of `oem://` URLs (`IGNITION_OEM_LOOKASIDE_DIR`).
    pub oem_dir: PathBuf,
    /// Directory of keys that a config may be signed with (`KINDLING_TRUSTED_KEYS_DIR`).
    pub trusted_keys_dir: PathBuf,
    /// True if that directory was set explicitly, so that it must exist.
    pub trusted_keys_named: bool,
    /// Flatcar's own behaviour (`KINDLING_FLATCAR`); see [`Environment::is_flatcar`].
    pub flatcar: Option<bool>,
}

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// If a switch is neither true nor false.
    pub fn of_process() -> anyhow::Result<Self> {
        Self::read(|name| std::env::var_os(name))
    }

    /// Reads an environment through `lookup`.
    ///
    /// # Errors
    /// If a switch is neither true nor false.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let non_empty = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let path = |name: &str, default: &str| {
            non_empty(name).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let switch = |name: &str| {
            non_empty(name)
                .map(|value| boolean(name, &value))
                .transpose()
        };
        Ok(Self {
            command_line: path("IGNITION_KERNEL_CMDLINE_PATH", "/proc/cmdline"),
            config_dirs: ConfigDirs([
                path("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", "/run/ignition"),
                path("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", "/etc/ignition"),
                path("IGNITION_SYSTEM_CONFIG_DIR", "/usr/lib/ignition"),
            ]),
            authorized_keys_fragment: switch("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT")?,
            selinux_relabel: switch("IGNITION_SELINUX_RELABEL")?,
            config_file: path("IGNITION_CONFIG_FILE", "config.ign"),
            oem_dir: path("IGNITION_OEM_LOOKASIDE_DIR", OEM_DIR),
            trusted_keys_named: non_empty("KINDLING_TRUSTED_KEYS_DIR").is_some(),
            trusted_keys_dir: path("KINDLING_TRUSTED_KEYS_DIR", TRUSTED_KEYS_DIR),
            flatcar: switch("KINDLING_FLATCAR")?,
        })
    }

    /// True if the differences of Flatcar apply that would harm other distributions (see the module).
    pub fn is_flatcar(&self, line: &CommandLine) -> bool {
        self.flatcar.unwrap_or_else(|| line.is_flatcar())
    }
}

fn boolean(name: &str, value: &OsString) -> anyhow::Result<bool> {
    match value.to_str() {
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        _ => bail!("environment variable {name} is {value:?}; it must be true, 1, false or 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Environment> {
        Environment::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn nothing_and_empty_values_are_the_same() {
        let nothing = read(&[]).expect("fine");
        let empty = read(&[
            ("IGNITION_KERNEL_CMDLINE_PATH", ""),
            ("IGNITION_SELINUX_RELABEL", ""),
            ("IGNITION_CONFIG_FILE", ""),
        ]);
        assert_eq!(empty.expect("fine"), nothing);
        assert_eq!(nothing.command_line, Path::new("/proc/cmdline"));
        assert_eq!(nothing.selinux_relabel, None);
        let dirs: Vec<PathBuf> = nothing.config_dirs.each("user.ign").collect();
        let want = [
            "/run/ignition/user.ign",
            "/etc/ignition/user.ign",
            "/usr/lib/ignition/user.ign",
        ];
        assert_eq!(dirs, want.map(PathBuf::from));
    }

    #[test]
    fn values_count() {
        let read = read(&[
            ("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT", "0"),
            ("IGNITION_SELINUX_RELABEL", "true"),
            ("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", "/x"),
            ("IGNITION_OEM_LOOKASIDE_DIR", "/oem"),
        ]);
        let environment = read.expect("fine");
        assert_eq!(environment.authorized_keys_fragment, Some(false));
        assert_eq!(environment.selinux_relabel, Some(true));
        assert_eq!(environment.config_dirs.0[1], Path::new("/x"));
        assert_eq!(environment.oem_dir, Path::new("/oem"));
    }

    #[test]
    fn switches_are_true_or_false() {
        let error = read(&[("IGNITION_SELINUX_RELABEL", "maybe")]).expect_err("neither");
        assert_eq!(
            error.to_string(),
            "environment variable IGNITION_SELINUX_RELABEL is \"maybe\"; it must be true, 1, false or 0"
        );
    }

    #[test]
    fn flatcar_is_set_or_detected() {
        let flatcar = CommandLine::parse("flatcar.first_boot=detected");
        let other = CommandLine::parse("ignition.firstboot coreos.config.url=http://h/");
        let unset = read(&[]).expect("fine");
        let set = |value| read(&[("KINDLING_FLATCAR", value)]).expect("fine");
        assert!(unset.is_flatcar(&flatcar) && !unset.is_flatcar(&other));
        assert!(set("1").is_flatcar(&other) && !set("false").is_flatcar(&flatcar));
    }
}
