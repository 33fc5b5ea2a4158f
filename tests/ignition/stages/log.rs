//! The lines of the log, which distributions parse, and how failures are logged.

use super::machine::{MOTD, Machine, PLAIN, log_of};
use crate::common::run::assert_exit;
use crate::common::server::{Server, respond};
use std::fs;

#[test]
fn operations_are_logged_as_by_ignition() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,s3cret"}}]},
        "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Install]\nWantedBy=x.target\n"},
            {"name": "b.service", "mask": true}]}}"#,
    );
    machine.log("fetch");
    let log = machine.log("files");
    let root = machine.path("root").display().to_string();
    // Operations are numbered as they start, so numbers differ between runs.
    let before = "INFO     : files: createFilesystemsFiles: createFiles: op(";
    let number = |state: &str| {
        let end = format!("{state} writing file \"{root}/etc/motd\"");
        let line = log.lines().find(|line| line.ends_with(&end));
        let rest = line.and_then(|line| line.strip_prefix(before));
        let (number, rest) = rest
            .and_then(|rest| rest.split_once("): "))
            .unwrap_or_default();
        assert_eq!(rest, end, "{log}");
        number.parse::<u32>().expect("a number")
    };
    assert_eq!(number("[started] "), number("[finished]"), "{log}");
    for line in [
        format!(
            "[started]  writing unit \"a.service\" at \"{root}/etc/systemd/system/a.service\"\n"
        ),
        "[started]  masking unit \"b.service\"\n".into(),
        "[finished] setting preset to enabled for \"a.service\"\n".into(),
        "createResultFile: createFiles: op(".into(),
        "INFO     : files: files passed\n".into(),
    ] {
        assert!(log.contains(&line), "{line}\n{log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn every_log_line_has_a_level_padded_to_nine_columns() {
    let machine = Machine::new(MOTD);
    let log = machine.log("fetch") + &machine.log("files");
    for line in log.lines() {
        let (level, text) = line.split_at(9);
        let known = ["CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
        assert!(
            known.contains(&level.trim_end()) && text.starts_with(": "),
            "{line}"
        );
    }
    let text = fs::read(machine.path("config.ign")).expect("the config");
    let sum: String = sha2_512(&text);
    assert!(
        log.contains(&format!("DEBUG    : parsing config with SHA512: {sum}\n")),
        "{log}"
    );
}

fn sha2_512(text: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha512::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn missing_base_directories_are_logged() {
    let machine = Machine::new(PLAIN);
    let log = machine.log("fetch");
    for name in ["base.d", "base.platform.d/file"] {
        for dir in ["run", "etc", "usr"] {
            let path = machine.path(dir).join(name);
            let line = format!("INFO     : no config dir at \"{}\"\n", path.display());
            assert!(log.contains(&line), "{line}\n{log}");
        }
        let line =
            format!("INFO     : no configs found in \"{name}\" across system config directories\n");
        assert!(log.contains(&line), "{line}\n{log}");
    }
}

#[test]
fn commands_are_logged_with_their_arguments_quoted() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"}, "systemd": {"units": [{"name": "a.service", "enabled": false}]}}"#,
    );
    machine.write(
        "root/usr/lib/systemd/system/a.service",
        "[Install]\nWantedBy=b.target\n",
    );
    let wants = machine.path("root/etc/systemd/system/b.target.wants");
    fs::create_dir_all(&wants).expect("a directory");
    let unit = "/usr/lib/systemd/system/a.service";
    std::os::unix::fs::symlink(unit, wants.join("a.service")).expect("a link");
    machine.program("systemctl", "echo out; echo bad >&2; exit 4");
    machine.log("fetch");
    let output = machine.with_programs("files").output().expect("start it");
    assert_exit(&output, 1);
    let log = log_of(&output);
    let root = machine.path("root").display().to_string();
    let command = format!("\"systemctl\" \"--root\" \"{root}\" \"disable\" \"a.service\"");
    assert!(log.contains(": executing: \"systemctl\" "), "{log}");
    let failed = format!("exit status 4: Cmd: {command} Stdout: \"out\\n\" Stderr: \"bad\\n\"");
    assert!(
        log.contains("CRITICAL : files: ") && log.contains(&failed),
        "{failed}\n{log}"
    );
    assert!(log.contains("CRITICAL : Ignition failed: "), "{log}");
}

/// Starts a server that answers the first request with 503 and later ones with `body`; returns its URL.
fn server(body: &'static str) -> String {
    let server = Server::start(move |seen, stream| match seen.number {
        1 => respond(stream, "503 Busy", "", b""),
        _ => respond(stream, "200 OK", "", body.as_bytes()),
    });
    server.url("/x")
}

#[test]
fn fetches_are_logged_and_ignore_proxies_of_the_environment() {
    let url = server("hello");
    let sum: String = sha2_512(b"hello");
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [{{"path": "/etc/motd",
            "contents": {{"source": "{url}", "verification": {{"hash": "sha512-{sum}"}}}}}}]}}}}"#
    ));
    machine.log("fetch");
    let mut command = machine.command("files");
    command
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1");
    let output = command.output().expect("start it");
    assert_exit(&output, 0);
    let log = log_of(&output);
    for line in [
        format!("GET {url}: attempt #1\n"),
        "GET result: Service Unavailable\n".into(),
        format!("GET {url}: attempt #2\n"),
        "GET result: OK\n".into(),
        format!("file matches expected sum of: {sum}\n"),
    ] {
        assert!(log.contains(&format!(": {line}")), "{line}\n{log}");
    }
    assert_eq!(machine.read("root/etc/motd"), "hello");
}

#[test]
fn a_body_that_contradicts_its_hash_is_refused_before_any_file_is_written() {
    let wrong = "0".repeat(64);
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
        "storage": {{"files": [{{"path": "/etc/motd", "contents": {{"source": "data:,s3cret",
            "verification": {{"hash": "sha256-{wrong}"}}}}}}, {{"path": "/etc/other"}}]}}}}"#
    ));
    machine.log("fetch");
    let log = machine.failing_log("files");
    assert!(!machine.path("root/etc/other").exists());
    assert!(log.contains("CRITICAL : Ignition failed: "), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let screen = machine.read("kindling/failure.txt");
    assert!(screen.lines().count() <= 15, "{screen}");
    for text in [
        "stage         files",
        "contents of file /etc/motd",
        "config.ign:2:",
        "hash",
    ] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
}

#[test]
fn a_failure_is_reported_everywhere_without_secrets() {
    let (url, wrong) = (server("s3cret"), "0".repeat(64));
    let machine = Machine::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
        "storage": {{"files": [{{"path": "/etc/motd", "contents": {{"source": "{url}",
            "verification": {{"hash": "sha256-{wrong}"}}}}}}]}}}}"#
    ));
    machine.log("fetch");
    let output = machine.run("files");
    assert_exit(&output, 1);
    let log = log_of(&output);
    for text in [
        // Files are written concurrently, so the number of the operation varies.
        "): [failed]   writing file ",
        "CRITICAL : Ignition failed: ",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
    assert!(!log.contains("finished successfully"), "{log}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("files failed\nFull config:"), "{stderr}");
    assert_eq!(machine.mode("kindling/failure.txt"), 0o600);
    let screen = machine.read("kindling/failure.txt");
    assert!(screen.lines().count() <= 15, "{screen}");
    for text in ["stage         files", "/etc/motd", "config.ign:2:", "hash"] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
    let report = machine.read("kindling/report.json");
    for text in [log, stderr, screen, report] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(!machine.path("root/etc/motd").exists());
}

#[test]
fn an_invalid_config_is_reported_in_the_log() {
    let machine = Machine::new(
        r#"{"ignition": {"version": "3.4.0"}, "extra": 1, "storage": {"files": [{"path": "etc"}]}}"#,
    );
    let log = machine.failing_log("fetch");
    for text in [
        "CRITICAL : error at $.storage.files.0.path, line 1 col ",
        "WARNING  : warning at $.extra, line 1 col ",
        "CRITICAL : failed to acquire config: ",
        "CRITICAL : Ignition failed: ",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
}
