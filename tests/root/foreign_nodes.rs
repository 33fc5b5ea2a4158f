//! Devices, pipes, links and other names of files: in a tree they are neither opened nor written to, and outside of it
//! they are not replaced.

use crate::common::folder::Folder;
use crate::common::image::Mounted;
use crate::common::run::{describe_output, kindling, require_root};
use crate::common::server::{Server, respond};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

const REFUSED: i32 = 6;
const CHANGES: i32 = 2;
const RECORD: &str = "root/etc/.kindling-unfinished";

/// Creates a node at a path; the folder has a file that the node may lead to.
type MakeNode = fn(&Folder, &Path);

/// A folder with a config that writes `/q`, and a minimal root.
fn scene() -> Folder {
    require_root();
    let folder = Folder::new();
    folder.put("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    folder.put("root/etc/group", "root:x:0:\n");
    config(
        &folder,
        json!({"files": [{"path": "/q", "contents": {"source": "data:,y"}}]}),
    );
    folder
}

fn config(folder: &Folder, storage: Value) {
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": storage});
    folder.put("config.ign", config.to_string());
}

fn run(folder: &Folder, command: &str, options: &[&str], stdout: Stdio) -> (i32, String) {
    let mut kindling = kindling();
    kindling
        .args([command, "--root", "root"])
        .args(options)
        .arg("config.ign")
        .current_dir(folder.directory())
        .stdout(stdout)
        .stderr(Stdio::piped());
    let output: Output = kindling
        .spawn()
        .and_then(|child| child.wait_with_output())
        .expect("kindling runs");
    (output.status.code().unwrap_or(-1), describe_output(&output))
}

#[test]
fn only_a_real_record_is_written_to() {
    let cases: [(&str, MakeNode); 5] = [
        ("a second name", |folder, record| {
            fs::hard_link(folder.path("foreign"), record).expect("a second name");
        }),
        ("a link", |folder, record| {
            symlink(folder.path("foreign"), record).expect("a link");
        }),
        ("a device", |_, record| {
            let mode = Mode::S_IRWXU;
            mknod(record, SFlag::S_IFCHR, mode, makedev(1, 5)).expect("a device");
        }),
        ("a pipe", |_, record| {
            mkfifo(record, Mode::S_IRWXU).expect("a pipe");
        }),
        ("another owner", |_, record| {
            fs::write(record, "important").expect("a file");
            std::os::unix::fs::chown(record, Some(7), None).expect("an owner");
        }),
    ];
    for (name, make) in cases {
        let folder = scene();
        folder.put("foreign", "important");
        make(&folder, &folder.path(RECORD));
        for command in ["plan", "apply"] {
            let (code, printed) = run(&folder, command, &[], Stdio::piped());
            assert_eq!(code, REFUSED, "{name}: {command}: {printed}");
            let cause = "cannot write /etc/.kindling-unfinished: ";
            for text in [cause, "to do: remove it"] {
                assert!(printed.contains(text), "{name}: {command}: {printed}");
            }
        }
        assert_eq!(folder.read("foreign"), "important", "{name}");
        assert!(!folder.path("root/q").exists(), "{name}");
        fs::remove_file(folder.path(RECORD)).expect("removed");
        let (code, printed) = run(&folder, "apply", &[], Stdio::piped());
        assert_eq!(code, 0, "{name}: {printed}");
    }
}

/// A pipe is used in place of a device, since inotify reports that it was opened.
#[test]
fn nodes_that_are_no_files_are_not_opened() {
    let paths = [
        "etc/passwd",
        "etc/shadow",
        "etc/login.defs",
        "etc/nsswitch.conf",
        "etc/os-release",
        "etc/ssh/sshd_config",
        "etc/selinux/config",
        "etc/systemd/system/a.service",
        "etc/systemd/system-preset/20-ignition.preset",
        "usr/lib/sysusers.d/a.conf",
        "etc/.kindling-unfinished",
        "q",
    ];
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}]},
        "storage": {"files": [{"path": "/q", "append": [{"source": "data:,y"}]}]},
        "systemd": {"units": [{"name": "a.service", "enabled": true}]},
    });
    for path in paths {
        let folder = scene();
        folder.put("config.ign", config.to_string());
        let node = folder.path("root").join(path);
        fs::create_dir_all(node.parent().expect("a directory")).expect("directories");
        let _ = fs::remove_file(&node);
        mkfifo(&node, Mode::S_IRWXU).expect("a pipe");
        let watch = Inotify::init(InitFlags::IN_NONBLOCK).expect("inotify");
        watch
            .add_watch(&node, AddWatchFlags::IN_OPEN)
            .expect("a watch");
        for command in ["plan", "apply"] {
            run(&folder, command, &[], Stdio::piped());
        }
        let opened = || watch.read_events().map(|events| events.len());
        assert_eq!(opened(), Err(Errno::EAGAIN), "{path}");
        // An open would have been noticed.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        drop(nix::fcntl::open(&node, flags, Mode::empty()).expect("opened"));
        assert_eq!(opened(), Ok(1), "{path}");
    }
}

#[test]
fn a_copy_of_a_large_file_must_fit_and_holes_take_no_space() {
    let folder = scene();
    fs::create_dir_all(folder.path("root/d")).expect("a directory");
    let small = folder.path("root/d").display().to_string();
    let _small = Mounted::new(&["-t", "tmpfs", "-o", "size=64k", "tmpfs", &small]);
    config(
        &folder,
        json!({"files": [{"path": "/d/f", "append": [{"source": "data:,n"}]}]}),
    );
    let path = folder.put("root/d/f", [b'x'; 40 << 10]);
    for command in ["plan", "apply"] {
        let (code, printed) = run(&folder, command, &[], Stdio::piped());
        assert_eq!(code, REFUSED, "{command}: {printed}");
        assert!(
            printed.contains("a copy of 40 KiB is made first"),
            "{printed}"
        );
    }
    let file = File::create(&path).expect("emptied");
    file.set_len(1 << 30).expect("a length");
    let (code, printed) = run(&folder, "apply", &[], Stdio::piped());
    assert_eq!(code, 0, "{printed}");
    let metadata = fs::metadata(&path).expect("there");
    assert_eq!(metadata.len(), (1 << 30) + 1);
    assert!(metadata.blocks() <= 128, "{} blocks", metadata.blocks());
}

#[test]
fn a_page_is_written_through_a_link_to_standard_output() {
    let folder = scene();
    symlink("/proc/self/fd/1", folder.path("stdout")).expect("a link");
    let page = File::create(folder.path("page.html")).expect("a file");
    let (code, printed) = run(&folder, "plan", &["--html", "stdout"], page.into());
    assert_eq!(code, CHANGES, "{printed}");
    assert!(folder.path("stdout").is_symlink());
    let page = folder.read("page.html");
    assert!(page.starts_with("<!"), "{page}");
    let (code, printed) = run(&folder, "apply", &["--report", "stdout"], Stdio::piped());
    assert_eq!(code, 0, "{printed}");
    assert!(folder.path("stdout").is_symlink() && printed.contains("\"operations\""));
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let folder = scene();
    let long = "n".repeat(256);
    for report in ["absent/", "absent/x", &long, "root"] {
        let (code, printed) = run(&folder, "apply", &["--report", report], Stdio::piped());
        assert_ne!(code, 0, "{report}: {printed}");
        let start = format!("cannot write the report to {report}: ");
        assert_eq!(printed.matches(&start).count(), 1, "{report}: {printed}");
        assert!(!folder.path("root/q").exists(), "{report}: {printed}");
    }
}

/// While files are fetched into an image, the server reads the mounts of the program.
#[test]
fn no_device_of_an_image_can_be_opened_and_no_program_runs_from_it() {
    require_root();
    let folder = Folder::new();
    let (pid_sender, pid) = mpsc::channel::<u32>();
    let (mounts_sender, mounts) = mpsc::channel::<String>();
    let exchange = Arc::new(Mutex::new((pid, mounts_sender)));
    let server = Server::start(move |_, stream| {
        if let Ok(exchange) = exchange.lock()
            && let Ok(pid) = exchange.0.recv()
        {
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo"));
            let _ = exchange.1.send(mounts.unwrap_or_default());
        }
        respond(stream, "200 OK", "", b"text");
    });
    config(
        &folder,
        json!({
            "disks": [{"device": "/dev/vda", "partitions": [{"number": 1, "label": "root"}]}],
            "filesystems": [{"device": "/dev/disk/by-partlabel/root", "format": "ext4", "path": "/"}],
            "files": [{"path": "/q", "contents": {"source": server.url("/q")}}],
        }),
    );
    let child = kindling()
        .args([
            "apply",
            "--image",
            "/dev/vda=disk.img,size=64M",
            "config.ign",
        ])
        .current_dir(folder.directory())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kindling runs");
    pid_sender.send(child.id()).expect("the server listens");
    let output = child.wait_with_output().expect("kindling runs");
    assert!(output.status.success(), "{}", describe_output(&output));
    let mounts = mounts.try_recv().expect("the server was asked");
    let line = mounts
        .lines()
        .find(|line| line.contains(" - ext4 /dev/loop"));
    let line = line.unwrap_or_else(|| panic!("no loop device in {mounts}"));
    let options = line.split(' ').nth(5).expect("options");
    for option in ["nosuid", "nodev", "noexec"] {
        assert!(options.split(',').any(|other| other == option), "{line}");
    }
}
