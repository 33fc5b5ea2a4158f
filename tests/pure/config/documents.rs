//! Origins of values in documents, before and after merging.

use super::document;
use kindling::config::{Document, JsonPath, LATEST_VERSION, Severity};

const PARENT: &str = r#"{
  "ignition": {"version": "3.0.0"},
  "storage": {
    "files": [
      {"path": "/only-parent"},
      {"path": "/both", "mode": 420,
       "contents": {"source": "data:,parent"}}
    ]
  },
  "passwd": {"users": [
    {"name": "core", "sshAuthorizedKeys": ["k1"]}
  ]}
}"#;

const CHILD: &str = r#"{"ignition": {"version": "3.4.0"},
 "storage": {"links": [{"path": "/l", "target": "/t"}], "files": [
  {"path": "/new"},
  {"path": "/both", "user": {"id": 5}}
 ]},
 "passwd": {"users": [{"name": "other"}, {"name": "core", "sshAuthorizedKeys": ["k2"]}]}}"#;

fn origin(document: &Document, path: &str) -> Option<String> {
    document.origin(&JsonPath::new(path)).map(|o| o.to_string())
}

#[test]
fn origins_of_one_document() {
    let parent = document("parent.ign", PARENT);
    let cases = [
        ("$", "parent.ign:1:2 ($)"),
        ("$.storage.files", "parent.ign:4:15 ($.storage.files)"),
        ("$.storage.files.1", "parent.ign:6:8 ($.storage.files.1)"),
        (
            "$.storage.files.1.mode",
            "parent.ign:6:33 ($.storage.files.1.mode)",
        ),
        (
            "$.storage.files.1.contents.source",
            "parent.ign:7:31 ($.storage.files.1.contents.source)",
        ),
        // A missing value has the origin of its closest parent.
        (
            "$.storage.files.0.contents.source",
            "parent.ign:5:8 ($.storage.files.0)",
        ),
        (
            "$.storage.files.7.path",
            "parent.ign:4:15 ($.storage.files)",
        ),
        ("$.systemd.units", "parent.ign:1:2 ($)"),
        (
            "$.passwd.users.0.sshAuthorizedKeys.0",
            "parent.ign:11:44 ($.passwd.users.0.sshAuthorizedKeys.0)",
        ),
    ];
    for (path, expected) in cases {
        assert_eq!(origin(&parent, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn origins_of_merged_documents() {
    let merged = Document::merge(&document("p", PARENT), &document("c", CHILD));
    let cases = [
        ("$.storage.files.0.path", "p:5:16 ($.storage.files.0.path)"),
        // A merged element has the origin of the child's element; its members have their own.
        ("$.storage.files.1", "c:4:4 ($.storage.files.1)"),
        ("$.storage.files.1.path", "c:4:12 ($.storage.files.1.path)"),
        ("$.storage.files.1.mode", "p:6:33 ($.storage.files.1.mode)"),
        (
            "$.storage.files.1.user.id",
            "c:4:36 ($.storage.files.1.user.id)",
        ),
        (
            "$.storage.files.1.contents.source",
            "p:7:31 ($.storage.files.1.contents.source)",
        ),
        ("$.storage.files.2.path", "c:3:12 ($.storage.files.0.path)"),
        (
            "$.storage.links.0.target",
            "c:2:49 ($.storage.links.0.target)",
        ),
        ("$.passwd.users.0", "c:6:43 ($.passwd.users.1)"),
        (
            "$.passwd.users.0.sshAuthorizedKeys.0",
            "p:11:44 ($.passwd.users.0.sshAuthorizedKeys.0)",
        ),
        (
            "$.passwd.users.0.sshAuthorizedKeys.1",
            "c:6:81 ($.passwd.users.1.sshAuthorizedKeys.0)",
        ),
        ("$.passwd.users.1.name", "c:6:32 ($.passwd.users.0.name)"),
        ("$.storage", "c:2:14 ($.storage)"),
        ("$.systemd", "c:1:2 ($)"),
    ];
    for (path, expected) in cases {
        assert_eq!(origin(&merged, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn origins_survive_further_merging() {
    let empty = Document::empty();
    let once = Document::merge(&empty, &document("p", PARENT));
    let twice = Document::merge(&once, &document("c", CHILD));
    let base = document(
        "base",
        r#"{"ignition":{"version":"3.6.0","timeouts":{"httpTotal":7}}}"#,
    );
    let thrice = Document::merge(&base, &twice);
    let cases = [
        ("$.storage.files.1.mode", "p:6:33 ($.storage.files.1.mode)"),
        (
            "$.storage.files.1.user.id",
            "c:4:36 ($.storage.files.1.user.id)",
        ),
        ("$.storage.files.2", "c:3:4 ($.storage.files.0)"),
        (
            "$.ignition.timeouts.httpTotal",
            "base:1:56 ($.ignition.timeouts.httpTotal)",
        ),
    ];
    for (path, expected) in cases {
        assert_eq!(origin(&thrice, path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(thrice.config().storage, twice.config().storage);
}

#[test]
fn repeated_and_misspelled_keys_have_origins_too() {
    let text = r#"{"ignition":{"version":"3.6.0"},"Storage":{"files":[{"path":"/a"}]},
 "storage":{"disks":[{"device":"/dev/a"}]}}"#;
    let read = document("x", text);
    let cases = [
        ("$.storage.files.0.path", "x:1:61 ($.storage.files.0.path)"),
        (
            "$.storage.disks.0.device",
            "x:2:32 ($.storage.disks.0.device)",
        ),
    ];
    for (path, expected) in cases {
        assert_eq!(origin(&read, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn data_urls_are_not_shown_as_sources() {
    for name in ["data:,secret", "DATA:;base64,c2VjcmV0", "data:"] {
        let origin = document(name, PARENT)
            .origin(&JsonPath::root())
            .expect("an origin");
        assert_eq!(&*origin.source, "data:");
    }
    let origin = document("datafile", PARENT)
        .origin(&JsonPath::root())
        .expect("an origin");
    assert_eq!(&*origin.source, "datafile");
}

#[test]
fn the_empty_document() {
    let empty = Document::empty();
    assert_eq!(empty.config().ignition.version, LATEST_VERSION.as_str());
    assert_eq!(empty.origin(&JsonPath::root()), None);
    assert_eq!(empty.check().0, []);
    let parent = document("p", PARENT);
    assert_eq!(Document::merge(&empty, &parent).config(), parent.config());
    let merged = Document::merge(&parent, &empty);
    assert_eq!(merged.config(), parent.config());
    let expected = origin(&parent, "$.storage.files.1.mode");
    assert_eq!(origin(&merged, "$.storage.files.1.mode"), expected);
}

#[test]
fn the_check_after_merging_names_origins() {
    let with = |owner: &str| {
        let files = format!(r#""storage":{{"files":[{{"path":"/a","user":{{{owner}}}}}]}}"#);
        super::config("3.6.0", &files)
    };
    let parent = document("p.ign", &with("\"id\":1"));
    let child = document("c.ign", &with("\"name\":\"x\""));
    let findings = Document::merge(&parent, &child).check().0;
    let [finding] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(
        finding.to_string(),
        "error at $.storage.files.0.user: id and name exclude each other"
    );
    let help = "from c.ign:1:74 ($.storage.files.0.user)";
    assert_eq!(finding.help.as_deref(), Some(help));
}

/// Documents that are valid in their own version but not in the latest.
#[test]
fn the_check_applies_the_latest_version() {
    let luks = r#""storage":{"luks":[{"name":"l","device":"/dev/a","clevis":{"custom":{"needsNetwork":true}}}]}"#;
    let replace = format!(
        r#"{{"ignition":{{"version":"3.0.0","config":{{"replace":{{"verification":{{"hash":"sha512-{}"}}}}}}}}}}"#,
        "0".repeat(128)
    );
    let merge = r#"{"ignition":{"version":"3.0.0","config":{"merge":[{}]}}}"#.to_owned();
    let link = super::config("3.2.0", r#""storage":{"links":[{"path":"/l"}]}"#);
    let cases = [
        (
            link,
            vec!["error at $.storage.links.0.target, line 1 col 54: link target is required"],
        ),
        (
            super::config("3.2.0", luks),
            vec![
                "error at $.storage.luks.0.clevis.custom.pin, line 1 col 102: clevis custom pin is required",
                "error at $.storage.luks.0.clevis.custom.config, line 1 col 102: \
                 clevis custom config is required",
            ],
        ),
        (
            merge,
            vec!["error at $.ignition.config.merge.0, line 1 col 52: source is required"],
        ),
        (
            replace,
            vec![
                "error at $.ignition.config.replace.verification.hash, line 1 col 76: \
                 source must be specified if verification is specified",
            ],
        ),
    ];
    for (text, expected) in cases {
        let found: Vec<String> = document("x", &text)
            .check()
            .0
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}
