//! Attributes that a boot asks for, because its config is one of cloud-init or k3OS.

use super::drives::attach;
use super::world::{self, LINK_LOCAL, Page, World};
use std::fs;
use std::path::Path;

const KEY: &str = "ssh-ed25519 AAAA platform";
const USER_DATA: &str = "#cloud-config\nruncmd: [\"true\"]\n";

fn cached(machine: &Path) -> String {
    fs::read_to_string(machine.join("ignition.json")).expect("a cache")
}

fn run(world: &World, platform: &str, stage: &str, machine: &Path) -> String {
    fs::create_dir_all(machine.join("root/etc")).expect("made");
    fs::write(machine.join("cmdline"), "k3os.hostname=no hostname=line").expect("written");
    let said = world.stage(platform, stage, machine);
    assert_eq!(said.code, Some(0), "{said:?}");
    format!("{}{}", said.out, said.err)
}

#[test]
fn the_name_and_the_keys_of_a_service() {
    let pages = vec![
        Page::get("GET /hetzner/v1/userdata", USER_DATA),
        Page::get("GET /hetzner/v1/metadata/hostname", "web-1"),
        Page::get(
            "GET /hetzner/v1/metadata/public-keys",
            "[\"ssh-ed25519 AAAA platform\"]",
        ),
        Page::get("GET /hetzner/v1/metadata/instance-id", "42"),
    ];
    world::with(LINK_LOCAL, pages, |world| {
        let machine = tempfile::tempdir().expect("a directory");
        run(world, "hetzner", "fetch-offline", machine.path());
        assert!(machine.path().join("neednet").exists());
        run(world, "hetzner", "fetch", machine.path());
        let cache = cached(machine.path());
        // What is at the end is base64 of "web-1\n".
        for want in [KEY, "d2ViLTEK"] {
            assert!(cache.contains(want), "{want}: {cache}");
        }
        // A person who asks what a boot would work on sees the same.
        let said = world.fetch("hetzner", machine.path());
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains(KEY), "{said:?}");
    });
}

#[test]
fn a_platform_that_gives_a_config_and_does_not_tell_the_keys() {
    let mut hostname = Page::get("GET /hetzner/v1/metadata/hostname", "");
    hostname.status = 403;
    let pages = vec![Page::get("GET /hetzner/v1/userdata", USER_DATA), hostname];
    world::with(LINK_LOCAL, pages, |world| {
        let machine = tempfile::tempdir().expect("a directory");
        fs::write(machine.path().join("cmdline"), "").expect("written");
        let said = world.stage("hetzner", "fetch", machine.path());
        assert_eq!(said.code, Some(1), "{said:?}");
        let want = "platform hetzner provides no instance metadata";
        assert!(said.out.contains(want), "{said:?}");
        assert!(!machine.path().join("ignition.json").exists());
    });
}

#[test]
fn a_drive_in_the_form_of_no_cloud() {
    world::with(LINK_LOCAL, vec![], |world| {
        let drive = tempfile::tempdir().expect("a directory");
        let meta = format!(
            "instance-id: i-7\nlocal-hostname: web-2.example.com\npublic-keys:\n- {KEY}\nrole: db\n"
        );
        let user = "## template: jinja\n#cloud-config\n\
            write_files: [{path: /role, content: \"{{ ds.meta_data.role }} {{ v1.instance_id }}\"}]\n";
        let files = [
            ("user-data", user),
            ("meta-data", &meta),
            ("vendor-data", "#cloud-config\ntimezone: UTC\n"),
        ];
        attach(drive.path(), "cidata", &files);
        let machine = tempfile::tempdir().expect("a directory");
        run(world, "nocloud", "fetch-offline", machine.path());
        let cache = cached(machine.path());
        // Base64 of "web-2\n" and "db i-7".
        for want in [KEY, "d2ViLTIK", "ZGIgaS03", "/usr/share/zoneinfo/UTC"] {
            assert!(cache.contains(want), "{want}: {cache}");
        }
    });
}

#[test]
fn other_languages_do_not_ask() {
    let pages = vec![Page::get(
        "GET /hetzner/v1/userdata",
        "{\"ignition\": {\"version\": \"3.4.0\"}}",
    )];
    world::with(LINK_LOCAL, pages, |world| {
        let machine = tempfile::tempdir().expect("a directory");
        run(world, "hetzner", "fetch", machine.path());
        assert_eq!(world.asked(), ["GET /hetzner/v1/userdata 200"]);
    });
}

/// A config drive that has user data and no description of the machine: what was not told is not known.
#[test]
fn a_drive_with_user_data_alone() {
    world::with(LINK_LOCAL, vec![], |world| {
        let drive = tempfile::tempdir().expect("a directory");
        let user = "#cloud-config\nhostname: own\ncoreos: {update: {group: beta}}\n";
        let files = [("openstack/latest/user_data", user)];
        attach(drive.path(), "config-2", &files);
        let machine = tempfile::tempdir().expect("a directory");
        let said = run(world, "kubevirt", "fetch-offline", machine.path());
        let want = "the drive has no /openstack/latest/meta_data.json";
        assert!(said.contains(want), "{said}");
        // Base64 of "own\n".
        let cache = cached(machine.path());
        assert!(cache.contains("b3duCg=="), "{cache}");
    });
}
