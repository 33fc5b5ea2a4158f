//! What is known about the system that a result is for.

/// The system that the result is for, as far as it is known. By default, nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Target<'s> {
    /// The distribution whose conventions apply.
    pub distribution: Distribution,
    /// The code name of its release, e.g. `bookworm`.
    pub codename: Option<&'s str>,
    /// The account for keys and passwords without a name, if it is not that of the distribution.
    pub default_user: Option<&'s str>,
    /// The accounts of the system, if they could be read.
    pub accounts: Option<&'s [String]>,
    /// The program that manages wireless networks.
    pub wireless: Option<NetworkManager>,
    /// The program that sets the clock.
    pub time_client: Option<TimeClient>,
    /// Where k3s is installed.
    pub k3s: Option<K3s>,
    /// Paths of its disks with their sizes in bytes.
    pub disks: &'s [(String, u64)],
    /// The names of its time zones, sorted.
    pub zones: Option<&'s [String]>,
    /// Kernel arguments; some languages have settings among them.
    pub kernel_arguments: Option<&'s str>,
    /// The system's own configs, in the language of the text.
    pub configs: &'s [SystemConfig],
}

/// A config of the system itself, with lower or higher precedence than the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemConfig {
    /// Its path in the system.
    pub path: String,
    /// Its text.
    pub text: Vec<u8>,
    /// Its precedence among the sources.
    pub layer: Layer,
}

/// The sources of a config, each of which is merged over the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the image comes with; kernel arguments are merged over it.
    Image,
    /// What the machine has kept; what the platform states and then the text are merged over it.
    Kept,
    /// What is merged over the text.
    Last,
}

/// A family of systems with its own conventions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Not known: the conventions of Debian apply.
    #[default]
    Unknown,
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Fedora, not CoreOS.
    Fedora,
    /// Red Hat Enterprise Linux and its derivatives.
    RedHat,
    /// AlmaLinux, which differs from Red Hat in its default account.
    AlmaLinux,
    /// Amazon Linux, which differs from Red Hat in its default account and in what chrony reads.
    Amazon,
    /// Rocky Linux, which differs from Red Hat in its default account.
    Rocky,
    /// openSUSE and SUSE Linux Enterprise.
    Suse,
    /// Arch Linux.
    Arch,
    /// Alpine.
    Alpine,
    /// Fedora CoreOS and RHEL CoreOS.
    CoreOs,
    /// Flatcar and Container Linux.
    Flatcar,
}

/// A program that manages networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkManager {
    /// ConnMan, as in k3OS.
    Connman,
    /// NetworkManager.
    NetworkManager,
    /// iwd by itself.
    Iwd,
    /// None that is supported.
    Other,
}

/// Where k3s is installed, of the places that its unit can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum K3s {
    /// Nowhere.
    Missing,
    /// In `/usr/local/bin`, where its own installer puts it.
    Local,
    /// In `/usr/bin`.
    System,
}

/// A program that sets the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeClient {
    /// systemd-timesyncd.
    Timesyncd,
    /// chrony.
    Chrony,
}

/// The account that the images of a distribution have for the first user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DefaultUser {
    pub(crate) name: &'static str,
    pub(crate) gecos: &'static str,
    pub(crate) groups: &'static [&'static str],
    pub(crate) shell: &'static str,
    /// True if the image already has it, so that only what is requested is changed.
    pub(crate) exists: bool,
}

/// Accounts that every system has, after the list of Debian.
const BASE_ACCOUNTS: [&str; 18] = [
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "nobody",
    "systemd-network",
];

const DEBIAN_GROUPS: &[&str] = &[
    "adm", "dialout", "cdrom", "floppy", "sudo", "audio", "dip", "video", "plugdev", "netdev",
];

const RED_HAT_GROUPS: &[&str] = &["wheel", "adm", "systemd-journal"];

impl Distribution {
    /// The family by `ID`, `VARIANT_ID` and `ID_LIKE` of an os-release file.
    pub fn of(id: &str, variant_id: &str, id_like: &str) -> Self {
        if variant_id == "coreos" || matches!(id, "rhcos" | "scos") {
            return Distribution::CoreOs;
        }
        let like = id_like.split_whitespace();
        let families = std::iter::once(id).chain(like).map(|name| match name {
            "debian" | "raspbian" => Distribution::Debian,
            "ubuntu" => Distribution::Ubuntu,
            "fedora" if id == "fedora" => Distribution::Fedora,
            "almalinux" if id == "almalinux" => Distribution::AlmaLinux,
            "amzn" if id == "amzn" => Distribution::Amazon,
            "rocky" if id == "rocky" => Distribution::Rocky,
            "rhel" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" | "fedora" => {
                Distribution::RedHat
            }
            "suse" | "opensuse" | "sles" | "sled" => Distribution::Suse,
            name if name.starts_with("opensuse") => Distribution::Suse,
            "arch" => Distribution::Arch,
            "alpine" => Distribution::Alpine,
            "flatcar" | "coreos" => Distribution::Flatcar,
            _ => Distribution::Unknown,
        });
        let mut known = families.filter(|family| *family != Distribution::Unknown);
        known.next().unwrap_or_default()
    }

    /// [`Distribution::of`] the text of an os-release file.
    pub fn of_os_release(text: &str) -> Self {
        let value = |key| os_release_value(text, key);
        Self::of(value("ID"), value("VARIANT_ID"), value("ID_LIKE"))
    }

    /// The distribution whose conventions it follows, apart from a few such as the default account.
    pub(crate) const fn family(self) -> Self {
        match self {
            Distribution::AlmaLinux | Distribution::Amazon | Distribution::Rocky => {
                Distribution::RedHat
            }
            family => family,
        }
    }

    /// What it is name in messages.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Distribution::Unknown => "not known",
            Distribution::Debian => "Debian",
            Distribution::Ubuntu => "Ubuntu",
            Distribution::Fedora => "Fedora",
            Distribution::RedHat => "RHEL or made from it",
            Distribution::AlmaLinux => "AlmaLinux",
            Distribution::Amazon => "Amazon Linux",
            Distribution::Rocky => "Rocky Linux",
            Distribution::Suse => "openSUSE or SUSE Linux Enterprise",
            Distribution::Arch => "Arch Linux",
            Distribution::Alpine => "Alpine",
            Distribution::CoreOs => "Fedora CoreOS or RHEL CoreOS",
            Distribution::Flatcar => "Flatcar",
        }
    }

    /// True if host names are fully qualified.
    pub(crate) fn has_long_hostname(self) -> bool {
        matches!(
            self.family(),
            Distribution::Fedora | Distribution::RedHat | Distribution::Suse | Distribution::CoreOs
        )
    }

    /// True for Debian, its derivatives, and an unknown system.
    pub(crate) fn is_debian(self) -> bool {
        matches!(
            self,
            Distribution::Unknown | Distribution::Debian | Distribution::Ubuntu
        )
    }

    /// The default account of its images.
    pub(crate) fn default_user(self) -> DefaultUser {
        let user = |name, gecos, groups| DefaultUser {
            name,
            gecos,
            groups,
            shell: "/bin/bash",
            exists: false,
        };
        match self {
            Distribution::Unknown | Distribution::Debian => user("debian", "Debian", DEBIAN_GROUPS),
            Distribution::Ubuntu => {
                user("ubuntu", "Ubuntu", &["adm", "cdrom", "dip", "lxd", "sudo"])
            }
            Distribution::Fedora => user("fedora", "fedora Cloud User", RED_HAT_GROUPS),
            Distribution::RedHat => user("cloud-user", "Cloud User", RED_HAT_GROUPS),
            Distribution::AlmaLinux => user("almalinux", "almalinux Cloud User", RED_HAT_GROUPS),
            Distribution::Amazon => user("ec2-user", "EC2 Default User", RED_HAT_GROUPS),
            Distribution::Rocky => user("rocky", "rocky Cloud User", RED_HAT_GROUPS),
            Distribution::Suse => user("opensuse", "openSUSE Cloud User", &["cdrom", "users"]),
            Distribution::Arch => user("arch", "arch Cloud User", &["wheel", "users"]),
            Distribution::Alpine => DefaultUser {
                shell: "/bin/ash",
                ..user("alpine", "alpine Cloud User", &["adm", "wheel"])
            },
            Distribution::CoreOs | Distribution::Flatcar => DefaultUser {
                exists: true,
                ..user("core", "", &[])
            },
        }
    }
}

/// The code name of the release in the text of an os-release file.
pub fn codename(os_release: &str) -> Option<String> {
    let name = os_release_value(os_release, "VERSION_CODENAME");
    (!name.is_empty()).then(|| name.to_owned())
}

/// The value of a key of an os-release file; empty if there is none.
fn os_release_value<'t>(text: &'t str, requested: &str) -> &'t str {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let value = lines.find(|(key, _)| key.trim() == requested);
    value.map_or("", |(_, value)| value.trim().trim_matches(['"', '\'']))
}

impl Target<'_> {
    /// True if the system has the account `name`, as far as it is known.
    pub(crate) fn has_account(&self, name: &str) -> bool {
        match self.accounts {
            Some(accounts) => accounts.iter().any(|account| account == name),
            None => {
                let default = self.distribution.default_user();
                BASE_ACCOUNTS.contains(&name) || (default.exists && default.name == name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let cases = [
            (("debian", "", ""), Distribution::Debian),
            (("ubuntu", "", "debian"), Distribution::Ubuntu),
            (("linuxmint", "", "ubuntu debian"), Distribution::Ubuntu),
            (("fedora", "coreos", ""), Distribution::CoreOs),
            (("fedora", "cloud", ""), Distribution::Fedora),
            (("rocky", "", "rhel centos fedora"), Distribution::Rocky),
            (("amzn", "", "fedora"), Distribution::Amazon),
            (("almalinux", "", "rhel centos"), Distribution::AlmaLinux),
            (("x", "", "almalinux rhel"), Distribution::RedHat),
            (("opensuse-leap", "", "suse opensuse"), Distribution::Suse),
            (("flatcar", "", "coreos"), Distribution::Flatcar),
            (("void", "", ""), Distribution::Unknown),
        ];
        for ((id, variant, like), want) in cases {
            assert_eq!(Distribution::of(id, variant, like), want, "{id}");
        }
    }
}
