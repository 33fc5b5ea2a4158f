//! Configs of Ignition 1 and 2 that append configs.

use crate::references::{config, embed, file, merge, paths, rendered, replace};
use kindling::acquire::references::{RenderReason, SourceFindings};
use kindling::config::{Finding, JsonPath, Severity};

/// A config of Ignition 2 that appends these configs, with additional members.
fn old(version: &str, appended: &[&str], more: &str) -> String {
    let entry = |u: &&str| format!("\n{{\"source\": \"{u}\"}}");
    let entries: Vec<String> = appended.iter().map(entry).collect();
    let comma = if more.is_empty() { "" } else { ",\n" };
    format!(
        "{{\"ignition\": {{\"version\": \"{version}\", \"config\": {{\"append\": [{}]}}}}{comma}{more}}}",
        entries.join(",")
    )
}

fn user(name: &str, key: &str) -> String {
    format!(
        "\"passwd\": {{\"users\": [{{\"name\": \"{name}\", \"sshAuthorizedKeys\": [\"{key}\"]}}]}}"
    )
}

fn messages(findings: &[SourceFindings]) -> Vec<String> {
    let each = findings.iter().flat_map(|found| {
        let line = |f: &Finding| {
            let line = f.position.map_or(0, |position| position.line);
            format!("{} {} {line}: {}", found.source, f.severity, f.message)
        };
        found.findings.0.iter().map(line).collect::<Vec<_>>()
    });
    each.filter(|line| !line.contains("no longer maintained"))
        .collect()
}

/// Files with the same path are written one after the other, a later list of keys replaces an earlier one, and a file
/// may be on a file system that an appended config defines. Nothing is merged by key.
#[test]
fn ignition_2_appends_lists() {
    let files = |text: &str, more: &str| {
        format!(
            "\"storage\": {{\"files\": [{{\"filesystem\": \"root\", \"path\": \"/f\", \"mode\": 420,\n\"contents\": \
             {{\"source\": \"data:,{text}\"}}{more}}}]}}"
        )
    };
    let deep = old("2.3.0", &[], &files("deep", ", \"append\": true"));
    let child = old("2.2.0", &[&embed(&deep)], &files("child", ""));
    let last = old(
        "2.4.0",
        &[],
        &format!(
            "{}, {}",
            user("core", "ssh-rsa B"),
            "\"systemd\": {\"units\": [{\"name\": \"a.service\", \"enabled\": true}]}"
        ),
    );
    let data = "\"storage\": {\"filesystems\": [{\"name\": \"data\", \"mount\": {\"device\": \"/dev/a\", \"format\": \"ext4\"}}]}";
    let more = format!(
        "{}, \"storage\": {{\"files\": [{{\"filesystem\": \"data\", \"path\": \"/on\", \"mode\": 384}}]}}, \"systemd\": {{\"units\": [{{\"name\": \
         \"a.service\", \"contents\": \"[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n\"}}]}}",
        user("core", "ssh-rsa A")
    );
    let appended = [embed(&child), embed(&last), embed(&old("2.0.0", &[], data))];
    let appended: Vec<&str> = appended.iter().map(String::as_str).collect();
    let rendered = rendered(&old("2.1.0", &appended, &more)).expect("configs");
    assert_eq!(paths(&rendered), ["/tmp/data-ign1/on", "/f"]);
    let config = rendered.document.config();
    let file = &config.storage.files[1];
    assert_eq!(file.contents.source.as_deref(), Some("data:,child"));
    assert_eq!(file.append.len(), 1);
    assert_eq!(file.append[0].source.as_deref(), Some("data:,deep"));
    // Version 3 would merge these.
    assert_eq!(config.passwd.users.len(), 1);
    let keys: Vec<&str> = config.passwd.users[0]
        .ssh_authorized_keys
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["ssh-rsa B"]);
    assert_eq!(config.systemd.units.len(), 1);
    assert_eq!(config.systemd.units[0].enabled, Some(true));
    assert!(config.systemd.units[0].contents.is_some());
    let names: Vec<&str> = rendered.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["first.ign", "data:", "data:", "data:", "data:"]);
    let origin = |path: &str| {
        let origin = rendered
            .document
            .origin(&JsonPath::new(path))
            .expect("an origin");
        format!("{}:{} {}", origin.source, origin.line, origin.path)
    };
    assert_eq!(
        origin("$.storage.files.0.path"),
        "first.ign:5 $.storage.files.0.path"
    );
    assert_eq!(
        origin("$.storage.files.1.append.0.source"),
        "data::3 $.storage.files.0.contents.source"
    );
    let expected = [
        "data: warning 2: this is appended to /f, which another entry is about (the other one: $.storage.files.0, line 3 of data:)",
        "data: warning 2: duplicate user core; the entries are merged (the other one: $.passwd.users.0, line 5 of first.ign)",
    ];
    let logged = messages(&rendered.findings);
    for start in expected {
        assert!(
            logged.iter().any(|line| line.starts_with(start)),
            "{start}\n{logged:#?}"
        );
    }
}

fn empty_file(path: &str) -> String {
    format!(
        "\"storage\": {{\"files\": [{{\"filesystem\": \"root\", \"path\": \"{path}\", \"mode\": 420}}]}}"
    )
}

/// Configs of version 3 are merged after the whole family, in the order in which they are encountered.
#[test]
fn ignition_2_appends_configs_of_version_3() {
    let new = config(
        &merge(&[&embed(&config("", &file("/newer")))]),
        &file("/new"),
    );
    let child = old(
        "2.3.0",
        &[&embed(&config("", &file("/deep")))],
        &empty_file("/child"),
    );
    let (new, child) = (embed(&new), embed(&child));
    let rendered = rendered(&old("2.3.0", &[&new, &child], &empty_file("/top"))).expect("configs");
    assert_eq!(
        paths(&rendered),
        ["/top", "/child", "/new", "/newer", "/deep"]
    );
    let logged = messages(&rendered.findings);
    let want =
        "first.ign warning 3: a config of version 3 precedes this one, but is merged after it";
    assert_eq!(logged, [want]);
}

/// A family below a config of version 3 is a single config when it is merged.
#[test]
fn version_3_merges_a_family() {
    let child = old(
        "2.3.0",
        &[&embed(&old("2.1.0", &[], &user("core", "ssh-rsa B")))],
        &user("core", "ssh-rsa A"),
    );
    let top = config(&merge(&[&embed(&child)]), &user("core", "ssh-rsa T"));
    let rendered = rendered(&top).expect("configs");
    let users = &rendered.document.config().passwd.users;
    let keys: Vec<&str> = users[0]
        .ssh_authorized_keys
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(
        (users.len(), keys.as_slice()),
        (1, &["ssh-rsa T", "ssh-rsa B"][..])
    );
}

#[test]
fn an_appended_config_may_be_replaced() {
    let replaced = |by: &str| {
        format!(
            "{{\"ignition\": {{\"version\": \"2.2.0\", \"config\": {{{}}}}}}}",
            replace(&embed(by))
        )
    };
    let old_one = replaced(&old("2.0.0", &[], &empty_file("/old")));
    let new_one = replaced(&config("", &file("/new")));
    let appended = [embed(&new_one), embed(&old_one)];
    let appended: Vec<&str> = appended.iter().map(String::as_str).collect();
    let rendered = rendered(&old("2.3.0", &appended, &empty_file("/top"))).expect("configs");
    assert_eq!(paths(&rendered), ["/top", "/old", "/new"]);
}

/// The version of each config decides how it is interpreted, wherever it is appended.
#[test]
fn each_config_keeps_the_rules_of_its_version() {
    let node = |path: &str| {
        format!("\"storage\": {{\"files\": [{{\"filesystem\": \"root\", \"path\": \"{path}\"}}]}}")
    };
    let lone = "{\"ignitionVersion\": 1, \"storage\": {\"filesystems\": [{\"device\": \"/dev/DEV\", \"format\": \"ext4\", \
                \"files\": [{\"path\": \"/of-DEV\", \"contents\": \"x\"}]}]}}";
    let appended = [
        embed(&old("2.0.0", &[], &node("/old"))),
        embed(&lone.replace("DEV", "a")),
        embed(&lone.replace("DEV", "b")),
    ];
    let appended: Vec<&str> = appended.iter().map(String::as_str).collect();
    let rendered = rendered(&old("2.3.0", &appended, &node("/top"))).expect("configs");
    let files = &rendered.document.config().storage.files;
    let facts: Vec<(&str, Option<i64>, Option<i64>)> = files
        .iter()
        .map(|f| (f.path.as_str(), f.mode, f.user.id))
        .collect();
    let want = [
        ("/top", None, None),
        ("/old", Some(0), Some(0)),
        ("/tmp/_translate-filesystem-0-ign1/of-a", Some(0), Some(0)),
        ("/tmp/_translate-filesystem-1-ign2/of-b", Some(0), Some(0)),
    ];
    assert_eq!(facts, want);
}

#[test]
fn errors_name_the_config_of_the_family() {
    let undefined =
        "\"storage\": {\"files\": [\n{\"filesystem\": \"data\", \"path\": \"/x\", \"mode\": 420}]}";
    let group = "\"passwd\": {\"groups\": [\n{\"name\": \"ops\"}]}";
    let cases = [
        (
            old("2.3.0", &[&embed(&old("2.3.0", &[], ""))], undefined),
            "first.ign error 4: the file system `data` is not defined; only `root` is",
        ),
        (
            old("2.3.0", &[&embed(&old("2.3.0", &[], undefined))], ""),
            "data: error 3: the file system `data` is not defined; only `root` is",
        ),
        (
            old("2.3.0", &[&embed(&old("2.1.0", &[], group))], group),
            "data: error 3: duplicate group (the other one: $.passwd.groups.0, line 4 of first.ign)",
        ),
    ];
    for (text, want) in cases {
        let error = rendered(&text).expect_err("an error");
        assert!(
            matches!(*error.reason, RenderReason::MergedInvalid),
            "{error:?}"
        );
        let last = error.findings.last().expect("a finding");
        assert!(
            last.findings
                .0
                .iter()
                .any(|f| f.severity == Severity::Error)
        );
        assert_eq!(
            messages(&error.findings).last().map(String::as_str),
            Some(want)
        );
    }
    // The section `ignition` decides what is fetched, so this error is found while fetching.
    let broken = "{\"ignition\": {\"version\": \"2.1.0\"},\n\"storage\": {\"files\": 1}}";
    let error = rendered(&old("2.3.0", &[&embed(broken)], "")).expect_err("an error");
    assert!(
        matches!(*error.reason, RenderReason::Invalid { .. }),
        "{error:?}"
    );
}

#[test]
fn a_proxy_is_kept() {
    let text = "{\"ignition\": {\"version\": \"2.4.0\", \"proxy\": {\"httpProxy\":\n\"http://p:1\", \"noProxy\": [\"a\"]}, \"timeouts\": {\"httpTotal\": 9},\
                \"config\": {\"append\": [{\"source\": \"CHILD\"}]}}}";
    let child = "{\"ignition\": {\"version\": \"2.4.0\", \"proxy\": {\"noProxy\": [\"b\"]}, \"timeouts\": {\"httpTotal\": 5}}}";
    let rendered = rendered(&text.replace("CHILD", &embed(child))).expect("configs");
    let ignition = &rendered.document.config().ignition;
    assert_eq!(ignition.proxy.http_proxy.as_deref(), Some("http://p:1"));
    assert_eq!(ignition.proxy.no_proxy, ["a", "b"]);
    assert_eq!(ignition.timeouts.http_total, Some(5));
    let want = "first.ign warning 2: this proxy is kept, although what is appended has none; Ignition 2 forgot it then";
    assert_eq!(messages(&rendered.findings), [want]);
}

/// Its sections are those of Ignition 2.3, and the Ignition of that version appended the configs.
#[test]
fn a_container_linux_config_can_have_a_family() {
    let child = embed(&old("2.3.0", &[], &user("core", "ssh-rsa B")));
    let text = format!(
        "ignition:\n  config:\n    append:\n    - source: {child}\npasswd:\n  users:\n  - name: core\n    ssh_authorized_keys: [ssh-rsa A]\n"
    );
    let rendered = rendered(&text).expect("configs");
    let users = &rendered.document.config().passwd.users;
    assert_eq!((users.len(), users[0].ssh_authorized_keys.len()), (1, 1));
    let origin = rendered
        .document
        .origin(&JsonPath::new("$.passwd.users.0.sshAuthorizedKeys.0"));
    assert_eq!(
        origin.map(|origin| origin.source.to_string()).as_deref(),
        Some("data:")
    );
}
