//! Mounts and links of a target, end to end: where the file systems of a config are mounted, and what is already
//! mounted in a tree. Each test runs in its own mount namespace.

use crate::common::folder::Folder;
use crate::common::image::{Loop, Mounted, extent, table};
use crate::common::namespace;
use crate::common::run::{describe_output, kindling, must, require_root};
use crate::common::tree::tree;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const REFUSED: i32 = 6;

/// A directory for a test, with a private mount namespace.
struct Scene(Folder);

impl Scene {
    fn new() -> Scene {
        require_root();
        namespace::enter();
        Scene(Folder::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Creates a directory.
    fn mkdir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// Runs a command with a storage section. Returns its exit code and all output.
    fn run(&self, command: &str, target: &[&str], storage: Value) -> (i32, String) {
        self.run_all(command, target, json!({ "storage": storage }))
    }

    /// Like [`Self::run`], with any sections.
    fn run_all(&self, command: &str, target: &[&str], mut config: Value) -> (i32, String) {
        config["ignition"] = json!({"version": "3.4.0"});
        self.0.put("config.ign", config.to_string());
        let mut kindling = kindling();
        kindling.arg(command).args(target).arg("config.ign");
        let output = kindling
            .current_dir(self.0.directory())
            .output()
            .expect("start kindling");
        (output.status.code().unwrap_or(-1), describe_output(&output))
    }

    /// Checks that both commands refuse with these words, and leave the tree unchanged.
    fn assert_refused(&self, target: &[&str], storage: &Value, words: &str) {
        let before = tree(&self.path("root"));
        for command in ["plan", "apply"] {
            let (code, printed) = self.run(command, target, storage.clone());
            assert_eq!(code, REFUSED, "{command}: {printed}");
            assert!(printed.contains(words), "{words:?} is not in\n{printed}");
        }
        assert_eq!(tree(&self.path("root")), before);
    }

    /// Applies, and checks that there is nothing left to do.
    fn assert_applied(&self, target: &[&str], storage: &Value) {
        let (code, printed) = self.run("apply", target, storage.clone());
        assert_eq!(code, 0, "{printed}");
        let (code, printed) = self.run("plan", target, storage.clone());
        assert_eq!(code, 0, "the second plan has something to do: {printed}");
    }

    /// An image with a root file system that holds `tree`, and a second, empty partition.
    fn image(&self, tree: &Path) -> PathBuf {
        let image = self.path("disk.img");
        let name = image.display().to_string();
        must("truncate", &["-s", "300M", &name]);
        let layout = [
            "-n1:2048:+100M",
            "-c1:root",
            "-n2:0:+100M",
            "-c2:data",
            &name,
        ];
        must("sgdisk", &layout);
        let (start, size) = extent(&table(&image), 0);
        let device = Loop::over(&image, start, size);
        let tree = tree.display().to_string();
        must("mkfs.ext4", &["-q", "-F", "-d", &tree, &device.0]);
        image
    }

    /// Mounts the n-th partition of an image.
    fn mount(&self, image: &Path, n: usize) -> (PathBuf, Mounted, Loop) {
        let (start, size) = extent(&table(image), n);
        let device = Loop::over(image, start, size);
        let at = self.mkdir(&format!("mounted-{n}"));
        let mounted = Mounted::new(&[&device.0, &at.display().to_string()]);
        (at, mounted, device)
    }
}

/// A root that is kept, and a file system below it with one file.
fn data_at(point: &str) -> Value {
    json!({
        "filesystems": [
            {"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/"},
            {"device": "/dev/disk/by-partlabel/data", "format": "ext4", "path": point},
        ],
        "files": [{"path": format!("{point}/x"), "contents": {"source": "data:,x"}}],
    })
}

const IMAGE: [&str; 2] = ["--image", "/dev/vda=disk.img"];
const ROOT: [&str; 2] = ["--root", "root"];

/// Relative, absolute, climbing and dangling links, on the way and at the end.
#[test]
fn file_systems_are_mounted_where_links_of_the_root_lead() {
    for (link, target, point, real) in [
        ("mnt", "var/mnt", "/mnt/data", "var/mnt/data"),
        ("mnt", "/var/mnt", "/mnt/data", "var/mnt/data"),
        ("mnt", "../../var/mnt", "/mnt/data", "var/mnt/data"),
        ("mnt", "nowhere/mnt", "/mnt/data", "nowhere/mnt/data"),
        ("srv", "var/srv", "/srv", "var/srv"),
    ] {
        let scene = Scene::new();
        let root = scene.mkdir("tree");
        scene.mkdir("tree/var/mnt");
        symlink(target, root.join(link)).expect("a link");
        let image = scene.image(&root);
        scene.assert_applied(&IMAGE, &data_at(point));
        let (at, _mounted, _device) = scene.mount(&image, 0);
        assert!(
            !at.join(real).join("x").exists(),
            "{point} over {target}: below the file system"
        );
        assert!(
            at.join(real).is_dir(),
            "{point} over {target}: no mount point"
        );
        let (at, _mounted, _device) = scene.mount(&image, 1);
        assert!(
            at.join("x").exists(),
            "{point} over {target}: not on the file system"
        );
    }
}

#[test]
fn planning_creates_nothing_outside_of_an_image() {
    let scene = Scene::new();
    let outside = scene.mkdir("outside");
    let root = scene.mkdir("tree");
    symlink(&outside, root.join("srv")).expect("a link");
    scene.image(&root);
    let storage = data_at("/srv/data");
    scene.assert_applied(&IMAGE, &storage);
    assert_eq!(fs::read_dir(outside).expect("readable").count(), 0);
}

#[test]
fn a_link_of_the_config_cannot_replace_a_mount_point() {
    let scene = Scene::new();
    scene.mkdir("root");
    let tree = scene.mkdir("tree");
    scene.image(&tree);
    let mut storage = data_at("/mnt/data");
    storage["files"] = json!([{"path": "/var/x"}]);
    storage["links"] = json!([{"path": "/mnt", "target": "var/mnt", "overwrite": true}]);
    let words = "it must be a directory, since a file system is mounted at /mnt/data";
    scene.assert_refused(&IMAGE, &storage, words);
}

#[test]
fn two_file_systems_at_one_place_are_refused() {
    let scene = Scene::new();
    scene.mkdir("root");
    let tree = scene.mkdir("tree");
    symlink("var", tree.join("srv")).expect("a link");
    scene.image(&tree);
    let mut storage = data_at("/srv/data");
    let filesystems = storage["filesystems"].as_array_mut().expect("a list");
    filesystems.push(json!({"device": "/dev/vda3", "format": "ext4", "path": "/var/data"}));
    storage["disks"] =
        json!([{"device": "/dev/vda", "partitions": [{"number": 3, "sizeMiB": 50}]}]);
    scene.assert_refused(&IMAGE, &storage, "is at the same place, /var/data");
}

#[test]
fn a_directory_with_a_mount_below_it_is_not_replaced() {
    let scene = Scene::new();
    let elsewhere = scene.mkdir("elsewhere").display().to_string();
    fs::write(scene.path("elsewhere/precious"), "").expect("a file");
    let point = scene.mkdir("root/d/m").display().to_string();
    let _mounted = Mounted::new(&["--bind", &elsewhere, &point]);
    for storage in [
        json!({"directories": [{"path": "/d", "overwrite": true}]}),
        json!({"files": [{"path": "/d", "overwrite": true, "contents": {"source": ""}}]}),
        json!({"links": [{"path": "/d", "target": "x", "overwrite": true}]}),
    ] {
        scene.assert_refused(&ROOT, &storage, "a file system is mounted at /d/m");
    }
}

#[test]
fn hard_links_stay_on_one_file_system() {
    let scene = Scene::new();
    let elsewhere = scene.mkdir("root/elsewhere").display().to_string();
    let point = scene.mkdir("root/bound").display().to_string();
    fs::write(scene.path("root/elsewhere/file"), "").expect("a file");
    let _bound = Mounted::new(&["--bind", &elsewhere, &point]);
    let tmpfs = scene.mkdir("root/tmpfs").display().to_string();
    let _tmpfs = Mounted::new(&["-t", "tmpfs", "tmpfs", &tmpfs]);
    let link =
        |path: &str| json!({"links": [{"path": path, "target": "/elsewhere/file", "hard": true}]});
    let words = "its target /elsewhere/file is on another file system";
    // The same file system, mounted twice: the kernel links within one mount only.
    for path in ["/bound/l", "/tmpfs/l", "/tmpfs/new/l"] {
        scene.assert_refused(&ROOT, &link(path), words);
    }
    scene.assert_applied(&ROOT, &link("/l"));
}

#[test]
fn read_only_mounts_are_not_written_to() {
    let scene = Scene::new();
    let usr = scene.mkdir("root/usr").display().to_string();
    fs::write(scene.path("root/usr/there"), "").expect("a file");
    let _usr = Mounted::new(&["--bind", "-o", "ro", &usr, &usr]);
    let words = "the file system mounted at /usr of the target is read-only";
    scene.assert_refused(&ROOT, &json!({"files": [{"path": "/usr/new"}]}), words);
    scene.assert_refused(
        &ROOT,
        &json!({"directories": [{"path": "/usr/a/b"}]}),
        words,
    );
    // Nodes that are already right need no writing.
    scene.assert_applied(
        &ROOT,
        &json!({"files": [{"path": "/usr/there"}, {"path": "/new"}]}),
    );
}

/// A partition that is created in place of another one holds the content of that one.
#[test]
fn a_file_system_below_a_new_partition_is_inspected() {
    let scene = Scene::new();
    let old = scene.mkdir("tree");
    fs::write(old.join("x"), "old").expect("a file");
    scene.image(&old);
    let storage = |x: Value| {
        json!({
            "disks": [{"device": "/dev/vda", "partitions": [
                {"number": 1, "shouldExist": false, "wipePartitionEntry": true},
                {"number": 3, "sizeMiB": 100, "startMiB": 1},
            ]}],
            "filesystems": [{"device": "/dev/vda3", "format": "ext4", "path": "/"}],
            "files": [x],
        })
    };
    let other = storage(json!({"path": "/x", "contents": {"source": "data:,new"}}));
    for command in ["plan", "apply"] {
        let (code, printed) = scene.run(command, &IMAGE, other.clone());
        assert_eq!(code, REFUSED, "{command}: {printed}");
        assert!(printed.contains("/x"), "{printed}");
    }
    let same = storage(json!({"path": "/x", "contents": {"source": "data:,old"}}));
    scene.assert_applied(&IMAGE, &same);
}

/// A home that is a separate file system cannot be moved; it is emptied when its user is deleted, and stays a mount
/// point.
#[test]
fn a_home_that_is_a_mount_point_stays_one() {
    let scene = Scene::new();
    scene.mkdir("root/etc");
    let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
    fs::write(scene.path("root/etc/passwd"), passwd).expect("accounts");
    fs::write(scene.path("root/etc/group"), "root:x:0:\nalice:x:1000:\n").expect("accounts");
    let home = scene.mkdir("root/home/alice").display().to_string();
    let _home = Mounted::new(&["-t", "tmpfs", "-o", "uid=1000", "tmpfs", &home]);
    fs::write(Path::new(&home).join("own"), "").expect("a file");
    let moved = json!({"users": [{"name": "alice", "homeDir": "/home/new"}]});
    let (code, printed) = scene.run_all("plan", &ROOT, json!({ "passwd": moved }));
    assert_eq!(code, REFUSED, "{printed}");
    assert!(
        printed.contains("a file system is mounted there"),
        "{printed}"
    );
    let deleted = json!({"passwd": {"users": [{"name": "alice", "shouldExist": false}]}});
    for (command, ends) in [("plan", 2), ("apply", 0), ("plan", 0)] {
        let (code, printed) = scene.run_all(command, &ROOT, deleted.clone());
        assert_eq!(code, ends, "{command}: {printed}");
    }
    assert_eq!(fs::read_dir(&home).expect("it is there").count(), 0);
}

/// A subvolume is a different tree than the one that is mounted without options.
#[test]
fn a_kept_file_system_is_inspected_with_its_own_options() {
    let scene = Scene::new();
    let image = scene.path("disk.img");
    let name = image.display().to_string();
    must("truncate", &["-s", "300M", &name]);
    must("mkfs.btrfs", &["-q", &name]);
    {
        let size = fs::metadata(&image).expect("an image").len();
        let device = Loop::over(&image, 0, size);
        let at = scene.mkdir("at").display().to_string();
        let _mounted = Mounted::new(&[&device.0, &at]);
        must(
            "btrfs",
            &["-q", "subvolume", "create", &format!("{at}/sub")],
        );
        fs::write(scene.path("at/sub/x"), "old").expect("a file");
    }
    let storage = |options: Value| {
        json!({
            "filesystems": [{"device": "/dev/vda", "format": "btrfs", "path": "/", "mountOptions": options}],
            "files": [{"path": "/x", "contents": {"source": "data:,old"}}],
        })
    };
    let (code, printed) = scene.run("plan", &IMAGE, storage(json!(["subvol=sub"])));
    assert_eq!(code, 0, "{printed}");
    let (code, printed) = scene.run("plan", &IMAGE, storage(json!([])));
    assert_eq!(code, 2, "{printed}");
    let (code, printed) = scene.run("plan", &IMAGE, storage(json!(["subvol=gone"])));
    assert_eq!(code, REFUSED, "{printed}");
}

/// Contents that do not fit are refused before anything is written.
#[test]
fn contents_that_do_not_fit_are_refused() {
    let scene = Scene::new();
    let root = scene.mkdir("root").display().to_string();
    let options = "size=64k,nr_inodes=10";
    let _root = Mounted::new(&["-t", "tmpfs", "-o", options, "tmpfs", &root]);
    let file = |path: String, bytes: usize| {
        let source = format!("data:,{}", "x".repeat(bytes));
        json!({"path": path, "contents": {"source": source}})
    };
    let large: Vec<Value> = (0..3).map(|n| file(format!("/f{n}"), 30_000)).collect();
    let words = "the config writes 87.8 KiB to a file system that has only 64 KiB left";
    scene.assert_refused(&ROOT, &json!({"files": large}), words);
    let many: Vec<Value> = (0..20).map(|n| file(format!("/f{n}"), 0)).collect();
    let words = "its file system has room for 9 more files and directories";
    scene.assert_refused(&ROOT, &json!({"files": many}), words);
    scene.assert_applied(&ROOT, &json!({"files": large[..1]}));
    // The file system of an image, below a directory that does not exist yet.
    let image = scene.path("disk.img").display().to_string();
    must("truncate", &["-s", "4M", &image]);
    must("mkfs.ext4", &["-q", "-F", &image]);
    let storage = |bytes| {
        json!({
            "filesystems": [{"device": "/dev/vda", "format": "ext4", "path": "/"}],
            "files": [file("/a/b/c".into(), bytes)],
        })
    };
    let (code, printed) = scene.run("plan", &IMAGE, storage(5 << 20));
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("writes 5 MiB"), "{printed}");
    scene.assert_applied(&IMAGE, &storage(1 << 20));
}
