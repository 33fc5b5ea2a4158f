//! Where things are in a target: the paths that more than one module has to know. Observation looks at them and planning
//! writes them, so both must mean the same place.

/// Units and drop-ins of the administrator; systemd looks here first.
pub(crate) const UNIT_DIRECTORY: &str = "/etc/systemd/system";
/// Which units of the config are enabled, in the name and place that Ignition gives it.
pub(crate) const PRESET_FILE: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// Encrypted volumes that are opened at boot.
pub(crate) const CRYPTTAB: &str = "/etc/crypttab";
/// Key files of encrypted volumes, one for each volume and named like it.
pub(crate) const KEY_DIRECTORY: &str = "/etc/luks";
/// Secure keys of volumes on IBM Z.
pub(crate) const ZKEY_REPOSITORY: &str = "/etc/zkey/repository";

/// Arrays that are assembled at boot.
pub(crate) const MDADM_CONF: &str = "/etc/mdadm.conf";
/// The same in Debian, where it has a directory of its own.
pub(crate) const DEBIAN_MDADM_CONF: &str = "/etc/mdadm/mdadm.conf";

/// Tells the real root that, when and with whose config it was provisioned.
pub(crate) const RESULT_FILE: &str = "/etc/.ignition-result.json";
/// The report of the first boot.
pub(crate) const REPORT_FILE: &str = "/var/log/kindling/first-boot.json";

/// The directory of the account databases.
pub(crate) const ACCOUNTS_DIRECTORY: &str = "/etc";
/// The database of users.
pub(crate) const USERS_FILE: &str = "/etc/passwd";
/// Where accounts are looked up.
pub(crate) const NSSWITCH: &str = "/etc/nsswitch.conf";

/// The key file of a volume.
pub(crate) fn key_file(volume: &str) -> String {
    format!("{KEY_DIRECTORY}/{volume}")
}
