//! Tests of the program on platforms whose hypervisor or firmware has the config. Devices are replaced by programs and
//! files where possible; elsewhere the program must report what is missing. The protocols are covered by the unit
//! tests of each platform.

use crate::common::folder::Folder;
use crate::common::run::{Ended, KINDLING, kindling, write_script};
use crate::common::server::Server;
use crate::common::{boot, namespace};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIG: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}";
const LISTING: &str = "ORIGINID FILE CLASS RECORDS  CPY HOLD DATE  TIME     NAME      TYPE     DIST
LINUX    0012 A PUN 00000099 001 NONE 06-11 15:08:00 coreos    ign      SYSPROG
";

/// A machine whose programs are scripts that record their arguments.
struct Machine(Folder);

impl Machine {
    fn new() -> Self {
        let machine = Machine(Folder::with(&[("cmdline", "")]));
        fs::create_dir(machine.path("bin")).expect("made");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Adds a program made of these shell lines.
    fn with(self, program: &str, lines: &str) -> Self {
        let calls = self.path("calls");
        let calls = calls.display();
        let lines = format!("echo \"{program} $*\" >> {calls}\n{lines}");
        write_script(&self.path("bin").join(program), &lines);
        self
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    fn command(&self) -> Command {
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.path("bin").display()
        );
        let mut command = kindling();
        command.env("PATH", path);
        command
    }

    fn fetch(&self, platform: &str) -> Ended {
        let mut command = self.command();
        command.args(["fetch", "--platform", platform, "--consume"]);
        boot::set_environment(&mut command, self.0.directory());
        Ended::of(&mut command)
    }

    /// The first stage of a boot, without a network.
    fn boot(&self, platform: &str) -> Ended {
        self.stage(platform, "fetch-offline")
    }

    fn stage(&self, platform: &str, stage: &str) -> Ended {
        let mut command = self.command();
        command.arg("boot");
        boot::add_stage(&mut command, platform, stage, self.0.directory());
        Ended::of(&mut command)
    }
}

/// A machine under z/VM. `vmur` prints `listing`, and receives the config surrounded by NULs.
fn zvm(listing: &str) -> Machine {
    let machine = Machine::new();
    fs::write(machine.path("listing"), listing).expect("written");
    let spooled = machine.path("spooled");
    fs::write(&spooled, format!("\0{CONFIG}\0\0")).expect("written");
    let (listing, spooled) = (machine.path("listing"), spooled);
    let vmur = format!(
        "case $1 in li) cat {} ;; re) cp {} \"$4\" ;; *) exit 1 ;; esac",
        listing.display(),
        spooled.display()
    );
    machine
        .with("modprobe", "")
        .with("chccwdev", "")
        .with("cio_ignore", "")
        .with("udevadm", "")
        .with("vmur", &vmur)
}

#[test]
fn a_spool_file_of_zvm_is_received() {
    let machine = zvm(LISTING);
    machine
        .fetch("zvm")
        .assert(0, CONFIG, "34 bytes from zvm: spool file 0012 coreos.ign");
    let calls = machine.calls();
    let (last, others) = calls.split_last().expect("calls");
    let expected = [
        "modprobe vmur",
        "chccwdev -e 000c",
        "udevadm settle",
        "vmur li",
    ];
    assert_eq!(others, expected);
    let path = last.strip_prefix("vmur re -f 0012 ").expect(last);
    assert!(
        !Path::new(path).exists(),
        "the file is not left behind: {path}"
    );
}

#[test]
fn a_long_listing_is_read_from_its_start() {
    let other = LISTING
        .lines()
        .last()
        .expect("a row")
        .replace(" ign ", " DUMP");
    let machine = zvm(&format!("{LISTING}{}", format!("{other}\n").repeat(5000)));
    machine.fetch("zvm").assert(0, CONFIG, "spool file 0012");
    let odd = zvm(&LISTING.replace(" 0012 ", " --0012 "));
    odd.fetch("zvm")
        .assert(3, "", "\"--0012\", which is not a number");
}

#[test]
fn an_ignored_reader_is_enabled() {
    let once = "[ -e $0.once ] && exit 0; touch $0.once; exit 1";
    let machine = zvm(LISTING).with("chccwdev", once);
    machine.fetch("zvm").assert(0, CONFIG, "");
    let expected = [
        "modprobe vmur",
        "chccwdev -e 000c",
        "cio_ignore -r 000c",
        "chccwdev -e 000c",
        "udevadm settle",
        "vmur li",
    ];
    assert_eq!(machine.calls()[..6], expected);
}

#[test]
fn without_a_spool_file_zvm_has_no_config() {
    let first = LISTING.lines().next().expect("a head");
    let machine = zvm(first);
    let none = "zvm has no config";
    machine.fetch("zvm").assert(1, "", none);
    let ended = machine.boot("zvm");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(machine.path("ignition.json").exists(), "{ended:?}");
    assert!(!machine.path("neednet").exists(), "{ended:?}");
}

/// A server of one config, and a config that refers to it.
fn referencing_config() -> (String, Server) {
    let server = Server::fixed("200 OK", "", CONFIG);
    let address = server.address;
    let config = format!(
        r#"{{"ignition": {{"version": "3.4.0", "config": {{"merge": [{{"source": "http://{address}/"}}]}}}},
        "storage": {{"directories": [{{"path": "/s3cret"}}]}}}}"#
    );
    (config, server)
}

/// A received file is removed from the reader, but a boot needs the config twice if it refers to others.
#[test]
fn a_read_once_config_is_kept_for_the_online_stage() {
    let machine = zvm(LISTING);
    let (config, server) = referencing_config();
    fs::write(machine.path("spooled"), config).expect("written");
    let receive = format!(
        "cd {}\ncase $1 in li) cat listing ;; re) mv spooled \"$4\" && : > listing ;; esac",
        machine.path("").display()
    );
    let machine = machine.with("vmur", &receive);
    let offline = machine.stage("zvm", "fetch-offline");
    assert_eq!(offline.code, Some(0), "{offline:?}");
    assert!(machine.path("neednet").exists(), "{offline:?}");
    assert!(!machine.path("ignition.json").exists(), "{offline:?}");
    let state = fs::metadata(machine.path("state")).expect("kept");
    assert_eq!(state.permissions().mode() & 0o777, 0o600);

    let online = machine.stage("zvm", "fetch");
    assert_eq!(online.code, Some(0), "{online:?}");
    let cache = fs::read_to_string(machine.path("ignition.json")).expect("a config");
    assert!(cache.contains("/s3cret"), "{cache}");
    assert_eq!(server.seen().len(), 1, "it was fetched once");
    let kept = "using the config of platform zvm that an earlier stage saved";
    assert!(online.out.contains(kept), "{online:?}");
    let state = fs::read_to_string(machine.path("state")).expect("kept");
    assert!(
        !state.contains("readOnceConfig"),
        "nobody needs it now: {state}"
    );
    let received = machine.calls().into_iter();
    assert_eq!(
        received.filter(|call| call.starts_with("vmur re")).count(),
        1
    );
}

#[test]
fn failures_of_each_zvm_program_are_reported() {
    for program in ["modprobe", "chccwdev", "udevadm", "vmur"] {
        let machine = zvm(LISTING).with(program, "echo why >&2; exit 1");
        let ended = machine.fetch("zvm");
        assert_eq!(ended.code, Some(3), "{program}: {ended:?}");
        let mut lines = ended.err.lines();
        let last = lines.rfind(|line| !line.starts_with(' '));
        let last = last.expect("a reason");
        let named = last.contains("why") && last.contains(program);
        assert!(
            named || program == "chccwdev" && last.contains("why"),
            "{program}: {last}"
        );
    }
}

/// Moves this thread to its own namespaces, in which this directory is the bus.
fn enter_with_bus(directory: &Path) {
    namespace::enter();
    namespace::bind(directory, Path::new("/sys/bus/platform/devices"));
}

#[test]
fn the_boot_fifo_of_bluefield_is_read() {
    let machine = Machine::new().with("modprobe", "");
    let devices = machine.path("devices");
    let device = devices.join("MLNXBF04:00");
    fs::create_dir_all(&device).expect("made");
    let fifo = device.join("bootfifo");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("made");
    enter_with_bus(&devices);
    for (pushed, code, out) in [
        (format!("{CONFIG}\0\0\0"), 0, CONFIG),
        ("\0\0".into(), 1, ""),
        (String::new(), 1, ""),
    ] {
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| fs::write(&fifo, &pushed).expect("pushed"));
            machine.fetch("nvidiabluefield")
        });
        ended.assert(code, out, "nvidiabluefield");
    }
    assert_eq!(machine.calls(), ["modprobe mlxbf_bootctl"; 3]);
    fs::remove_file(&fifo).expect("removed");
    let missing = "cannot read /sys/bus/platform/devices/MLNXBF04:00/bootfifo";
    machine.fetch("nvidiabluefield").assert(1, "", missing);
}

#[test]
fn read_once_configs_are_only_consumed_on_request() {
    let machine = Machine::new().with("modprobe", "");
    for platform in ["hyperv", "nvidiabluefield", "zvm"] {
        let fetch = ["fetch", "--platform", platform];
        let ended = Ended::of(machine.command().args(fetch));
        ended.assert(64, "", "provides its config only once");
    }
    assert_eq!(machine.calls(), [""; 0]);
}

#[test]
fn missing_devices_are_named() {
    let machine = Machine::new().with("modprobe", "");
    let cases = [
        (
            "hyperv",
            "cannot open /dev/vmbus/hv_kvp: No such file or directory",
        ),
        (
            "virtualbox",
            "cannot open /dev/vboxguest; the kernel needs the module vboxguest",
        ),
        ("vmware", "config provider was not online"),
    ];
    for (platform, why) in cases {
        machine.fetch(platform).assert(3, "", why);
        let ended = machine.boot(platform);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.out.contains(why), "{ended:?}");
        assert!(!machine.path("ignition.json").exists(), "{platform}");
    }
    assert_eq!(machine.calls(), ["modprobe hv_utils"; 2]);
    let broken = Machine::new().with("modprobe", "echo no such module >&2; exit 1");
    broken.fetch("hyperv").assert(3, "", "no such module");
}

#[test]
fn failures_to_delete_a_config_are_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let rmcfg = directory.path().join("ignition-rmcfg");
    std::os::unix::fs::symlink(KINDLING, &rmcfg).expect("a link");
    for (platform, why) in [
        ("virtualbox", "cannot open /dev/vboxguest"),
        ("vmware", "not a VMware guest"),
        ("hyperv", "cannot delete config on this platform"),
    ] {
        let output = Command::new(&rmcfg)
            .args(["--log-to-stdout", "--platform", platform])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{platform}");
        let log = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            log.contains("CRITICAL : couldn't delete config: ") && log.contains(why),
            "{log}"
        );
    }
}
