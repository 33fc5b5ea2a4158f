//! Places that are not a complete machine: chroots, containers, user namespaces, a read-only root, a user without
//! privileges. `docs/confined.md` documents the same table. What `plan` accepts in a place, `apply` does there.

use crate::common::folder::Folder;
use crate::common::run::{assert_exit, copy_program, describe_output, require_root};
use crate::common::server::read_head;
use serde_json::json;
use std::fs::{self, Permissions};
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Everything happens in mount namespaces that end with the commands. `$dir` has the program and the configs; the
/// arguments are the command.
const PRELUDE: &str = r#"
set -eu
# A directory with the programs of the machine, which is not a mount point. Its file system sends mounts to its peers.
jail() {
    mount -t tmpfs tmpfs "$dir/place"
    mount --make-shared "$dir/place"
    mkdir -p "$dir/place/peer" "$dir/place/jail"
    j="$dir/place/jail"
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$j/$name"; done
    mkdir -p "$j/usr" "$j/etc" "$j/dev" "$j/proc" "$j/sys" "$j/tmp" "$j/work"
    mount --bind /usr "$j/usr"
    mount --rbind /dev "$j/dev"
    cp "$dir/kindling" "$dir"/*.ign "$j/work"
}
"#;

/// A place, how a command is run there, and the exit codes of `apply`.
struct Place {
    name: &'static str,
    shell: &'static str,
    /// Files into a folder.
    files: i32,
    /// Files and a user with a home.
    users: i32,
    /// A disk image with a table only.
    table: i32,
    /// A disk image with a file system and files in it.
    image: i32,
}

const DONE: i32 = 0;
const CONFLICT: i32 = 6;
const CHANGES: i32 = 2;

const PLACES: &[Place] = &[
    Place {
        name: "a machine",
        shell: r#"cd "$dir/work"; "$@""#,
        files: DONE,
        users: DONE,
        table: DONE,
        image: DONE,
    },
    Place {
        name: "a plain chroot",
        shell: r#"jail; mount -t proc proc "$j/proc"; mount --rbind /sys "$j/sys"
            chroot "$j" /bin/sh -c 'cd /work; "$@"' sh "$@""#,
        files: DONE,
        users: DONE,
        table: DONE,
        image: DONE,
    },
    Place {
        name: "a chroot without /proc and /sys",
        shell: r#"jail; chroot "$j" /bin/sh -c 'cd /work; "$@"' sh "$@""#,
        files: DONE,
        users: DONE,
        table: DONE,
        image: CONFLICT,
    },
    Place {
        name: "a user namespace with one id",
        shell: r#"cd "$dir/work"; unshare --user --map-root-user --mount "$@""#,
        files: DONE,
        users: CONFLICT,
        table: DONE,
        image: CONFLICT,
    },
    Place {
        name: "a container with the default capabilities",
        shell: r#"cd "$dir/work"; setpriv --inh-caps -all --bounding-set \
            -all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap \
            "$@""#,
        files: DONE,
        users: DONE,
        table: DONE,
        image: CONFLICT,
    },
    Place {
        name: "a read-only root",
        shell: r#"mount --bind "$dir/work" /mnt; mount -o remount,bind,ro /; mount -t tmpfs tmpfs /run
            if mountpoint -q /tmp; then mount -o remount,bind,ro /tmp; fi
            cd /mnt; "$@""#,
        files: DONE,
        users: DONE,
        table: DONE,
        image: DONE,
    },
    Place {
        name: "a user without rights",
        shell: r#"cd "$dir/work"; setpriv --reuid 65534 --regid 65534 --clear-groups "$@""#,
        files: DONE,
        users: CONFLICT,
        table: DONE,
        image: CONFLICT,
    },
];

/// A directory that any user can reach, with the program and the configs.
struct Scene(Folder);

impl Scene {
    fn new(url: &str) -> Scene {
        require_root();
        let scene = Scene(Folder::new());
        for name in ["work", "place"] {
            fs::create_dir(scene.path(name)).expect("a directory");
        }
        for name in ["", "work"] {
            let mode = Permissions::from_mode(0o777);
            fs::set_permissions(scene.path(name), mode).expect("a mode");
        }
        copy_program(&scene.path("kindling"));
        copy_program(&scene.path("work/kindling"));
        for (name, config) in configs(url) {
            let text = config.to_string();
            fs::write(scene.path(&format!("{name}.ign")), &text).expect("a config");
            fs::write(scene.path(&format!("work/{name}.ign")), &text).expect("a config");
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn command(&self, place: &Place, line: &str) -> Command {
        let script = format!("{PRELUDE}\n{}", place.shell);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .args(["sh", "sh", "-c", line])
            .env("dir", self.0.directory())
            .env_remove("TMPDIR")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, place: &Place, line: &str) -> Output {
        let mut command = self.command(place, line);
        command.output().expect("start unshare")
    }
}

fn configs(url: &str) -> Vec<(&'static str, serde_json::Value)> {
    let version = json!({"version": "3.4.0"});
    let files = json!({
        "directories": [{"path": "/srv/d", "overwrite": true}],
        "files": [
            {"path": "/etc/a", "contents": {"source": "data:,x"}},
            {"path": "/etc/o", "contents": {"source": "data:,x"}, "overwrite": true},
        ],
    });
    let disks = json!([{"device": "/dev/vda", "partitions": [{"number": 1, "label": "root"}]}]);
    let filesystems =
        json!([{"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/"}]);
    let fetched = json!([{"path": "/etc/b", "contents": {"source": url}}]);
    vec![
        ("files", json!({"ignition": version, "storage": files})),
        (
            "users",
            json!({"ignition": version, "storage": files, "passwd": {"users": [{"name": "core"}]}}),
        ),
        (
            "table",
            json!({"ignition": version, "storage": {"disks": disks}}),
        ),
        (
            "image",
            json!({"ignition": version, "storage": {
                "disks": disks, "filesystems": filesystems, "files": files["files"],
            }}),
        ),
        (
            "fetched",
            json!({"ignition": version, "storage": {
                "disks": disks, "filesystems": filesystems, "files": fetched,
            }}),
        ),
    ]
}

/// A script that plans, applies and plans again in one place, and prints the three exit codes.
fn three_codes(target: &str, config: &str) -> String {
    format!(
        r#"mkdir -p root; for verb in plan apply plan; do
            code=0; ./kindling $verb {target} {config}.ign >&2 || code=$?; echo $code
        done; rm -rf root disk.img"#
    )
}

#[test]
fn plan_and_apply_agree_in_every_place() {
    let scene = Scene::new("http://localhost/");
    for place in PLACES {
        let (tree, image) = ("--root root", "--image /dev/vda=disk.img,size=64M");
        for (target, config, ends) in [
            (tree, "files", place.files),
            (tree, "users", place.users),
            (image, "table", place.table),
            (image, "image", place.image),
        ] {
            let output = scene.run(place, &three_codes(target, config));
            let codes: Vec<i32> = String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter_map(|line| line.parse().ok())
                .collect();
            let expected = match ends {
                DONE => vec![CHANGES, DONE, DONE],
                _ => vec![CONFLICT; 3],
            };
            let printed = describe_output(&output);
            assert_eq!(codes, expected, "{config} in {}: {printed}", place.name);
        }
    }
}

#[test]
fn commands_without_a_target_run_everywhere() {
    let scene = Scene::new("http://localhost/");
    let digest = "0".repeat(128);
    let commands = [
        ("validate files.ign", 0),
        ("platform list", 0),
        ("platform detect", 1),
        ("completions bash", 0),
        ("man $(id -u)", 0),
        (
            &format!("verify --hash sha512-{digest} files.ign") as &str,
            1,
        ),
        ("report files.ign", 3),
    ];
    for place in PLACES {
        for (command, code) in commands {
            let output = scene.run(place, &format!("./kindling {command}"));
            let printed = describe_output(&output);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{command} in {}: {printed}",
                place.name
            );
        }
    }
}

/// Mount points of a process that are below a directory.
fn mounts_below(process: u32, directory: &Path) -> Vec<String> {
    let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).expect("mountinfo");
    let directory = directory.display().to_string();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| point.starts_with(&directory))
        .map(str::to_owned)
        .collect()
}

/// In a chroot whose `/` is not a mount point, the mount that holds it is not listed. Mounts of a run must not
/// propagate to its peers outside. The run fetches a body while the file system is mounted: that is when the mounts are
/// read.
#[test]
fn mounts_of_a_run_in_a_chroot_are_not_seen_outside() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", server.local_addr().expect("an address"));
    let scene = Scene::new(&url);
    let place = PLACES
        .iter()
        .find(|place| place.name == "a plain chroot")
        .expect("a chroot");
    let line = "./kindling apply --image /dev/vda=disk.img,size=64M fetched.ign";
    let mut command = scene.command(place, line);
    let run = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start unshare");
    let (mut connection, _) = server.accept().expect("a request");
    let jail = scene.path("place/jail");
    let seen = mounts_below(run.id(), &jail);
    let mut reader = BufReader::new(connection.try_clone().expect("a connection"));
    read_head(&mut reader).expect("a request");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    connection.write_all(answer.as_bytes()).expect("an answer");
    let output = run.wait_with_output().expect("the end of the run");
    assert_exit(&output, 0);
    assert!(
        !seen.is_empty(),
        "the mounts of the chroot itself are outside"
    );
    let of_run: Vec<&String> = seen
        .iter()
        .filter(|point| point.contains("kindling-"))
        .collect();
    assert!(of_run.is_empty(), "{of_run:?}");
}

/// The documented table has the places and what works there.
#[test]
fn the_documented_table_is_this_one() {
    let text = include_str!("../../docs/confined.md");
    let word = |code: i32| if code == DONE { "yes" } else { "no" };
    for place in PLACES {
        let row = format!(
            "| {} | {} | {} | {} | {} |",
            place.name,
            word(place.files),
            word(place.users),
            word(place.table),
            word(place.image)
        );
        assert!(text.contains(&row), "docs/confined.md lacks {row}");
    }
}
