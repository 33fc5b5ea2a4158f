//! Package repositories: `yum_repos`, `zypper`, `apt.sources`.

use super::CloudInitContext;
use super::modules;
use super::services::{is_file_name, with_newline};
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly, clean_path};
use crate::language::findings::Remarks;
use crate::language::node::{MappingEntry, Node, NodeContent};
use std::fmt::Write as _;

/// Placeholder in an apt source for the path of its key.
const KEY_FILE: &str = "$KEY_FILE";

/// Placeholders for the code name of the release.
const RELEASE: [&str; 2] = ["$RELEASE", "${RELEASE}"];

/// Options that repositories of zypper have unless the config says otherwise.
const ZYPPER_DEFAULTS: [&str; 2] = ["enabled", "autorefresh"];

/// Adds the files of all repositories.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    add_yum(root, assembly, remarks);
    add_zypper(root, context, assembly, remarks);
    add_apt(root, context, assembly, remarks);
}

fn add_yum<'t>(root: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let directory = values::filled(root, "yum_repo_dir", remarks);
    let directory = directory.map_or("/etc/yum.repos.d".to_owned(), |text| clean_path(&text.text));
    let Some(repos) = root.get("yum_repos").filter(|value| !value.is_null()) else {
        return;
    };
    if !matches!(repos.value, NodeContent::Mapping(_)) {
        remarks.error(
            repos.at,
            format!("yum_repos must be a mapping, not {}", repos.kind()),
        );
    }
    for entry in repos.entries() {
        let id = entry.key.replace(' ', "-").replace('/', "_");
        add_repository((&directory, &id), &entry.value, &[], assembly, remarks);
    }
}

fn add_zypper<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(zypper) = values::mapping(root, "zypper", &["repos", "config"], remarks) else {
        return;
    };
    if let Some(config) = zypper
        .get("config")
        .filter(|value| !values::is_nothing(value))
    {
        let message =
            "zypper.config is not supported: it changes a file that the system has".to_owned();
        modules::report_unsupported(config.at, message, context.ignore_unsupported, remarks);
    }
    for repo in values::mappings(&zypper, "repos", remarks) {
        match values::filled(repo, "id", remarks) {
            Some(id) => {
                let id = id.text.replace(' ', "_");
                let place = ("/etc/zypp/repos.d", id.as_str());
                add_repository(place, repo, &ZYPPER_DEFAULTS, assembly, remarks);
            }
            None => remarks.error(repo.at, "a repository needs an `id`"),
        }
    }
}

/// Adds the file of one repository, in the format that yum and zypper share. The keys in `defaults` are set to 1 unless
/// the config has them.
fn add_repository<'t>(
    (directory, id): (&str, &str),
    options: &Node<'t>,
    defaults: &[&str],
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    if !is_file_name(id) {
        remarks.error(options.at, "the id of a repository is not a file name");
        return;
    }
    if options.get("baseurl").is_none()
        && options.get("mirrorlist").is_none()
        && options.get("metalink").is_none()
    {
        remarks.warn_with_help(
            options.at,
            "a repository without an address is left out",
            "add `baseurl`",
        );
        return;
    }
    let mut text = format!("[{id}]\n");
    let mut missing = defaults.to_vec();
    for entry in options.entries().iter().filter(|entry| entry.key != "id") {
        let key = entry.key.trim().to_lowercase().replace('-', "_");
        missing.retain(|default| *default != key);
        if let Some(value) = option_value(entry, remarks) {
            _ = writeln!(text, "{key} = {value}");
        }
    }
    for key in missing {
        _ = writeln!(text, "{key} = 1");
    }
    assembly.add_file(AssembledFile::new(
        options.at,
        format!("{directory}/{id}.repo"),
        0o644,
        text,
    ));
}

/// The value of an option of a repository; `None` if there is none.
fn option_value(entry: &MappingEntry<'_>, remarks: &mut Remarks) -> Option<String> {
    let value = match &entry.value.value {
        NodeContent::Scalar(scalar) => match values::kind(scalar) {
            ScalarKind::Null => return None,
            ScalarKind::Flag(flag) => u8::from(flag).to_string(),
            _ => scalar.text.clone().into_owned(),
        },
        NodeContent::List(_) => {
            let texts = values::texts_of(&entry.value, &entry.key, remarks);
            let texts: Vec<String> = texts.into_iter().map(|text| text.text).collect();
            texts.join("\n    ")
        }
        NodeContent::Mapping(_) => {
            let message = "an option of a repository cannot be a mapping";
            remarks.error(entry.value.at, message);
            return None;
        }
    };
    let is_one_line = !matches!(entry.value.value, NodeContent::Scalar(_)) || !value.contains('\n');
    if !is_one_line || entry.key.contains(['\n', '=']) {
        remarks.error(entry.value.at, "an option of a repository must be one line");
    }
    Some(value)
}

fn add_apt<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(apt) = root.get("apt").filter(|value| !value.is_null()) else {
        return;
    };
    if !matches!(apt.value, NodeContent::Mapping(_)) {
        remarks.error(apt.at, format!("apt must be a mapping, not {}", apt.kind()));
    }
    for entry in apt.entries() {
        let is_nothing = values::is_nothing(&entry.value);
        match &*entry.key {
            "sources" => {
                for source in entry.value.entries() {
                    add_apt_source(&source.key, &source.value, context, assembly, remarks);
                }
            }
            "preserve_sources_list" => {}
            "conf" => {
                if let Some(text) = values::filled(apt, "conf", remarks) {
                    let path = "/etc/apt/apt.conf.d/94cloud-init-config";
                    assembly.add_file(AssembledFile::new(
                        text.at,
                        path,
                        0o644,
                        with_newline(&text.text),
                    ));
                }
            }
            _ if is_nothing => {}
            key => {
                let message =
                    format!("apt.{key} is not supported: it needs the running package manager");
                modules::report_unsupported(
                    entry.value.at,
                    message,
                    context.ignore_unsupported,
                    remarks,
                );
            }
        }
    }
}

fn add_apt_source<'t>(
    name: &str,
    source: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["source", "keyid", "keyserver", "key", "filename", "append"];
    let source = values::canonical(source.clone(), known, remarks);
    if let Some(id) = values::filled(&source, "keyid", remarks) {
        let has_key = values::filled(&source, "key", remarks).is_some();
        if !has_key {
            let message =
                "keyid is not supported: the key would be fetched from a key server".to_owned();
            modules::report_unsupported(id.at, message, context.ignore_unsupported, remarks);
        }
    }
    let Some(path) = apt_file(name, &source, remarks) else {
        return;
    };
    let line = values::filled(&source, "source", remarks);
    let names_key = line
        .as_ref()
        .is_some_and(|line| line.text.contains(KEY_FILE));
    let stem = match name.trim_end_matches(".list") {
        stem if is_file_name(stem) => stem,
        _ => file_stem(&path),
    };
    let key = apt_key(&source, stem, names_key, assembly, remarks);
    let Some(mut line) = line else {
        return;
    };
    if let Some(key) = key {
        line.text = line.text.replace(KEY_FILE, &key);
    }
    if let Some(codename) = context.target.codename {
        for variable in RELEASE {
            line.text = line.text.replace(variable, codename);
        }
    }
    if line.text.starts_with("ppa:") || line.text.contains('$') {
        let message =
            "this source is not supported: it has to be looked up on the running system".to_owned();
        modules::report_unsupported(line.at, message, context.ignore_unsupported, remarks);
        return;
    }
    // Several sources may share a file.
    let is_added = values::flag(&source, "append", remarks) != Some(false);
    let text = with_newline(&line.text);
    let file = match is_added && assembly.has_file(&path) {
        true => AssembledFile::appended(line.at, path, 0o644, text),
        false => AssembledFile::new(line.at, path, 0o644, text),
    };
    assembly.add_file(file);
}

/// The path of the file of a source.
fn apt_file(name: &str, source: &Node<'_>, remarks: &mut Remarks) -> Option<String> {
    let file =
        values::filled(source, "filename", remarks).map_or(name.to_owned(), |text| text.text);
    let file = match file.ends_with(".list") {
        true => file,
        false => format!("{file}.list"),
    };
    match file.starts_with('/') {
        true => Some(clean_path(&file)),
        false if is_file_name(&file) => Some(format!("/etc/apt/sources.list.d/{file}")),
        false => {
            remarks.error(source.at, "the name of a source is not a file name");
            None
        }
    }
}

/// The file name of a list of sources, without `.list`.
fn file_stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.trim_end_matches(".list")
}

/// Adds the key of a source and returns its path. A key that the source refers to is trusted for that source only.
fn apt_key<'t>(
    source: &Node<'t>,
    stem: &str,
    is_named: bool,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) -> Option<String> {
    let key = values::filled(source, "key", remarks)?;
    let folder = match is_named {
        true => "/etc/apt/cloud-init.gpg.d",
        false => "/etc/apt/trusted.gpg.d",
    };
    let path = format!("{folder}/{stem}.asc");
    let file = AssembledFile::new(key.at, path.clone(), 0o644, with_newline(&key.text));
    assembly.add_file(file);
    Some(path)
}
