//! What a config means: the rules that types alone cannot express.
//!
//! One file per area. Findings are in the order of the members in the table, an object's own rules before those of its
//! members. Rules that differ between versions check [`Rules::version`].

mod below;
mod disks;
mod duplicates;
mod filesystems;
mod ignition;
pub(super) mod lengths;
mod lines;
mod luks;
mod nodes;
mod raid;
mod resource;
mod storage;
mod systemd;

pub(crate) use below::each_below;
pub(super) use duplicates::{Duplicate, find_duplicates, not_yet_reported};

use super::finding::{Finding, Severity};
use super::model::Config;
use super::path::Path;
use super::url;
use super::version::Version;
use super::wording::Wording;

/// Checks `config` against the rules of `version`. Findings have paths but no positions, and the keys of `wording`.
pub(super) fn check(config: &Config, version: Version, wording: Wording) -> Vec<Finding> {
    let mut findings = apply_rules(config, version, Bodies::Unchecked, wording);
    for finding in &mut findings {
        wording.reword([&mut finding.message].into_iter().chain(&mut finding.help));
    }
    findings
}

/// [`check`] for a config that was merged from others, which have been checked themselves.
pub(super) fn check_merged(config: &Config, version: Version) -> Vec<Finding> {
    apply_rules(config, version, Bodies::Checked, Wording::Ignition)
}

/// Whether the bodies of `data:` URLs, which are most of a large config, still have to be decoded. Neither translation
/// to another version nor merging changes them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    Unchecked,
    Checked,
}

fn apply_rules(
    config: &Config,
    version: Version,
    bodies: Bodies,
    wording: Wording,
) -> Vec<Finding> {
    let mut rules = Rules {
        version,
        bodies,
        wording,
        findings: Vec::new(),
    };
    let root = Path::Root;
    systemd::check_claims(&mut rules, config, &root);
    ignition::check(&mut rules, &config.ignition, &root.member("ignition"));
    lengths::check_homes(&mut rules, &config.passwd, &root.member("passwd"));
    storage::check(&mut rules, &config.storage, &root.member("storage"));
    systemd::check(&mut rules, &config.systemd, &root.member("systemd"));
    lines::check(&mut rules, config, &root);
    rules.findings
}

/// The version whose rules apply, and what they found.
struct Rules {
    version: Version,
    bodies: Bodies,
    wording: Wording,
    findings: Vec<Finding>,
}

impl Rules {
    /// The same rules, which have not found anything yet.
    fn without_findings(&self) -> Self {
        Self {
            findings: Vec::new(),
            ..*self
        }
    }

    fn error(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.report(Severity::Error, path, message.into(), None);
    }

    fn error_with_help(&mut self, path: &Path<'_>, message: impl Into<String>, help: String) {
        self.report(Severity::Error, path, message.into(), Some(help));
    }

    /// What is wrong with a source that is not empty, if anything.
    fn source_problem(&self, source: &str) -> Option<String> {
        let is_checked = self.bodies == Bodies::Checked && source.starts_with("data:");
        match is_checked {
            true => None,
            false => url::source_problem(source, self.version),
        }
    }

    /// The name of a version: other languages have versions of their own.
    fn name_of(&self, version: Version) -> String {
        match self.wording == Wording::Ignition {
            true => format!("version {version}"),
            false => format!("Ignition {version}"),
        }
    }

    fn warn(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.report(Severity::Warning, path, message.into(), None);
    }

    fn report(
        &mut self,
        severity: Severity,
        path: &Path<'_>,
        message: String,
        help: Option<String>,
    ) {
        self.findings.push(Finding {
            severity,
            path: Some(path.into()),
            position: None,
            message,
            help,
        });
    }

    /// Checks that a path is absolute and in its simplest form. Only the first problem is reported.
    fn check_path(&mut self, path: &Path<'_>, text: &str) {
        if text.is_empty() {
            self.error(path, "path not specified");
        } else if !text.starts_with('/') {
            self.error(path, "path is not absolute");
        } else if lengths::check_path(self, path, text) && !is_simple(text) {
            let simple = simplify(text);
            if simple != text {
                self.error_with_help(
                    path,
                    "path is not in simplest form",
                    format!("write {simple}"),
                );
            }
        }
    }
}

/// The text, unless it is absent or empty.
fn non_empty<T: std::ops::Deref<Target = str>>(text: &Option<T>) -> Option<&str> {
    text.as_deref().filter(|t| !t.is_empty())
}

/// True for an absolute path that is in its simplest form because it consists of names only.
fn is_simple(path: &str) -> bool {
    let mut names = path.as_bytes().split(|byte| *byte == b'/').skip(1);
    names.all(|name| !matches!(name, b"" | b"." | b".."))
}

/// A path without empty and `.` components, with `..` resolved where there is a component before it; the empty path is
/// `.`.
pub(crate) fn simplify(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simplest_forms() {
        let cases = [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("/a/", "/a"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/..", "/"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("./a", "a"),
            ("/a/...", "/a/..."),
        ];
        for (path, simple) in cases {
            assert_eq!(simplify(path), simple, "{path}");
        }
    }
}
