//! Names of file systems, and where the paths of nodes on them are in the final system.

use super::fields::Fields;
use super::step::{OldTranslation, is_same};
use crate::config::simplify;
use crate::language::node::Node;
use std::collections::{HashMap, HashSet};

/// Mount point of the target's root file system while Ignition 2 runs.
const SYSROOT: &str = "/sysroot";
const ROOT: &str = "root";
const OEM: &str = "oem";
const OEM_PATH: &str = "/oem";
/// The former [`OEM_PATH`]; it is a link to that now.
const OLD_OEM_PATH: &str = "/usr/share/oem";
const OEM_DEVICE: &str = "/dev/disk/by-label/OEM";
const ROOT_DEVICES: [&str; 2] = ["/dev/disk/by-label/ROOT", "/dev/disk/by-partlabel/ROOT"];

/// A file system that gets an entry in version 3.
pub(super) struct Volume<'n, 't> {
    pub(super) mount: &'n Node<'t>,
    /// Offset of the entry.
    pub(super) at: u32,
    pub(super) name_at: u32,
    /// All its names.
    pub(super) names: Vec<&'n str>,
    /// Its mount point while files are written.
    pub(super) path: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
enum Prefix {
    /// A directory of the final system.
    Directory(String),
    /// A volume, by index.
    Volume(usize),
    /// A file system that was rejected already.
    Refused,
}

/// All names of a config.
pub(super) struct FilesystemNames<'n, 't> {
    volumes: Vec<Volume<'n, 't>>,
    prefixes: HashMap<&'n str, Prefix>,
    /// In the order of the text, for messages.
    defined: Vec<&'n str>,
    /// True if other configs may use these names and define more.
    are_shared: bool,
    /// File systems of the configs that refer to this one, by name. Of repeated names, the last one is used.
    inherited: HashMap<String, String>,
}

/// The lists of nodes that refer to file systems.
pub(super) const NODE_LISTS: [&str; 3] = ["files", "directories", "links"];

/// How many names of file systems a message lists.
const MAX_LISTED_NAMES: usize = 8;

impl<'n, 't> FilesystemNames<'n, 't> {
    /// Resolves the names of all file systems of `storage`; `are_shared` if other configs may use them too.
    pub(super) fn of(
        step: &mut OldTranslation<'_>,
        storage: &'n Node<'t>,
        are_shared: bool,
    ) -> Self {
        let mut names = FilesystemNames {
            volumes: Vec::new(),
            prefixes: HashMap::new(),
            defined: Vec::new(),
            are_shared,
            inherited: step
                .surroundings
                .inherited_filesystems
                .iter()
                .cloned()
                .collect(),
        };
        let mut devices: HashMap<&str, (usize, &Node<'_>)> = HashMap::new();
        for filesystem in storage.items("filesystems") {
            let prefix = match (filesystem.get("mount"), filesystem.get("path")) {
                (Some(mount), None) => names.add_volume(step, filesystem, mount, &mut devices),
                (None, Some(_)) => directory(step, filesystem),
                _ => Prefix::Refused,
            };
            names.define(step, filesystem, prefix);
        }
        let used = match are_shared {
            true => names.defined.iter().copied().collect(),
            false => used_names(storage),
        };
        names.set_paths(step, &used);
        names
    }

    /// Every name with its path in the final system, if it has one.
    pub(super) fn paths(&self) -> Vec<(String, String)> {
        let named = self.defined.iter().filter_map(|name| {
            let path = match self.prefixes.get(name)? {
                Prefix::Directory(path) => path.clone(),
                Prefix::Volume(index) => self.volumes.get(*index)?.path.clone()?,
                Prefix::Refused => return None,
            };
            Some(((*name).to_owned(), path))
        });
        named.collect()
    }

    pub(super) fn volumes(&self) -> &[Volume<'n, 't>] {
        &self.volumes
    }

    /// The path of `node` in the final system; `None` if that is unknown.
    pub(super) fn resolve(&self, step: &mut OldTranslation<'_>, node: &Node<'_>) -> Option<String> {
        let prefix = self.prefix(step, node)?;
        Some(joined(&prefix, node.text_of("path")))
    }

    /// The directory in the final system where the file system of `node` is.
    pub(super) fn prefix(&self, step: &mut OldTranslation<'_>, node: &Node<'_>) -> Option<String> {
        let name = node.text_of("filesystem");
        let at = node.at_of("filesystem");
        match self.prefixes.get(name) {
            Some(Prefix::Directory(path)) => Some(path.clone()),
            Some(Prefix::Volume(index)) => {
                let volume = self.volumes.get(*index)?;
                if volume.mount.text_of("format") == "swap" {
                    let message = format!("`{name}` is swap space, which holds no files");
                    step.error(at, message);
                    return None;
                }
                volume.path.clone()
            }
            Some(Prefix::Refused) => None,
            None => self.undefined(step, name, at),
        }
    }

    /// The prefix of a name that no file system of the config has.
    fn undefined(&self, step: &mut OldTranslation<'_>, name: &str, at: u32) -> Option<String> {
        if name.is_empty() {
            // The check of the node has reported this.
            return None;
        }
        if let Some(path) = given_path(step, name) {
            return Some(path);
        }
        let known = match name {
            ROOT => Some("/".into()),
            OEM => Some(OEM_PATH.into()),
            _ => self.inherited.get(name).cloned(),
        };
        if known.is_some() || (self.are_shared && step.surroundings.is_followed) {
            return known;
        }
        let others: Vec<&str> = self
            .defined
            .iter()
            .copied()
            .take(MAX_LISTED_NAMES)
            .collect();
        let known = match others.is_empty() {
            true => "only `root` is".into(),
            false => format!("`root` and {} are", in_quotes(&others)),
        };
        let message = format!("the file system `{name}` is not defined; {known}");
        let help =
            format!("define it in storage.filesystems, or say where it is: --fsmap {name}=PATH");
        step.error_with_help(at, message, help);
        None
    }

    fn add_volume(
        &mut self,
        step: &mut OldTranslation<'_>,
        filesystem: &'n Node<'t>,
        mount: &'n Node<'t>,
        devices: &mut HashMap<&'n str, (usize, &'n Node<'t>)>,
    ) -> Prefix {
        let device = mount.text_of("device");
        let name = filesystem.text_of("name");
        if let Some((index, first)) = devices.get(device) {
            let index = *index;
            if !is_same(first.inner("mount"), mount) {
                let message = "this device has two file systems";
                step.report_conflict(filesystem.at, first.at, message, "remove one of them");
                return Prefix::Refused;
            }
            let message = "duplicate device with the same file system; the entries are merged";
            step.warn_of_merge(filesystem.at, first.at, message, "remove one of them");
            if let Some(volume) = self.volumes.get_mut(index).filter(|_| !name.is_empty()) {
                volume.names.push(name);
            }
            return Prefix::Volume(index);
        }
        let index = self.volumes.len();
        devices.insert(device, (index, filesystem));
        self.volumes.push(Volume {
            mount,
            at: filesystem.at,
            name_at: filesystem.at_of("name"),
            names: Some(name)
                .filter(|name| !name.is_empty())
                .into_iter()
                .collect(),
            path: None,
        });
        Prefix::Volume(index)
    }

    /// Defines the name of a file system. Of two with the same name, the last one is used.
    fn define(&mut self, step: &mut OldTranslation<'_>, filesystem: &'n Node<'t>, prefix: Prefix) {
        let name = filesystem.text_of("name");
        if name.is_empty() {
            return;
        }
        let at = filesystem.at_of("name");
        let is_repeated = self.prefixes.insert(name, prefix).is_some();
        if is_repeated {
            let message = format!("another file system is called `{name}`; this one is used");
            step.warn(at, message, "give each file system a name of its own");
        } else {
            self.defined.push(name);
        }
        if name == ROOT && given_path(step, ROOT).is_none() {
            let message =
                "nodes on `root` are on the root file system, whatever else has that name";
            step.warn_of_extension(at, message, "use another name");
        }
    }

    /// Decides where volumes are mounted while files are written, and which directories names stand for.
    fn set_paths(&mut self, step: &mut OldTranslation<'_>, used: &HashSet<&str>) {
        let mut counter = 0;
        let taken: HashSet<&str> = self.inherited.values().map(String::as_str).collect();
        for index in 0..self.volumes.len() {
            let Some(volume) = self.volumes.get_mut(index) else {
                continue;
            };
            let place = volume_path(step, volume);
            if matches!(place, VolumePath::Scratch | VolumePath::Oem) {
                counter += 1;
            }
            let (path, prefix) = match place {
                VolumePath::Given(path) => (Some(path.clone()), Some(path)),
                VolumePath::Root => (None, Some("/".into())),
                VolumePath::Oem => (Some(OEM_PATH.into()), Some(OEM_PATH.into())),
                VolumePath::Scratch => {
                    let mut names = volume.names.iter();
                    let mounted = names.find(|name| {
                        let is_for_volume =
                            matches!(self.prefixes.get(**name), Some(Prefix::Volume(i)) if *i == index);
                        is_for_volume && used.contains(**name)
                    });
                    // A node on swap space is rejected.
                    let is_mountable = volume.mount.text_of("format") != "swap";
                    let mounted = mounted.filter(|_| is_mountable);
                    if let Some(name) = mounted {
                        while taken.contains(scratch(name, counter).as_str()) {
                            counter += 1;
                        }
                    }
                    (mounted.map(|name| scratch(name, counter)), None)
                }
            };
            volume.path = path;
            if let Some(prefix) = prefix {
                for name in &volume.names {
                    if let Some(Prefix::Volume(i)) = self.prefixes.get(name)
                        && *i == index
                    {
                        let prefix = Prefix::Directory(prefix.clone());
                        self.prefixes.insert(name, prefix);
                    }
                }
            }
        }
        if matches!(self.prefixes.get(ROOT), Some(Prefix::Refused)) {
            self.prefixes.remove(ROOT);
        }
    }
}

/// The path of a volume in the final system.
enum VolumePath {
    /// Given by the operator.
    Given(String),
    /// It is the root file system, or named so.
    Root,
    Oem,
    /// Unknown: it is mounted for writing only.
    Scratch,
}

fn volume_path(step: &mut OldTranslation<'_>, volume: &Volume<'_, '_>) -> VolumePath {
    let device = volume.mount.text_of("device");
    let given = volume.names.iter().find_map(|name| given_path(step, name));
    if let Some(path) = given {
        return match path == OLD_OEM_PATH && device == OEM_DEVICE {
            true => VolumePath::Oem,
            false => VolumePath::Given(path),
        };
    }
    if volume.names.contains(&ROOT) {
        return VolumePath::Root;
    }
    if volume.names.contains(&OEM) {
        return VolumePath::Oem;
    }
    if ROOT_DEVICES.contains(&device) {
        let at = volume.mount.at_of("device");
        let message = "this is the root file system; what is on it is written below /";
        step.warn_of_extension(
            at,
            message,
            "in version 3, give paths without a file system",
        );
        return VolumePath::Root;
    }
    VolumePath::Scratch
}

/// The directory that the operator gave for `name`.
fn given_path(step: &OldTranslation<'_>, name: &str) -> Option<String> {
    let mut given = step.surroundings.filesystems.iter().rev();
    let (_, path) = given.find(|(given, path)| given == name && path.starts_with('/'))?;
    Some(simplify(path))
}

/// The prefix of a file system that is already mounted when Ignition 2 runs.
fn directory(step: &mut OldTranslation<'_>, filesystem: &Node<'_>) -> Prefix {
    let name = filesystem.text_of("name");
    if let Some(path) = given_path(step, name) {
        return Prefix::Directory(path);
    }
    if name == ROOT {
        return Prefix::Directory("/".into());
    }
    let path = simplify(filesystem.text_of("path"));
    let below = path.strip_prefix(SYSROOT);
    match below.filter(|below| below.is_empty() || below.starts_with('/')) {
        Some(below) => Prefix::Directory(joined("/", below)),
        None => {
            let message = "only /sysroot and what is below it is part of the final system";
            let help = "say where the file system is in it: --fsmap NAME=PATH";
            step.error_with_help(filesystem.at_of("path"), message, help);
            Prefix::Refused
        }
    }
}

fn used_names<'n>(storage: &'n Node<'_>) -> HashSet<&'n str> {
    let lists = NODE_LISTS.iter().map(|list| storage.items(list));
    lists
        .flatten()
        .map(|node| node.text_of("filesystem"))
        .collect()
}

/// A mount point that is used for writing only.
fn scratch(name: &str, counter: usize) -> String {
    let component: String = name
        .chars()
        .map(|c| match c {
            '/' | '\0' => '_',
            c => c,
        })
        .collect();
    format!("/tmp/{component}-ign{counter}")
}

/// A path below a directory, in its simplest form. `..` does not lead out of the directory.
pub(super) fn joined(directory: &str, path: &str) -> String {
    let inside = simplify(&format!("/{path}"));
    simplify(&format!("{directory}{inside}"))
}

fn in_quotes(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_directory() {
        let cases = [
            ("/", "/a", "/a"),
            ("/", "/x/../y", "/y"),
            ("/var/", "/a/", "/var/a"),
            ("/var", "/../../a", "/var/a"),
            ("/var", "", "/var"),
            ("/", "/", "/"),
        ];
        for (directory, path, expected) in cases {
            assert_eq!(joined(directory, path), expected, "{directory} {path}");
        }
    }

    #[test]
    fn names_become_one_component() {
        assert_eq!(scratch("data", 1), "/tmp/data-ign1");
        assert_eq!(scratch("a/../b\0", 12), "/tmp/a_.._b_-ign12");
    }
}
