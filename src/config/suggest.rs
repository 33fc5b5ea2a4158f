//! What the author of an unknown key may have meant.

use super::shape::ObjectType;
use super::version::{LATEST_VERSION, Version};

/// Names at least this alike are worth a suggestion.
const ALIKE: f64 = 0.8;

/// Help for `key`, which type `of` does not know in `version`.
pub(crate) fn for_unknown_key(
    of: &'static ObjectType,
    key: &str,
    version: Version,
) -> Option<String> {
    if let Some(field) = of.field(key) {
        let since = field.since();
        return Some(format!(
            "`{key}` exists since version {since}, this document is written in {version}"
        ));
    }
    let closest = closest(of, key, version).or_else(|| closest(of, key, LATEST_VERSION));
    closest.map(|name| format!("did you mean `{name}`?"))
}

fn closest(of: &'static ObjectType, key: &str, version: Version) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&key, &name.to_ascii_lowercase());
    let scored = of.fields_in(version).map(|f| (likeness(f.name), f.name));
    let (score, name) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= ALIKE).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::shape::ROOT;

    fn type_of(path: &[&str]) -> &'static ObjectType {
        path.iter().fold(&ROOT, |of, name| {
            of.field(name).and_then(|f| f.object_type()).unwrap_or(of)
        })
    }

    #[test]
    fn suggestions() {
        let partition = type_of(&["storage", "disks", "partitions"]);
        let file = type_of(&["storage", "files"]);
        let unit = type_of(&["systemd", "units"]);
        let old = "`kernelArguments` exists since version 3.3.0, this document is written in 3.2.0";
        let cases: [(&'static ObjectType, &str, Option<&str>); 8] = [
            (partition, "start", Some("did you mean `startMiB`?")),
            (partition, "sizeMb", Some("did you mean `sizeMiB`?")),
            (file, "content", Some("did you mean `contents`?")),
            (file, "mod", Some("did you mean `mode`?")),
            (unit, "enable", Some("did you mean `enabled`?")),
            (file, "zzz", None),
            (file, "", None),
            (&ROOT, "kernelArguments", Some(old)),
        ];
        for (of, key, expected) in cases {
            assert_eq!(
                for_unknown_key(of, key, Version::V3_2).as_deref(),
                expected,
                "{key}"
            );
        }
    }
}
