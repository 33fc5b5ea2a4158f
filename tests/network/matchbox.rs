//! Runs the example in `docs/migration.md` with its files and commands: an old profile of Matchbox is served unchanged
//! and provisions a machine. Needs root.

use crate::common::namespace;
use crate::common::run::KINDLING;
use crate::common::server::{Seen, Server, Stream, respond};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const DOC: &str = include_str!("../../docs/migration.md");
const HEADING: &str = "## Example: Matchbox\n";
const NAME: &str = "matchbox.example.com";
const ADDRESS: &str = "127.0.0.1:8080";
const TREE: &str = "/srv/node1";
const MAC: &str = "52-54-00-a1-9c-ae";

/// The contents of the section: files by name, and commands.
struct Example {
    files: BTreeMap<String, String>,
    commands: Vec<String>,
}

impl Example {
    fn read() -> Self {
        let (_, section) = DOC.split_once(HEADING).expect("the section");
        let (section, _) = section.split_once("\n## ").expect("one behind it");
        let mut example = Example {
            files: BTreeMap::new(),
            commands: Vec::new(),
        };
        let parts: Vec<&str> = section.split("```").collect();
        for pair in parts.chunks_exact(2) {
            let (before, block) = (pair[0].trim_end(), pair[1]);
            let (_, body) = block.split_once('\n').expect("a line");
            let name = before.lines().last().and_then(|line| {
                let name = line.strip_prefix('`')?.strip_suffix("`:")?;
                name.contains('/').then_some(name)
            });
            match name {
                Some(name) => _ = example.files.insert(name.into(), body.into()),
                None => example.commands.extend(
                    body.lines()
                        .filter_map(|line| line.strip_prefix("# ").map(String::from)),
                ),
            }
        }
        example
    }

    fn json(&self, name: &str) -> Value {
        let text = self
            .files
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not there"));
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The response of Matchbox to a machine with these labels.
    fn response(&self, endpoint: &str, labels: &[(String, String)]) -> Option<String> {
        let groups = self.files.keys().filter(|name| name.starts_with("groups/"));
        let groups = groups.map(|name| self.json(name));
        let group = groups.into_iter().find(|group| {
            let selector = group["selector"].as_object().expect("selectors");
            selector.iter().all(|(label, expected)| {
                // Matchbox normalizes addresses to colons.
                let is = |(name, value): &&(String, String)| {
                    name == label && value.replace('-', ":") == *expected
                };
                labels.iter().find(is).is_some()
            })
        })?;
        let profile = self.json(&format!("profiles/{}.json", group["profile"].as_str()?));
        match endpoint {
            "/ignition" => {
                let template = format!("ignition/{}", profile["ignition_id"].as_str()?);
                Some(render_template(
                    self.files.get(&template)?,
                    &group["metadata"],
                ))
            }
            "/boot.ipxe" => {
                let arguments = profile["boot"]["args"].as_array()?.iter();
                let arguments: Vec<&str> = arguments.filter_map(Value::as_str).collect();
                Some(arguments.join(" "))
            }
            _ => None,
        }
    }
}

/// Renders a template; supports only what the example needs.
fn render_template(template: &str, values: &Value) -> String {
    let (before, rest) = template
        .split_once("{{range $key := .ssh_authorized_keys}}")
        .expect("a list");
    let (body, after) = rest.split_once("{{end}}").expect("its end");
    let keys = values["ssh_authorized_keys"]
        .as_array()
        .expect("keys")
        .iter();
    let keys = keys.map(|key| body.replace("{{$key}}", key.as_str().expect("a key")));
    let mut text = format!("{before}{}{after}", keys.collect::<String>());
    for (name, value) in values.as_object().expect("values") {
        if let Some(value) = value.as_str() {
            text = text.replace(&format!("{{{{.{name}}}}}"), value);
        }
    }
    assert!(!text.contains("{{"), "{text}");
    text
}

fn serve(example: &Example, seen: &Seen, stream: &mut dyn Stream) {
    let target = &*seen.target;
    let (endpoint, query) = target.split_once('?').unwrap_or((target, ""));
    let labels = query.split('&').filter_map(|pair| pair.split_once('='));
    let labels: Vec<_> = labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match example.response(endpoint, &labels) {
        Some(body) => respond(stream, "200 OK", "", body.as_bytes()),
        None => respond(stream, "404 Not Found", "", b""),
    }
}

/// Creates the parts of Flatcar that the config refers to.
fn make_tree(tree: &Path) {
    let files = [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\ncore:x:500:500::/home/core:/bin/bash\n",
        ),
        ("etc/group", "root:x:0:\ncore:x:500:\n"),
        ("etc/shadow", "root:*:1::::::\ncore:*:1::::::\n"),
        ("usr/lib/os-release", "ID=flatcar\n"),
        (
            "usr/lib/systemd/system/etcd-member.service",
            "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
        ),
        (
            "usr/lib/systemd/system/docker.service",
            "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
        ),
        (
            "usr/lib/systemd/system/locksmithd.service",
            "[Service]\nExecStart=/bin/true\n",
        ),
    ];
    for (name, text) in files {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    }
    fs::create_dir_all(tree.join("home/core")).expect("made");
}

/// Runs a command of the example, which must exit with one of these codes, and returns its output.
fn run(directory: &Path, command: &str, codes: &[i32]) -> String {
    let program = Path::new(KINDLING).parent().expect("a directory");
    let path = format!(
        "{}:{}",
        program.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .env_remove("http_proxy")
        .output()
        .expect("a shell");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().unwrap_or(-1);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        codes.contains(&code),
        "{command}: {code}\n{stdout}\n{errors}"
    );
    stdout
}

/// Moves the calling thread to its own namespaces, in which the server of the example runs.
fn enter(directory: &Path) -> Arc<Example> {
    namespace::enter();
    namespace::cover("/srv");
    namespace::know(&format!("127.0.0.1 localhost {NAME}\n"), directory);
    let example = Arc::new(Example::read());
    let served = Arc::clone(&example);
    Server::listening(ADDRESS, move |seen, stream| serve(&served, seen, stream));
    example
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_provisions_a_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    let thread = std::thread::spawn(move || {
        let example = enter(&path);
        let tree = Path::new(TREE);
        make_tree(tree);
        // A plan with changes exits with 2.
        let stdout: Vec<String> = example
            .commands
            .iter()
            .map(|command| {
                let codes: &[i32] = if command.contains(" plan ") {
                    &[2]
                } else {
                    &[0]
                };
                run(&path, command, codes)
            })
            .collect();
        assert_eq!(stdout.len(), 6, "{:?}", example.commands);
        assert!(
            stdout[1].contains("$.etcd.name -> part of $.systemd.units."),
            "{}",
            stdout[1]
        );
        assert!(!stdout[1].contains("no counterpart"), "{}", stdout[1]);
        check_tree(tree);
        let again = example.commands[2].as_str();
        run(&path, again, &[0]);
        assert!(read(&path.join("node1.bu")).starts_with("variant: flatcar\n"));
    });
    assert!(thread.join().is_ok(), "it failed; see above");
}

fn check_tree(tree: &Path) {
    let system = tree.join("etc/systemd/system");
    assert_eq!(read(&tree.join("etc/hostname")), "node1.example.com");
    let etcd = read(&system.join("etcd-member.service.d/20-clct-etcd-member.conf"));
    for option in [
        "--name=\"node1\"",
        "--advertise-client-urls=\"http://node1.example.com:2379\"",
        "--initial-cluster=\"node1=http://node1.example.com:2380,node2=http://node2.example.com:2380\"",
    ] {
        assert!(etcd.contains(option), "{option}\n{etcd}");
    }
    let docker = read(&system.join("docker.service.d/20-clct-docker.conf"));
    assert!(
        docker.contains("DOCKER_OPTS=--log-driver=journald"),
        "{docker}"
    );
    for unit in ["etcd-member.service", "docker.service"] {
        let link = system.join("multi-user.target.wants").join(unit);
        let preset = read(&tree.join("etc/systemd/system-preset/20-ignition.preset"));
        assert!(
            link.is_symlink() || preset.contains(&format!("enable {unit}")),
            "{unit}\n{preset}"
        );
    }
    let lock = read(&system.join("locksmithd.service.d/40-etcd.conf"));
    assert!(
        lock.contains("LOCKSMITHD_ENDPOINT=http://node1.example.com:2379"),
        "{lock}"
    );
    let update = [
        tree.join("etc/flatcar/update.conf"),
        tree.join("etc/coreos/update.conf"),
    ];
    let update = update
        .iter()
        .find(|path| path.exists())
        .expect("an update.conf");
    assert_eq!(read(update), "REBOOT_STRATEGY=\"etcd-lock\"");
    let network = read(&tree.join("etc/systemd/network/00-eth0.network"));
    assert!(network.contains("Address=192.0.2.21/24"), "{network}");
    let keys = contents_below(&tree.join("home/core/.ssh"));
    assert!(keys.contains("1+Ab1NxUte9izuUtPuLuO6Ga admin"), "{keys}");
}

/// The concatenated contents of all files below a directory.
fn contents_below(directory: &Path) -> String {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let texts = entries.flatten().map(|entry| match entry.path() {
        path if path.is_dir() => contents_below(&path),
        path => read(&path),
    });
    texts.collect()
}

/// With the kernel arguments of the profile, the first stages of a boot obtain the same config.
#[test]
fn the_profile_arguments_still_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    let thread = std::thread::spawn(move || {
        let example = enter(&path);
        let labels = [("mac".to_owned(), MAC.to_owned())];
        let arguments = example.response("/boot.ipxe", &labels).expect("arguments");
        let line = arguments.replace("${mac:hexhyp}", MAC);
        fs::write(path.join("cmdline"), line).expect("written");
        let root = path.join("root/etc");
        fs::create_dir_all(root).expect("made");
        let stage = "IGNITION_KERNEL_CMDLINE_PATH=cmdline KINDLING_FLATCAR=true KINDLING_RUN_DIR=run \
                     kindling boot -log-to-stdout -platform metal -stage fetch -root root -config-cache cache.ign \
                     -neednet neednet -state-file state -fetch-timeout 20s";
        run(&path, stage, &[0]);
        let cached = read(&path.join("cache.ign"));
        assert!(cached.contains("etcd-member.service"), "{cached}");
        assert!(cached.contains("node1.example.com"), "{cached}");
    });
    assert!(thread.join().is_ok(), "it failed; see above");
}
