//! Paths in a target that more than one module has to know. Observation reads them and planning writes them, so both
//! must use the same ones.

/// Units and drop-ins of the administrator; systemd looks here first.
pub(crate) const UNIT_DIRECTORY: &str = "/etc/systemd/system";
/// Units of systemd-networkd.
pub(crate) const NETWORK_DIRECTORY: &str = "/etc/systemd/network";
/// The preset file for the units of the config, at the same path as Ignition's.
pub(crate) const PRESET_FILE: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// Encrypted volumes that are opened at boot.
pub(crate) const CRYPTTAB: &str = "/etc/crypttab";
/// Key files of encrypted volumes, one for each volume and named like it.
pub(crate) const KEY_DIRECTORY: &str = "/etc/luks";
/// Secure keys of volumes on IBM Z.
pub(crate) const ZKEY_REPOSITORY: &str = "/etc/zkey/repository";

/// Arrays that are assembled at boot.
pub(crate) const MDADM_CONF: &str = "/etc/mdadm.conf";
/// The same on Debian, where it has a directory of its own.
pub(crate) const DEBIAN_MDADM_CONF: &str = "/etc/mdadm/mdadm.conf";

/// Records for the real root that the machine was provisioned, when, and with whose config.
pub(crate) const RESULT_FILE: &str = "/etc/.ignition-result.json";
/// The report of the first boot.
pub(crate) const REPORT_FILE: &str = "/var/log/kindling/first-boot.json";

/// The directory of the account databases.
pub(crate) const ACCOUNTS_DIRECTORY: &str = "/etc";
/// The database of users.
pub(crate) const USERS_FILE: &str = "/etc/passwd";
/// Configuration of where accounts are looked up.
pub(crate) const NSSWITCH: &str = "/etc/nsswitch.conf";

/// The key file of a volume.
pub(crate) fn key_file(volume: &str) -> String {
    format!("{KEY_DIRECTORY}/{volume}")
}
