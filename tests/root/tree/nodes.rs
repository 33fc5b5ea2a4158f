//! Directories, files and links.

use super::{Target, texts};
use kindling::config::{self, Document};
use kindling::language;
use kindling::plan::Scope;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn storage(storage: Value) -> Value {
    json!({ "storage": storage })
}

#[test]
fn a_blank_root_gets_everything() {
    let target = Target::blank();
    let planned = target.apply(&storage(json!({
        "directories": [{"path": "/srv/data", "mode": 0o1777}],
        "files": [
            {"path": "/etc/motd", "contents": {"source": "data:,hello%20you"}},
            {"path": "/etc/empty"},
            {"path": "/usr/local/bin/tool", "mode": 0o4755, "user": {"id": 12}, "group": {"id": 13},
             "contents": {"source": "data:;base64,IyEvYmluL3NoCg=="}},
            {"path": "/etc/both", "contents": {"source": "data:,a"},
             "append": [{"source": "data:,b"}, {"source": "data:,c"}]},
        ],
        "links": [
            {"path": "/etc/greeting", "target": "motd", "user": {"id": 5}},
            {"path": "/etc/motd.hard", "target": "/etc/motd", "hard": true},
        ],
    })));
    assert_eq!(target.read("/etc/motd"), "hello you");
    assert_eq!(target.read("/etc/empty"), "");
    assert_eq!(target.read("/etc/both"), "abc");
    assert_eq!(target.read("/usr/local/bin/tool"), "#!/bin/sh\n");
    for (path, want) in [
        ("/srv", "0755 0 0"),
        ("/srv/data", "1777 0 0"),
        ("/etc/motd", "0644 0 0"),
        ("/usr/local/bin/tool", "4755 12 13"),
        ("/usr/local", "0755 0 0"),
        ("/etc/greeting", "0777 5 0"),
    ] {
        assert_eq!(target.owner_and_mode(path), want, "{path}");
    }
    let inode = |path| target.at(path).metadata().expect("it exists").ino();
    assert_eq!(inode("/etc/motd"), inode("/etc/motd.hard"));
    let implied = planned
        .changes()
        .iter()
        .filter(|c| c.ends_with("directory /etc"))
        .count();
    assert_eq!(implied, 1, "one operation makes /etc for all");
}

/// The document of a cloud-config, and the same one after it was stored.
fn of_cloud_init(text: &str) -> [Document; 2] {
    let surroundings = language::Surroundings::default();
    let language = language::Language::CloudInit;
    let parsed = language::parse_as("c.yaml", text.as_bytes(), language, &surroundings);
    let document = parsed.outcome.expect("a document");
    let text = document.to_json().expect("a text");
    let origins = serde_json::to_vec(&document.origins()).expect("a text");
    let origins = serde_json::from_slice(&origins).expect("origins");
    let stored = config::read_stored("stored", &text).expect("a document");
    [document, stored.with_origins(origins)]
}

#[test]
fn new_parents_belong_to_the_owner_of_the_first_file_in_them() {
    let text = "#cloud-config\nusers: []\nwrite_files:\n\
        - {path: /etc/app/conf.d/x, owner: '1234:1235'}\n\
        - {path: /etc/app/y}\n\
        - {path: /etc/there/new/x, owner: '1234'}\n\
        - {path: /var/lib/app/x}\n\
        - {path: /var/lib/app/own/x, owner: '1234:0'}\n\
        - {path: /link/below/x, owner: '1234:1235'}\n\
        - {path: /var/log/app/x, owner: '1234'}\n\
        - {path: /srv/x, owner: '1234'}\n";
    for document in of_cloud_init(text) {
        let target = Target::blank();
        target.mkdir("/etc/there").mkdir("/real");
        target.link("/link", "real");
        let planned = target.plan_document(&document, Scope::Everything, false);
        assert_eq!(texts(&planned.refusals), Vec::<String>::new());
        target.execute(planned.operations).expect("done");
        for (path, want) in [
            ("/etc", "0755 0 0"),
            ("/etc/app", "0755 1234 1235"),
            ("/etc/app/conf.d", "0755 1234 1235"),
            ("/etc/app/y", "0644 0 0"),
            ("/etc/there", "0755 0 0"),
            ("/etc/there/new", "0755 1234 0"),
            ("/var/lib/app", "0755 0 0"),
            ("/var/lib/app/own", "0755 1234 0"),
            ("/var/log", "0755 0 0"),
            ("/var/log/app", "0755 1234 0"),
            ("/srv", "0755 0 0"),
            ("/real", "0755 0 0"),
            ("/real/below", "0755 1234 1235"),
        ] {
            assert_eq!(target.owner_and_mode(path), want, "{path}");
        }
        let again = target.plan_document(&document, Scope::Everything, false);
        assert_eq!(again.changes(), Vec::<String>::new());
    }
}

#[test]
fn present_nodes_are_kept_corrected_or_refused() {
    // (what is there, entry, changes, refusals)
    type Case = (
        &'static str,
        fn(&Target),
        Value,
        &'static [&'static str],
        &'static [&'static str],
    );
    let cases: [Case; 21] = [
        (
            "same content",
            |t| _ = t.write("/f", "x"),
            json!({"files": [{"path": "/f", "contents": {"source": "data:,x"}}]}),
            &[],
            &[],
        ),
        (
            "other content",
            |t| _ = t.write("/f", "y"),
            json!({"files": [{"path": "/f", "contents": {"source": "data:,x"}}]}),
            &[],
            &["cannot create file /f: a file with different content already exists"],
        ),
        (
            "other content, overwrite",
            |t| _ = t.write("/f", "y"),
            json!({"files": [{"path": "/f", "overwrite": true, "contents": {"source": "data:,x"}}]}),
            &["Change write file /f"],
            &[],
        ),
        (
            "overwrite resets mode and owner",
            |t| _ = t.write("/f", "x").chmod("/f", 0o600),
            json!({"files": [{"path": "/f", "overwrite": true, "contents": {"source": "data:,x"}}]}),
            &["Change write file /f"],
            &[],
        ),
        (
            "mode only",
            |t| _ = t.write("/f", "x"),
            json!({"files": [{"path": "/f", "mode": 0o600}]}),
            &["Change write file /f"],
            &[],
        ),
        (
            "link instead of file",
            |t| _ = t.link("/f", "/etc/passwd"),
            json!({"files": [{"path": "/f", "contents": {"source": "data:,x"}}]}),
            &[],
            &["cannot create file /f: a symbolic link is in the way"],
        ),
        (
            "link instead of file, overwrite",
            |t| _ = t.link("/f", "/etc/passwd"),
            json!({"files": [{"path": "/f", "overwrite": true, "contents": {"source": "data:,x"}}]}),
            &["Change write file /f"],
            &[],
        ),
        (
            "link to a directory instead of a directory",
            |t| _ = t.mkdir("/real").link("/d", "real"),
            json!({"directories": [{"path": "/d"}]}),
            &[],
            &["cannot create directory /d: a symbolic link is in the way"],
        ),
        (
            "directory mode",
            |t| _ = t.mkdir("/d"),
            json!({"directories": [{"path": "/d", "mode": 0o700}]}),
            &["Change create directory /d"],
            &[],
        ),
        (
            "same link, other owner",
            |t| _ = t.link("/l", "./to//it"),
            json!({"links": [{"path": "/l", "target": "to/it", "user": {"id": 7}}]}),
            &["Change link /l -> ./to//it"],
            &[],
        ),
        (
            "other link",
            |t| _ = t.link("/l", "there"),
            json!({"links": [{"path": "/l", "target": "here"}]}),
            &[],
            &["cannot create link /l: a link to there is there"],
        ),
        (
            "hard link to nothing",
            |_| (),
            json!({"links": [{"path": "/l", "target": "/none", "hard": true}]}),
            &[],
            &["cannot create hard link /l: its target /none does not exist"],
        ),
        (
            "hard link to a directory",
            |t| _ = t.mkdir("/d"),
            json!({"links": [{"path": "/l", "target": "/d", "hard": true, "overwrite": true}]}),
            &[],
            &[
                "cannot create hard link /l: its target /d is a directory, which cannot be hard-linked",
            ],
        ),
        (
            "below a file of the target",
            |t| _ = t.write("/f", "x"),
            json!({"files": [{"path": "/f/x"}]}),
            &[],
            &["cannot place /f/x: /f is not a directory"],
        ),
        (
            "below a file of the config",
            |_| (),
            json!({"files": [{"path": "/f"}, {"path": "/f/a/x"}]}),
            &[],
            &["cannot place /f/a/x: /f is not a directory"],
        ),
        (
            "a directory below a file of the config",
            |_| (),
            json!({"files": [{"path": "/d"}], "directories": [{"path": "/d/e", "overwrite": true}]}),
            &[],
            &["cannot place /d/e: /d is not a directory"],
        ),
        (
            "the root, overwritten",
            |t| _ = t.write("/f", "x"),
            json!({"directories": [{"path": "/", "overwrite": true}]}),
            &[],
            &["cannot create directory /: it is the root of the target, which cannot be replaced"],
        ),
        (
            "behind an absolute link to nothing",
            |t| _ = t.link("/opt", "/data/opt"),
            json!({"files": [{"path": "/opt/x"}]}),
            &[
                "Create create directory /data",
                "Create create directory /data/opt",
                "Create write file /data/opt/x",
            ],
            &[],
        ),
        (
            "behind a link with too many dots",
            |t| _ = t.mkdir("/data").link("/opt", "../../../data"),
            json!({"files": [{"path": "/opt/x"}]}),
            &["Create write file /data/x"],
            &[],
        ),
        (
            "behind a link that an emptied directory holds",
            |t| _ = t.mkdir("/a").mkdir("/b").link("/a/l", "/b"),
            json!({"directories": [{"path": "/a", "overwrite": true}], "files": [{"path": "/a/l/x"}]}),
            &[
                "Destroy remove /a",
                "Create create directory /a",
                "Create create directory /a/l",
                "Create write file /a/l/x",
            ],
            &[],
        ),
        (
            "behind a loop of links",
            |t| _ = t.link("/a", "b").link("/b", "a"),
            json!({"files": [{"path": "/a/x"}]}),
            &[],
            &["cannot place /a/x: more than 40 symbolic links on the way, the last one at /a"],
        ),
    ];
    for (name, prepare, entry, changes, refusals) in cases {
        let target = Target::blank();
        prepare(&target);
        let config = storage(entry);
        if refusals.is_empty() {
            assert_eq!(target.apply(&config).changes(), changes, "{name}");
        } else {
            assert_eq!(target.refusals(&config), refusals, "{name}");
        }
    }
}

#[test]
fn losses_are_listed() {
    let target = Target::blank();
    target.write("/f", "12345").write("/d/x", "").mkdir("/e");
    let planned = target.apply(&storage(json!({
        "directories": [{"path": "/d", "overwrite": true}, {"path": "/e", "overwrite": true}],
        "files": [{"path": "/f", "overwrite": true, "contents": {"source": "data:,x"}}],
    })));
    assert_eq!(
        planned.losses(),
        ["directory /d and everything in it", "file /f (5 bytes)"]
    );
    assert!(!target.exists("/d/x"));
}

#[test]
fn an_overwritten_directory_holds_only_what_is_requested() {
    let target = Target::blank();
    target
        .write("/d/foreign/deep", "")
        .write("/d/sub/f", "old")
        .link("/d/out", "/");
    let config = storage(json!({
        "directories": [{"path": "/d", "overwrite": true, "mode": 0o750}],
        "files": [{"path": "/d/sub/f", "contents": {"source": "data:,new"}}],
    }));
    target.apply(&config);
    assert_eq!(target.read("/d/sub/f"), "new");
    assert!(!target.exists("/d/foreign") && !target.exists("/d/out"));
    assert_eq!(target.owner_and_mode("/d"), "0750 0 0");
    target.write("/d/stray", "");
    assert_eq!(
        target.plan(&config).changes(),
        [
            "Destroy remove /d",
            "Create create directory /d",
            "Create create directory /d/sub",
            "Create write file /d/sub/f",
        ]
    );
}

#[test]
fn appends_are_done_once() {
    let target = Target::blank();
    target
        .write("/etc/hosts", "127.0.0.1 localhost\n")
        .chmod("/etc/hosts", 0o640);
    let config = storage(json!({
        "files": [{"path": "/etc/hosts", "append": [{"source": "data:,10.0.0.1%20a%0A"}]}],
    }));
    target.apply(&config);
    assert_eq!(
        target.read("/etc/hosts"),
        "127.0.0.1 localhost\n10.0.0.1 a\n"
    );
    assert_eq!(target.owner_and_mode("/etc/hosts"), "0640 0 0");
}

#[test]
fn links_are_followed_inside_the_root_only() {
    let target = Target::blank();
    target
        .mkdir("/tmp/deep")
        .link("/absolute", "/tmp")
        .link("/tmp/deep/climbing", "../../tmp")
        .link("/first", "second")
        .link("/second", "/absolute");
    target.apply(&storage(json!({
        "files": [
            {"path": "/absolute/a", "contents": {"source": "data:,x"}},
            {"path": "/tmp/deep/climbing/b"},
            {"path": "/first/c"},
        ],
        "directories": [{"path": "/second/d"}],
        "links": [{"path": "/first/e", "target": "/etc/shadow"}],
    })));
    for name in ["a", "b", "c", "d", "e"] {
        assert!(target.exists(&format!("/tmp/{name}")), "{name}");
    }
}

#[test]
fn a_link_swapped_in_after_planning_gains_nothing() {
    let outside = tempfile::tempdir().expect("a temporary directory");
    let target = Target::blank();
    target.mkdir("/var/data");
    let planned = target.plan(&storage(json!({
        "files": [{"path": "/var/data/x", "contents": {"source": "data:,x"}}],
    })));
    std::fs::remove_dir(target.at("/var/data")).expect("removed");
    target.link("/var/data", outside.path());
    // Inside the root the link leads nowhere.
    let error = target
        .execute(planned.operations)
        .expect_err("the directory is gone");
    assert!(
        error.starts_with("write file /var/data/x: cannot open the directory of /var/data/x"),
        "{error}"
    );
    let count = std::fs::read_dir(outside.path()).expect("readable").count();
    assert_eq!(count, 0, "nothing may be written outside");
}

/// The owner of a directory replaces its content by links while kindling runs.
#[test]
fn links_swapped_in_during_a_run_lead_to_no_change_outside() {
    let outside = tempfile::tempdir().expect("a temporary directory");
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(outside.path(), private).expect("a mode");
    let files = (0..40).map(|i| json!({"path": format!("/home/evil/d/f{i}"), "mode": 0o666}));
    let directories =
        (0..40).map(|i| json!({"path": format!("/home/evil/d/s{i}/x"), "user": {"id": 7}}));
    let config = storage(json!({
        "files": files.collect::<Vec<_>>(), "directories": directories.collect::<Vec<_>>(),
    }));
    for _ in 0..20 {
        let target = Target::blank();
        target.mkdir("/home/evil");
        let planned = target.plan(&config);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let at = |name: &str| target.at("/home/evil").join(name);
                std::os::unix::fs::symlink(outside.path(), at("link")).expect("a link");
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    if std::fs::rename(at("d"), at("aside")).is_ok() {
                        let _ = std::fs::rename(at("link"), at("d"));
                        return;
                    }
                }
            });
            let _ = target.execute(planned.operations);
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let found = std::fs::read_dir(outside.path()).expect("readable").count();
        assert_eq!(found, 0, "nothing may be written outside");
        let stat = outside.path().metadata().expect("it exists");
        assert_eq!((stat.mode() & 0o7777, stat.uid()), (0o700, 0));
    }
}

/// Hard links that a user creates in a directory must not get their targets changed.
#[test]
fn a_file_with_other_names_is_replaced() {
    let target = Target::blank();
    target
        .write("/etc/secret", "s")
        .chmod("/etc/secret", 0o600)
        .mkdir("/home");
    let secret = target.at("/etc/secret");
    for (name, entry) in [
        ("mode", json!({"path": "/home/mode", "mode": 0o666})),
        ("owner", json!({"path": "/home/owner", "user": {"id": 7}})),
        (
            "append",
            json!({"path": "/home/append", "append": [{"source": "data:,x"}]}),
        ),
        (
            "content",
            json!({"path": "/home/content", "overwrite": true, "contents": {"source": "data:,x"}}),
        ),
    ] {
        std::fs::hard_link(&secret, target.at("/home").join(name)).expect("a hard link");
        target.apply(&storage(json!({ "files": [entry] })));
    }
    assert_eq!(target.read("/etc/secret"), "s");
    assert_eq!(target.owner_and_mode("/etc/secret"), "0600 0 0");
    assert_eq!(target.owner_and_mode("/home/mode"), "0666 0 0");
    assert_eq!(target.owner_and_mode("/home/owner"), "0600 7 0");
    assert_eq!(target.read("/home/append"), "sx");
}

#[test]
fn an_overwritten_directory_may_hold_anything() {
    use std::os::unix::ffi::OsStrExt;
    let target = Target::blank();
    target.mkdir(&format!("/d{}", "/deep".repeat(400)));
    let odd = std::ffi::OsStr::from_bytes(b"x\xff\n");
    std::fs::create_dir(target.at("/d").join(odd)).expect("a directory");
    std::fs::write(target.at("/d").join(odd).join(odd), "").expect("a file");
    target.apply(&storage(
        json!({ "directories": [{"path": "/d", "overwrite": true}] }),
    ));
    let left = std::fs::read_dir(target.at("/d"))
        .expect("readable")
        .count();
    assert_eq!(left, 0);
}

/// The planner's data about a path must not grow with the square of its depth.
#[test]
fn a_deep_path_is_planned_with_few_claims() {
    let target = Target::blank();
    let path = "/d".repeat(500);
    let planned = target.plan(&storage(
        json!({ "files": [{"path": path}, {"path": format!("{path}2")}] }),
    ));
    let max = planned
        .operations
        .iter()
        .map(|op| op.claims.len() + op.after.len())
        .max();
    assert!(max.is_some_and(|max| max <= 6), "{max:?} claims and waits");
    target
        .execute(planned.operations)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(target.exists(&path));
}

#[test]
fn a_file_that_appears_after_planning_is_not_replaced() {
    let target = Target::blank();
    let planned = target.plan(&storage(json!({
        "files": [{"path": "/f", "contents": {"source": "data:,mine"}}],
    })));
    target.write("/f", "theirs");
    let error = target
        .execute(planned.operations)
        .expect_err("it is in the way");
    assert_eq!(
        error,
        "write file /f: cannot put /f in place: something appeared there since the plan was made; \
         plan again to see what would change"
    );
    assert_eq!(target.read("/f"), "theirs");
}

#[test]
fn a_failed_fetch_leaves_no_file() {
    let target = Target::blank();
    let planned = target.plan(&storage(json!({
        "files": [{"path": "/f", "contents": {"source": "data:,secret",
                   "verification": {"hash": format!("sha256-{}", "0".repeat(64))}}}],
    })));
    let error = target
        .execute(planned.operations)
        .expect_err("a wrong digest");
    assert!(
        error.starts_with("write file /f: cannot write /f: hash verification failed"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    assert!(!target.exists("/f"));
    assert_eq!(
        super::leftovers(&target.at("/")),
        [target.at("/.kindling-unfinished")]
    );
}

const RECORD: &str = "/etc/.kindling-unfinished";

/// A file that a power cut left incomplete, after a run that was creating these files.
fn interrupted(listed: &[&str], present: &str) -> Target {
    let target = Target::blank();
    let record = json!({"version": 1, "files": listed});
    target
        .write("/f", present)
        .chmod("/f", 0o600)
        .write(RECORD, &record.to_string());
    std::os::unix::fs::chown(target.at("/f"), Some(12), Some(34)).expect("an owner");
    target
}

#[test]
fn a_file_of_an_unfinished_run_is_finished_and_becomes_no_more_open_than_it_is() {
    let source = json!({"source": "data:,hello"});
    let file = |more: serde_json::Value| {
        let mut file = more;
        file["path"] = json!("/f");
        storage(json!({"files": [file]}))
    };
    let cases = [
        (json!({"contents": source}), "he", "0600 12 34"),
        (json!({"contents": source}), "", "0600 12 34"),
        (
            json!({"contents": source, "mode": 0o640}),
            "he",
            "0640 12 34",
        ),
        (json!({"append": [source]}), "hel", "0600 12 34"),
        (json!({"contents": source}), "hello", "0600 12 34"),
        // Its size was on the disk, its bytes were not.
        (json!({"contents": source}), "\0\0\0\0\0", "0600 12 34"),
        (json!({"contents": source}), "he\0\0\0", "0600 12 34"),
        (json!({"append": [source]}), "\0\0\0\0\0", "0600 12 34"),
    ];
    for (entry, present, want) in cases {
        let target = interrupted(&["/f"], present);
        target.apply(&file(entry.clone()));
        assert_eq!(target.read("/f"), "hello", "{entry} over {present:?}");
        assert_eq!(
            target.owner_and_mode("/f"),
            want,
            "{entry} over {present:?}"
        );
        assert!(!target.exists(RECORD), "{entry} over {present:?}");
    }
}

#[test]
fn a_file_that_no_run_was_creating_is_never_finished() {
    let config = storage(json!({"files": [{"path": "/f", "contents": {"source": "data:,hello"}}]}));
    let cases = [
        (&["/g"][..], "he"),
        (&["/g"], ""),
        (&["/g"], "\0\0\0\0\0"),
        (&["/f"], "hex"),
        (&["/f"], "\0\0\0\0\0\0"),
    ];
    for (listed, present) in cases {
        let target = interrupted(listed, present);
        let refusals = target.refusals(&config);
        assert!(
            refusals[0].contains("a file with different content already exists"),
            "{refusals:?}"
        );
    }
}

/// A directory at the path of a file makes a run fail in a way that planning did not foresee.
#[test]
fn a_run_that_fails_leaves_the_record_of_what_it_was_creating() {
    let target = Target::blank();
    target.mkdir("/etc");
    let config = storage(json!({"files": [{"path": "/f", "contents": {"source": "data:,hello"}}]}));
    let planned = target.plan(&config);
    target.mkdir("/f");
    target
        .execute(planned.operations)
        .expect_err("a directory is in the way");
    assert_eq!(
        target.read(RECORD),
        "\n{\"version\":1,\"files\":[\"/f\"]}\n"
    );
    std::fs::remove_dir(target.at("/f")).expect("an empty directory");
    target.apply(&config);
    assert!(!target.exists(RECORD));
}

/// A user who can write to the directory may have created it between plan and run.
#[test]
fn another_name_of_a_file_is_not_taken_for_the_record() {
    let target = Target::blank();
    target.mkdir("/etc").write("/foreign", "important");
    let config = storage(json!({"files": [{"path": "/f", "contents": {"source": "data:,hello"}}]}));
    let planned = target.plan(&config);
    std::fs::hard_link(target.at("/foreign"), target.at(RECORD)).expect("a second name");
    let error = target
        .execute(planned.operations)
        .expect_err("the record is not a run's");
    let want = format!("cannot write {RECORD}: something that kindling did not make has this name");
    assert!(error.contains(&want), "{error}");
    assert_eq!(target.read("/foreign"), "important");
    assert!(!target.exists("/f"));
}

#[test]
fn the_name_of_the_record_is_reserved() {
    let entries = [
        json!({"files": [{"path": RECORD, "contents": {"source": "data:,x"}}]}),
        json!({"files": [{"path": format!("{RECORD}/x"), "contents": {"source": "data:,x"}}]}),
        json!({"directories": [{"path": RECORD}]}),
        json!({"links": [{"path": "/.kindling-unfinished", "target": "/x"}]}),
    ];
    for is_there in [false, true] {
        // Only the directory and the link can already be as requested.
        for entry in &entries[if is_there { 2 } else { 0 }..] {
            let target = Target::blank();
            target.mkdir("/etc");
            if is_there {
                target.mkdir(RECORD).link("/.kindling-unfinished", "/x");
            }
            let refusals = target.refusals(&storage(entry.clone()));
            let reserved = ".kindling-unfinished is reserved there";
            assert!(refusals[0].contains(reserved), "{entry}: {refusals:?}");
        }
    }
    // Where there is never a record, the name is not reserved.
    let elsewhere = json!({"files": [{"path": "/data/.kindling-unfinished"}]});
    let planned = Target::blank().plan(&storage(elsewhere));
    assert_eq!(super::texts(&planned.refusals), Vec::<String>::new());
}

#[test]
fn entries_at_one_place_are_refused() {
    let target = Target::blank();
    target.link("/a", "b").mkdir("/b");
    let refusals = target.refusals(&storage(json!({
        "files": [{"path": "/a/f"}, {"path": "/b/f"}],
    })));
    assert_eq!(
        refusals,
        ["cannot place file /b/f: file /a/f is at the same place, /b/f"]
    );
}

#[test]
fn files_below_links_of_the_same_config() {
    // Validation refuses paths through links of the config by their text; a link of the target can still make two paths
    // the same.
    let target = Target::blank();
    target.link("/alias", "/var").mkdir("/var");
    let config = storage(json!({
        "directories": [{"path": "/data/very/deep/log", "mode": 0o700}],
        "links": [{"path": "/alias/log", "target": "/data/very/deep/log"}],
        "files": [{"path": "/var/log/x", "contents": {"source": "data:,x"}}],
    }));
    target.apply(&config);
    assert_eq!(target.read("/data/very/deep/log/x"), "x");
    assert_eq!(target.owner_and_mode("/data/very/deep/log"), "0700 0 0");
}

#[test]
fn a_hard_link_follows_its_rewritten_target() {
    let target = Target::blank();
    target.write("/f", "old");
    std::fs::hard_link(target.at("/f"), target.at("/l")).expect("a hard link");
    target.apply(&storage(json!({
        "files": [{"path": "/f", "overwrite": true, "contents": {"source": "data:,new"}}],
        "links": [{"path": "/l", "target": "/f", "hard": true}],
    })));
    assert_eq!(target.read("/l"), "new");
}

#[test]
fn owners_by_name() {
    let target = Target::blank();
    target
        .write("/etc/nsswitch.conf", "passwd: altfiles files\n")
        .write("/etc/passwd", "web:x:80:81::/:/bin/sh\n")
        .write("/usr/lib/passwd", "old:x:70:71::/:/bin/sh\n")
        .write("/etc/group", "web:x:81:\n");
    target.apply(&storage(json!({
        "files": [
            {"path": "/a", "user": {"name": "web"}, "group": {"name": "web"}},
            {"path": "/b", "user": {"name": "old"}, "mode": 0o6755},
        ],
    })));
    assert_eq!(target.owner_and_mode("/a"), "0644 80 81");
    assert_eq!(target.owner_and_mode("/b"), "6755 70 0");
    let refusals = target.refusals(&storage(json!({
        "files": [{"path": "/c", "user": {"name": "nobody"}, "group": {"name": "old"}}],
    })));
    assert_eq!(
        refusals,
        [
            "cannot set the owner of file /c: the target has no user \"nobody\" and the config does not create it",
            "cannot set the owner of file /c: the target has no group \"old\" and the config does not create it",
        ]
    );
}

#[test]
fn the_root_itself_can_be_an_entry() {
    let target = Target::blank();
    target.apply(&storage(
        json!({ "directories": [{"path": "/", "mode": 0o711}] }),
    ));
    assert_eq!(target.owner_and_mode("/"), "0711 0 0");
}

#[test]
fn a_stale_temporary_name_is_reused() {
    let target = Target::blank();
    target.link("/l", "old");
    let config = storage(json!({ "links": [{"path": "/l", "target": "new", "overwrite": true}] }));
    // A killed run would leave the temporary name; a rename that fails must not.
    let planned = target.plan(&config);
    std::fs::remove_file(target.at("/l")).expect("removed");
    target.mkdir("/l");
    target
        .execute(planned.operations.clone())
        .expect_err("a directory is in the way");
    assert_eq!(
        super::leftovers(&target.at("/")),
        Vec::<std::path::PathBuf>::new()
    );
    std::fs::remove_dir(target.at("/l")).expect("removed");
    target
        .execute(planned.operations)
        .expect("nothing in the way");
    assert_eq!(
        std::fs::read_link(target.at("/l"))
            .expect("a link")
            .to_str(),
        Some("new")
    );
}

#[test]
fn ten_thousand_files() {
    let files: Vec<Value> = (0..10_000)
        .map(|n| {
            let body = format!("data:,{}", n.to_string().repeat(1000 / n.to_string().len()));
            json!({"path": format!("/var/lib/many/{}/{n}", n % 100), "contents": {"source": body}})
        })
        .collect();
    let target = Target::blank();
    let planned = target.apply(&storage(json!({ "files": files })));
    assert_eq!(planned.operations.len(), 10_000 + 100 + 5);
    assert!(target.read("/var/lib/many/42/4242").starts_with("42424242"));
}

#[test]
fn bare_trees_refuse_disks_unless_told_to_skip() {
    use kindling::plan::Scope::TreeOnly;
    let target = Target::blank();
    let config = json!({
        "storage": {"disks": [{"device": "/dev/vda"}], "filesystems": [{"device": "/dev/vda1"}]},
        "kernelArguments": {"shouldExist": ["quiet"]},
    });
    let refusals = target.plan_scope(&config, TreeOnly, false).refusals;
    assert_eq!(
        super::texts(&refusals),
        ["storage.disks", "storage.filesystems", "kernelArguments"].map(|section| format!(
            "cannot apply {section}: a directory tree has no disks and no kernel"
        ))
    );
    let planned = target.plan_scope(&config, TreeOnly, true);
    assert!(planned.refusals.is_empty() && planned.operations.is_empty());
}

#[test]
fn account_databases_are_not_replaced_together_with_accounts() {
    let passwd = json!({"users": [{"name": "core"}]});
    let file = |path: &str, rest: Value| {
        let mut file = json!({"path": path, "overwrite": true, "contents": {"source": "data:,x"}});
        file.as_object_mut()
            .expect("an object")
            .extend(rest.as_object().expect("an object").clone());
        json!({"passwd": passwd, "storage": {"files": [file]}})
    };
    let appends = json!({"overwrite": false, "contents": {}, "append": [{"source": "data:,x"}]});
    let node = |list: &str, node: Value| json!({"passwd": passwd, "storage": {list: [node]}});
    for (config, refused) in [
        (file("/etc/passwd", json!({})), Some("/etc/passwd")),
        (file("/link/shadow", json!({})), Some("/link/shadow")),
        (file("/etc/gshadow", appends.clone()), Some("/etc/gshadow")),
        (file("/etc/group", appends), None),
        (file("/etc/passwd-", json!({})), None),
        (
            node(
                "links",
                json!({"path": "/etc/group", "target": "x", "overwrite": true}),
            ),
            Some("/etc/group"),
        ),
        (
            node("directories", json!({"path": "/etc/shadow"})),
            Some("/etc/shadow"),
        ),
    ] {
        let target = Target::blank();
        target
            .write("/etc/group", "root:x:0:\n")
            .link("/link", "etc");
        let refusals = texts(&target.plan(&config).refusals).join("\n");
        let expected = refused.map(|path| format!("cannot replace {path}"));
        match expected {
            Some(expected) => assert!(refusals.contains(&expected), "{refusals}\n{config}"),
            None => assert!(!refusals.contains("cannot replace"), "{refusals}\n{config}"),
        }
    }
}
