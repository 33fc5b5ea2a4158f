//! Units of a target that has booted before: `enabled` creates the links that `systemctl enable` creates.

use crate::common::run::{on_tree, printed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";

/// A target, the units to enable, and the expected number of links. The tree has paths with their text, or with ` -> `
/// and the target of a link.
struct Case {
    name: &'static str,
    tree: &'static [(&'static str, &'static str)],
    enable: &'static [&'static str],
    links: usize,
}

const CASES: &[Case] = &[
    Case {
        name: "lists, several times and emptied in between",
        tree: &[(
            "usr/lib/systemd/system/a.service",
            "[Install]\nWantedBy=x.target\nWantedBy=\nWantedBy=multi-user.target  \"basic.target\"\nRequiredBy=y.target\n",
        )],
        enable: &["a.service"],
        links: 3,
    },
    Case {
        name: "comments, continued lines and other sections",
        tree: &[(
            "usr/lib/systemd/system/a.service",
            "[Unit]\nWantedBy=no.target\n[Install]\n# WantedBy=no.target\nWantedBy=one.target \\\n# between\n  two.target\n;x\n[Service]\nAlias=no.service\n",
        )],
        enable: &["a.service"],
        links: 2,
    },
    Case {
        name: "aliases",
        tree: &[(
            "usr/lib/systemd/system/a.service",
            "[Install]\nAlias=b.service a.service c.socket d@.service e@x.service\nWantedBy=multi-user.target\n",
        )],
        enable: &["a.service"],
        links: 2,
    },
    Case {
        name: "units that have no aliases",
        tree: &[(
            "usr/lib/systemd/system/a.slice",
            "[Install]\nAlias=b.slice\nWantedBy=x.target\n",
        )],
        enable: &["a.slice"],
        links: 1,
    },
    Case {
        name: "units enabled with others, one of which is missing and one refers back",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nAlso=b.socket nowhere.service\n",
            ),
            (
                "usr/lib/systemd/system/b.socket",
                "[Install]\nAlso=a.service\nWantedBy=sockets.target\n",
            ),
        ],
        enable: &["a.service"],
        links: 1,
    },
    Case {
        name: "a template with a default instance",
        tree: &[(
            "usr/lib/systemd/system/t@.service",
            "[Install]\nDefaultInstance=tty1\nWantedBy=getty.target\nAlias=autovt@.service\n",
        )],
        enable: &["t@.service"],
        links: 2,
    },
    Case {
        name: "instances of a template",
        tree: &[(
            "usr/lib/systemd/system/t@.service",
            "[Install]\nDefaultInstance=no\nWantedBy=x-%i.target\nAlias=%p-%i.service\n",
        )],
        enable: &["t@one.service", "t@two.service"],
        links: 2,
    },
    Case {
        name: "a template for instances of another",
        tree: &[(
            "usr/lib/systemd/system/t@.service",
            "[Install]\nWantedBy=other@.target\n",
        )],
        enable: &["t@.service"],
        links: 1,
    },
    Case {
        name: "a template that a plain unit cannot want",
        tree: &[(
            "usr/lib/systemd/system/t@.service",
            "[Install]\nWantedBy=multi-user.target\n",
        )],
        enable: &["t@.service"],
        links: 0,
    },
    Case {
        name: "specifiers",
        tree: &[(
            "usr/lib/systemd/system/a-b-c@.service",
            "[Install]\nWantedBy=%N.target %j.target %p@%i.target %n.wants.target %u-%U.target a%%b.target\n",
        )],
        enable: &["a-b-c@x.service"],
        links: 4,
    },
    Case {
        name: "escapes in names",
        tree: &[(
            "usr/lib/systemd/system/var-a\\x2db.mount",
            "[Install]\nWantedBy=dev-disk-by\\x2dlabel-a.device\nRequiredBy=local-fs.target\n",
        )],
        enable: &["var-a\\x2db.mount"],
        links: 2,
    },
    Case {
        name: "drop-ins of the unit and of its template, of which the administrator's count",
        tree: &[
            (
                "usr/lib/systemd/system/t@.service",
                "[Install]\nWantedBy=vendor.target\n",
            ),
            (
                "usr/lib/systemd/system/t@.service.d/10.conf",
                "[Install]\nWantedBy=overridden.target\n",
            ),
            (
                "etc/systemd/system/t@.service.d/10.conf",
                "[Install]\nWantedBy=own.target\n",
            ),
            (
                "etc/systemd/system/t@x.service.d/20.conf",
                "[Install]\nRequiredBy=instance.target\n",
            ),
            (
                "etc/systemd/system/t@x.service.d/ignored",
                "[Install]\nRequiredBy=ignored.target\n",
            ),
        ],
        enable: &["t@x.service"],
        links: 3,
    },
    Case {
        name: "a drop-in that takes everything back",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=vendor.target\n",
            ),
            (
                "etc/systemd/system/a.service.d/x.conf",
                "[Install]\nWantedBy=\nWantedBy=own.target\n",
            ),
        ],
        enable: &["a.service"],
        links: 1,
    },
    Case {
        name: "a unit of the administrator instead of the vendor's",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=vendor.target\n",
            ),
            (
                "usr/local/lib/systemd/system/a.service",
                "[Install]\nWantedBy=local.target\n",
            ),
            (
                "etc/systemd/system/a.service",
                "[Install]\nWantedBy=own.target\n",
            ),
        ],
        enable: &["a.service"],
        links: 1,
    },
    Case {
        name: "another name that the vendor gives",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=multi-user.target\n",
            ),
            ("usr/lib/systemd/system/b.service", " -> a.service"),
        ],
        enable: &["b.service"],
        links: 1,
    },
    Case {
        name: "a masked unit",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=multi-user.target\n",
            ),
            ("etc/systemd/system/a.service", " -> /dev/null"),
        ],
        enable: &["a.service"],
        links: 1,
    },
    Case {
        name: "another name that the administrator gives",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=multi-user.target\n",
            ),
            (
                "etc/systemd/system/b.service",
                " -> /usr/lib/systemd/system/a.service",
            ),
        ],
        enable: &["b.service"],
        links: 1,
    },
    Case {
        name: "links that are there already: the same, another one, and an alias of another unit",
        tree: &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=one.target two.target three.target\nAlias=alias.service\n",
            ),
            ("usr/lib/systemd/system/b.service", "[Service]\n"),
            (
                "etc/systemd/system/one.target.wants/a.service",
                " -> /usr/lib/systemd/system/a.service",
            ),
            (
                "etc/systemd/system/two.target.wants/a.service",
                " -> /usr/lib/systemd/system/b.service",
            ),
            (
                "etc/systemd/system/alias.service",
                " -> /usr/lib/systemd/system/b.service",
            ),
        ],
        enable: &["a.service"],
        links: 4,
    },
    Case {
        name: "no [Install] section",
        tree: &[(
            "usr/lib/systemd/system/a.service",
            "[Service]\nExecStart=/bin/true\n",
        )],
        enable: &["a.service"],
        links: 0,
    },
    Case {
        name: "a name that is not valid",
        tree: &[(
            "usr/lib/systemd/system/a.service",
            "[Install]\nWantedBy=one.target not/valid two.target\nRequiredBy=three.target\n",
        )],
        enable: &["a.service"],
        links: 3,
    },
];

fn create_tree(root: &Path, tree: &[(&str, &str)]) {
    for directory in ["usr/lib/systemd/system", "etc/systemd/system"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    symlink("usr/lib", root.join("lib")).expect("a link");
    fs::write(root.join("etc/machine-id"), MACHINE_ID).expect("a machine id");
    for (path, text) in tree {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        match text.strip_prefix(" -> ") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, text).expect("a file"),
        }
    }
}

/// Links in directories of dependencies, and aliases. `/lib` is `/usr/lib`.
fn links(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.join("etc/systemd/system")];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if let Ok(target) = fs::read_link(&path) {
                let name = path
                    .strip_prefix(root)
                    .expect("below")
                    .display()
                    .to_string();
                let target = target.display().to_string();
                let target = target
                    .strip_prefix("/lib/")
                    .map_or(target.clone(), |rest| format!("/usr/lib/{rest}"));
                found.insert(name, target);
            } else if path.is_dir() {
                todo.push(path);
            }
        }
    }
    found
}

fn config(enable: &[&str]) -> Value {
    let units: Vec<Value> = enable
        .iter()
        .map(|name| json!({"name": name, "enabled": true}))
        .collect();
    json!({"ignition": {"version": "3.4.0"}, "systemd": {"units": units}})
}

/// Applies a config, checks that it leaves nothing to do, and returns the output of the first run.
fn apply(root: &Path, config: &Value) -> String {
    let done = on_tree("apply", root, config);
    let text = printed(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    let again = on_tree("plan", root, config);
    assert_eq!(again.status.code(), Some(0), "{}", printed(&again));
    text
}

#[test]
fn the_links_are_those_of_systemctl() {
    let version = Command::new("systemctl").arg("--version").output();
    version.expect("systemctl starts; `tests/needs.sh test` installs it");
    let mut wrong = Vec::new();
    for case in CASES {
        let directory = tempfile::tempdir().expect("a directory");
        let [theirs, ours] = ["theirs", "ours"].map(|name| directory.path().join(name));
        for root in [&theirs, &ours] {
            create_tree(root, case.tree);
        }
        for unit in case.enable {
            // It fails in some cases, and may have made some links nevertheless.
            Command::new("systemctl")
                .arg(format!("--root={}", theirs.display()))
                .args(["enable", "--", unit])
                .output()
                .expect("systemctl runs");
        }
        apply(&ours, &config(case.enable));
        let (want, found) = (links(&theirs), links(&ours));
        if want != found || found.len() != case.links {
            wrong.push(format!("{}:\nwant {want:#?}\nfound {found:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn units_are_enabled_as_the_config_leaves_them() {
    let wanted = "[Install]\nWantedBy=multi-user.target\n";
    let link = "etc/systemd/system/multi-user.target.wants/a.service";
    let vendor: &[(&str, &str)] = &[(
        "usr/lib/systemd/system/a.service",
        "[Install]\nWantedBy=vendor.target\n",
    )];
    let masked: &[(&str, &str)] = &[vendor[0], ("etc/systemd/system/a.service", " -> /dev/null")];
    let inline = format!(
        "data:,{}",
        wanted
            .replace('\n', "%0A")
            .replace('[', "%5B")
            .replace(']', "%5D")
    );
    let file = |path: &str, source: &str| json!({"files": [{"path": path, "contents": {"source": source}, "overwrite": true}]});
    for (tree, unit, storage, linked) in [
        (&[][..], json!({"contents": wanted}), json!({}), true),
        (
            &[],
            json!({"contents": wanted, "mask": true}),
            json!({}),
            false,
        ),
        (
            vendor,
            json!({"dropins": [{"name": "x.conf", "contents": wanted}]}),
            json!({}),
            true,
        ),
        (vendor, json!({}), json!({}), false),
        (
            masked,
            json!({"mask": false, "dropins": [{"name": "x.conf", "contents": wanted}]}),
            json!({}),
            true,
        ),
        (
            &[],
            json!({}),
            file("/usr/lib/systemd/system/a.service", &inline),
            true,
        ),
        // The first boot of the machine enables it.
        (
            vendor,
            json!({"contents": wanted}),
            file("/etc/machine-id", "data:,uninitialized%0A"),
            false,
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(&root, tree);
        let mut unit = unit;
        unit["name"] = json!("a.service");
        unit["enabled"] = json!(true);
        let config = json!({"ignition": {"version": "3.4.0"}, "storage": storage, "systemd": {"units": [unit]}});
        apply(&root, &config);
        assert_eq!(
            fs::symlink_metadata(root.join(link)).is_ok(),
            linked,
            "{config}"
        );
        let preset = root.join("etc/systemd/system-preset/20-ignition.preset");
        assert_eq!(
            fs::read_to_string(preset).expect("presets"),
            "enable a.service\n"
        );
    }
}

#[test]
fn without_a_machine_id_presets_enable_units() {
    for id in [None, Some("uninitialized\n")] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(
            &root,
            &[(
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=x.target\n",
            )],
        );
        match id {
            None => fs::remove_file(root.join("etc/machine-id")).expect("removed"),
            Some(text) => fs::write(root.join("etc/machine-id"), text).expect("written"),
        }
        let output = apply(&root, &config(&["a.service"]));
        assert_eq!(links(&root), BTreeMap::new());
        assert!(!output.contains("warning"), "{output}");
    }
}

/// It does not matter whether the link of the enabled unit existed before.
#[test]
fn disabling_a_unit_keeps_the_links_of_an_enabled_one() {
    let also = "[Install]\nWantedBy=x.target\nAlso=b.service\n";
    let text = "[Install]\nWantedBy=x.target\n";
    for present in [&["a.service"][..], &["a.service", "b.service"]] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(
            &root,
            &[
                ("usr/lib/systemd/system/a.service", also),
                ("usr/lib/systemd/system/b.service", text),
            ],
        );
        let wants = "etc/systemd/system/x.target.wants";
        fs::create_dir_all(root.join(wants)).expect("a directory");
        for unit in present {
            let target = format!("/usr/lib/systemd/system/{unit}");
            symlink(target, root.join(wants).join(unit)).expect("a link");
        }
        let units = json!([
            {"name": "b.service", "enabled": true},
            {"name": "a.service", "enabled": false},
        ]);
        apply(
            &root,
            &json!({"ignition": {"version": "3.4.0"}, "systemd": {"units": units}}),
        );
        let left: Vec<String> = links(&root).into_keys().collect();
        assert_eq!(left, [format!("{wants}/b.service")], "{present:?}");
    }
}

/// Instances that the config enables stay enabled, including those that already are; all others are disabled.
#[test]
fn disabling_a_template_keeps_enabled_instances() {
    for linked in [&["x"][..], &[], &["x", "z"], &["z"]] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        let unit = "usr/lib/systemd/system/t@.service";
        create_tree(&root, &[(unit, "[Install]\nWantedBy=m.target\n")]);
        let wants = "etc/systemd/system/m.target.wants";
        fs::create_dir_all(root.join(wants)).expect("a directory");
        for instance in linked {
            let link = root.join(format!("{wants}/t@{instance}.service"));
            symlink(format!("/{unit}"), link).expect("a link");
        }
        let units = json!([
            {"name": "t@x.service", "enabled": true},
            {"name": "t@.service", "enabled": false},
        ]);
        apply(
            &root,
            &json!({"ignition": {"version": "3.4.0"}, "systemd": {"units": units}}),
        );
        let left: Vec<String> = links(&root).into_keys().collect();
        assert_eq!(left, [format!("{wants}/t@x.service")], "{linked:?}");
    }
}

#[test]
fn units_that_stay_disabled_are_warned_about() {
    let unit = "usr/lib/systemd/system/a.service";
    let wanted = "[Install]\nWantedBy=x.target\n";
    for (tree, uninitialized, want) in [
        (&[][..], true, "not found in any unit directory"),
        (&[], false, "not found in any unit directory"),
        (&[(unit, "[Service]\n")], true, "no [Install] section"),
        (
            &[(unit, "[Install]\nWantedBy=%H.target\n")],
            false,
            "depends on the running machine",
        ),
        (
            &[
                (unit, wanted),
                ("etc/systemd/system/a.service", " -> /dev/null"),
            ],
            false,
            "masked by",
        ),
        (
            &[
                (unit, wanted),
                ("etc/systemd/system/a.service", " -> /opt/a.service"),
            ],
            false,
            "symbolic link to /opt/a",
        ),
        (
            &[
                (unit, wanted),
                ("usr/lib/systemd/system-preset/10-a.preset", "disable a.*\n"),
            ],
            true,
            "preset file 10-a.preset disables it",
        ),
        (
            &[
                (unit, wanted),
                ("etc/systemd/system/x.target.wants/a.service", "a file"),
            ],
            false,
            "a file is there",
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_tree(&root, tree);
        if uninitialized {
            fs::write(root.join("etc/machine-id"), "uninitialized\n").expect("written");
        }
        let plan = on_tree("plan", &root, &config(&["a.service"]));
        let text = String::from_utf8_lossy(&plan.stdout).into_owned();
        let warnings = text
            .lines()
            .filter(|line| line.starts_with("warning: unit a.service: "));
        let warnings: Vec<&str> = warnings.collect();
        assert!(
            matches!(warnings[..], [one] if one.contains(want)),
            "{want}:\n{text}"
        );
    }
}

#[test]
fn links_that_presets_will_remove_are_warned_about() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("root");
    create_tree(
        &root,
        &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=x.target\n",
            ),
            (
                "usr/lib/systemd/system-preset/99-default.preset",
                "disable *\n",
            ),
        ],
    );
    let link = json!({"path": "/etc/systemd/system/x.target.wants/a.service", "target": "/usr/lib/systemd/system/a.service"});
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {"links": [link]}});
    let is_warned = |root: &Path| {
        printed(&on_tree("plan", root, &config))
            .contains("99-default.preset disables unit a.service")
    };
    assert!(!is_warned(&root));
    fs::remove_file(root.join("etc/machine-id")).expect("removed");
    assert!(is_warned(&root));
}

/// Units that the config disables stay disabled, whatever units are enabled along with others.
#[test]
fn a_disabled_unit_is_not_enabled_along() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let also = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=m.target\nAlso=b.service\n";
    let text = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=m.target\n";
    create_tree(
        root,
        &[
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("usr/lib/systemd/system/a.service", also),
            ("usr/lib/systemd/system/b.service", text),
        ],
    );
    let config = json!({"ignition": {"version": "3.4.0"}, "systemd": {"units": [
        {"name": "a.service", "enabled": true},
        {"name": "b.service", "enabled": false},
    ]}});
    apply(root, &config);
    let links = links(root);
    assert!(
        links.keys().any(|path| path.ends_with("a.service")),
        "{links:?}"
    );
    assert!(
        !links.keys().any(|path| path.ends_with("b.service")),
        "{links:?}"
    );
}

/// Two names for each unit would be 2^247 of them, so the run would not end.
#[test]
fn a_unit_with_an_endless_chain_of_also_is_reported() {
    for also in ["a@%ix.service a@%iy.service", "a@%ix.service"] {
        let text = format!("[Install]\nWantedBy=x.target\nAlso={also}\n");
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("etc")).expect("a directory");
        create_tree(root.path(), &[("usr/lib/systemd/system/a@.service", &text)]);
        let planned = on_tree("plan", root.path(), &config(&["a@b.service"]));
        let text = printed(&planned);
        assert_eq!(planned.status.code(), Some(2), "{text}");
        let is_reported = text.contains("takes along more than 8192 units by Also=");
        assert_eq!(is_reported, also.contains(' '), "{text}");
        let longest = format!("a@b{}.service", "x".repeat(255 - "a@b.service".len()));
        assert_eq!(text.contains(&longest), !is_reported, "{text}");
    }
}
