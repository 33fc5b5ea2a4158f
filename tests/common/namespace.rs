//! A network of one thread alone, and a view of files of its own: names and addresses of the world belong to the test.
//! What the thread starts from then on, threads and processes, is in there with it; all ends with the last of them.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::Path;
use std::process::Command;

/// Takes the calling thread to a network in which there is nothing but the loopback device, and away from mounts of
/// the machine.
pub fn enter() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .expect("namespaces of our own; these tests need root");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
    run(Path::new("/"), "ip link set lo up");
}

/// Says which names there are; files for that come to be in `directory`.
pub fn know(hosts: &str, directory: &Path) {
    let files = [
        ("hosts", hosts),
        (
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        ),
        ("nsswitch.conf", "hosts: files dns\n"),
    ];
    for (name, text) in files {
        let (ours, theirs) = (directory.join(name), Path::new("/etc").join(name));
        std::fs::write(&ours, text).expect("a file");
        if theirs.exists() {
            bind(&ours, &theirs);
        }
    }
}

/// Gives an address to the loopback device.
pub fn add_address(address: &str) {
    let command = format!("ip address add {address}/32 dev lo");
    run(Path::new("/"), &command);
}

/// Makes a directory empty, and its contents the test's own.
pub fn cover(directory: &str) {
    let empty = Some("tmpfs");
    mount(empty, directory, empty, MsFlags::empty(), None::<&str>).expect("a directory of our own");
}

/// Makes what is at one path appear at another, where something is.
pub fn bind(ours: &Path, theirs: &Path) {
    let bound = mount(
        Some(ours),
        theirs,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    );
    bound.unwrap_or_else(|error| panic!("mount over {}: {error}", theirs.display()));
}

/// Makes an authority and a certificate for these names: `ca.pem`, `leaf.pem` and `leaf.key` in `directory`.
pub fn certificates(directory: &Path, names: &[&str]) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9";
    let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
    let names = names.join(",");
    run(
        directory,
        &format!("openssl req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=clouds"),
    );
    run(
        directory,
        &format!(
            "openssl req -x509 -CA ca.pem -CAkey ca.key {key} -keyout leaf.key -out leaf.pem -subj /CN=store \
             -addext subjectAltName={names} -addext basicConstraints=CA:FALSE"
        ),
    );
}

/// Runs a command, of words without spaces, that must succeed.
pub fn run(directory: &Path, command: &str) {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().expect("a program"))
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{command}: {error}; see tests/needs.sh"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
}
