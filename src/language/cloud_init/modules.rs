//! The modules of cloud-init and how each is supported. The documentation is generated from this table.

use super::values;
use crate::language::findings::Remarks;
use crate::language::node::Node;

/// A module of cloud-init, or one function of a module that has several.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// What it configures.
    pub name: &'static str,
    /// Its top-level keys.
    pub keys: &'static [&'static str],
    /// Whether it is supported.
    pub support: Support,
    /// How it is supported, or why not.
    pub note: &'static str,
}

/// Whether a module is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The effect is that of the original.
    Done,
    /// The effect differs in some respect, or is achieved by other means.
    Differently,
    /// A config that requests it is rejected.
    Refused,
    /// It tunes cloud-init itself, so there is nothing to do; a warning says so.
    NothingToDo,
}

const fn done(name: &'static str, keys: &'static [&'static str], note: &'static str) -> Module {
    Module {
        name,
        keys,
        support: Support::Done,
        note,
    }
}

const fn differently(
    name: &'static str,
    keys: &'static [&'static str],
    note: &'static str,
) -> Module {
    Module {
        support: Support::Differently,
        ..done(name, keys, note)
    }
}

const fn refused(name: &'static str, keys: &'static [&'static str], note: &'static str) -> Module {
    Module {
        support: Support::Refused,
        ..done(name, keys, note)
    }
}

const fn nothing(name: &'static str, keys: &'static [&'static str], note: &'static str) -> Module {
    Module {
        support: Support::NothingToDo,
        ..done(name, keys, note)
    }
}

/// All modules.
pub static MODULES: &[Module] = &[
    differently(
        "hostname",
        &[
            "hostname",
            "fqdn",
            "prefer_fqdn_over_hostname",
            "preserve_hostname",
            "create_hostname_file",
        ],
        "/etc/hostname; the short name on Debian, the long one on Fedora, Red Hat and SUSE; a name that is to be preserved stays, where cloud-init sets that of the platform before it reads the config",
    ),
    differently(
        "etc hosts",
        &["manage_etc_hosts"],
        "the whole of /etc/hosts, also for `localhost`, where cloud-init changes one line",
    ),
    differently(
        "users and groups",
        &["users", "user", "groups"],
        "accounts, groups, /etc/sudoers.d/90-cloud-init-users, /etc/doas.conf; groups are made before accounts, and their members may be new; no expiry, no SELinux user",
    ),
    differently(
        "ssh keys of users",
        &[
            "ssh_authorized_keys",
            "allow_public_ssh_keys",
            "disable_root",
            "disable_root_opts",
        ],
        "keys of the default user; root has keys only with `disable_root: false`, and no forced command",
    ),
    differently(
        "ssh_import_id",
        &["ssh_import_id"],
        "GitHub and Launchpad keys, fetched before anything is changed; failing to get them fails the run",
    ),
    done(
        "ssh_pwauth",
        &["ssh_pwauth"],
        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
    ),
    differently(
        "host keys",
        &[
            "ssh_keys",
            "ssh_deletekeys",
            "ssh_genkeytypes",
            "ssh_publish_hostkeys",
            "ssh",
        ],
        "given keys are written; others are made by the system itself",
    ),
    differently(
        "passwords",
        &["password", "chpasswd"],
        "hashed when the config is read; they do not expire; random ones are refused",
    ),
    differently(
        "write_files",
        &["write_files"],
        "all of it; `content` next to `source` is not used as a fallback; set-user-id bits are kept, which cloud-init loses; directories made for a file belong to its owner, in a translation only those outside /etc, /usr, /var and the like",
    ),
    differently(
        "commands",
        &["bootcmd", "runcmd"],
        "units that run a script: at every boot, and once with the network",
    ),
    done(
        "timezone",
        &["timezone"],
        "the link /etc/localtime, and /etc/timezone on Debian",
    ),
    differently(
        "locale",
        &["locale", "locale_configfile"],
        "/etc/default/locale on Debian, else /etc/locale.conf; locales are not generated",
    ),
    differently(
        "keyboard",
        &["keyboard"],
        "/etc/default/keyboard on Debian, else the files of X11 and of the console",
    ),
    differently(
        "ntp",
        &["ntp"],
        "systemd-timesyncd, or chrony where the system has it: a file beside its own configuration, which cloud-init replaces; no packages, no templates",
    ),
    differently(
        "ca certs",
        &["ca_certs"],
        "certificates as files and a unit that makes the bundle; defaults stay",
    ),
    differently(
        "mounts",
        &["mounts", "mount_default_fields", "swap"],
        "lines in /etc/fstab with `nofail`, mount points, a unit that makes the swap file",
    ),
    differently(
        "disks",
        &["disk_setup", "fs_setup", "device_aliases"],
        "GPT only; sizes in percent need a disk whose size is known",
    ),
    differently(
        "growpart",
        &["growpart", "resize_rootfs"],
        "the root file system is not grown; a warning unless it is off",
    ),
    differently(
        "resolv_conf",
        &["resolv_conf", "manage_resolv_conf"],
        "a drop-in of systemd-resolved",
    ),
    differently("random_seed", &["random_seed"], "only into a regular file"),
    differently(
        "rsyslog",
        &["rsyslog", "rsyslog_dir", "rsyslog_filename"],
        "files in /etc/rsyslog.d; nothing is restarted before boot",
    ),
    differently(
        "wireguard",
        &["wireguard"],
        "files in /etc/wireguard, and the units of wg-quick enabled",
    ),
    differently(
        "yum and zypper",
        &["yum_repos", "yum_repo_dir", "zypper"],
        "files of repositories, on any system",
    ),
    differently(
        "apt",
        &["apt"],
        "`sources` only, with keys in the config and `$RELEASE` of the target; proxies, mirrors and keys to be fetched are refused",
    ),
    differently(
        "power_state",
        &["power_state"],
        "a unit after the commands; it does not wait for `timeout`",
    ),
    nothing(
        "merging",
        &["merge_how", "merge_type"],
        "followed where several configs are merged",
    ),
    refused(
        "packages",
        &[
            "packages",
            "package_update",
            "package_upgrade",
            "apt_update",
            "apt_upgrade",
        ],
        "needs the package manager of the running system",
    ),
    refused(
        "package managers",
        &[
            "snap",
            "snappy",
            "apk_repos",
            "grub_dpkg",
            "drivers",
            "debconf_selections",
            "apt_mirror",
            "apt_proxy",
            "apt_sources",
            "apt_pipelining",
        ],
        "needs the package manager of the running system",
    ),
    refused(
        "configuration managers",
        &["ansible", "chef", "puppet", "salt_minion", "mcollective"],
        "installs and runs software of its own",
    ),
    refused(
        "subscriptions",
        &[
            "landscape",
            "rh_subscription",
            "spacewalk",
            "ubuntu_pro",
            "ubuntu_advantage",
        ],
        "registers the machine with a service",
    ),
    refused(
        "other software",
        &["lxd", "autoinstall", "fan", "byobu_by_default", "rpi"],
        "sets up software that has no files known here",
    ),
    refused(
        "phone_home",
        &["phone_home"],
        "posts facts of the machine to a URL",
    ),
    differently(
        "system_info",
        &["system_info"],
        "`default_user` counts, the rest tunes cloud-init",
    ),
    differently(
        "vendor data",
        &["vendor_data"],
        "vendor data of the platform is below the user data; `enabled: false` leaves it out, `prefix` does nothing",
    ),
    nothing(
        "cloud-init itself",
        &[
            "final_message",
            "output",
            "reporting",
            "ssh_fp_console_blacklist",
            "ssh_key_console_blacklist",
            "no_ssh_fingerprints",
            "authkey_hash",
            "ssh_quiet_keygen",
            "cloud_init_modules",
            "cloud_config_modules",
            "cloud_final_modules",
            "vendor_data2",
            "updates",
            "migrate",
            "disable_ec2_metadata",
            "version",
            "launch_index",
            "datasource",
            "datasource_list",
            "network",
            "syslog_fix_perms",
            "def_log_file",
            "logcfg",
            "log_cfgs",
            "create_groups",
            "manual_cache_clean",
            "unverified_modules",
            "package_reboot_if_required",
            "apt_reboot_if_required",
        ],
        "how cloud-init runs, logs and reports",
    ),
];

/// All known top-level keys.
fn keys() -> impl Iterator<Item = &'static str> {
    MODULES
        .iter()
        .flat_map(|module| module.keys.iter().copied())
}

/// The module that `key` belongs to.
fn module_of(key: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.keys.contains(&key))
}

/// `root` with the keys spelled as in the table. Keys without an effect are reported.
pub(super) fn canonical<'t>(
    root: Node<'t>,
    ignore_unsupported: bool,
    remarks: &mut Remarks,
) -> Node<'t> {
    let all: Vec<&'static str> = keys().collect();
    let root = values::canonical(root, &all, remarks);
    for entry in root.entries() {
        let Some(module) = module_of(&entry.key) else {
            continue;
        };
        let (key, note, at) = (&entry.key, module.note, entry.value.at);
        match module.support {
            Support::Refused if !values::is_nothing(&entry.value) => {
                report_unsupported(
                    at,
                    format!("{key} is not supported: it {note}"),
                    ignore_unsupported,
                    remarks,
                );
            }
            Support::NothingToDo if module.name != "merging" => {
                remarks.warn(at, format!("{key} does nothing here: it is about {note}"));
            }
            _ => {}
        }
    }
    root
}

/// `root` without the keys that are rejected or have no effect, and those keys.
pub(super) fn supported(mut root: Node<'_>) -> (Node<'_>, Vec<String>) {
    let all: Vec<&'static str> = keys().collect();
    root = values::canonical(root, &all, &mut Remarks::default());
    let is_unsupported = |key: &str| {
        let support = module_of(key).map(|module| module.support);
        !matches!(support, Some(Support::Done | Support::Differently))
    };
    let keys = root.entries().iter().map(|entry| entry.key.clone());
    let left_out: Vec<String> = keys
        .filter(|key| is_unsupported(key))
        .map(Into::into)
        .collect();
    for key in &left_out {
        root.remove(key);
    }
    (root, left_out)
}

/// Reports that something is not supported: an error unless the user chose to ignore it.
pub(super) fn report_unsupported(
    at: u32,
    message: String,
    ignore_unsupported: bool,
    remarks: &mut Remarks,
) {
    if ignore_unsupported {
        remarks.warn(at, message);
    } else {
        remarks.error_with_help(
            at,
            message,
            "take it out, or have what is not supported ignored with --ignore-unsupported",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_belongs_to_one_module() {
        let mut all: Vec<&str> = keys().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
