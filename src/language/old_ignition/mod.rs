//! Ignition 1 and 2.
//!
//! A text is checked against the table of its version (`shape`, `decode`); version 1 is converted to version 2
//! (`lift`). Each section is then checked by the rules of its version and translated, in its own file. Names of file
//! systems become paths (`names`), and entries that version 3 allows only once are merged.

mod accounts;
mod decode;
mod disks;
mod fields;
mod files;
mod filesystems;
mod ignition;
mod joined;
mod lift;
mod links;
mod names;
mod networkd;
mod nodes;
mod raid;
mod resources;
mod shape;
mod step;
mod units;
pub(super) mod version;

use super::detect::detect;
use super::document;
use super::findings::Remarks;
use super::json;
use super::languages::Language;
use super::node::Node;
use super::paths;
use super::result::TranslationResult;
use super::shaped;
use super::surroundings::Surroundings;
use crate::config::tree::Tree;
use crate::config::{LineStarts, Version, WrittenPaths};
use fields::Fields;
pub use joined::{FamilyResult, Member, append, appends, references};
use names::FilesystemNames;
use nodes::OldNodes;
use step::OldTranslation;
use units::Claims;
use version::DeclaredVersion;
pub(crate) use version::OldVersion;

/// The version that configs before 3 are translated to: the first one with everything they need.
pub(crate) const OUTPUT_VERSION: Version = Version::V3_1;

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    let root = match json::read(text) {
        Ok(root) => root,
        Err(error) => {
            let at = u32::try_from(error.offset).unwrap_or(u32::MAX);
            return document::refused(lines, at, &error.message, error.help);
        }
    };
    let paths = paths::of(&root);
    let mut remarks = Remarks::default();
    let config = translate_root(root, &paths, surroundings, &mut remarks);
    TranslationResult {
        findings: remarks.into_findings(lines, &paths),
        paths,
        config: config.map(output),
        ..TranslationResult::default()
    }
}

/// A translated config as a tree of [`OUTPUT_VERSION`].
pub(super) fn output(config: Node<'_>) -> (Tree<'_>, Version) {
    (shaped::config(config, OUTPUT_VERSION), OUTPUT_VERSION)
}

fn translate_root<'t>(
    root: Node<'t>,
    paths: &WrittenPaths,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Option<Node<'t>> {
    let (version, at) = match version::declared(&root) {
        DeclaredVersion::Old(version, at) => (version, at),
        DeclaredVersion::Other { at, message, help } => {
            remarks.error_with_help(at, message, help);
            return None;
        }
    };
    warn_of_version(version, at, surroundings.is_strict, remarks);
    let decoded = decode::decode(root, version, Some(paths), surroundings.is_strict, remarks);
    if remarks.is_fatal() {
        return None;
    }
    let model = match version {
        OldVersion::V1 => lift::to_version_2(&decoded, 0),
        _ => decoded,
    };
    let mut step = OldTranslation {
        versions: &[(0, version)],
        surroundings,
        remarks,
    };
    translate_model(&mut step, &model, at)
}

fn warn_of_version(version: OldVersion, at: u32, is_strict: bool, remarks: &mut Remarks) {
    let message = format!(
        "this config is in version {}, which is no longer maintained; `kindling translate` writes it in version 3",
        version.name()
    );
    remarks.warn(at, message);
    if version == OldVersion::V2_5Experimental {
        let message = "version 2.5.0-experimental never became stable; it is read as 2.4.0";
        match is_strict {
            true => remarks.error_with_help(at, step::strict_message(message), "write 2.4.0"),
            false => remarks.warn_with_help(at, message, "write 2.4.0"),
        }
    }
}

/// Checks `model`, a tree with the names and types of `version`, and translates it to [`OUTPUT_VERSION`].
///
/// Members that are absent or null count as not set; unknown ones are silently ignored. `None` if the remarks have an
/// error that keeps the config from being translated.
pub(crate) fn from_model<'t>(
    model: Node<'t>,
    version: OldVersion,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Option<Node<'t>> {
    let at = model.at;
    let decoded = decode::decode(model, version, None, false, remarks);
    let mut step = OldTranslation {
        versions: &[(0, version)],
        surroundings,
        remarks,
    };
    translate_model(&mut step, &decoded, at)
}

/// The config translated to version 3. `version_at` is the offset of its version.
fn translate_model<'t>(
    step: &mut OldTranslation<'_>,
    model: &Node<'t>,
    version_at: u32,
) -> Option<Node<'t>> {
    check_given_names(step, model.at);
    let stated = Node::text(version_at, OUTPUT_VERSION.as_str());
    let mut ignition = Node::mapping(model.at_of("ignition")).with("version", stated);
    ignition::translate(step, model.inner("ignition"), &mut ignition);
    let passwd = passwd(step, model);
    let storage = storage(step, model);
    units::check(step, model);
    let systemd = model.inner("systemd");
    let units = units::translate(step, systemd);
    if step.remarks.is_fatal() {
        return None;
    }
    let mut out = Node::mapping(model.at).with("ignition", ignition);
    out.set_object("passwd", passwd);
    out.set_object("storage", storage);
    let mut section = Node::mapping(model.at_of("systemd"));
    section.set_list("units", systemd.at_of("units"), units);
    out.set_object("systemd", section);
    Some(out)
}

/// Checks the paths that the operator gave for file systems. They apply to every text, so they have no offset in one.
fn check_given_names(step: &mut OldTranslation<'_>, at: u32) {
    for (name, path) in step.surroundings.filesystems {
        if !path.starts_with('/') {
            let message = format!("the path given for the file system `{name}` is not absolute");
            step.error(at, message);
        }
    }
}

/// True if configs that this one appends may use its file systems.
fn has_references(model: &Node<'_>) -> bool {
    let section = model.inner("ignition").inner("config");
    !section.items("append").is_empty()
}

/// The file systems that `text` names, with their paths in the final system, if it is an Ignition 2 config: configs
/// that it appends may have nodes on them.
pub fn named_filesystems(text: &[u8], surroundings: &Surroundings<'_>) -> Vec<(String, String)> {
    match detect(text) {
        Ok(Language::OldIgnition) => names_in(text, surroundings),
        _ => Vec::new(),
    }
}

fn names_in(text: &[u8], surroundings: &Surroundings<'_>) -> Vec<(String, String)> {
    let Ok(root) = json::read(text) else {
        return Vec::new();
    };
    let DeclaredVersion::Old(version, _) = version::declared(&root) else {
        return Vec::new();
    };
    let mut remarks = Remarks::default();
    let model = decode::decode(root, version, None, false, &mut remarks);
    let mut step = OldTranslation {
        versions: &[(0, version)],
        surroundings,
        remarks: &mut remarks,
    };
    let are_shared = has_references(&model);
    FilesystemNames::of(&mut step, model.inner("storage"), are_shared).paths()
}

fn passwd<'t>(step: &mut OldTranslation<'_>, model: &Node<'t>) -> Node<'t> {
    let passwd = model.inner("passwd");
    let mut out = Node::mapping(model.at_of("passwd"));
    let users = accounts::users(step, passwd);
    out.set_list("users", passwd.at_of("users"), users);
    let groups = accounts::groups(step, passwd);
    out.set_list("groups", passwd.at_of("groups"), groups);
    out
}

fn storage<'t>(step: &mut OldTranslation<'_>, model: &Node<'t>) -> Node<'t> {
    let storage = model.inner("storage");
    let mut out = Node::mapping(model.at_of("storage"));
    let disks = disks::translate(step, storage);
    out.set_list("disks", storage.at_of("disks"), disks);
    let arrays = raid::translate(step, storage);
    out.set_list("raid", storage.at_of("raid"), arrays);
    filesystems::check(step, storage);
    let names = FilesystemNames::of(step, storage, has_references(model));
    let nodes = OldNodes::of(step, storage, &names, &Claims::of(model));
    let filesystems = filesystems::translate(step, &names);
    out.set_list("filesystems", storage.at_of("filesystems"), filesystems);
    let directories = links::directories(step, &nodes.directories);
    out.set_list("directories", storage.at_of("directories"), directories);
    let links = links::links(step, &nodes.links, &names);
    out.set_list("links", storage.at_of("links"), links);
    let mut files = files::translate(step, &nodes.files);
    let networkd = networkd::files(step, model.inner("networkd"));
    let files_at = match files.is_empty() {
        true => model.at_of("networkd"),
        false => storage.at_of("files"),
    };
    files.extend(networkd);
    out.set_list("files", files_at, files);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = r#"{
        "ignition": {"version": "2.3.0", "config": {"append": [{"source": "http://h/child"}]}},
        "storage": {"filesystems": [
            {"name": "a", "mount": {"device": "/dev/a", "format": "ext4"}},
            {"name": "b", "mount": {"device": "/dev/b", "format": "ext4"}},
            {"name": "c", "path": "/sysroot/c"}
        ]}
    }"#;
    const CHILD: &str = r#"{
        "ignition": {"version": "2.0.0"},
        "storage": {
            "filesystems": [{"name": "b", "mount": {"device": "/dev/c", "format": "xfs"}}],
            "files": [
                {"filesystem": "a", "path": "/x", "mode": 420},
                {"filesystem": "b", "path": "/y", "mode": 420},
                {"filesystem": "c", "path": "/z", "mode": 420}
            ]
        }
    }"#;

    #[test]
    fn appended_configs_know_the_file_systems_of_their_parent() {
        let names = names_in(PARENT.as_bytes(), &Surroundings::default());
        let pair = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        let expected = [
            pair("a", "/tmp/a-ign1"),
            pair("b", "/tmp/b-ign2"),
            pair("c", "/c"),
        ];
        assert_eq!(names, expected);
        let paths = |names: &[(String, String)]| -> Option<Vec<String>> {
            let surroundings = Surroundings {
                inherited_filesystems: names,
                ..Surroundings::default()
            };
            let lines = LineStarts::of(CHILD.as_bytes());
            let (config, _) = read(CHILD.as_bytes(), &lines, &surroundings).config?;
            let config = shaped::node(config);
            let files = config.inner("storage").items("files").iter();
            Some(files.map(|file| file.text_of("path").to_owned()).collect())
        };
        let expected = ["/tmp/a-ign1/x", "/tmp/b-ign1/y", "/c/z"].map(String::from);
        assert_eq!(paths(&names), Some(expected.to_vec()));
        // The mount point of another file system is not used again.
        let names = [pair("a", "/tmp/a-ign1"), pair("c", "/tmp/b-ign1")];
        let expected = ["/tmp/a-ign1/x", "/tmp/b-ign2/y", "/tmp/b-ign1/z"].map(String::from);
        assert_eq!(paths(&names), Some(expected.to_vec()));
        assert_eq!(paths(&[]), None);
    }
}
