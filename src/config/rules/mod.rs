//! What a config means: the rules that types alone cannot tell.
//!
//! One file per area. Findings come in the order of the members in the table, an object's own rules
//! before those of its members. Rules that differ between versions ask [`Rules::version`].

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
pub(super) use duplicates::{duplicates, not_judged};

use super::finding::{Finding, Severity};
use super::model::Config;
use super::path::Path;
use super::url;
use super::version::Version;

/// Judges `config` by the rules of `version`. Findings have paths but no positions.
pub(super) fn meaning(config: &Config, version: Version) -> Vec<Finding> {
    judge(config, version, Bodies::New)
}

/// [`meaning`] of a config that was put together from others, which were judged themselves.
pub(super) fn meaning_of_merged(config: &Config, version: Version) -> Vec<Finding> {
    judge(config, version, Bodies::Judged)
}

/// Whether the bodies of `data:` URLs, which are most of a large config, are to be decoded. Neither a version nor
/// merging makes another body of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    New,
    Judged,
}

fn judge(config: &Config, version: Version, bodies: Bodies) -> Vec<Finding> {
    let mut rules = Rules {
        version,
        bodies,
        findings: Vec::new(),
    };
    let root = Path::Root;
    systemd::check_claims(&mut rules, config, &root);
    ignition::check(&mut rules, &config.ignition, &root.member("ignition"));
    lengths::passwd(&mut rules, &config.passwd, &root.member("passwd"));
    storage::check(&mut rules, &config.storage, &root.member("storage"));
    systemd::check(&mut rules, &config.systemd, &root.member("systemd"));
    lines::check(&mut rules, config, &root);
    rules.findings
}

/// The version whose rules hold, and what they found.
struct Rules {
    version: Version,
    bodies: Bodies,
    findings: Vec<Finding>,
}

impl Rules {
    fn error(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.report(Severity::Error, path, message.into(), None);
    }

    fn error_with_help(&mut self, path: &Path<'_>, message: impl Into<String>, help: String) {
        self.report(Severity::Error, path, message.into(), Some(help));
    }

    /// What is wrong with a source that is not empty, if anything.
    fn source_problem(&self, source: &str) -> Option<String> {
        let is_judged = self.bodies == Bodies::Judged && source.starts_with("data:");
        match is_judged {
            true => None,
            false => url::source_problem(source, self.version),
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

    /// An absolute path in its simplest form. Only the first thing wrong is reported.
    fn path(&mut self, path: &Path<'_>, text: &str) {
        if text.is_empty() {
            self.error(path, "path not specified");
        } else if !text.starts_with('/') {
            self.error(path, "path is not absolute");
        } else if lengths::path(self, path, text) && !is_simple(text) {
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
fn given<T: std::ops::Deref<Target = str>>(text: &Option<T>) -> Option<&str> {
    text.as_deref().filter(|t| !t.is_empty())
}

/// True for an absolute path of names alone, which is in its simplest form.
fn is_simple(path: &str) -> bool {
    let mut names = path.as_bytes().split(|byte| *byte == b'/').skip(1);
    names.all(|name| !matches!(name, b"" | b"." | b".."))
}

/// A path without empty and `.` components, with `..` taken back where there is something to take
/// back; the empty path is `.`.
pub(crate) fn simplify(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
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
