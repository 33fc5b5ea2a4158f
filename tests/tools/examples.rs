//! Every config in `examples/` validates without findings, plans as the README says, and is the same in both languages.

use crate::common::meaning::{meaning, parsed};
use crate::common::run;
use kindling::language::butane;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

const NO_FINDINGS: i32 = 0;
const CHANGES: i32 = 2;
const REFUSED: i32 = 6;

/// One example: file, image bindings (`--root` on an empty tree when there are none), what the plan must mention.
struct Example {
    file: &'static str,
    images: &'static [(&'static str, &'static str)],
    mentions: &'static [&'static str],
}

const EXAMPLES: &[Example] = &[
    Example {
        file: "ssh-user.ign",
        images: &[],
        mentions: &["core", "authorized_keys"],
    },
    Example {
        file: "web-server.ign",
        images: &[],
        mentions: &["index.html", "hostname", "site.service", "10-no-stub.conf"],
    },
    Example {
        file: "var-swap.ign",
        images: &[("/dev/vda", "4G")],
        mentions: &["/dev/vda", "ext4", "swap", "xfs", "/var", "var.mount"],
    },
    Example {
        file: "raid1.ign",
        images: &[("/dev/vda", "4G"), ("/dev/vdb", "4G")],
        mentions: &[],
    },
    Example {
        file: "luks-data.ign",
        images: &[("/dev/vda", "4G")],
        mentions: &[],
    },
    Example {
        file: "merge.ign",
        images: &[],
        mentions: &["core", "motd", "team", "report.timer", "report.service"],
    },
    Example {
        file: "k3s-node.ign",
        images: &[("/dev/vda", "8G")],
        mentions: &[
            "k3s",
            "config.yaml",
            "kubectl -> k3s",
            "k3s.service",
            "systemd-oomd.service",
            "quiet",
        ],
    },
    Example {
        file: "full.ign",
        images: &[("/dev/vda", "12G"), ("/dev/vdb", "1G"), ("/dev/vdc", "1G")],
        mentions: &[],
    },
    Example {
        file: "demo.ign",
        images: &[("/dev/vda", "2G")],
        mentions: &[
            "/dev/vda",
            "vfat",
            "ext4",
            "xfs",
            "swap",
            "btrfs",
            "core",
            "motd",
            "hello.service",
            "10-loud.conf",
        ],
    },
];

/// Examples that cannot be applied to images, with the reason: they are for the machine itself.
const NOT_ON_IMAGES: &[(&str, &str)] = &[
    (
        "raid1.ign",
        "an array over image files would stay assembled",
    ),
    (
        "luks-data.ign",
        "an encrypted volume in an image file would stay open",
    ),
    ("full.ign", "an array over image files would stay assembled"),
];

/// Texts in the configs that no plan may show.
const SECRETS: &[&str] = &[
    "replace%20this",
    "N0tARealHash",
    "correct%20horse",
    "correct horse",
];

impl Example {
    /// The same config in Butane.
    fn butane(&self) -> String {
        self.file.replace(".ign", ".bu")
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Programs whose presence is all that planning checks; if they are started, they fail.
const STAND_INS: &[&str] = &["mdadm", "cryptsetup", "ignition-kargs-helper"];

/// A directory with the stand-ins.
fn stand_ins() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for program in STAND_INS {
        let path = directory.path().join(program);
        fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

fn kindling(arguments: &[String]) -> Output {
    let stand_ins = stand_ins();
    let path = std::env::var("PATH").unwrap_or_default();
    run::kindling()
        .env("PATH", format!("{path}:{}", stand_ins.path().display()))
        .args(arguments)
        .output()
        .expect("start kindling")
}

/// A description of a run, for failures.
fn describe(arguments: &[String], output: &Output) -> String {
    format!(
        "kindling {}\n{}",
        arguments.join(" "),
        run::describe_output(output)
    )
}

/// Options for the target of an example: images below `dir`, or an empty root.
fn place(example: &Example, dir: &Path) -> Vec<String> {
    if example.images.is_empty() {
        return vec!["--root".into(), dir.display().to_string()];
    }
    example
        .images
        .iter()
        .flat_map(|(device, size)| {
            let name = device.rsplit('/').next().expect("a name");
            [
                "--image".to_string(),
                format!("{device}={}/{name}.img,size={size}", dir.display()),
            ]
        })
        .collect()
}

#[test]
fn every_file_is_listed_and_describe_output() {
    let in_folder = |ending: &str| -> BTreeSet<String> {
        fs::read_dir(examples())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(ending))
            .collect()
    };
    let on_disk = in_folder(".ign");
    let listed: BTreeSet<String> = EXAMPLES
        .iter()
        .map(|example| example.file.to_string())
        .collect();
    assert_eq!(on_disk, listed);
    let listed: BTreeSet<String> = EXAMPLES.iter().map(Example::butane).collect();
    assert_eq!(in_folder(".bu"), listed);
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    for file in on_disk {
        assert!(
            readme.contains(&format!("\n## {file}\n")),
            "examples/README.md has no section on {file}"
        );
    }
}

#[test]
fn every_example_validates_without_findings() {
    let both = |example: &Example| [example.file.to_string(), example.butane()];
    for file in EXAMPLES.iter().flat_map(both) {
        let arguments = vec![
            "validate".to_string(),
            examples().join(&file).display().to_string(),
        ];
        let output = kindling(&arguments);
        let described = describe(&arguments, &output);
        assert_eq!(output.status.code(), Some(NO_FINDINGS), "{described}");
        for word in ["warning", "error"] {
            assert!(
                !described.contains(word),
                "a {word} about {file}:\n{described}"
            );
        }
    }
}

#[test]
fn every_example_plans_twice_alike_and_mentions_what_matters() {
    for example in EXAMPLES {
        let dir = tempfile::tempdir().unwrap();
        // Kernel arguments are left to the first boot of the image.
        let mut arguments = vec!["plan".to_string(), "--ignore-unsupported".to_string()];
        arguments.extend(place(example, dir.path()));
        arguments.push(examples().join(example.file).display().to_string());
        let output = kindling(&arguments);
        let described = describe(&arguments, &output);
        let refused = NOT_ON_IMAGES.iter().find(|(file, _)| *file == example.file);
        if let Some((_, cause)) = refused {
            assert_eq!(output.status.code(), Some(REFUSED), "{described}");
            assert!(described.contains(cause), "{described}");
            continue;
        }
        assert_eq!(output.status.code(), Some(CHANGES), "{described}");
        let shown = String::from_utf8_lossy(&output.stdout);
        for text in example.mentions {
            assert!(
                shown.contains(text),
                "{}: {text} is not mentioned\n{described}",
                example.file
            );
        }
        for secret in SECRETS {
            assert!(
                !described.contains(secret),
                "{} shows {secret}\n{described}",
                example.file
            );
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            0,
            "planning {} left something behind",
            example.file
        );
        assert_eq!(
            kindling(&arguments).stdout,
            output.stdout,
            "{}: a second plan differs",
            example.file
        );
    }
}

/// The README shows a command for each example, which is the one this test runs, except for the paths.
#[test]
fn the_readme_names_the_devices_of_each_example() {
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    for example in EXAMPLES {
        let command = readme
            .lines()
            .find(|line| {
                line.starts_with("    kindling plan")
                    && line.ends_with(&format!("examples/{}", example.file))
            })
            .unwrap_or_else(|| {
                panic!(
                    "examples/README.md shows no plan command for {}",
                    example.file
                )
            });
        for (device, size) in example.images {
            assert!(
                command.contains(&format!("--image {device}="))
                    && command.contains(&format!("size={size}")),
                "{command}"
            );
        }
        assert_eq!(
            command.contains("--root"),
            example.images.is_empty(),
            "{command}"
        );
    }
}

#[test]
fn both_languages_give_the_same_config() {
    for example in EXAMPLES {
        let read = |file: &str| fs::read(examples().join(file)).unwrap();
        let (ignition, version) = parsed(example.file, &read(example.file));
        let file = example.butane();
        let (butane, of_butane) = parsed(&file, &read(&file));
        assert_eq!(of_butane, version, "{file}");
        assert_eq!(meaning(&butane), meaning(&ignition), "{file}");
    }
}

#[test]
fn butane_made_from_ignition_is_the_same_config() {
    for example in EXAMPLES {
        let text = fs::read(examples().join(example.file)).unwrap();
        let (ignition, version) = parsed(example.file, &text);
        let butane = butane::from_ignition(&ignition, version, None).unwrap();
        let (back, of_butane) = parsed(example.file, butane.as_bytes());
        assert_eq!(of_butane, version, "{butane}");
        assert_eq!(meaning(&back), meaning(&ignition), "{butane}");
    }
}
