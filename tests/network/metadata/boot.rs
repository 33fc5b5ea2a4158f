//! Attributes that are fetched during a boot, because the config is for cloud-init or k3OS.

use super::drives::attach;
use super::network::{self, LINK_LOCAL, Network, Page};
use std::fs;
use std::path::Path;

const KEY: &str = "ssh-ed25519 AAAA platform";
const USER_DATA: &str = "#cloud-config\nruncmd: [\"true\"]\n";

fn cached(machine: &Path) -> String {
    fs::read_to_string(machine.join("ignition.json")).expect("a cache")
}

fn run(network: &Network, platform: &str, stage: &str, machine: &Path) -> String {
    fs::create_dir_all(machine.join("root/etc")).expect("made");
    fs::write(machine.join("cmdline"), "k3os.hostname=no hostname=line").expect("written");
    let output = network.stage(platform, stage, machine);
    assert_eq!(output.code, Some(0), "{output:?}");
    format!("{}{}", output.out, output.err)
}

#[test]
fn hostname_and_keys_of_a_service() {
    let pages = vec![
        Page::get("GET /hetzner/v1/userdata", USER_DATA),
        Page::get("GET /hetzner/v1/metadata/hostname", "web-1"),
        Page::get(
            "GET /hetzner/v1/metadata/public-keys",
            "[\"ssh-ed25519 AAAA platform\"]",
        ),
        Page::get("GET /hetzner/v1/metadata/instance-id", "42"),
    ];
    network::with(LINK_LOCAL, pages, |network| {
        let machine = tempfile::tempdir().expect("a directory");
        run(network, "hetzner", "fetch-offline", machine.path());
        assert!(machine.path().join("neednet").exists());
        run(network, "hetzner", "fetch", machine.path());
        let cache = cached(machine.path());
        // The second one is base64 of "web-1\n".
        for expected in [KEY, "d2ViLTEK"] {
            assert!(cache.contains(expected), "{expected}: {cache}");
        }
        // `kindling fetch --rendered` prints the same config.
        let output = network.fetch("hetzner", machine.path());
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.out.contains(KEY), "{output:?}");
    });
}

#[test]
fn missing_metadata_fails_the_fetch() {
    let mut hostname = Page::get("GET /hetzner/v1/metadata/hostname", "");
    hostname.status = 403;
    let pages = vec![Page::get("GET /hetzner/v1/userdata", USER_DATA), hostname];
    network::with(LINK_LOCAL, pages, |network| {
        let machine = tempfile::tempdir().expect("a directory");
        fs::write(machine.path().join("cmdline"), "").expect("written");
        let output = network.stage("hetzner", "fetch", machine.path());
        assert_eq!(output.code, Some(1), "{output:?}");
        let expected = "platform hetzner provides no instance metadata";
        assert!(output.out.contains(expected), "{output:?}");
        assert!(!machine.path().join("ignition.json").exists());
    });
}

#[test]
fn a_nocloud_drive() {
    network::with(LINK_LOCAL, vec![], |network| {
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
        run(network, "nocloud", "fetch-offline", machine.path());
        let cache = cached(machine.path());
        // Base64 of "web-2\n" and "db i-7".
        for expected in [KEY, "d2ViLTIK", "ZGIgaS03", "/usr/share/zoneinfo/UTC"] {
            assert!(cache.contains(expected), "{expected}: {cache}");
        }
    });
}

#[test]
fn ignition_configs_fetch_no_metadata() {
    let pages = vec![Page::get(
        "GET /hetzner/v1/userdata",
        "{\"ignition\": {\"version\": \"3.4.0\"}}",
    )];
    network::with(LINK_LOCAL, pages, |network| {
        let machine = tempfile::tempdir().expect("a directory");
        run(network, "hetzner", "fetch", machine.path());
        assert_eq!(network.requests(), ["GET /hetzner/v1/userdata 200"]);
    });
}

/// A config drive with user data but without metadata: unknown attributes are omitted.
#[test]
fn a_drive_with_only_user_data() {
    network::with(LINK_LOCAL, vec![], |network| {
        let drive = tempfile::tempdir().expect("a directory");
        let user = "#cloud-config\nhostname: own\ncoreos: {update: {group: beta}}\n";
        let files = [("openstack/latest/user_data", user)];
        attach(drive.path(), "config-2", &files);
        let machine = tempfile::tempdir().expect("a directory");
        let output = run(network, "kubevirt", "fetch-offline", machine.path());
        let expected = "the drive has no /openstack/latest/meta_data.json";
        assert!(output.contains(expected), "{output}");
        // Base64 of "own\n".
        let cache = cached(machine.path());
        assert!(cache.contains("b3duCg=="), "{cache}");
    });
}
