//! Failures end to end: each has one clear error that names the object, the place in the config and what to do, and
//! leaves no partial file under its final name.

use crate::common::folder::Folder;
use crate::common::image::Mounted;
use crate::common::run::{describe_output, kindling, must, require_root};
use crate::common::server::Server;
use crate::common::tree::tree;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

const FAILED: i32 = 5;
const REFUSED: i32 = 6;

/// A directory with a config and a root below it.
struct Scene(Folder);

impl Scene {
    fn new(config: &str) -> Scene {
        let scene = Scene(Folder::with(&[("config.ign", config)]));
        fs::create_dir(scene.root()).expect("a root");
        scene
    }

    fn root(&self) -> PathBuf {
        self.0.path("root")
    }

    fn path(&self, name: &str) -> String {
        self.0.path(name).display().to_string()
    }

    fn apply(&self, arguments: &[&str]) -> Output {
        kindling()
            .arg("apply")
            .args(arguments)
            .arg(self.path("config.ign"))
            .output()
            .expect("start kindling")
    }

    fn apply_to_root(&self) -> Output {
        self.apply(&["--root", &self.path("root")])
    }
}

/// Checks the exit code, and that every text is somewhere on standard error.
fn check(output: &Output, code: i32, texts: &[&str]) {
    let printed = describe_output(output);
    assert_eq!(output.status.code(), Some(code), "{printed}");
    let error = String::from_utf8_lossy(&output.stderr);
    for text in texts {
        assert!(
            error.contains(text),
            "standard error does not say {text:?}\n{printed}"
        );
    }
    assert!(!error.contains("panicked"), "{printed}");
}

/// The record that an unfinished run leaves: the names of the files it was creating.
const RECORD: &str = ".kindling-unfinished";

/// Checks that the root has only directories and the record of the run: no partial file, no temporary one.
fn assert_no_files(root: &Path) {
    let files: Vec<String> = tree(root)
        .into_iter()
        .filter(|(path, node)| !node.starts_with('4') && !path.ends_with(RECORD))
        .map(|(path, _)| path)
        .collect();
    assert!(files.is_empty(), "left in the root: {files:?}");
}

/// Starts a server that answers every request with the same bytes and closes. Returns its URL.
fn server(answer: Vec<u8>) -> String {
    let server = Server::start(move |_, stream| _ = stream.write_all(&answer));
    server.url("/file")
}

/// A run that was killed while it created the key directory leaves it under a temporary name.
#[test]
fn an_unfinished_key_directory_is_created_again() {
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "core",
        "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKJbbVPcT9vJkQfL1qG7n9tqb7dZJr0oVJgA0cQz5b me"]}]}}"#,
    );
    check(&scene.apply_to_root(), 0, &[]);
    let home = scene.root().join("home/core");
    fs::remove_dir_all(home.join(".ssh")).expect("removed");
    let digest = Sha256::digest(".ssh");
    let number: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let left = home.join(format!(".kindling-{number}"));
    fs::create_dir(&left).expect("a directory of root");
    check(&scene.apply_to_root(), 0, &[]);
    assert!(!left.exists(), "{} is still there", left.display());
    let owner = |path: &str| fs::metadata(home.join(path)).expect("it is there").uid();
    assert_ne!(owner("."), 0);
    assert_eq!(owner(".ssh"), owner("."));
    assert_eq!(owner(".ssh/authorized_keys.d/ignition"), owner("."));
}

#[test]
fn the_report_has_the_code_of_what_failed() {
    let url = server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let hash = format!("sha256-{}", "ab".repeat(32));
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [
  {{"path": "/etc/fetched", "contents": {{"source": "{url}", "verification": {{"hash": "{hash}"}}}}}}]}}}}"#
    ));
    let report = scene.path("report.json");
    let output = scene.apply(&["--root", &scene.path("root"), "--report", &report]);
    let more = "more: kindling explain K0206";
    check(&output, FAILED, &["/etc/fetched", more]);
    let text = fs::read_to_string(&report).expect("a report");
    assert!(text.contains(r#""code":"K0206""#), "{text}");
    let shown = kindling().args(["report", &report]).output();
    let shown = describe_output(&shown.expect("start kindling"));
    assert!(shown.contains(more), "{shown}");
}

#[test]
fn a_truncated_download() {
    let url = server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this much".to_vec());
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0", "timeouts": {{"httpTotal": 3}}}}, "storage": {{"files": [
  {{"path": "/etc/fetched", "contents": {{"source": "{url}"}}}}]}}}}"#
    ));
    let output = scene.apply_to_root();
    check(
        &output,
        FAILED,
        &["/etc/fetched", &url, "config.ign:2", "to do:"],
    );
    assert_no_files(&scene.root());
}

#[test]
fn a_fetch_without_end_ends_with_the_run() {
    let url = server(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec());
    let other = server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let wrong = format!("sha256-{}", "ab".repeat(32));
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0", "timeouts": {{"httpTotal": 0}}}}, "storage": {{"files": [
  {{"path": "/endless", "contents": {{"source": "{url}"}}}},
  {{"path": "/wrong", "contents": {{"source": "{other}", "verification": {{"hash": "{wrong}"}}}}}}]}}}}"#
    ));
    let output = scene.apply_to_root();
    let not_started = "operations were not started";
    check(
        &output,
        FAILED,
        &[
            "/wrong",
            "config.ign:3",
            "hash verification failed",
            not_started,
        ],
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !error.contains("cancelled"),
        "the endless fetch is not a failure: {error}"
    );
    assert_no_files(&scene.root());
}

#[test]
fn a_wrong_hash() {
    let url = server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let wrong = format!("sha256-{}", "ab".repeat(32));
    for (source, code) in [(url.as_str(), FAILED), ("data:,hello", REFUSED)] {
        let scene = Scene::new(&format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [
  {{"path": "/etc/fetched",
    "contents": {{"source": "{source}", "verification": {{"hash": "{wrong}"}}}}}}]}}}}"#
        ));
        let output = scene.apply_to_root();
        check(
            &output,
            code,
            &[
                "/etc/fetched",
                "hash",
                &"ab".repeat(32),
                "config.ign:",
                "to do: check the file",
            ],
        );
        assert_no_files(&scene.root());
    }
}

/// Merging replaces members one by one: the source comes from the child, the compression from the parent.
#[test]
fn a_body_and_its_compression_from_two_documents() {
    let child = r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/a","contents":{"source":"data:,plain"}}]}}"#;
    let child: String = child.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0", "config": {{"merge": [{{"source": "data:,{child}"}}]}}}},
"storage": {{"files": [{{"path": "/etc/a",
  "contents": {{"source": "data:,",
    "compression": "gzip"}}}}]}}}}"#
    ));
    let output = scene.apply_to_root();
    let places = [
        "compression is set at",
        "config.ign:4:",
        "requested at data::1:",
        "to do:",
    ];
    check(&output, REFUSED, &places);
    assert_no_files(&scene.root());
}

/// A root with space for 64 KiB.
fn small_root(scene: &Scene) -> Mounted {
    let root = scene.path("root");
    Mounted::new(&["-t", "tmpfs", "-o", "size=64k", "tmpfs", &root])
}

/// The size of a body that is fetched during the run cannot be known before.
#[test]
fn a_full_disk() {
    require_root();
    let body = vec![b'x'; 200_000];
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n".to_vec();
    answer.extend(body);
    let url = server(answer);
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [
  {{"path": "/etc/big", "contents": {{"source": "{url}"}}}}]}}}}"#
    ));
    let _small = small_root(&scene);
    let output = scene.apply_to_root();
    let texts = [
        "/etc/big",
        "No space left",
        "config.ign:2",
        "to do: check the free space",
    ];
    check(&output, FAILED, &texts);
    assert_no_files(&scene.root());
}

#[test]
fn contents_that_will_not_fit() {
    require_root();
    let body = "x".repeat(200_000);
    let scene = Scene::new(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [
  {{"path": "/etc/big", "contents": {{"source": "data:,{body}"}}}}]}}}}"#
    ));
    let _small = small_root(&scene);
    let output = scene.apply_to_root();
    let texts = ["/etc/big", "64 KiB", "config.ign:2", "to do: make room"];
    check(&output, REFUSED, &texts);
    assert!(
        !describe_output(&output).contains("xxxxxxxx"),
        "the error shows the content of the file"
    );
    assert_no_files(&scene.root());
}

#[test]
fn a_read_only_image() {
    require_root();
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "storage": {
  "disks": [{"device": "/dev/vda", "partitions": [{"number": 1, "label": "root"}]}]}}"#,
    );
    let shelf = scene.path("shelf");
    fs::create_dir(&shelf).expect("a directory");
    let _mount = Mounted::new(&["-t", "tmpfs", "tmpfs", &shelf]);
    let image = format!("{shelf}/disk.img");
    fs::File::create(&image)
        .and_then(|file| file.set_len(64 << 20))
        .expect("an image");
    must("mount", &["-o", "remount,ro", &shelf]);
    let output = scene.apply(&["--image", &format!("/dev/vda={image}")]);
    let printed = describe_output(&output);
    assert!(
        [4, FAILED, REFUSED].contains(&output.status.code().unwrap_or(-1)),
        "{printed}"
    );
    let error = String::from_utf8_lossy(&output.stderr).to_lowercase();
    for text in [
        "/dev/vda",
        "disk.img",
        "read-only",
        "to do: make the file and its file system writable",
    ] {
        assert!(
            error.contains(text),
            "standard error does not say {text:?}\n{printed}"
        );
    }
}

#[test]
fn a_missing_mkfs() {
    require_root();
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "storage": {
  "disks": [{"device": "/dev/vda", "partitions": [{"number": 1, "label": "root"}]}],
  "filesystems": [{"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/"}]}}"#,
    );
    let empty = scene.path("empty");
    fs::create_dir(&empty).expect("a directory");
    let image = scene.path("disk.img");
    let output = kindling()
        .args([
            "apply",
            "--image",
            &format!("/dev/vda={image},size=64M"),
            &scene.path("config.ign"),
        ])
        .env("PATH", &empty)
        .output()
        .expect("start kindling");
    check(
        &output,
        REFUSED,
        &[
            "mkfs.ext4",
            "config.ign:3",
            "to do: install package e2fsprogs",
        ],
    );
    assert!(
        !Path::new(&image).exists(),
        "the image was made although the file system cannot be: {}",
        describe_output(&output)
    );
}

/// Links are followed as in a chroot: their targets outside of the root stay unchanged.
#[test]
fn a_symlink_that_leads_out_of_the_root() {
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [
  {"path": "/data/file", "contents": {"source": "data:,inside"}},
  {"path": "/up/file", "contents": {"source": "data:,inside"}}]}}"#,
    );
    let outside = scene.path("outside");
    fs::create_dir(&outside).expect("a directory");
    symlink(&outside, scene.root().join("data")).expect("an absolute link");
    symlink("../outside", scene.root().join("up")).expect("a link that climbs");
    let output = scene.apply_to_root();
    check(&output, 0, &[]);
    let inside = [outside.trim_start_matches('/'), "outside"];
    for directory in inside {
        let file = scene.root().join(directory).join("file");
        assert_eq!(fs::read(file).expect("a file"), b"inside");
    }
    assert_eq!(
        tree(Path::new(&outside)).len(),
        0,
        "written outside of the root"
    );
}

#[test]
fn a_loop_of_symlinks() {
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [
  {"path": "/one/file", "contents": {"source": "data:,x"}}]}}"#,
    );
    symlink("two", scene.root().join("one")).expect("a link");
    symlink("one", scene.root().join("two")).expect("a link");
    let output = scene.apply_to_root();
    check(
        &output,
        REFUSED,
        &["/one/file", "symbolic links", "config.ign:2", "to do:"],
    );
}

#[test]
fn every_conflict_is_reported_and_nothing_is_changed() {
    let scene = Scene::new(
        r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [
  {"path": "/etc/fine", "contents": {"source": "data:,x"}},
  {"path": "/etc/one", "contents": {"source": "data:,new"}},
  {"path": "/etc/two", "contents": {"source": "data:,new"}}]}}"#,
    );
    fs::create_dir(scene.root().join("etc")).expect("a directory");
    for name in ["one", "two"] {
        fs::write(scene.root().join("etc").join(name), "old").expect("a file");
    }
    let before = tree(&scene.root());
    let output = scene.apply_to_root();
    check(
        &output,
        REFUSED,
        &[
            "/etc/one",
            "config.ign:3",
            "/etc/two",
            "config.ign:4",
            "overwrite",
        ],
    );
    assert_eq!(tree(&scene.root()), before);
}

/// A report that cannot be written is reported before anything is done.
#[test]
fn the_path_of_the_report_is_checked_before_the_run() {
    let scene =
        Scene::new(r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/a"}]}}"#);
    let root = scene.path("root");
    for (report, cause) in [
        (scene.path("gone/report.json"), "No such file or directory"),
        (scene.path("root"), "it is a directory"),
    ] {
        let output = scene.apply(&["--root", &root, "--report", &report]);
        let object = format!("cannot write the report to {report}");
        check(&output, FAILED, &[&object, cause]);
        assert_eq!(fs::read_dir(&root).expect("the root").count(), 0);
    }
    let report = scene.path("report.json");
    check(
        &scene.apply(&["--root", &root, "--report", &report]),
        0,
        &[],
    );
    assert!(Path::new(&report).is_file());
}

#[test]
fn each_device_has_one_image_and_each_image_one_device() {
    let scene = Scene::new(r#"{"ignition":{"version":"3.4.0"}}"#);
    let (one, other) = (scene.path("one.img"), scene.path("other.img"));
    for image in [&one, &other] {
        fs::write(image, "").expect("an image");
    }
    let bound = |first: &str, second: &str| scene.apply(&["--image", first, "--image", second]);
    let twice = bound(&format!("/dev/vda={one}"), &format!("/dev//vda={other}"));
    check(&twice, 64, &["two images", &one, &other]);
    let shared = bound(&format!("/dev/vda={one}"), &format!("/dev/vdb={one}"));
    check(&shared, REFUSED, &["the same file as", "/dev/vdb"]);
    for image in [&one, &other] {
        assert_eq!(fs::metadata(image).expect("an image").len(), 0);
    }
}
