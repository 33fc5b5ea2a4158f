//! Targets that cannot be written to: `plan` and `apply` refuse them alike, and nothing changes.

use crate::common::folder::Folder;
use crate::common::image::{Loop, Mounted};
use crate::common::run::{copy_program, describe_output, must, require_root};
use crate::common::tree::tree;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

const REFUSED: i32 = 6;
const CHANGES: i32 = 2;
/// A user without any rights.
const NOBODY: u32 = 65534;

/// A storage section with one file.
fn file(overwrite: bool) -> serde_json::Value {
    json!({"files": [{"path": "/etc/a", "overwrite": overwrite, "contents": {"source": "data:,x"}}]})
}

struct Scene(Folder);

impl Scene {
    fn new() -> Scene {
        require_root();
        let scene = Scene(Folder::new());
        fs::set_permissions(scene.0.directory(), Permissions::from_mode(0o755)).expect("a mode");
        fs::create_dir_all(scene.path("root/etc")).expect("a directory");
        scene.config(file(false));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn config(&self, storage: serde_json::Value) {
        let config = json!({"ignition": {"version": "3.4.0"}, "storage": storage});
        self.0.put("config.ign", config.to_string());
    }

    fn run(&self, command: &str, target: &[&str], uid: u32) -> (i32, String) {
        // A place that users other than root can reach.
        let program = self.path("kindling");
        if !program.exists() {
            copy_program(&program);
        }
        let output = std::process::Command::new(program)
            .arg(command)
            .args(target)
            .arg("config.ign")
            .current_dir(self.0.directory())
            .uid(uid)
            .gid(uid)
            .output()
            .expect("start kindling");
        (output.status.code().unwrap_or(-1), describe_output(&output))
    }

    /// Checks that both commands refuse with these words.
    fn assert_refused(&self, target: &[&str], uid: u32, words: &str) {
        let before = tree(&self.path("root"));
        for command in ["plan", "apply"] {
            let (code, printed) = self.run(command, target, uid);
            assert_eq!(code, REFUSED, "{command}: {printed}");
            assert!(printed.contains(words), "{words:?} is not in\n{printed}");
            assert!(printed.contains("to do: "), "{printed}");
        }
        assert_eq!(tree(&self.path("root")), before);
    }

    fn assert_accepted(&self, target: &[&str], uid: u32) {
        for (command, want) in [("plan", CHANGES), ("apply", 0), ("plan", 0)] {
            let (code, printed) = self.run(command, target, uid);
            assert_eq!(code, want, "{command}: {printed}");
        }
    }
}

/// An attribute of a node that ends with its scope.
struct Immutable<'p>(&'p Path);

impl<'p> Immutable<'p> {
    fn new(path: &'p Path) -> Self {
        must("chattr", &["+i", &path.display().to_string()]);
        Self(path)
    }

    fn append_only(path: &'p Path) -> Self {
        must("chattr", &["+a", &path.display().to_string()]);
        Self(path)
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        must("chattr", &["-ia", &self.0.display().to_string()]);
    }
}

#[test]
fn directories_that_this_user_may_not_write_to() {
    let scene = Scene::new();
    scene.assert_refused(
        &["--root", "root"],
        NOBODY,
        "no permission to write to /etc",
    );
    chown(scene.path("root/etc"), Some(NOBODY), Some(NOBODY)).expect("an owner");
    scene.assert_accepted(&["--root", "root"], NOBODY);
}

#[test]
fn immutable_nodes() {
    let scene = Scene::new();
    scene.config(file(true));
    let (etc, path) = (scene.path("root/etc"), scene.path("root/etc/a"));
    for target in ["--root", "--target"] {
        let _kept = Immutable::new(&etc);
        scene.assert_refused(&[target, "root"], 0, "/etc of the target is immutable");
    }
    fs::write(&path, "other").expect("a file");
    {
        let _kept = Immutable::new(&path);
        scene.assert_refused(&["--root", "root"], 0, "/etc/a of the target is immutable");
    }
    scene.assert_accepted(&["--root", "root"], 0);
}

#[test]
fn immutable_account_databases() {
    let scene = Scene::new();
    let user = json!({"name": "core", "shouldExist": true});
    let config = json!({"ignition": {"version": "3.4.0"}, "passwd": {"users": [user]}});
    fs::write(scene.path("config.ign"), config.to_string()).expect("a config");
    for name in ["passwd", "shadow", "subuid", "subgid"] {
        let path = scene.path("root/etc").join(name);
        fs::write(&path, "").expect("a file");
        let _kept = Immutable::new(&path);
        let cause = format!("/etc/{name} of the target is immutable");
        scene.assert_refused(&["--root", "root"], 0, &cause);
    }
    // Databases that are not changed may be immutable.
    let path = scene.path("root/etc/subuid");
    fs::write(&path, "core:100000:65536\n").expect("a file");
    let _kept = Immutable::new(&path);
    scene.assert_accepted(&["--root", "root"], 0);
}

#[test]
fn folders_on_a_read_only_mount_and_missing_folders() {
    let scene = Scene::new();
    let (root, mounted) = (scene.path("root"), scene.path("mounted"));
    fs::create_dir(&mounted).expect("a directory");
    let (root, at) = (root.display().to_string(), mounted.display().to_string());
    let _bound = Mounted::new(&["--bind", &root, &at]);
    must("mount", &["-o", "remount,bind,ro", &at]);
    for target in ["--root", "--target"] {
        scene.assert_refused(&[target, "mounted"], 0, "is read-only");
    }
    scene.assert_refused(&["--target", "nowhere"], 0, "it is not a directory");
}

#[test]
fn nodes_that_can_neither_be_replaced_nor_linked() {
    let scene = Scene::new();
    let (path, target) = (scene.path("root/etc/a"), ["--root", "root"]);
    fs::write(&path, "other").expect("a file");
    scene.config(file(true));
    {
        let _kept = Immutable::append_only(&path);
        scene.assert_refused(&target, 0, "/etc/a of the target is append-only");
    }
    {
        let other = path.display().to_string();
        let source = scene.path("source");
        fs::write(&source, "bound").expect("a file");
        let _bound = Mounted::new(&["--bind", &source.display().to_string(), &other]);
        scene.assert_refused(&target, 0, "something is mounted at /etc/a");
    }
    scene.config(json!({"links": [{"path": "/etc/l", "target": "/etc/a", "hard": true}]}));
    {
        let _kept = Immutable::new(&path);
        scene.assert_refused(&target, 0, "/etc/a of the target is immutable");
    }
    scene.assert_accepted(&target, 0);
}

#[test]
fn file_systems_of_the_kernel_take_no_files() {
    let scene = Scene::new();
    let at = scene.path("root/proc");
    fs::create_dir(&at).expect("a directory");
    scene.config(json!({"files": [{"path": "/proc/new"}]}));
    let _mounted = Mounted::new(&["-t", "proc", "proc", &at.display().to_string()]);
    for command in ["plan", "apply"] {
        let (code, printed) = scene.run(command, &["--root", "root"], 0);
        assert_eq!(code, REFUSED, "{command}: {printed}");
        assert!(
            printed.contains("where nothing can be created"),
            "{printed}"
        );
    }
    // It is neither walked nor removed.
    scene.config(json!({"directories": [{"path": "/proc", "overwrite": true}]}));
    let (code, printed) = scene.run("plan", &["--root", "root"], 0);
    assert_eq!(code, REFUSED, "{printed}");
}

#[test]
fn a_file_system_that_the_config_mounts_read_only() {
    let scene = Scene::new();
    for (options, code) in [(json!(["ro"]), REFUSED), (json!(["ro", "rw"]), CHANGES)] {
        scene.config(json!({
            "filesystems": [{"device": "/dev/vda", "format": "ext4", "path": "/", "mountOptions": options}],
            "files": [{"path": "/etc/a"}],
        }));
        let (found, printed) = scene.run("plan", &["--image", "/dev/vda=disk.img,size=64M"], 0);
        assert_eq!(found, code, "{printed}");
    }
}

#[test]
fn images_that_cannot_be_written_to() {
    let scene = Scene::new();
    let image = scene.path("disk.img");
    let file = fs::File::create(&image).expect("an image");
    file.set_len(64 << 20).expect("an image");
    scene.config(json!({"disks": [{"device": "/dev/vda", "partitions": [{"number": 1}]}]}));
    let bound = ["--image", "/dev/vda=disk.img"];
    {
        let _kept = Immutable::new(&image);
        scene.assert_refused(&bound, 0, "it cannot be written to");
    }
    {
        let (from, at) = (
            scene.0.directory().display().to_string(),
            scene.path("root").display().to_string(),
        );
        let _bound = Mounted::new(&["--bind", &from, &at]);
        must("mount", &["-o", "remount,bind,ro", &at]);
        scene.assert_refused(
            &["--image", "/dev/vda=root/disk.img"],
            0,
            "it cannot be written to",
        );
        scene.assert_refused(
            &["--image", "/dev/vda=root/new.img,size=64M"],
            0,
            "it cannot be created",
        );
    }
    let locked =
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).expect("a lock");
    scene.assert_refused(&bound, 0, "another process has locked it");
    drop(locked);
    scene.assert_accepted(&bound, 0);
    // If there is nothing to do, nothing has to be written.
    scene.config(json!({}));
    let _kept = Immutable::new(&image);
    let (code, printed) = scene.run("plan", &bound, 0);
    assert_eq!(code, 0, "{printed}");
}

#[test]
fn volumes_and_arrays_need_drivers() {
    let scene = Scene::new();
    let image = scene.path("disk.img");
    let bytes = 64 << 20;
    fs::File::create(&image)
        .and_then(|file| file.set_len(bytes))
        .expect("an image");
    let disk = Loop::over(&image, 0, bytes);
    let luks = json!({"luks": [{"name": "writable", "device": disk.0}]});
    let raid = json!({"raid": [{"name": "writable", "level": "raid1", "devices": [disk.0], "options": ["--force"]}]});
    for (storage, driver) in [(luks, "device mapper"), (raid, "driver for arrays")] {
        scene.config(storage);
        let target = ["--target", "root"];
        let (code, planned) = scene.run("plan", &target, 0);
        assert_eq!(code, CHANGES, "{planned}");
        let missing = format!("the kernel of this machine has no {driver}");
        if !planned.contains(&missing) {
            // With the driver, the lab shows that it works.
            continue;
        }
        let (code, applied) = scene.run("apply", &target, 0);
        assert_eq!(code, REFUSED, "{applied}");
        assert!(applied.contains(&missing), "{applied}");
        let content = fs::read(&image).expect("the image");
        assert!(
            content.iter().all(|byte| *byte == 0),
            "the disk was written to"
        );
    }
}
