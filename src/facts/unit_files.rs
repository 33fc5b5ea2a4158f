//! Unit files of the target root: what systemd finds by the name of a unit, before generators run.

use crate::layout::UNIT_DIRECTORY;
use std::collections::BTreeMap;

/// Directories where systemd looks for units; the first one that has a unit counts. Those below `/run` are left out:
/// they are empty after a boot.
pub const UNIT_DIRECTORIES: [&str; 4] = [
    UNIT_DIRECTORY,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Maximum number of links followed from one unit name to the next.
const MAX_ALIASES: usize = 8;

/// Units of the target as they will be once the config is applied.
#[derive(Debug, Clone, Default)]
pub struct UnitFacts {
    /// The target has a unit directory, so a unit that is in none of them is missing.
    pub has_systemd: bool,
    /// Units that the config disables: no other unit enables them by `Also=`.
    pub disabled: std::collections::BTreeSet<String>,
    /// systemd will take the next boot for the first one and apply its presets: there is no
    /// `/etc/machine-id`, or it reads `uninitialized` (see machine-id(5)).
    pub is_first_boot: bool,
    /// The machine id.
    pub machine_id: Option<String>,
    /// Files of the units that the config enables, and of those that they name.
    pub files: UnitFiles,
    /// Units of the config enable more other units by `Also=` than are followed.
    pub has_more_units: bool,
    /// Preset files in the order in which systemd reads them: name and text. Only read if presets are going to be
    /// applied.
    pub presets: BTreeMap<String, String>,
}

/// One file at a path where systemd looks for units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitFile {
    /// A regular file.
    Text(String),
    /// A symbolic link with its target text.
    Link(String),
    /// Something whose text is not known before it is fetched.
    Unknown,
}

/// Unit files and drop-ins by path.
#[derive(Debug, Clone, Default)]
pub struct UnitFiles(BTreeMap<String, UnitFile>);

/// Result of looking up the name of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitLookup<'a> {
    /// There is no such unit.
    NotFound,
    /// It is a link to `/dev/null`, or an empty file.
    Masked {
        /// The mask.
        path: String,
    },
    /// It is a link below `/etc`: an alias, or a unit linked from elsewhere.
    Linked {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// A unit file was found.
    Unit {
        /// Its name; a different one if a vendor link led there.
        name: String,
        /// Its file.
        path: String,
        /// The text of the file and of its drop-ins, in the order in which they are read; `None` if one
        /// of them is not known.
        texts: Option<Vec<&'a str>>,
    },
}

impl UnitFiles {
    /// Records what is at a path.
    pub fn insert(&mut self, path: String, file: UnitFile) {
        self.0.insert(path, file);
    }

    /// Forgets what is at a path.
    pub fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Option<&UnitFile> {
        self.0.get(path)
    }

    /// Looks up a unit by name and follows vendor links.
    pub fn find(&self, name: &str) -> UnitLookup<'_> {
        let mut name = name.to_owned();
        for _ in 0..MAX_ALIASES {
            let Some((path, file)) = self.file(&name) else {
                return UnitLookup::NotFound;
            };
            let target = match file {
                UnitFile::Link(target) if target == "/dev/null" => {
                    return UnitLookup::Masked { path };
                }
                UnitFile::Text(text) if text.is_empty() => return UnitLookup::Masked { path },
                UnitFile::Link(target) => target,
                UnitFile::Text(_) | UnitFile::Unknown => {
                    let texts = self.texts(file, &name);
                    return UnitLookup::Unit { name, path, texts };
                }
            };
            let base = target.rsplit('/').next().unwrap_or_default();
            if path.starts_with(UNIT_DIRECTORY) {
                let target = target.clone();
                return UnitLookup::Linked { path, target };
            }
            name = match (template(base), instance(&name)) {
                (Some(of), Some(instance)) if of == base => with_instance(base, instance),
                _ => base.to_owned(),
            };
        }
        UnitLookup::NotFound
    }

    /// The file of a unit, or else of its template.
    fn file(&self, name: &str) -> Option<(String, &UnitFile)> {
        let names = std::iter::once(name.to_owned()).chain(template(name));
        names
            .flat_map(|name| UNIT_DIRECTORIES.map(|directory| format!("{directory}/{name}")))
            .find_map(|path| self.0.get(&path).map(|file| (path, file)))
    }

    fn texts<'a>(&'a self, file: &'a UnitFile, name: &str) -> Option<Vec<&'a str>> {
        let drop_ins = self.drop_ins(name);
        std::iter::once(file)
            .chain(drop_ins)
            .filter(|file| !matches!(file, UnitFile::Link(_)))
            .map(|file| match file {
                UnitFile::Text(text) => Some(text.as_str()),
                UnitFile::Link(_) | UnitFile::Unknown => None,
            })
            .collect()
    }

    /// Drop-ins in the order of their names, each name once.
    fn drop_ins(&self, name: &str) -> impl Iterator<Item = &UnitFile> {
        let mut found: BTreeMap<&str, &UnitFile> = BTreeMap::new();
        for unit in std::iter::once(name.to_owned()).chain(template(name)) {
            for directory in UNIT_DIRECTORIES {
                let directory = format!("{directory}/{unit}.d/");
                let files = self.0.range(directory.clone()..);
                let below = files.map_while(|(path, file)| {
                    path.strip_prefix(&directory).map(|name| (name, file))
                });
                for (name, file) in below.filter(|(name, _)| name.ends_with(".conf")) {
                    found.entry(name).or_insert(file);
                }
            }
        }
        found.into_values()
    }
}

/// Splits `a@b.service` into its template `a@.service` and its instance `b`, which is empty if the name is that of a
/// template.
pub fn split_instance(unit: &str) -> Option<(String, &str)> {
    let (stem, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    Some((format!("{stem}@.{suffix}"), instance))
}

/// The template of an instance or of a template: `a@.service` of `a@b.service`.
pub fn template(unit: &str) -> Option<String> {
    split_instance(unit).map(|(template, _)| template)
}

/// The instance: `b` of `a@b.service`; `None` for a template, too.
pub fn instance(unit: &str) -> Option<&str> {
    let (_, instance) = split_instance(unit)?;
    Some(instance).filter(|instance| !instance.is_empty())
}

/// An instance of a template.
pub fn with_instance(template: &str, instance: &str) -> String {
    let (stem, suffix) = template.split_once('@').unwrap_or((template, ""));
    format!("{stem}@{instance}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, UnitFile)]) -> UnitFiles {
        let mut files = UnitFiles::default();
        for (path, file) in all {
            files.insert((*path).into(), file.clone());
        }
        files
    }

    fn text(text: &str) -> UnitFile {
        UnitFile::Text(text.into())
    }

    fn link(target: &str) -> UnitFile {
        UnitFile::Link(target.into())
    }

    #[test]
    fn names_lead_to_files() {
        let files = files(&[
            ("/usr/lib/systemd/system/a.service", text("vendor")),
            ("/etc/systemd/system/a.service", text("own")),
            ("/usr/lib/systemd/system/b.service", link("a.service")),
            ("/usr/lib/systemd/system/t@.service", text("template")),
            ("/usr/lib/systemd/system/u@.service", link("t@.service")),
            ("/etc/systemd/system/m.service", link("/dev/null")),
            ("/usr/lib/systemd/system/m.service", text("masked")),
            ("/etc/systemd/system/e.service", text("")),
            ("/etc/systemd/system/l.service", link("/opt/l.service")),
            ("/usr/lib/systemd/system/a.service.d/20.conf", text("two")),
            ("/etc/systemd/system/a.service.d/10.conf", text("one")),
            ("/etc/systemd/system/a.service.d/20.conf", text("two own")),
            ("/etc/systemd/system/t@.service.d/x.conf", text("x")),
        ]);
        let unit = |name: &str, path: &str, texts: &[&'static str]| UnitLookup::Unit {
            name: name.into(),
            path: path.into(),
            texts: Some(texts.to_vec()),
        };
        let own = "/etc/systemd/system/a.service";
        let of_a = ["own", "one", "two own"];
        let of_t = "/usr/lib/systemd/system/t@.service";
        let masked = |path: &str| UnitLookup::Masked { path: path.into() };
        for (name, want) in [
            ("a.service", unit("a.service", own, &of_a)),
            ("b.service", unit("a.service", own, &of_a)),
            ("t@.service", unit("t@.service", of_t, &["template", "x"])),
            ("t@1.service", unit("t@1.service", of_t, &["template", "x"])),
            ("u@1.service", unit("t@1.service", of_t, &["template", "x"])),
            ("m.service", masked("/etc/systemd/system/m.service")),
            ("e.service", masked("/etc/systemd/system/e.service")),
            ("nowhere.service", UnitLookup::NotFound),
            (
                "l.service",
                UnitLookup::Linked {
                    path: "/etc/systemd/system/l.service".into(),
                    target: "/opt/l.service".into(),
                },
            ),
        ] {
            assert_eq!(files.find(name), want, "{name}");
        }
    }
}
