//! What the author of an unknown key may have meant.

use super::spec_table::{ObjectType, ROOT};
use super::version::{LATEST_VERSION, Version};

/// Names at least this alike are worth a suggestion.
const ALIKE: f64 = 0.8;
/// Longer keys resemble none, and comparing them takes its time.
const MAX_KEY_BYTES: usize = 256;

/// Help for `key`, which type `of` does not know in `version`.
pub(crate) fn for_unknown_key(
    of: &'static ObjectType,
    key: &str,
    version: Version,
) -> Option<String> {
    if key.len() > MAX_KEY_BYTES {
        return None;
    }
    if let Some(field) = of.field(key) {
        let since = field.since();
        return Some(format!(
            "`{key}` exists since version {since}, this document is written in {version}"
        ));
    }
    let likeness =
        |version| closest(of, key, version).map(|name| format!("did you mean `{name}`?"));
    of_butane(of, key)
        .or_else(|| elsewhere(of, key, version).filter(|_| has_one_place(key, version)))
        .or_else(|| likeness(version))
        .or_else(|| likeness(LATEST_VERSION))
        .or_else(|| elsewhere(of, key, version))
        .or_else(|| of_butane_elsewhere(of, key))
}

/// Keys that only Butane has, where configs in JSON have others.
const BUTANE_KEYS: &[(&str, &str)] = &[
    ("inline", "use `source` with a data: URL"),
    ("local", "use `source`"),
    ("contents_local", "use `contents`"),
    ("ssh_authorized_keys_local", "use `sshAuthorizedKeys`"),
    ("trees", "list the files in `storage.files`"),
    ("with_mount_unit", "write the mount unit in `systemd.units`"),
    (
        "boot_device",
        "write the disks, arrays and volumes in `storage`",
    ),
    ("variant", "leave it out"),
    ("grub", "write the files in `storage.files`"),
    ("quadlets", "write the files in `storage.files`"),
];

/// Help for a key of Butane.
fn of_butane(of: &'static ObjectType, key: &str) -> Option<String> {
    if let Some((_, instead)) = BUTANE_KEYS.iter().find(|(name, _)| *name == key) {
        return Some(format!(
            "`{key}` is a key of Butane: translate the config with `butane`, or {instead}"
        ));
    }
    let field = of
        .fields
        .iter()
        .find(|field| key.contains('_') && snake_case(field.name) == key)?;
    Some(format!(
        "did you mean `{}`? `{key}` is the spelling of Butane",
        field.name
    ))
}

/// A name as Butane spells it: `sshAuthorizedKeys` is `ssh_authorized_keys`, `sizeMiB` is `size_mib`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && !before.is_ascii_uppercase() && !snake.ends_with("_mi") {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
        before = c;
    }
    snake
}

/// Help for a key that is spelled as in Butane and belongs elsewhere.
fn of_butane_elsewhere(of: &'static ObjectType, key: &str) -> Option<String> {
    if !key.contains('_') {
        return None;
    }
    let name = name_spelled(&ROOT, key)?;
    let places = in_words(&places(of, name, LATEST_VERSION))?;
    Some(format!(
        "did you mean `{name}`, which belongs {places}? `{key}` is the spelling of Butane"
    ))
}

/// The name of the member that Butane spells as `snake`.
fn name_spelled(of: &'static ObjectType, snake: &str) -> Option<&'static str> {
    let own = of
        .fields
        .iter()
        .find(|field| snake_case(field.name) == snake);
    own.map(|field| field.name).or_else(|| {
        let mut inner = of.fields.iter().filter_map(|field| field.object_type());
        inner.find_map(|inner| name_spelled(inner, snake))
    })
}

/// More places than this are no help.
const MAX_PLACES: usize = 3;

/// Where a key belongs that no member here has.
fn elsewhere(of: &'static ObjectType, key: &str, version: Version) -> Option<String> {
    let found = places(of, key, version);
    if !found.is_empty() {
        return in_words(&found).map(|places| format!("`{key}` belongs {places}"));
    }
    let found = places(of, key, LATEST_VERSION);
    let since = found
        .iter()
        .filter_map(|place| place.of.field(key))
        .next()?;
    let places = in_words(&found)?;
    let since = since.since();
    Some(format!(
        "`{key}` belongs {places}, since version {since}; this document is written in {version}"
    ))
}

/// True for a key that no two object types have; one of several may be a misspelling instead.
fn has_one_place(key: &str, version: Version) -> bool {
    let mut found = Vec::new();
    collect_places(&ROOT, key, version, "", &mut found);
    found.len() == 1
}

/// The places of `key` below `of` if there are any, else those anywhere: the ones that are least deep.
fn places(of: &'static ObjectType, key: &str, version: Version) -> Vec<TypePlace> {
    let mut found = Vec::new();
    collect_places(&ROOT, key, version, "", &mut found);
    found.retain(|place| !std::ptr::eq(of, place.of));
    let mut below = Vec::new();
    collect_places(of, key, version, "", &mut below);
    if found.len() > 1 && !below.is_empty() {
        found = below;
    }
    let depth = |place: &TypePlace| match place.path.as_str() {
        "" => 0,
        path => 1 + path.matches('.').count(),
    };
    let least = found.iter().map(depth).min().unwrap_or_default();
    found.retain(|place| depth(place) == least);
    found
}

/// `in `a`, `b` or `c``, unless these are too many.
fn in_words(places: &[TypePlace]) -> Option<String> {
    let quoted: Vec<String> = places.iter().map(|p| format!("`{}`", p.path)).collect();
    match quoted.split_last()? {
        _ if quoted.len() > MAX_PLACES => None,
        (_, []) if places.iter().any(|place| place.path.is_empty()) => {
            Some("at the top level".into())
        }
        (last, []) => Some(format!("in {last}")),
        (last, others) => Some(format!("in {} or {last}", others.join(", "))),
    }
}

/// An object type with its path, list indices left out.
struct TypePlace {
    of: &'static ObjectType,
    path: String,
}

/// All places whose object type has a member called `key`.
fn collect_places(
    of: &'static ObjectType,
    key: &str,
    version: Version,
    path: &str,
    places: &mut Vec<TypePlace>,
) {
    for field in of.fields_in(version) {
        if field.name == key {
            places.push(TypePlace {
                of,
                path: path.to_owned(),
            });
        }
        if let Some(inner) = field.object_type() {
            let path = match path {
                "" => field.name.to_owned(),
                path => format!("{path}.{}", field.name),
            };
            collect_places(inner, key, version, &path, places);
        }
    }
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
        let user = type_of(&["passwd", "users"]);
        let storage = type_of(&["storage"]);
        let keys =
            "did you mean `sshAuthorizedKeys`? `ssh_authorized_keys` is the spelling of Butane";
        let size = "did you mean `sizeMiB`? `size_mib` is the spelling of Butane";
        let inline = "`inline` is a key of Butane: translate the config with `butane`, or use `source` with a data: URL";
        let options = "did you mean `mountOptions`, which belongs in `storage.filesystems`? `mount_options` is the \
                       spelling of Butane";
        let contents = type_of(&["storage", "files", "contents"]);
        let cases: [(&'static ObjectType, &str, Option<&str>); 21] = [
            (&ROOT, "groups", Some("`groups` belongs in `passwd`")),
            (
                &ROOT,
                "mode",
                Some("`mode` belongs in `storage.directories` or `storage.files`"),
            ),
            (contents, "hash", Some("`hash` belongs in `verification`")),
            (&ROOT, "mount_options", Some(options)),
            (
                type_of(&["passwd"]),
                "files",
                Some("`files` belongs in `storage`"),
            ),
            (
                &ROOT,
                "filesystems",
                Some("`filesystems` belongs in `storage`"),
            ),
            (&ROOT, "units", Some("`units` belongs in `systemd`")),
            (storage, "units", Some("`units` belongs in `systemd`")),
            (storage, "passwd", Some("`passwd` belongs at the top level")),
            (
                storage,
                "partitions",
                Some("`partitions` belongs in `storage.disks`"),
            ),
            (user, "ssh_authorized_keys", Some(keys)),
            (partition, "size_mib", Some(size)),
            (
                type_of(&["storage", "files", "contents"]),
                "inline",
                Some(inline),
            ),
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

    /// Names of all members below `of`.
    fn all_names(of: &'static ObjectType, version: Version, names: &mut Vec<&'static str>) {
        for field in of.fields_in(version) {
            names.push(field.name);
            if let Some(inner) = field.object_type() {
                all_names(inner, version, names);
            }
        }
    }

    /// Every place a hint names has the key; every key that few places have gets a hint.
    #[test]
    fn every_key_at_the_wrong_level_gets_its_place() {
        for version in Version::ALL {
            let mut names = Vec::new();
            all_names(&ROOT, version, &mut names);
            for of in [&ROOT, type_of(&["storage"]), type_of(&["systemd"])] {
                for name in names.iter().filter(|name| of.field(name).is_none()) {
                    let places = places(of, name, version);
                    let help = for_unknown_key(of, name, version);
                    assert!(
                        places.len() > MAX_PLACES || help.is_some(),
                        "{version} {name}"
                    );
                    for place in places.iter().filter(|_| std::ptr::eq(of, &ROOT)) {
                        let path: Vec<&str> =
                            place.path.split('.').filter(|p| !p.is_empty()).collect();
                        let has = type_of(&path).fields_in(version).any(|f| f.name == *name);
                        assert!(has, "{version} {name} {}", place.path);
                    }
                }
            }
        }
    }
}
