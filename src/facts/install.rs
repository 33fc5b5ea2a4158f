//! The `[Install]` section of units, and the links that `systemctl enable` makes of it.
//!
//! Observation inspects the paths of the links and planning creates them, so both call [`enable`].

use super::unit_files::{UnitFacts, UnitFiles, UnitLookup, instance, template, with_instance};
use crate::layout::UNIT_DIRECTORY;
use std::collections::BTreeSet;

/// Suffixes of unit names; units of the first [`TYPES_WITH_ALIASES`] types may have aliases.
const TYPES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
];
const TYPES_WITH_ALIASES: usize = 6;
const MAX_NAME_BYTES: usize = 255;
/// Maximum number of units that enabling one of them enables as well, by `Also=`. A template that names several
/// instances of itself can lead to more than fit in memory.
pub const MAX_FOLLOWED: usize = 8192;

/// A symbolic link that enables a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnableLink {
    /// Its path.
    pub path: String,
    /// The unit file it leads to.
    pub target: String,
    /// It replaces a link to another unit; an alias does not.
    pub replaces: bool,
}

/// Result of enabling one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enabling {
    /// The links to make.
    pub links: BTreeSet<EnableLink>,
    /// Why some or all links cannot be made.
    pub problems: Vec<EnableError>,
    /// Names of the unit and of those that it enables by `Also=`.
    pub names: BTreeSet<String>,
}

/// Why a unit is not, or not wholly, enabled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnableError {
    /// There is no such unit.
    #[error("it is not found in any unit directory of the target, nor does the config provide it")]
    NotFound,
    /// systemd does not load a unit of such a name.
    #[error(
        "its name is not valid: systemd loads units whose names have at most {MAX_NAME_BYTES} letters, digits and \
characters of :-_.\\@"
    )]
    BadName,
    /// It is masked.
    #[error("it is masked by {path}")]
    Masked {
        /// The mask.
        path: String,
    },
    /// It is a symbolic link, made by the administrator.
    #[error("{path} is a symbolic link to {target}, and systemctl does not enable such a unit")]
    Linked {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// Its text is fetched only when the config is applied.
    #[error("{path} is not known before its contents are fetched")]
    Unknown {
        /// The unit file.
        path: String,
    },
    /// It has no installation settings.
    #[error("it has no [Install] section that says which unit starts it")]
    NoInstall,
    /// A value is not valid for this unit.
    #[error("{setting}={value} in its [Install] section is not valid for it")]
    BadValue {
        /// The key.
        setting: &'static str,
        /// The value.
        value: String,
    },
    /// `Also=` leads to too many units.
    #[error("its [Install] section takes along more than {MAX_FOLLOWED} units by Also=")]
    TooMany,
    /// A specifier whose value is known only on the running machine.
    #[error("{value} in its [Install] section depends on the running machine")]
    Specifier {
        /// The value.
        value: String,
    },
}

/// An `[Install]` section with its drop-ins.
#[derive(Debug, Default)]
struct Install {
    aliases: Vec<String>,
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    upheld_by: Vec<String>,
    also: Vec<String>,
    default_instance: Option<String>,
}

/// Names of units that enabling a unit enables as well, as far as they are known.
pub fn also_enabled(files: &UnitFiles, unit: &str) -> Vec<String> {
    match files.find(unit) {
        UnitLookup::Unit { name, texts, .. } => {
            let install = Install::parse(&texts.unwrap_or_default(), &name);
            InstallContext::new(&name, &install, None).also().collect()
        }
        _ => Vec::new(),
    }
}

/// The links that `systemctl enable` makes for a unit.
pub fn enable(facts: &UnitFacts, unit: &str) -> Enabling {
    enable_except(facts, unit, &BTreeSet::new())
}

/// Like [`enable`], but without the links of units that are taken along and in `excluded`, and of those that these take
/// along.
pub fn enable_except(facts: &UnitFacts, unit: &str, excluded: &BTreeSet<String>) -> Enabling {
    let mut enabling = Enabling::default();
    if !is_valid_name(unit) {
        enabling.problems.push(EnableError::BadName);
        return enabling;
    }
    let mut todo = vec![unit.to_owned()];
    enabling.names.insert(unit.to_owned());
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut has_install_info = false;
    while let Some(name) = todo.pop() {
        let is_auxiliary = name != unit;
        let is_excluded = facts.disabled.contains(&name) || excluded.contains(&name);
        if !done.insert(name.clone()) || (is_auxiliary && is_excluded) {
            continue;
        }
        let problem = match facts.files.find(&name) {
            UnitLookup::Unit { name, path, texts } => match texts {
                Some(texts) => {
                    done.insert(name.clone());
                    let install = Install::parse(&texts, &name);
                    has_install_info |= install.has_install_info();
                    let context = InstallContext::new(&name, &install, facts.machine_id.as_deref());
                    context.apply(&facts.files, &path, &mut enabling);
                    if !follow(&mut enabling.names, &mut todo, context.also()) {
                        enabling.problems.push(EnableError::TooMany);
                        break;
                    }
                    continue;
                }
                None => EnableError::Unknown { path },
            },
            UnitLookup::NotFound if is_auxiliary && facts.has_more_units => EnableError::TooMany,
            UnitLookup::NotFound => EnableError::NotFound,
            UnitLookup::Masked { path } => EnableError::Masked { path },
            UnitLookup::Linked { path, target } => EnableError::Linked { path, target },
        };
        has_install_info = true;
        let is_reported = enabling.problems.contains(&EnableError::TooMany);
        if !is_auxiliary || (problem == EnableError::TooMany && !is_reported) {
            enabling.problems.push(problem);
        }
    }
    if !has_install_info {
        enabling.problems.push(EnableError::NoInstall);
    }
    enabling
}

/// Adds names that were not known before to the queue. Returns false once there are more of them than [`MAX_FOLLOWED`].
pub fn follow(
    known: &mut BTreeSet<String>,
    todo: &mut Vec<String>,
    names: impl Iterator<Item = String>,
) -> bool {
    for name in names {
        if known.contains(&name) {
            continue;
        }
        if known.len() > MAX_FOLLOWED {
            return false;
        }
        known.insert(name.clone());
        todo.push(name);
    }
    true
}

impl Install {
    /// Parses a unit file and its drop-ins.
    fn parse(texts: &[&str], unit: &str) -> Self {
        let mut install = Self::default();
        for text in texts {
            let mut section = String::new();
            for line in lines(text) {
                if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                    section = name.to_owned();
                } else if section == "Install"
                    && let Some((key, value)) = line.split_once('=')
                {
                    install.set(key.trim(), value.trim(), unit);
                }
            }
        }
        install
    }

    fn set(&mut self, key: &str, value: &str, unit: &str) {
        let list = match key {
            "Alias" if may_have_aliases(unit) => &mut self.aliases,
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => return self.also.extend(words(value)),
            // The name of an instance already selects it.
            "DefaultInstance" if is_template(unit) => {
                let context = InstallContext::new(unit, self, None);
                let value = context.expand(value).unwrap_or_default();
                if value.is_empty() || has_name_characters(&value) {
                    self.default_instance = Some(value).filter(|value| !value.is_empty());
                }
                return;
            }
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(words(value));
    }

    fn has_install_info(&self) -> bool {
        let lists = [
            &self.aliases,
            &self.wanted_by,
            &self.required_by,
            &self.upheld_by,
            &self.also,
        ];
        lists.iter().any(|list| !list.is_empty())
    }
}

/// A unit whose `[Install]` section is applied.
struct InstallContext<'a> {
    unit: &'a str,
    install: &'a Install,
    machine_id: Option<&'a str>,
}

impl<'a> InstallContext<'a> {
    fn new(unit: &'a str, install: &'a Install, machine_id: Option<&'a str>) -> Self {
        Self {
            unit,
            install,
            machine_id,
        }
    }

    fn apply(&self, files: &UnitFiles, path: &str, enabling: &mut Enabling) {
        for value in &self.install.aliases {
            match self.value(value, "Alias").and_then(|name| self.alias(name)) {
                // A unit that is its own alias needs no link.
                Ok(None) => {}
                Ok(Some(alias)) => {
                    enabling.links.insert(EnableLink {
                        path: format!("{UNIT_DIRECTORY}/{alias}"),
                        target: path.into(),
                        replaces: false,
                    });
                }
                Err(problem) => enabling.problems.push(problem),
            }
        }
        if let Some(path) = self.mask_of_instance(files) {
            return enabling.problems.push(EnableError::Masked { path });
        }
        for (setting, values, suffix) in [
            ("WantedBy", &self.install.wanted_by, "wants"),
            ("RequiredBy", &self.install.required_by, "requires"),
            ("UpheldBy", &self.install.upheld_by, "upholds"),
        ] {
            for value in values {
                match self.dependency(setting, value, suffix) {
                    Ok(link) => {
                        enabling.links.insert(EnableLink {
                            path: link,
                            target: path.into(),
                            replaces: true,
                        });
                    }
                    Err(problem) => enabling.problems.push(problem),
                }
            }
        }
    }

    /// The mask of the default instance of a template.
    fn mask_of_instance(&self, files: &UnitFiles) -> Option<String> {
        let name = self.chosen_name();
        match files.find(&name) {
            UnitLookup::Masked { path } if name != self.unit => Some(path),
            _ => None,
        }
    }

    /// Path of the link in the directory of the unit that starts this one.
    fn dependency(
        &self,
        setting: &'static str,
        value: &str,
        suffix: &str,
    ) -> Result<String, EnableError> {
        let name = self.chosen_name();
        let by = self.value(value, setting)?;
        // A template without an instance takes the instance of the unit that wants it.
        let fits = !is_template(&name) || template(&by).is_some();
        match is_valid_name(&by) && fits {
            true => Ok(format!("{UNIT_DIRECTORY}/{by}.{suffix}/{name}")),
            false => Err(EnableError::BadValue {
                setting,
                value: value.into(),
            }),
        }
    }

    /// Names of units to enable as well. Like systemd, it skips names that no unit can have.
    fn also(&self) -> impl Iterator<Item = String> {
        let names = self.install.also.iter();
        names
            .filter_map(|also| self.expand(also))
            .filter(|name| is_valid_name(name))
    }

    /// The name of the link of an alias below the unit directory; `None` if it is the unit itself.
    fn alias(&self, alias: String) -> Result<Option<String>, EnableError> {
        let bad = || EnableError::BadValue {
            setting: "Alias",
            value: alias.clone(),
        };
        if let Some((directory, name)) = alias.rsplit_once('/') {
            let suffixes = [".wants", ".requires"];
            let by = suffixes.iter().find_map(|s| directory.strip_suffix(s));
            let is_valid = by.is_some_and(is_valid_name) && name == self.unit;
            return is_valid.then(|| Some(alias.clone())).ok_or_else(bad);
        }
        let alias = match instance(self.unit) {
            Some(instance) if is_template(&alias) => with_instance(&alias, instance),
            _ => alias,
        };
        if alias == self.unit {
            return Ok(None);
        }
        let same_type = alias.rsplit('.').next() == self.unit.rsplit('.').next();
        let fits = match (template(&alias), template(self.unit)) {
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
            (Some(_), Some(_)) => instance(&alias) == instance(self.unit) || is_template(self.unit),
        };
        match is_valid_name(&alias) && same_type && fits {
            true => Ok(Some(alias)),
            false => Err(EnableError::BadValue {
                setting: "Alias",
                value: alias,
            }),
        }
    }

    /// The name of the unit; for a template, with its default instance.
    fn chosen_name(&self) -> String {
        match &self.install.default_instance {
            Some(instance) if is_template(self.unit) => with_instance(self.unit, instance),
            _ => self.unit.to_owned(),
        }
    }

    fn value(&self, value: &str, setting: &'static str) -> Result<String, EnableError> {
        self.expand(value).ok_or_else(|| EnableError::Specifier {
            value: format!("{setting}={value}"),
        })
    }

    /// Replaces specifiers; `None` if one of them is only known to the running machine.
    fn expand(&self, value: &str) -> Option<String> {
        let name = self.chosen_name();
        let prefix = name
            .split_once('@')
            .or_else(|| name.rsplit_once('.'))
            .map_or(name.as_str(), |(prefix, _)| prefix);
        let mut text = String::new();
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some('n') => text.push_str(&name),
                Some('N') => text.push_str(name.rsplit_once('.').map_or("", |(stem, _)| stem)),
                Some('p') => text.push_str(prefix),
                Some('j') => text.push_str(prefix.rsplit('-').next().unwrap_or_default()),
                Some('i') => text.push_str(instance(&name).unwrap_or_default()),
                Some('u' | 'g') => text.push_str("root"),
                Some('U' | 'G') => text.push('0'),
                Some('m') => text.push_str(self.machine_id?),
                Some('%') => text.push('%'),
                Some('a' | 'A' | 'b' | 'B' | 'H' | 'l' | 'q' | 'M' | 'o' | 'v' | 'w' | 'W') => {
                    return None;
                }
                Some(other) => text.extend(['%', other]),
                None => text.push('%'),
            }
        }
        Some(text)
    }
}

/// Trimmed lines without comments; continuation lines are joined.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut continued = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with(['#', ';']) || (continued.is_empty() && trimmed.is_empty()) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => {
                continued.push_str(part);
                continued.push(' ');
            }
            None => {
                continued.push_str(line);
                lines.push(std::mem::take(&mut continued).trim().to_owned());
            }
        }
    }
    if !continued.is_empty() {
        lines.push(continued.trim().to_owned());
    }
    lines
}

/// Words of a list; quotes are removed, escapes stay.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => word
                .get_or_insert_default()
                .extend([Some(c), chars.next()].into_iter().flatten()),
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn may_have_aliases(unit: &str) -> bool {
    let suffix = unit.rsplit('.').next().unwrap_or_default();
    TYPES.iter().take(TYPES_WITH_ALIASES).any(|t| *t == suffix)
}

fn is_template(unit: &str) -> bool {
    template(unit).is_some_and(|template| template == unit)
}

fn has_name_characters(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
}

/// True for a name that a unit may have, be it plain, a template or an instance.
pub fn is_valid_name(name: &str) -> bool {
    let Some((stem, suffix)) = name.rsplit_once('.') else {
        return false;
    };
    name.len() <= MAX_NAME_BYTES
        && TYPES.contains(&suffix)
        && has_name_characters(stem)
        && !stem.is_empty()
        && !stem.starts_with('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::unit_files::UnitFile;

    fn facts(files: &[(&str, &str)]) -> UnitFacts {
        let mut facts = UnitFacts::default();
        for (path, text) in files {
            facts
                .files
                .insert((*path).into(), UnitFile::Text((*text).into()));
        }
        facts.machine_id = Some("cafe".into());
        facts
    }

    fn paths(enabling: &Enabling) -> Vec<&str> {
        let links = enabling.links.iter();
        links
            .filter_map(|link| link.path.strip_prefix("/etc/systemd/system/"))
            .collect()
    }

    /// Cases that the systemctl of the tests does not know or handles differently; `tests/root/enabled_units.rs`
    /// compares the rest.
    #[test]
    fn links_and_problems() {
        let unit = "/usr/lib/systemd/system/a.service";
        for (text, want, problems) in [
            (
                "[Install]\nUpheldBy=x.target\n",
                &["x.target.upholds/a.service"][..],
                0,
            ),
            (
                "[Install]\nWantedBy=%m.target\n",
                &["cafe.target.wants/a.service"],
                0,
            ),
            (
                "[Install]\nWantedBy=%H.target y.target\n",
                &["y.target.wants/a.service"],
                1,
            ),
            (
                "[Install]\nAlias=x.target.wants/a.service\n",
                &["x.target.wants/a.service"],
                0,
            ),
            ("[Install]\nAlias=x/a.service\n", &[], 1),
            ("[Install]\nAlso=b.service\n", &[], 0),
            ("[Service]\n", &[], 1),
        ] {
            let enabling = enable(&facts(&[(unit, text)]), "a.service");
            assert_eq!(paths(&enabling), want, "{text}");
            assert_eq!(enabling.problems.len(), problems, "{text}");
        }
        let nowhere = enable(&UnitFacts::default(), "a.service");
        assert_eq!(nowhere.problems, [EnableError::NotFound]);
    }

    #[test]
    fn a_mask_of_the_default_instance_counts() {
        let mut facts = facts(&[(
            "/usr/lib/systemd/system/t@.service",
            "[Install]\nDefaultInstance=one\nWantedBy=x.target\n",
        )]);
        let links = enable(&facts, "t@.service");
        assert_eq!(paths(&links), ["x.target.wants/t@one.service"]);
        let mask = "/etc/systemd/system/t@one.service";
        facts
            .files
            .insert(mask.into(), UnitFile::Link("/dev/null".into()));
        let masked = enable(&facts, "t@.service");
        assert_eq!(masked.links.len(), 0);
        assert_eq!(masked.problems, [EnableError::Masked { path: mask.into() }]);
    }

    #[test]
    fn names_that_systemd_does_not_load_are_reported() {
        let install = "[Install]\nWantedBy=x.target\n";
        for (unit, is_valid) in [
            ("a.service", true),
            ("a\\x2db:c_d@e.f.mount", true),
            ("../x.service", false),
            ("a/b.service", false),
            ("\"a.service", false),
            ("ü.service", false),
            ("@a.service", false),
        ] {
            let path = format!("/etc/systemd/system/{unit}");
            let enabling = enable(&facts(&[(&path, install)]), unit);
            let is_reported = enabling.problems.contains(&EnableError::BadName);
            assert_eq!(is_reported, !is_valid, "{unit}");
            assert_eq!(enabling.links.is_empty(), !is_valid, "{unit}");
        }
    }

    #[test]
    fn endless_chains_of_also_are_cut_off() {
        let unit = "/usr/lib/systemd/system/a@.service";
        for (also, problems) in [
            // Up to the longest name.
            ("a@%ix.service", &[][..]),
            ("a@%i%i.service a@%i%i%i.service", &[]),
            ("a@%i/x.service \"a@%i x.service\" a@%i*.service %n", &[]),
            // 2^247 names.
            ("a@%ix.service a@%iy.service", &[EnableError::TooMany]),
        ] {
            let text = format!("[Install]\nWantedBy=x.target\nAlso={also}\n");
            let mut facts = facts(&[(unit, &text)]);
            let enabling = enable(&facts, "a@b.service");
            assert_eq!(enabling.problems, problems, "{also}");
            facts.has_more_units = true;
            assert_eq!(enable(&facts, "a@b.service").problems, problems, "{also}");
        }
        let text = "[Install]\nWantedBy=x.target\nAlso=c.service d.service\n";
        let mut facts = facts(&[(unit, text)]);
        assert_eq!(enable(&facts, "a@b.service").problems, []);
        facts.has_more_units = true;
        let problems = enable(&facts, "a@b.service").problems;
        assert_eq!(problems, [EnableError::TooMany]);
    }

    #[test]
    fn units_that_others_take_along_can_be_left_out() {
        let install = |also: &str| format!("[Install]\nWantedBy=x.target\nAlso={also}\n");
        let (a, b, c) = (
            install("b.service"),
            install("c.service"),
            install("a.service"),
        );
        let facts = facts(&[
            ("/usr/lib/systemd/system/a.service", &a),
            ("/usr/lib/systemd/system/b.service", &b),
            ("/usr/lib/systemd/system/c.service", &c),
        ]);
        let all = enable(&facts, "a.service");
        assert_eq!(all.links.len(), 3);
        let own = enable_except(&facts, "b.service", &all.names);
        assert_eq!(paths(&own), ["x.target.wants/b.service"]);
        assert_eq!(own.problems, []);
    }

    #[test]
    fn words_of_lists() {
        for (value, want) in [
            ("a  b", &["a", "b"][..]),
            ("\"a b\" 'c'd", &["a b", "cd"]),
            ("a\\x2db", &["a\\x2db"]),
            ("''", &[""]),
        ] {
            assert_eq!(words(value), want, "{value}");
        }
    }
}
