//! The program called by the names of Ignition, through links: flags, streams and exit codes. The stages themselves are
//! tested in `stages`; `docs/ignition.md` lists both.

use crate::common::folder::Folder;
use crate::common::run::{self, KINDLING, assert_exit, describe_output, stderr, stdout};
use crate::common::tree::tree;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const VERSION: &str = concat!("Ignition 2.27.0+kindling-", env!("CARGO_PKG_VERSION"), "\n");
const CONFIG: &str = r#"{"ignition": {"version": "3.4.0"},
    "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,hello"}}]},
    "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}]}}"#;

/// A directory with links to the program.
struct Scene(Folder);

impl Scene {
    fn new() -> Scene {
        let scene = Scene(Folder::new());
        for name in [
            "ignition",
            "ignition-validate",
            "ignition-apply",
            "ignition-rmcfg",
        ] {
            std::os::unix::fs::symlink(KINDLING, scene.path(name)).expect("a link");
        }
        fs::create_dir(scene.path("root")).expect("a root");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        self.0.put(name, text).display().to_string()
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path(name));
        command
            .args(arguments)
            .current_dir(self.0.directory())
            .env("container", "test")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name, arguments).output().expect("start it")
    }

    fn run_with_input(&self, name: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(name, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start it");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }
}

/// Exit code 2, nothing on standard output, and each text on standard error.
#[track_caller]
fn assert_usage_error(output: &Output, texts: &[&str]) {
    assert_exit(output, 2);
    assert_eq!(stdout(output), "", "{}", describe_output(output));
    for text in texts {
        assert!(
            stderr(output).contains(text),
            "{text}: {}",
            describe_output(output)
        );
    }
}

// ---- all names

#[test]
fn every_name_prints_its_version_on_standard_output() {
    let scene = Scene::new();
    for (name, arguments) in [
        ("ignition", &["-version"][..]),
        ("ignition", &["--version"]),
        ("ignition", &["--version", "-stage=disks", ""]),
        ("ignition-validate", &["-version"]),
        ("ignition-validate", &["--version", "a", "b"]),
        ("ignition-apply", &["--version"]),
        ("ignition-rmcfg", &["--version"]),
    ] {
        let output = scene.run(name, arguments);
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), VERSION, "{name} {arguments:?}");
        assert_eq!(stderr(&output), "", "{name} {arguments:?}");
    }
}

#[test]
fn every_name_prints_its_usage_on_standard_error() {
    let scene = Scene::new();
    for (name, flag) in [
        ("ignition", "-h"),
        ("ignition", "-help"),
        ("ignition", "--help"),
        ("ignition-validate", "-h"),
        ("ignition-apply", "-h"),
        ("ignition-apply", "--help"),
        ("ignition-rmcfg", "--help"),
    ] {
        let output = scene.run(name, &[flag]);
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), "", "{name} {flag}");
        assert!(
            stderr(&output).starts_with(&format!("Usage: {name} ")),
            "{}",
            describe_output(&output)
        );
    }
}

// ---- ignition

#[test]
fn the_stage_runner_knows_every_flag_with_one_dash_or_two() {
    let scene = Scene::new();
    for flag in [
        "config-cache=c",
        "fetch-timeout=1h1.5s",
        "neednet=n",
        "platform=file",
        "root=/sysroot",
        "root=",
        "stage=fetch-offline",
        "stage=fetch",
        "stage=kargs",
        "stage=disks",
        "stage=mount",
        "stage=files",
        "stage=umount",
        "state-file=s",
        "log-to-stdout",
        "log-to-stdout=false",
        "version",
    ] {
        for dashes in ["-", "--"] {
            let output = scene.run("ignition", &[&format!("{dashes}{flag}"), "-version"]);
            assert_exit(&output, 0);
            assert_eq!(stdout(&output), VERSION, "{dashes}{flag}");
        }
    }
}

#[test]
fn the_stage_runner_takes_values_after_flags() {
    let scene = Scene::new();
    let output = scene.run("ignition", &["-root", "-version", "-version", "-stage", ""]);
    assert_usage_error(&output, &["-stage"]);
    let output = scene.run(
        "ignition",
        &["-root", "-version", "-stage", "disks", "--version=T"],
    );
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), VERSION);
}

#[test]
fn the_stage_runner_reports_missing_flags_in_one_line() {
    let scene = Scene::new();
    for (arguments, flag) in [
        (&[][..], "platform"),
        (&["-stage=disks"], "platform"),
        (&["-platform=qemu"], "stage"),
        (&["-platform=qemu", "", "-stage=disks"], "stage"),
        (&["-platform=qemu", "--", "-stage=disks"], "stage"),
    ] {
        let output = scene.run("ignition", arguments);
        assert_usage_error(&output, &[flag]);
        assert_eq!(
            stderr(&output).lines().count(),
            1,
            "{}",
            describe_output(&output)
        );
    }
}

#[test]
fn the_stage_runner_checks_values_while_parsing() {
    let scene = Scene::new();
    for arguments in [
        &["-platform="][..],
        &["-platform=cmdline"],
        &["-platform=system"],
        &["-stage=all"],
        &["-stage=all", "-stage=disks"],
        &["-fetch-timeout=10"],
        &["-fetch-timeout", ""],
        &["-log-to-stdout=yes"],
        &["-unknown"],
        &["-version", "-unknown"],
        &["---stage=disks"],
        &["-=disks"],
        &["-platform=qemu", "-stage"],
    ] {
        let output = scene.run("ignition", arguments);
        assert_usage_error(&output, &["ignition: ", "Usage: ignition "]);
    }
}

// ---- ignition-validate

#[test]
fn validate_prints_nothing_for_a_valid_config() {
    let scene = Scene::new();
    let file = scene.write("good.ign", CONFIG);
    let output = scene.run("ignition-validate", &[&file]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output) + &stderr(&output), "");
    let output = scene.run_with_input("ignition-validate", &["-"], CONFIG);
    assert_exit(&output, 0);
}

#[test]
fn validate_reports_on_standard_output() {
    let scene = Scene::new();
    let warning = r#"{"ignition": {"version": "3.4.0"}, "x%d": 1}"#;
    let error = r#"{"ignition": {"version": "3.4.0"},
  "storage": {"files": [{"path": "etc"}]}}"#;
    let syntax = "{\"ignition\": {\"version\": \"3.4.0\"},\n  \"x\" 1}";
    for (text, code, place) in [
        (warning, 0, "warning at $.x%d, line 1 col "),
        (error, 1, "error at $.storage.files.0.path, line 2 col "),
        (syntax, 1, "error at line 2 col "),
    ] {
        let output = scene.run_with_input("ignition-validate", &["-"], text);
        assert_exit(&output, code);
        assert!(
            stdout(&output).starts_with(place),
            "{}",
            describe_output(&output)
        );
        assert!(stdout(&output).ends_with('\n') && !stdout(&output).ends_with("\n\n"));
        assert_eq!(stderr(&output), "", "{}", describe_output(&output));
    }
}

#[test]
fn validate_gives_reasons_on_standard_error() {
    let scene = Scene::new();
    for (input, reason) in [
        ("", "empty"),
        (
            r#"{"ignition": {"version": "9.9.9"}}"#,
            "unsupported config version",
        ),
        (r#"{"ignition": {}}"#, "invalid config version"),
    ] {
        let output = scene.run_with_input("ignition-validate", &["-"], input);
        assert_exit(&output, 1);
        assert_eq!(stdout(&output), "", "{}", describe_output(&output));
        assert!(
            stderr(&output).contains(reason),
            "{}",
            describe_output(&output)
        );
    }
    let output = scene.run("ignition-validate", &["/nowhere/x.ign"]);
    assert_exit(&output, 1);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("/nowhere/x.ign"),
        "{}",
        describe_output(&output)
    );
}

#[test]
fn validate_requires_exactly_one_config() {
    let scene = Scene::new();
    let file = scene.write("good.ign", CONFIG);
    let file = file.as_str();
    for arguments in [&[][..], &[file, file], &[file, "-version"]] {
        let output = scene.run("ignition-validate", arguments);
        assert_exit(&output, 1);
        assert!(
            stderr(&output).starts_with("Usage: "),
            "{}",
            describe_output(&output)
        );
    }
    assert_usage_error(
        &scene.run("ignition-validate", &["-root=x", file]),
        &["Usage: "],
    );
}

// ---- ignition-apply

#[test]
fn apply_writes_files_and_units_and_logs_to_standard_output() {
    let scene = Scene::new();
    let file = scene.write("config.ign", CONFIG);
    // A relative root, and flags after other arguments.
    let output = scene.run("ignition-apply", &[&file, "--root", "root"]);
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
    let log = stdout(&output);
    assert!(log.starts_with(&format!("INFO     : {VERSION}")), "{log}");
    // The file and the unit are written concurrently, in any order.
    let written = format!("writing file \"{}\"", scene.path("root/etc/motd").display());
    let numbers: Vec<&str> = ["[started]  ", "[finished] "]
        .iter()
        .map(|word| operation_number(&log, &format!("{word}{written}")))
        .collect();
    assert_eq!(numbers[0], numbers[1], "{log}");
    assert_eq!(
        fs::read_to_string(scene.path("root/etc/motd")).expect("written"),
        "hello"
    );
    let files: Vec<String> = tree(&scene.path("root"))
        .into_iter()
        .filter(|(_, node)| !node.starts_with('4'))
        .map(|(path, _)| path)
        .collect();
    // No result file, no state, no cache.
    let preset = "etc/systemd/system-preset/20-ignition.preset";
    let want = ["etc/motd", preset, "etc/systemd/system/a.service"];
    let is_expected = |path: &String| {
        want.iter()
            .any(|name| path.trim_start_matches('/') == *name)
    };
    assert_eq!(files.len(), want.len(), "{files:?}");
    assert!(files.iter().all(is_expected), "{files:?}");
}

/// The number in `createFiles: op(N): ` in the line that ends with `end`.
fn operation_number<'a>(log: &'a str, end: &str) -> &'a str {
    let line = log.lines().find(|line| line.ends_with(end));
    let line = line.unwrap_or_else(|| panic!("{end}\n{log}"));
    let (_, rest) = line.split_once("createFiles: op(").expect("an operation");
    let (number, _) = rest.split_once("): ").expect("its number");
    assert!(number.parse::<u32>().is_ok(), "{line}");
    number
}

#[test]
fn apply_reads_standard_input() {
    let scene = Scene::new();
    let output = scene.run_with_input("ignition-apply", &["--root=root", "-"], CONFIG);
    assert_exit(&output, 0);
    assert!(scene.path("root/etc/motd").exists());
}

#[test]
fn apply_refuses_unsupported_sections_before_writing() {
    let scene = Scene::new();
    for section in [
        r#""kernelArguments": {"shouldExist": ["a"]}"#,
        r#""kernelArguments": {"shouldNotExist": ["a"]}"#,
        r#""passwd": {"users": [{"name": "core"}]}"#,
        r#""passwd": {"groups": [{"name": "core"}]}"#,
        r#""storage": {"disks": [{"device": "/dev/vdx", "wipeTable": true}]}"#,
        r#""storage": {"raid": [{"name": "r", "level": "raid1", "devices": ["/dev/vdx", "/dev/vdy"]}]}"#,
        r#""storage": {"luks": [{"name": "l", "device": "/dev/vdx"}]}"#,
        r#""storage": {"filesystems": [{"device": "/dev/vdx", "format": "ext4"}]}"#,
    ] {
        let rest = r#""systemd": {"units": [{"name": "a.service", "mask": true}]}"#;
        let config = format!(r#"{{"ignition": {{"version": "3.4.0"}}, {section}, {rest}}}"#);
        let file = scene.write("config.ign", &config);
        let output = scene.run("ignition-apply", &["--root=root", &file]);
        assert_exit(&output, 1);
        assert!(
            stdout(&output).contains("CRITICAL : "),
            "{}",
            describe_output(&output)
        );
        let empty = fs::read_dir(scene.path("root"))
            .expect("a root")
            .next()
            .is_none();
        assert!(empty, "{section}: something was written");
    }
}

#[test]
fn apply_skips_unsupported_sections_on_request() {
    let scene = Scene::new();
    let config = r#"{"ignition": {"version": "3.4.0"},
        "kernelArguments": {"shouldExist": ["a"]},
        "passwd": {"users": [{"name": "core"}], "groups": [{"name": "g"}]},
        "storage": {"disks": [{"device": "/dev/vdx", "wipeTable": true}],
            "filesystems": [{"device": "/dev/vdx", "format": "ext4", "path": "/var"}],
            "files": [{"path": "/etc/motd"}]}}"#;
    let file = scene.write("config.ign", config);
    let output = scene.run(
        "ignition-apply",
        &["--ignore-unsupported", "--root=root", &file],
    );
    assert_exit(&output, 0);
    assert!(scene.path("root/etc/motd").exists());
    assert!(
        !scene.path("root/etc/passwd").exists(),
        "the user was skipped"
    );
}

#[test]
fn apply_offline_fails_if_anything_needs_a_network() {
    let scene = Scene::new();
    let remote = r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/a", "contents": {"source": "http://192.0.2.1/a"}}]}}"#;
    let file = scene.write("remote.ign", remote);
    let output = scene.run("ignition-apply", &["--offline", "--root=root", &file]);
    assert_exit(&output, 1);
    assert!(
        stdout(&output).contains("CRITICAL : "),
        "{}",
        describe_output(&output)
    );
    let local = scene.write("local.ign", CONFIG);
    assert_exit(
        &scene.run("ignition-apply", &["--offline=true", "--root=root", &local]),
        0,
    );
    assert_exit(
        &scene.run(
            "ignition-apply",
            &["--offline=false", "--root=root", &local],
        ),
        0,
    );
}

#[test]
fn apply_logs_one_more_critical_line_than_findings() {
    let scene = Scene::new();
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "etc"}]}}"#;
    let file = scene.write("config.ign", config);
    let output = scene.run("ignition-apply", &["--root=root", &file]);
    assert_exit(&output, 1);
    let log = stdout(&output);
    assert!(
        log.contains("CRITICAL : error at $.storage.files.0.path, line 1 col "),
        "{log}"
    );
    assert_eq!(log.matches("CRITICAL : ").count(), 2, "{log}");
    assert_exit(
        &scene.run("ignition-apply", &["--root=root", "/nowhere/x.ign"]),
        1,
    );
}

#[test]
fn apply_distinguishes_wrong_usage_from_a_missing_config() {
    let scene = Scene::new();
    for arguments in [
        &[][..],
        &["a", "b"],
        &["--root=root"],
        &["--", "a", "--root"],
    ] {
        let output = scene.run("ignition-apply", arguments);
        assert_exit(&output, 1);
        assert!(
            stderr(&output).starts_with("Usage: ignition-apply"),
            "{}",
            describe_output(&output)
        );
        assert_eq!(stdout(&output), "");
    }
    for arguments in [
        &["-root", "root", "a"][..],
        &["--unknown", "a"],
        &["a", "--root"],
        &["--offline=yes", "a"],
    ] {
        assert_usage_error(&scene.run("ignition-apply", arguments), &["Usage: "]);
    }
}

/// The program gets a root of its own, so that it does not matter whether this test itself runs in a container.
#[test]
fn apply_runs_in_containers_only() {
    run::require_root();
    let scene = Scene::new();
    scene.write("root/config.ign", CONFIG);
    let script = "set -e
        cp \"$1\" root/ignition-apply
        mkdir root/usr root/target
        mount --bind /usr root/usr
        for link in bin lib lib64; do ln -s usr/$link root/$link; done
        exec chroot root /ignition-apply --root=/target /config.ign";
    let run = |container: &str| {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh", KINDLING])
            .current_dir(scene.0.directory())
            .env("container", container)
            .output()
            .expect("start unshare");
        for leftover in ["ignition-apply", "bin", "lib", "lib64"] {
            fs::remove_file(scene.path("root").join(leftover)).expect("it was made");
        }
        fs::remove_dir(scene.path("root/usr")).expect("it is unmounted");
        output
    };
    let output = run("");
    assert_exit(&output, 1);
    assert!(
        stdout(&output).contains("containers only"),
        "{}",
        describe_output(&output)
    );
    fs::remove_dir(scene.path("root/target")).expect("it is empty");
    assert_exit(&run("podman"), 0);
    assert!(scene.path("root/target/etc/motd").exists());
}

// ---- ignition-rmcfg

#[test]
fn rmcfg_fails_where_configs_cannot_be_deleted() {
    let scene = Scene::new();
    for platform in ["qemu", "file", "metal"] {
        let arguments = ["--log-to-stdout", "--platform", platform];
        let output = scene.run("ignition-rmcfg", &arguments);
        assert_exit(&output, 1);
        let log = stdout(&output);
        assert!(log.starts_with(&format!("INFO     : {VERSION}")), "{log}");
        assert!(log.contains("CRITICAL : couldn't delete config: "), "{log}");
    }
}

#[test]
fn rmcfg_takes_a_platform_and_nothing_else() {
    let scene = Scene::new();
    for arguments in [
        &[][..],
        &["--platform="],
        &["--platform=nonesuch"],
        &["--platform=qemu", "more"],
        &["--platform=qemu", ""],
        &["-platform=qemu"],
        &["--platform"],
    ] {
        assert_usage_error(
            &scene.run("ignition-rmcfg", arguments),
            &["ignition-rmcfg: "],
        );
    }
}

// ---- kindling

#[test]
fn kindling_boot_is_the_stage_runner() {
    let kindling = |arguments: &[&str]| run::kindling().args(arguments).output().expect("start it");
    let output = kindling(&["boot", "-version"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), VERSION);
    assert_usage_error(&kindling(&["boot", "-stage", "nonesuch"]), &["nonesuch"]);
    assert_usage_error(&kindling(&["boot", ""]), &["platform"]);
    let output = kindling(&["boot", "-help"]);
    assert_exit(&output, 0);
    assert!(
        stderr(&output).contains("-config-cache"),
        "{}",
        describe_output(&output)
    );
}

#[test]
fn kindling_boot_is_in_help_completions_and_manual_pages() {
    let kindling = |arguments: &[&str]| {
        let output = run::kindling().args(arguments).output().expect("start it");
        assert_exit(&output, 0);
        stdout(&output)
    };
    assert!(kindling(&["--help"]).contains("\n  boot "));
    assert!(kindling(&["help", "boot"]).contains("-fetch-timeout DURATION"));
    assert!(kindling(&["completions", "bash"]).contains("boot"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    kindling(&["man", &directory.path().display().to_string()]);
    let page = fs::read_to_string(directory.path().join("kindling-boot.1")).expect("a page");
    assert!(page.contains("neednet"), "{page}");
}
