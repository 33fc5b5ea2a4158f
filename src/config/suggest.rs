//! What the author of an unknown key may have meant.

use super::spec_table::{ObjectType, ROOT};
use super::version::{LATEST_VERSION, Version};
use crate::text::{did_you_mean, most_similar};

/// Longer keys cannot resemble a known key, and comparing them would take long.
const MAX_KEY_BYTES: usize = 256;

/// Help for `key`, which type `ty` does not know in `version`.
pub(crate) fn for_unknown_key(
    ty: &'static ObjectType,
    key: &str,
    version: Version,
) -> Option<String> {
    if key.len() > MAX_KEY_BYTES {
        return None;
    }
    if let Some(field) = ty.field(key) {
        let since = field.since();
        return Some(format!(
            "`{key}` exists since version {since}, this document is written in {version}"
        ));
    }
    let similar_key = |version| closest(ty, key, version).map(did_you_mean);
    butane_help(ty, key)
        .or_else(|| place_help(ty, key, version).filter(|_| has_one_place(key, version)))
        .or_else(|| similar_key(version))
        .or_else(|| similar_key(LATEST_VERSION))
        .or_else(|| place_help(ty, key, version))
        .or_else(|| butane_place_help(ty, key))
}

/// Keys that only Butane has, and what to use instead in JSON configs.
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
fn butane_help(ty: &'static ObjectType, key: &str) -> Option<String> {
    if let Some((_, instead)) = BUTANE_KEYS.iter().find(|(name, _)| *name == key) {
        return Some(format!(
            "`{key}` is a key of Butane: translate the config with `butane`, or {instead}"
        ));
    }
    let field = ty
        .fields
        .iter()
        .find(|field| key.contains('_') && snake_case(field.name) == key)?;
    Some(format!(
        "did you mean `{}`? `{key}` is the spelling of Butane",
        field.name
    ))
}

/// A name as Butane spells it: `sshAuthorizedKeys` is `ssh_authorized_keys`, `sizeMiB` is `size_mib`.
pub(super) fn snake_case(name: &str) -> String {
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

/// Help for a key in the spelling of Butane that belongs elsewhere.
fn butane_place_help(ty: &'static ObjectType, key: &str) -> Option<String> {
    if !key.contains('_') {
        return None;
    }
    let name = name_for_snake_case(&ROOT, key)?;
    let places = describe_places(&places(ty, name, LATEST_VERSION))?;
    Some(format!(
        "did you mean `{name}`, which belongs {places}? `{key}` is the spelling of Butane"
    ))
}

/// The name of the member that Butane spells as `snake`.
fn name_for_snake_case(ty: &'static ObjectType, snake: &str) -> Option<&'static str> {
    let own = ty
        .fields
        .iter()
        .find(|field| snake_case(field.name) == snake);
    own.map(|field| field.name).or_else(|| {
        let mut inner = ty.fields.iter().filter_map(|field| field.object_type());
        inner.find_map(|inner| name_for_snake_case(inner, snake))
    })
}

/// More places than this are not listed, since that would not help.
const MAX_PLACES: usize = 3;

/// Where a key belongs that this object does not have.
fn place_help(ty: &'static ObjectType, key: &str, version: Version) -> Option<String> {
    let found = places(ty, key, version);
    if !found.is_empty() {
        return describe_places(&found).map(|places| format!("`{key}` belongs {places}"));
    }
    let found = places(ty, key, LATEST_VERSION);
    let since = found
        .iter()
        .filter_map(|place| place.ty.field(key))
        .next()?;
    let places = describe_places(&found)?;
    let since = since.since();
    Some(format!(
        "`{key}` belongs {places}, since version {since}; this document is written in {version}"
    ))
}

/// True for a key that only one object type has. A key that several have may be a misspelling instead.
fn has_one_place(key: &str, version: Version) -> bool {
    let mut found = Vec::new();
    collect_places(&ROOT, key, version, "", &mut found);
    found.len() == 1
}

/// The least deep places of `key`: of several, those below `ty` if there are any.
fn places(ty: &'static ObjectType, key: &str, version: Version) -> Vec<TypePlace> {
    let mut found = Vec::new();
    collect_places(&ROOT, key, version, "", &mut found);
    found.retain(|place| !std::ptr::eq(ty, place.ty));
    let mut below = Vec::new();
    collect_places(ty, key, version, "", &mut below);
    if found.len() > 1 && !below.is_empty() {
        found = below;
    }
    let depth = |place: &TypePlace| match place.path.as_str() {
        "" => 0,
        path => 1 + path.matches('.').count(),
    };
    let min_depth = found.iter().map(depth).min().unwrap_or_default();
    found.retain(|place| depth(place) == min_depth);
    found
}

/// "in `a`, `b` or `c`", unless there are too many.
fn describe_places(places: &[TypePlace]) -> Option<String> {
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
    ty: &'static ObjectType,
    path: String,
}

/// All places whose object type has a member called `key`.
fn collect_places(
    ty: &'static ObjectType,
    key: &str,
    version: Version,
    path: &str,
    places: &mut Vec<TypePlace>,
) {
    for field in ty.fields_in(version) {
        if field.name == key {
            places.push(TypePlace {
                ty,
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

fn closest(ty: &'static ObjectType, key: &str, version: Version) -> Option<&'static str> {
    let names = ty.fields_in(version).map(|field| field.name);
    let candidates = names.map(|name| (name.to_ascii_lowercase(), name));
    most_similar(&key.to_ascii_lowercase(), candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(path: &[&str]) -> &'static ObjectType {
        path.iter().fold(&ROOT, |ty, name| {
            ty.field(name).and_then(|f| f.object_type()).unwrap_or(ty)
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
        for (ty, key, expected) in cases {
            assert_eq!(
                for_unknown_key(ty, key, Version::V3_2).as_deref(),
                expected,
                "{key}"
            );
        }
    }

    /// Names of all members below `ty`.
    fn all_names(ty: &'static ObjectType, version: Version, names: &mut Vec<&'static str>) {
        for field in ty.fields_in(version) {
            names.push(field.name);
            if let Some(inner) = field.object_type() {
                all_names(inner, version, names);
            }
        }
    }

    /// Every place that a hint names has the key, and every key with few places gets a hint.
    #[test]
    fn every_key_at_the_wrong_level_gets_its_place() {
        for version in Version::ALL {
            let mut names = Vec::new();
            all_names(&ROOT, version, &mut names);
            for ty in [&ROOT, type_of(&["storage"]), type_of(&["systemd"])] {
                for name in names.iter().filter(|name| ty.field(name).is_none()) {
                    let places = places(ty, name, version);
                    let help = for_unknown_key(ty, name, version);
                    assert!(
                        places.len() > MAX_PLACES || help.is_some(),
                        "{version} {name}"
                    );
                    for place in places.iter().filter(|_| std::ptr::eq(ty, &ROOT)) {
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
