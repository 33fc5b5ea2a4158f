//! Presets: which units systemd enables by itself at the first boot of a machine.

use super::patterns::matches;
use super::unit_files::{instance, template, with_instance};
use std::collections::BTreeMap;

/// Where preset files are; of files of the same name the first one counts.
pub const PRESET_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// The name of the preset file that says to disable a unit. Without any line about it, a unit is enabled.
pub fn disabled_by<'p>(presets: &'p BTreeMap<String, String>, unit: &str) -> Option<&'p str> {
    for (file, text) in presets {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(act), Some(pattern)) = (words.next(), words.next()) else {
                continue;
            };
            if is_about(pattern, words, unit) {
                match act {
                    "enable" => return None,
                    "disable" => return Some(file),
                    _ => {}
                }
            }
        }
    }
    None
}

/// Words after the name of a template are its instances.
fn is_about<'w>(pattern: &str, mut instances: impl Iterator<Item = &'w str>, unit: &str) -> bool {
    if matches(pattern, unit) {
        return true;
    }
    instance(unit).is_some()
        && template(unit).is_some_and(|of| of == pattern)
        && instances.any(|instance| with_instance(pattern, instance) == unit)
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
        for (unit, want) in [
            ("off.service", Some("10-a.preset")),
            ("t@one.service", None),
            ("t@two.service", Some("20-b.preset")),
            ("x.service", Some("99-default.preset")),
        ] {
            assert_eq!(disabled_by(&presets, unit), want, "{unit}");
        }
        assert_eq!(disabled_by(&BTreeMap::new(), "x.service"), None);
    }
}
