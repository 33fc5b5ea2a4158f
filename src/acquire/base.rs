//! Base configs: what the system itself requests on every first boot, before the user's config.
//!
//! They are in `base.d` and `base.platform.d/PLATFORM` of three directories. A file hides files of the same
//! name in later directories. They are read again in every stage, so that the system can add some between
//! two stages.

use super::environment::ConfigDirs;
use super::findings::log_findings;
use crate::config::Document;
use crate::fetch::MAX_BUFFER_BYTES;
use crate::input;
use crate::language::{self, Surroundings};
use crate::log::{Log, quoted};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Reads all base configs and merges them into one document.
///
/// # Errors
/// If a file in `base.d` cannot be read or is not a config. Such a file in `base.platform.d` is only logged, and
/// all configs of the platform are ignored.
pub fn load(dirs: &ConfigDirs, platform: &str, log: &Log) -> anyhow::Result<Document> {
    let base = collection(dirs, "base.d", log)?;
    let name = format!("base.platform.d/{platform}");
    match collection(dirs, &name, log) {
        Ok(platform_configs) => Ok(Document::merge(&base, &platform_configs)),
        Err(error) => {
            log.error(format_args!("{error:#}"));
            log.info(format_args!("ignoring all configs of {}", quoted(&name)));
            Ok(base)
        }
    }
}

fn collection(dirs: &ConfigDirs, name: &str, log: &Log) -> anyhow::Result<Document> {
    let mut files = BTreeMap::new();
    for dir in dirs.each(name) {
        for (name, path) in entries(&dir, log)? {
            files.entry(name).or_insert(path);
        }
    }
    if files.is_empty() {
        log.info(format_args!(
            "no configs found in {} across system config directories",
            quoted(name)
        ));
    }
    let mut all = Document::empty();
    for path in files.values() {
        all = Document::merge(&all, &read(path, log)?);
    }
    Ok(all)
}

/// The file names in a directory, with their paths. A missing directory has none.
fn entries(dir: &Path, log: &Log) -> anyhow::Result<Vec<(OsString, PathBuf)>> {
    let context = || format!("cannot list config directory {}", dir.display());
    let list = match fs::read_dir(dir) {
        // A dangling link is an error, for the same reason as one to a file: see `read`.
        Err(error) if error.kind() == ErrorKind::NotFound && !is_link(dir) => {
            let dir = dir.display().to_string();
            log.info(format_args!("no config dir at {}", quoted(&dir)));
            return Ok(Vec::new());
        }
        other => other.with_context(context)?,
    };
    list.map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
        .collect::<Result<_, _>>()
        .with_context(context)
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Reads one config. A dangling link is an error like any other: treating it as an absent config would
/// silently leave out what the system needs.
fn read(path: &Path, log: &Log) -> anyhow::Result<Document> {
    let name = path.display().to_string();
    log.info(format_args!("reading base config file {}", quoted(&name)));
    let text = input::read(path, MAX_BUFFER_BYTES)
        .with_context(|| format!("cannot read base config {name}; repair or remove it"))?;
    let text = language::unpacked(&text);
    let parsed = language::parse(&name, &text, &Surroundings::default());
    log_findings(log, &parsed.findings);
    match parsed.outcome {
        Ok(document) => Ok(document),
        Err(error) => bail!("base config {name}: {error}; repair or remove it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// Three config directories with files.
    struct Fixture {
        root: TempDir,
        dirs: ConfigDirs,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().expect("a directory");
            for (path, text) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                fs::write(path, text).expect("written");
            }
            let dirs = ConfigDirs(["run", "etc", "usr"].map(|dir| root.path().join(dir)));
            Self { root, dirs }
        }

        /// Paths of the directories of the merged config, and the log.
        fn load(&self) -> (anyhow::Result<Vec<String>>, String) {
            let (sink, text) = Sink::memory();
            let loaded = load(&self.dirs, "qemu", &Log::new(sink));
            let paths = loaded.map(|document| {
                let listed = &document.config().storage.directories;
                listed.iter().map(|d| d.path.clone()).collect()
            });
            let text = text.lock().expect("one thread").clone();
            let root = self.root.path().display().to_string();
            (paths, text.replace(&root, ""))
        }
    }

    fn directory(path: &str) -> String {
        format!(
            r#"{{"ignition": {{"version": "3.0.0"}}, "storage": {{"directories": [{{"path": "{path}"}}]}}}}"#
        )
    }

    #[test]
    fn missing_directories_are_logged() {
        let (paths, log) = Fixture::new(&[]).load();
        assert!(paths.expect("fine").is_empty());
        let lines = |name: &str| {
            format!(
                "INFO     : no config dir at \"/run/{name}\"\n\
                 INFO     : no config dir at \"/etc/{name}\"\n\
                 INFO     : no config dir at \"/usr/{name}\"\n\
                 INFO     : no configs found in \"{name}\" across system config directories\n"
            )
        };
        assert_eq!(log, lines("base.d") + &lines("base.platform.d/qemu"));
    }

    #[test]
    fn earlier_directories_hide_names_and_names_give_the_order() {
        let fixture = Fixture::new(&[
            ("usr/base.d/10-a", &directory("/usr-10")),
            ("usr/base.d/20-b", &directory("/usr-20")),
            ("etc/base.d/20-b", &directory("/etc-20")),
            ("run/base.d/05-c", &directory("/run-05")),
            ("usr/base.platform.d/qemu/00", &directory("/qemu")),
            ("usr/base.platform.d/aws/00", &directory("/aws")),
        ]);
        let (paths, _) = fixture.load();
        assert_eq!(
            paths.expect("fine"),
            ["/run-05", "/usr-10", "/etc-20", "/qemu"]
        );
    }

    #[test]
    fn a_bad_base_config_is_fatal() {
        let cases = [
            ("", "not a config (empty)"),
            ("{", "config is not valid"),
            (
                r#"{"ignition": {"version": "9.0.0"}}"#,
                "unsupported config version",
            ),
        ];
        for (text, want) in cases {
            let fixture = Fixture::new(&[
                ("etc/base.d/x.ign", text),
                ("usr/base.d/ok", &directory("/a")),
            ]);
            let (paths, log) = fixture.load();
            let error = paths.expect_err("it is bad").to_string();
            assert!(
                error.contains("/etc/base.d/x.ign") && error.contains(want),
                "{error}"
            );
            assert_eq!(
                log.contains("CRITICAL : error at line 1 col"),
                text == "{",
                "{log}"
            );
        }
    }

    #[test]
    fn a_dangling_link_is_fatal() {
        let fixture = Fixture::new(&[("etc/base.d/ok", &directory("/a"))]);
        symlink("/nowhere", fixture.root.path().join("etc/base.d/gone")).expect("made");
        let error = fixture.load().0.expect_err("it dangles");
        assert!(format!("{error:#}").contains("No such file"), "{error:#}");
        let fixture = Fixture::new(&[("etc/base.d/dir/file", "")]);
        fixture.load().0.expect_err("a directory is not a config");
    }

    #[test]
    fn a_dangling_link_to_a_directory_is_fatal() {
        let fixture = Fixture::new(&[("etc/base.d/ok", &directory("/a"))]);
        fs::create_dir(fixture.root.path().join("usr")).expect("made");
        let link = fixture.root.path().join("usr/base.d");
        symlink("/nowhere", &link).expect("made");
        let error = format!("{:#}", fixture.load().0.expect_err("it dangles"));
        assert!(
            error.contains("/usr/base.d") && error.contains("No such file"),
            "{error}"
        );
        fs::remove_file(&link).expect("removed");
        symlink("../etc/base.d", &link).expect("made");
        assert_eq!(fixture.load().0.expect("it leads to one"), ["/a"]);
    }

    #[test]
    fn a_bad_config_of_the_platform_drops_all_of_them() {
        let fixture = Fixture::new(&[
            ("usr/base.d/a", &directory("/a")),
            ("usr/base.platform.d/qemu/1", &directory("/good")),
            (
                "usr/base.platform.d/qemu/2",
                r#"{"ignition": {"version": 3}}"#,
            ),
        ]);
        let (paths, log) = fixture.load();
        assert_eq!(paths.expect("fine"), ["/a"]);
        assert!(
            log.contains("CRITICAL : error at $.ignition.version"),
            "{log}"
        );
        assert!(
            log.ends_with("INFO     : ignoring all configs of \"base.platform.d/qemu\"\n"),
            "{log}"
        );
    }
}
