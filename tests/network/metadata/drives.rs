//! Drives that are found by their label and mounted by the program. Their contents are covered by unit tests.

use super::network::{self, LINK_LOCAL, Page};
use crate::common::namespace;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const LABELS: &str = "/dev/disk/by-label";

/// Makes a labelled file system with these files, which are also in `tree`, visible only to this thread.
pub fn attach(directory: &Path, label: &str, files: &[(&str, &str)]) {
    fs::create_dir_all("/dev/disk").expect("a place for labels");
    namespace::cover("/dev/disk");
    for (path, text) in files {
        let path = directory.join("tree").join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    }
    let image = directory.join("image");
    let made = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-O", "^has_journal", "-L", label, "-d"])
        .arg(directory.join("tree"))
        .arg(&image)
        .arg("4M")
        .output()
        .expect("mke2fs runs; see tests/needs.sh");
    assert!(made.status.success(), "{made:?}");
    fs::create_dir_all(LABELS).expect("made");
    // Mounting a file needs a loop device while it is mounted.
    symlink(&image, Path::new(LABELS).join(label)).expect("linked");
}

/// Checks that no mount point is left.
fn assert_nothing_left(temporary: &Path) {
    let left: Vec<_> = fs::read_dir(temporary).expect("there").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_drive_takes_precedence_over_the_service() {
    let pages = vec![Page::get(
        "GET /latest/meta-data/hostname",
        "of-the-service",
    )];
    network::with(LINK_LOCAL, pages, |network| {
        let dir = tempfile::tempdir().expect("a directory");
        let machine = "{\"hostname\": \"of-the-drive\", \"uuid\": \"8367\"}";
        let files = [("openstack/latest/meta_data.json", machine)];
        attach(dir.path(), "config-2", &files);
        let temporary = tempfile::tempdir().expect("a directory");
        let output = network.metadata_in(&["--platform=openstack", "--env"], temporary.path());
        let expected =
            "AFTERBURN_OPENSTACK_HOSTNAME=of-the-drive\nAFTERBURN_OPENSTACK_INSTANCE_UUID=8367\n";
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(0), expected),
            "{output:?}"
        );
        assert!(network.requests().is_empty());
        assert_nothing_left(temporary.path());
    });
}

#[test]
fn an_invalid_drive() {
    network::with(LINK_LOCAL, vec![], |network| {
        let dir = tempfile::tempdir().expect("a directory");
        let files = [("user-data", "#cloud-config\nhostname: *secret\n")];
        attach(dir.path(), "cidata", &files);
        let temporary = tempfile::tempdir().expect("a directory");
        let output = network.metadata_in(&["--platform=proxmoxve"], temporary.path());
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(4), ""),
            "{output:?}"
        );
        let expected = "kindling: error: cannot get the metadata of platform proxmoxve: config drive cidata: /user-data of the drive: \
                    line 2: it is not valid YAML";
        assert!(output.err.contains(expected), "{output:?}");
        assert!(!output.err.contains("secret"), "{output:?}");
        assert_nothing_left(temporary.path());
    });
}
