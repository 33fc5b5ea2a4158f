//! Tests the script that brings up the network in an initramfs, with systemd's generator and stand-ins for its daemons.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/dracut/30kindling/kindling-network.sh"
);
const GENERATOR: &str = "/usr/lib/systemd/systemd-network-generator";

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// Settings of networkd after the script has run with these arguments on the kernel command line: path and text of each file.
fn settings(arguments: &[&str]) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let root_path = root.display();
    let script = fs::read_to_string(SCRIPT).expect("the script");
    let script = ["/run/", "/etc/", "/usr/lib/systemd/", "/sys/class/net"]
        .iter()
        .fold(script, |text, path| {
            text.replace(path, &format!("{root_path}{path}"))
        });
    program(&root.join("network.sh"), &script);
    program(
        &root.join("bin/systemctl"),
        &format!(
            "case $2 in systemd-network-generator.service) {GENERATOR} --root={root_path} {} ;; systemd-resolved.service) exit 1 ;; esac",
            arguments.join(" ")
        ),
    );
    program(&root.join("usr/lib/systemd/systemd-networkd"), "");
    program(
        &root.join("usr/lib/systemd/systemd-networkd-wait-online"),
        "",
    );
    fs::create_dir_all(root.join("run/systemd/netif")).expect("a directory");
    fs::write(
        root.join("run/systemd/netif/state"),
        "OPER_STATE=routable\nDNS=192.0.2.53\n",
    )
    .expect("a state");
    fs::create_dir(root.join("etc")).expect("a directory");
    let path = std::env::var("PATH").expect("PATH");
    let output = Command::new("sh")
        .arg(root.join("network.sh"))
        .arg("up")
        .env("PATH", format!("{root_path}/bin:{path}"))
        .output()
        .expect("a shell");
    let failure = fs::read_to_string(root.join("run/kindling/failure.txt")).unwrap_or_default();
    assert!(output.status.success(), "{output:?}\n{failure}");
    let servers = fs::read_to_string(root.join("etc/resolv.conf")).expect("name servers");
    assert_eq!(servers, "nameserver 192.0.2.53\n");
    files_below(&root.join("run/systemd/network"))
}

fn files_below(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<(String, String)> = entries
        .flat_map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match path.is_dir() {
                true => files_below(&path)
                    .into_iter()
                    .map(|(inner, text)| (format!("{name}/{inner}"), text))
                    .collect(),
                false => vec![(
                    name.into_owned(),
                    fs::read_to_string(&path).expect("a text"),
                )],
            }
        })
        .collect();
    files.sort();
    files
}

fn names(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn without_settings_every_interface_uses_dhcp() {
    let files = settings(&[]);
    assert_eq!(names(&files), ["99-kindling-dhcp.network"]);
    let (_, text) = &files[0];
    for part in [
        "[Match]\nType=ether\n",
        "DHCP=yes\n",
        "ClientIdentifier=mac\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// For this systemd generates a file for all interfaces, which has no addresses and takes precedence over ours.
#[test]
fn a_name_server_alone_leaves_addresses_to_dhcp() {
    let files = settings(&["nameserver=192.0.2.53"]);
    let default = "91-default.network";
    assert_eq!(
        names(&files),
        [default, "91-default.network.d/50-kindling.conf"]
    );
    assert!(files[0].1.contains("DNS=192.0.2.53"), "{}", files[0].1);
    assert!(
        files[1].1.starts_with("[Network]\nDHCP=yes\n"),
        "{}",
        files[1].1
    );
}

#[test]
fn addresses_of_the_command_line_are_left_alone() {
    for argument in ["ip=dhcp", "ip=192.0.2.7::192.0.2.1:24:node:eth0:none"] {
        let files = settings(&[argument, "nameserver=192.0.2.53"]);
        let ours = names(&files).iter().any(|name| name.contains("kindling"));
        assert!(!ours, "{argument}: {files:?}");
    }
}
