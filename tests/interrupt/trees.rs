//! Runs on a tree that already has accounts, files and units, killed at any moment: nothing that is changed, moved or
//! removed may be changed twice or make the next run fail.

use crate::common::folder::Folder;
use crate::common::run::{describe_output, kindling, require_root};
use crate::common::tree::tree;
use crate::traced::{self, Moment};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Moments of the kill, evenly spread over the system calls of an undisturbed run.
const MOMENTS: u64 = 120;
/// Variable for another number of moments.
const MOMENTS_VARIABLE: &str = "KINDLING_TEST_TREE_MOMENTS";
/// Number of rounds in parallel.
const LANES: usize = 2;

const CONFIG: &str = r#"{"ignition": {"version": "3.4.0"},
"passwd": {
 "groups": [{"name": "ops", "gid": 2000}, {"name": "gone", "shouldExist": false}],
 "users": [
  {"name": "core", "shell": "/bin/sh", "groups": ["ops"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"]},
  {"name": "old", "shouldExist": false},
  {"name": "mover", "homeDir": "/srv/mover"},
  {"name": "changer", "uid": 3003, "sshAuthorizedKeys": ["ssh-ed25519 AAAA changer"]},
  {"name": "fresh", "uid": 2001, "groups": ["ops"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA fresh"]},
  {"name": "svc", "system": true, "noCreateHome": true}]},
"storage": {
 "directories": [{"path": "/srv/shared", "mode": 504, "group": {"name": "ops"}},
  {"path": "/etc/replaced", "overwrite": true}, {"path": "/home/fresh/data", "user": {"name": "fresh"}}],
 "links": [{"path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC", "overwrite": true},
  {"path": "/etc/hard", "target": "/etc/app/0", "hard": true}],
 "files": [
  {"path": "/etc/grown", "append": [{"source": "data:,second%0A"}, {"source": "data:,third%0A"}]},
  {"path": "/etc/new-and-grown", "contents": {"source": "data:,first%0A"}, "append": [{"source": "data:,second%0A"}]},
  {"path": "/etc/linked", "append": [{"source": "data:,second%0A"}]},
  {"path": "/etc/over", "overwrite": true, "contents": {"source": "data:,new"}, "mode": 384},
  {"path": "/etc/app/0", "contents": {"source": "data:,zero"}},
  {"path": "/etc/replaced/in", "contents": {"source": "data:,in"}},
  {"path": "/home/fresh/data/own", "user": {"name": "fresh"}, "contents": {"source": "data:,own"}}]},
"systemd": {"units": [
  {"name": "on.service", "enabled": true}, {"name": "off.service", "enabled": false},
  {"name": "hidden.service", "mask": true},
  {"name": "new.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
   "dropins": [{"name": "10-n.conf", "contents": "[Service]\nNice=1\n"}]}]}}
"#;

const UNIT: &str = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

/// Creates a tree like that of a distribution, with user accounts.
fn fill(root: &Path) {
    let put = |name: &str, text: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    };
    let users = [
        ("core", 1000),
        ("old", 1001),
        ("mover", 1002),
        ("changer", 1003),
    ];
    let (mut passwd, mut group, mut shadow, mut gshadow) = (
        "root:x:0:0::/root:/bin/bash\n".to_owned(),
        "root:x:0:\nmail:x:8:\ngone:x:1010:core\n".to_owned(),
        "root:*:19000:0:99999:7:::\n".to_owned(),
        "root:*::\nmail:*::\ngone:!::core\n".to_owned(),
    );
    let mut ids = String::new();
    for (name, id) in users {
        passwd += &format!("{name}:x:{id}:{id}::/home/{name}:/bin/bash\n");
        group += &format!("{name}:x:{id}:\n");
        shadow += &format!("{name}:!:19000:0:99999:7:::\n");
        gshadow += &format!("{name}:!::\n");
        ids += &format!("{name}:{}:65536\n", 100_000 + 65_536 * (id - 1000));
    }
    put("etc/passwd", &passwd);
    put("etc/group", &group);
    put("etc/shadow", &shadow);
    put("etc/gshadow", &gshadow);
    put("etc/subuid", &ids);
    put("etc/subgid", &ids);
    put("etc/shells", "/bin/sh\n/bin/bash\n");
    put("bin/sh", "");
    put("bin/bash", "");
    put("etc/skel/.bashrc", "alias l=ls\n");
    put("etc/skel/.config/app/settings", "x\n");
    put("etc/default/useradd", "CREATE_MAIL_SPOOL=yes\n");
    put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put("etc/grown", "first\n");
    put("etc/linked", "first\n");
    fs::hard_link(root.join("etc/linked"), root.join("etc/other-name")).expect("a link");
    put("etc/over", "old");
    put("etc/replaced/a/b/c", "c");
    put("etc/replaced/d", "d");
    symlink("/nowhere", root.join("etc/localtime")).expect("a link");
    for unit in ["on", "off", "hidden"] {
        put(&format!("usr/lib/systemd/system/{unit}.service"), UNIT);
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("made");
    symlink(
        "/usr/lib/systemd/system/off.service",
        wants.join("off.service"),
    )
    .expect("a link");
    for (name, id) in users {
        put(&format!("home/{name}/notes/today"), "milk\n");
        put(&format!("var/mail/{name}"), "hello\n");
        for path in ["", "/notes", "/notes/today"] {
            let path = root.join(format!("home/{name}{path}"));
            chown(path, Some(id), Some(id)).expect("given away");
        }
        chown(root.join(format!("var/mail/{name}")), Some(id), Some(8)).expect("given away");
    }
}

struct Scene(Folder);

impl Scene {
    fn new() -> Self {
        let scene = Scene(Folder::with(&[("config.ign", CONFIG)]));
        fill(&scene.0.path("root"));
        scene
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = kindling();
        command.args([verb, "--root"]).arg(self.0.path("root"));
        command.arg(self.0.path("config.ign"));
        command
    }

    fn result(&self) -> BTreeMap<String, String> {
        tree(&self.0.path("root"))
    }
}

/// The differences from the undisturbed result after a kill at stop `at` and another run; `None` if there are none.
fn failure_after_kill(at: u64, expected: &BTreeMap<String, String>) -> Option<String> {
    let scene = Scene::new();
    let moment = Moment {
        stops: at,
        signal: Signal::SIGKILL,
    };
    traced::run(&mut scene.command("apply"), Some(moment));
    let output = scene.command("apply").output().expect("kindling runs");
    if output.status.code() != Some(0) {
        return Some(format!("the second run: {}", describe_output(&output)));
    }
    let differences = crate::differences(expected, &scene.result());
    (!differences.is_empty()).then(|| differences.join("\n"))
}

fn moments() -> u64 {
    let chosen = std::env::var(MOMENTS_VARIABLE).ok();
    chosen.map_or(MOMENTS, |chosen| {
        chosen.parse().expect("a number of moments")
    })
}

#[test]
fn a_run_on_a_tree_killed_at_any_moment_converges() {
    require_root();
    let undisturbed = Scene::new();
    let run = traced::run(&mut undisturbed.command("apply"), None);
    assert_eq!(
        run.output.status.code(),
        Some(0),
        "{}",
        describe_output(&run.output)
    );
    let expected = undisturbed.result();
    let (moments, next) = (moments(), AtomicU64::new(0));
    let lane = || {
        let mut found = Vec::new();
        loop {
            let moment = next.fetch_add(1, Ordering::Relaxed);
            if moment >= moments {
                return found;
            }
            let at = run.stops * (2 * moment + 1) / (2 * moments);
            let reason = failure_after_kill(at, &expected);
            found.extend(
                reason.map(|reason| format!("killed at stop {at} of {}: {reason}", run.stops)),
            );
        }
    };
    let found: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().expect("a lane"))
            .collect()
    });
    let count = found.len();
    assert!(
        found.is_empty(),
        "{count} of {moments} moments:\n{}",
        found.join("\n\n")
    );
}
