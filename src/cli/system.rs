//! Inspects the system in a tree, for languages whose conventions differ by system.

use crate::host::TargetRoot;
use crate::language::{
    self, Distribution, K3s, Knowledge, Layer, NetworkManager, SystemConfig, TimeClient,
};
use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::path::Path;

/// Where a system identifies itself; the first file that exists counts.
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
/// Account databases; the second has the system accounts on images that create `/etc` at boot.
const PASSWD: [&str; 2] = ["etc/passwd", "usr/lib/passwd"];
/// Programs that manage wireless networks, by their paths on the systems that have them.
const NETWORK_MANAGERS: &[(&str, NetworkManager)] = &[
    ("usr/sbin/connmand", NetworkManager::Connman),
    ("usr/sbin/NetworkManager", NetworkManager::NetworkManager),
    ("usr/bin/NetworkManager", NetworkManager::NetworkManager),
    ("usr/libexec/iwd", NetworkManager::Iwd),
    ("usr/lib/iwd/iwd", NetworkManager::Iwd),
];
/// Programs that set the clock. If chrony is installed in addition to timesyncd, it is the one in use.
const TIME_CLIENTS: &[(&str, TimeClient)] = &[
    ("usr/sbin/chronyd", TimeClient::Chrony),
    ("usr/bin/chronyd", TimeClient::Chrony),
    ("usr/lib/systemd/systemd-timesyncd", TimeClient::Timesyncd),
];
/// Where the unit of k3s looks for the program.
const K3S_PROGRAMS: &[(&str, K3s)] = &[
    ("usr/local/bin/k3s", K3s::Local),
    ("usr/bin/k3s", K3s::System),
];

/// Configs of k3OS itself, besides those in [`K3OS_FOLDER`].
const K3OS_CONFIGS: [(&str, Layer); 2] = [
    ("k3os/system/config.yaml", Layer::Image),
    ("var/lib/rancher/k3os/config.yaml", Layer::Kept),
];
const K3OS_FOLDER: &str = "var/lib/rancher/k3os/config.d";
/// The time zones of a system.
const ZONEINFO_DIR: &str = "usr/share/zoneinfo";
/// Limits for them: there are about 2,000, and names have up to two slashes.
const MAX_ZONES: usize = 20_000;
const MAX_ZONE_DEPTH: usize = 3;
/// Maximum number of configs to read; nobody writes this many.
const MAX_CONFIGS: usize = 1000;

/// What is known about the system at `root`; nothing if there is no `os-release` in it.
pub(crate) fn inspect(root: &Path) -> Knowledge {
    let root = TargetRoot::new(root);
    let text = |paths: &[&str]| {
        let mut texts = paths.iter().map(|path| root.read(path));
        texts.find_map(|text| text.ok().flatten())
    };
    let Some(os_release) = text(&OS_RELEASE) else {
        return Knowledge::default();
    };
    let accounts = PASSWD.iter().filter_map(|path| root.read(path).ok()?);
    let accounts: Vec<String> = accounts.flat_map(|text| names(&text)).collect();
    let wireless = first_present(&root, NETWORK_MANAGERS).unwrap_or(NetworkManager::Other);
    Knowledge {
        distribution: Distribution::of_os_release(&os_release),
        codename: language::codename(&os_release),
        accounts: Some(accounts).filter(|accounts| !accounts.is_empty()),
        wireless: Some(wireless),
        time_client: first_present(&root, TIME_CLIENTS),
        k3s: Some(first_present(&root, K3S_PROGRAMS).unwrap_or(K3s::Missing)),
        zones: Some(zones(&root)),
        configs: configs(&root),
        ..Knowledge::default()
    }
}

/// Configs of k3OS in a tree, lowest precedence first. Unreadable ones are skipped.
fn configs(root: &TargetRoot) -> Vec<SystemConfig> {
    let read = |path: String, layer: Layer| {
        let text = root.read(&path).ok()??;
        Some(SystemConfig {
            path: format!("/{path}"),
            text: text.into_bytes(),
            layer,
        })
    };
    let mut names: Vec<String> = entries(root, K3OS_FOLDER)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.truncate(MAX_CONFIGS);
    let fixed = K3OS_CONFIGS
        .iter()
        .map(|(path, layer)| ((*path).to_owned(), *layer));
    let more = names
        .iter()
        .map(|name| (format!("{K3OS_FOLDER}/{name}"), Layer::Last));
    fixed
        .chain(more)
        .filter_map(|(path, layer)| read(path, layer))
        .collect()
}

/// Names of time zones, e.g. `Europe/Berlin`, sorted.
fn zones(root: &TargetRoot) -> Vec<String> {
    let mut zones = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop().filter(|_| zones.len() < MAX_ZONES) {
        for (name, kind) in entries(root, &format!("{ZONEINFO_DIR}/{folder}")) {
            match kind {
                Some(Type::Directory) if folder.matches('/').count() < MAX_ZONE_DEPTH => {
                    folders.push(format!("{folder}{name}/"));
                }
                Some(Type::Directory) => {}
                _ => zones.push(format!("{folder}{name}")),
            }
        }
    }
    zones.sort_unstable();
    zones
}

/// Names and types of the entries of a folder, without hidden files, which editors leave.
fn entries(root: &TargetRoot, folder: &str) -> Vec<(String, Option<Type>)> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let folder = root.open_at(folder, flags, Mode::empty());
    let Some(mut folder) = folder.ok().and_then(|folder| Dir::from_fd(folder).ok()) else {
        return Vec::new();
    };
    let entries = folder.iter().flatten();
    let entries = entries.filter_map(|entry| {
        let name = entry.file_name().to_str().ok()?;
        Some((name.to_owned(), entry.file_type()))
    });
    entries.filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Names of the accounts in the text of a `passwd` file.
fn names(passwd: &str) -> Vec<String> {
    let names = passwd.lines().filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.to_owned()).collect()
}

fn first_present<T: Copy>(root: &TargetRoot, programs: &[(&str, T)]) -> Option<T> {
    let found = programs.iter().find(|(path, _)| has(root, path));
    found.map(|(_, what)| *what)
}

fn has(root: &TargetRoot, path: &str) -> bool {
    root.open_at(path, OFlag::O_PATH, Mode::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn systems() {
        let tree = tempfile::tempdir().expect("a directory");
        assert_eq!(inspect(tree.path()), Knowledge::default());
        for (path, text) in [
            (
                "etc/os-release",
                "ID=debian\nVERSION_CODENAME=\"bookworm\"\n",
            ),
            (
                "etc/passwd",
                "root:x:0:0::/root:/bin/sh\nme:x:7:7::/:/bin/sh\n",
            ),
            ("k3os/system/config.yaml", "hostname: a"),
            ("var/lib/rancher/k3os/config.d/b.yaml", "hostname: c"),
            ("var/lib/rancher/k3os/config.d/a.yaml", "hostname: b"),
            ("var/lib/rancher/k3os/config.d/.a.swp", "x"),
            ("usr/share/zoneinfo/UTC", ""),
            ("usr/share/zoneinfo/America/Argentina/Salta", ""),
            ("usr/sbin/NetworkManager", ""),
            ("usr/bin/k3s", ""),
            ("usr/sbin/chronyd", ""),
            ("usr/lib/systemd/systemd-timesyncd", ""),
        ] {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        let config = |path: &str, text: &str, layer| SystemConfig {
            path: path.into(),
            text: text.into(),
            layer,
        };
        let folder = "/var/lib/rancher/k3os/config.d";
        let want = Knowledge {
            configs: vec![
                config("/k3os/system/config.yaml", "hostname: a", Layer::Image),
                config(&format!("{folder}/a.yaml"), "hostname: b", Layer::Last),
                config(&format!("{folder}/b.yaml"), "hostname: c", Layer::Last),
            ],
            zones: Some(vec!["America/Argentina/Salta".into(), "UTC".into()]),
            distribution: Distribution::Debian,
            codename: Some("bookworm".into()),
            accounts: Some(vec!["root".into(), "me".into()]),
            wireless: Some(NetworkManager::NetworkManager),
            time_client: Some(TimeClient::Chrony),
            k3s: Some(K3s::System),
            ..Knowledge::default()
        };
        assert_eq!(inspect(tree.path()), want);
    }
}
