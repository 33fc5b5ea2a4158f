//! Presets: which units systemd enables by itself at the first boot of a machine.

use super::patterns::{is_pattern, matches};
use super::unit_files::{instance, template, with_instance};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Directories of preset files; a file hides files of the same name in later ones.
pub const PRESET_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// Rules of preset files; the first one about a unit counts.
#[derive(Debug, Default)]
pub struct Presets<'p> {
    /// For each rule, the file that has it if the rule disables.
    rules: Vec<Option<&'p str>>,
    /// The first rule with the exact name of a unit, or that names it as an instance.
    names: HashMap<Cow<'p, str>, usize>,
    /// Rules whose names are patterns.
    patterns: Vec<(usize, &'p str)>,
}

impl<'p> Presets<'p> {
    /// Parses preset files, given by name in the order in which systemd reads them.
    pub fn parse(files: &'p BTreeMap<String, String>) -> Self {
        let mut presets = Self::default();
        for (file, text) in files {
            for line in text.lines() {
                presets.add(file, line);
            }
        }
        presets
    }

    fn add(&mut self, file: &'p str, line: &'p str) {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(pattern)) = (words.next(), words.next()) else {
            return;
        };
        let disabled_by = match verb {
            "enable" => None,
            "disable" => Some(file),
            _ => return,
        };
        let rule = self.rules.len();
        self.rules.push(disabled_by);
        match is_pattern(pattern) || pattern.contains('\\') {
            true => self.patterns.push((rule, pattern)),
            false => {
                self.names.entry(pattern.into()).or_insert(rule);
            }
        }
        // Words after the name of a template are its instances.
        for instance_name in words {
            let unit = with_instance(pattern, instance_name);
            if instance(&unit).is_some() && template(&unit).is_some_and(|of| of == pattern) {
                self.names.entry(unit.into()).or_insert(rule);
            }
        }
    }

    /// The name of the preset file that disables a unit. Without a rule about it, a unit is enabled.
    pub fn disabled_by(&self, unit: &str) -> Option<&'p str> {
        let named = self.names.get(unit).copied();
        let before = named.unwrap_or(self.rules.len());
        let mut earlier = self.patterns.iter().take_while(|(rule, _)| *rule < before);
        let matching = earlier.find(|(_, pattern)| matches(pattern, unit));
        let rule = matching.map(|(rule, _)| *rule).or(named)?;
        *self.rules.get(rule)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_about_a_unit_counts() {
        let presets: BTreeMap<String, String> = [
            (
                "10-a.preset",
                "# disable x.service\ndisable off*\nenable t@.service one\n",
            ),
            (
                "20-b.preset",
                "enable off.service\ndisable t@*.service\nenable t@two.service\n",
            ),
            ("99-default.preset", "disable *\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        let parsed = Presets::parse(&presets);
        for (unit, want) in [
            ("off.service", Some("10-a.preset")),
            ("t@one.service", None),
            ("t@two.service", Some("20-b.preset")),
            ("x.service", Some("99-default.preset")),
        ] {
            assert_eq!(parsed.disabled_by(unit), want, "{unit}");
        }
        let none = BTreeMap::new();
        assert_eq!(Presets::parse(&none).disabled_by("x.service"), None);
    }

    /// Checking each line for each unit would be ten billion comparisons.
    #[test]
    fn many_lines_about_many_units_take_little_time() {
        let all = 100_000;
        let lines = (0..all).map(|n| format!("disable u{n}.service\n"));
        let presets: BTreeMap<String, String> = [("a.preset".to_owned(), lines.collect())].into();
        let parsed = Presets::parse(&presets);
        let disabled = (0..all).filter(|n| parsed.disabled_by(&format!("u{n}.service")).is_some());
        assert_eq!(disabled.count(), all);
    }
}
