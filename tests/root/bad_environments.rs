//! Every command ends in time in every bad environment, and with a documented exit code: without a signal or a panic.

use crate::common::run::KINDLING;
use crate::common::server::{Server, hang, respond};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Number of files in the config.
const FILES: usize = 300;

/// Timeout of a run in seconds, even on a busy machine.
const TIMEOUT_SECONDS: &str = "240";

/// Exit codes of `kindling`, as its help and the README say.
const KINDLING_CODES: &[i32] = &[0, 1, 2, 3, 4, 5, 6, 64];
/// Exit codes under the names of Ignition, as docs/ignition.md says.
const IGNITION_CODES: &[i32] = &[0, 1, 2, 3];

/// Exit codes under the names of translators, as docs/migration.md says.
const TRANSLATOR_CODES: &[i32] = &[0, 1];

/// A command line, `HASH` being the digest of the config, and the exit codes it may have.
const COMMANDS: &[(&str, &[i32])] = &[
    ("kindling", KINDLING_CODES),
    ("kindling --help", KINDLING_CODES),
    ("kindling --version", KINDLING_CODES),
    ("kindling --wrong", KINDLING_CODES),
    ("kindling validate c.ign", KINDLING_CODES),
    ("kindling validate --format json c.ign", KINDLING_CODES),
    ("kindling verify --hash sha256-HASH c.ign", KINDLING_CODES),
    ("kindling plan --root t c.ign", KINDLING_CODES),
    ("kindling plan --json --root t c.ign", KINDLING_CODES),
    (
        "kindling plan --html r/plan.html --root t c.ign",
        KINDLING_CODES,
    ),
    ("kindling diff --root t c.ign c.ign", KINDLING_CODES),
    ("kindling diff --json --root t c.ign i.ign", KINDLING_CODES),
    (
        "kindling plan --image /dev/vda=d.img,size=20M i.ign",
        KINDLING_CODES,
    ),
    (
        "kindling apply --root t --json --report r/new.json c.ign",
        KINDLING_CODES,
    ),
    ("kindling apply --root t c.ign", KINDLING_CODES),
    (
        "kindling apply --image /dev/vda=d.img,size=20M i.ign",
        KINDLING_CODES,
    ),
    ("kindling fetch --platform file", KINDLING_CODES),
    ("kindling fetch --platform file --rendered", KINDLING_CODES),
    ("kindling platform list", KINDLING_CODES),
    ("kindling platform show qemu", KINDLING_CODES),
    ("kindling platform detect", KINDLING_CODES),
    ("kindling metadata --platform qemu", KINDLING_CODES),
    ("kindling explain", KINDLING_CODES),
    ("kindling explain K0204", KINDLING_CODES),
    ("kindling translate --to butane c.ign", KINDLING_CODES),
    ("kindling translate b.bu", KINDLING_CODES),
    ("kindling explain-migration o.ign", KINDLING_CODES),
    ("kindling schema --version 3.6.0", KINDLING_CODES),
    ("kindling report r/old.json", KINDLING_CODES),
    (
        "kindling report --html r/report.html r/old.json",
        KINDLING_CODES,
    ),
    ("kindling completions bash", KINDLING_CODES),
    ("kindling man r/man", KINDLING_CODES),
    (
        "kindling boot -platform=file -stage=fetch-offline -root=t -config-cache=r/b.json -state-file=r/t -neednet=r/m",
        IGNITION_CODES,
    ),
    (
        "ignition --platform=file --stage=fetch-offline --root=t --config-cache=r/c.json --state-file=r/s --neednet=r/n",
        IGNITION_CODES,
    ),
    (
        "ignition --platform=file --stage=files --root=t --config-cache=r/c.json --state-file=r/s --neednet=r/n --log-to-stdout",
        IGNITION_CODES,
    ),
    ("ignition --version", IGNITION_CODES),
    ("ignition-validate c.ign", IGNITION_CODES),
    ("ignition-apply --root t c.ign", IGNITION_CODES),
    ("ignition-rmcfg --platform=file", IGNITION_CODES),
    ("butane b.bu", TRANSLATOR_CODES),
    ("ct -in-file l.yaml", TRANSLATOR_CODES),
    ("ign-converter -input o.ign", TRANSLATOR_CODES),
];

/// A name, what is run once, and what is run before each command, by a shell with mounts of its own.
const ENVIRONMENTS: &[(&str, &str, &str)] = &[
    ("a good one", "", ""),
    (
        "a byte order mark in the config",
        r"printf '\357\273\277' | cat - c.ign >n; mv n c.ign",
        "",
    ),
    ("a config that is a pipe", "rm c.ign; mkfifo c.ign", ""),
    ("a config that is a directory", "rm c.ign; mkdir c.ign", ""),
    (
        "a config without end",
        "rm c.ign; ln -s /dev/full c.ign",
        "ulimit -v 4000000",
    ),
    ("a closed standard output", "", "exec >&-"),
    ("a full standard output", "", "exec >/dev/full"),
    ("a full standard error", "", "exec 2>/dev/full"),
    ("nothing open", "", "exec <&- >&- 2>&-"),
    (
        "a clock before 1970",
        "",
        "export LD_PRELOAD=$PWD/bad.so CLOCK=-1",
    ),
    (
        "a clock after 9999",
        "",
        "export LD_PRELOAD=$PWD/bad.so CLOCK=253402300800",
    ),
    ("few descriptors", "", "ulimit -n 64"),
    ("very few descriptors", "", "ulimit -n 12"),
    ("small files only", "", "ulimit -f 1"),
    ("no /proc", "", "mount -t tmpfs none /proc"),
    (
        "a TMPDIR that is read-only",
        "mkdir tmp",
        "mount -t tmpfs -o ro none tmp; export TMPDIR=$PWD/tmp",
    ),
    (
        "no more threads",
        "",
        "export LD_PRELOAD=$PWD/bad.so NO_THREADS=1",
    ),
    ("no TMPDIR", "", "export TMPDIR=$PWD/absent"),
    ("a mask that leaves no rights", "", "umask 0777"),
];

/// Overrides the clock of a program that is started with it, or lets it start no threads.
const BAD_LIBRARY: &str = r#"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    const char *seconds = getenv("CLOCK");
    if (clock == CLOCK_REALTIME && seconds) time->tv_sec = atol(seconds);
    return result;
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return getenv("NO_THREADS") ? EAGAIN : create(thread, attributes, run, argument);
}
"#;

/// A directory with everything that the commands need.
struct TestBed(TempDir);

impl TestBed {
    fn new() -> Self {
        let bed = TestBed(tempfile::tempdir().expect("a temporary directory"));
        let names = [
            "kindling",
            "ignition",
            "ignition-validate",
            "ignition-apply",
            "ignition-rmcfg",
            "butane",
            "ct",
            "ign-converter",
        ];
        for name in names {
            fs::create_dir_all(bed.path().join("bin")).expect("made");
            symlink(KINDLING, bed.path().join("bin").join(name)).expect("a link");
        }
        for name in ["t", "r", "system"] {
            fs::create_dir(bed.path().join(name)).expect("made");
        }
        for (name, text) in [
            ("c.ign", config().as_str()),
            (
                "i.ign",
                r#"{"ignition":{"version":"3.5.0"},"storage":{"disks":[{"device":"/dev/vda","partitions":[{"number":1,"label":"a"}]}]}}"#,
            ),
            ("b.bu", "variant: fcos\nversion: 1.5.0\n"),
            ("l.yaml", "storage:\n  files: []\n"),
            ("o.ign", r#"{"ignition":{"version":"2.3.0"}}"#),
            ("cmdline", "x=1\n"),
            ("bad.c", BAD_LIBRARY),
        ] {
            fs::write(bed.path().join(name), text).expect("written");
        }
        let prepared = bed.run(
            "cc -shared -fPIC -D_GNU_SOURCE -o bad.so bad.c -ldl && mkdir t0 && kindling apply --root t0 --report r/old.json c.ign",
            Stdio::null(),
        );
        assert_eq!(prepared.0, Some(0), "{prepared:?}");
        bed
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a script with mounts of its own. Returns its exit code and standard error.
    fn run(&self, script: &str, stdout: Stdio) -> (Option<i32>, String) {
        let dir = self.path();
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .current_dir(dir)
            .env(
                "PATH",
                format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", dir.display()),
            )
            .env("container", "test")
            .env("IGNITION_KERNEL_CMDLINE_PATH", dir.join("cmdline"))
            .env("IGNITION_CONFIG_FILE", dir.join("c.ign"))
            .env("IGNITION_SYSTEM_CONFIG_DIR", dir.join("system"))
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", dir.join("system"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", dir.join("system"))
            .env("KINDLING_RUN_DIR", dir.join("run"))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .output()
            .expect("unshare runs; these tests need root");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    }

    /// Number of files that exist and are complete.
    fn files(&self) -> usize {
        let is_complete = |i: &usize| {
            fs::read(self.path().join(format!("t/d/{i}"))).is_ok_and(|text| text == b"x")
        };
        (0..FILES).filter(is_complete).count()
    }
}

fn config() -> String {
    let file = |i| format!(r#"{{"path":"/d/{i}","contents":{{"source":"data:,x"}}}}"#);
    let files: Vec<String> = (0..FILES).map(file).collect();
    format!(
        r#"{{"ignition":{{"version":"3.5.0"}},"storage":{{"files":[{}]}}}}"#,
        files.join(",")
    )
}

fn hash() -> String {
    let digest = Sha256::digest(config());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Commands that do not end as documented in an environment.
fn violations(name: &str, once: &str, each: &str) -> Vec<String> {
    let bed = TestBed::new();
    assert_eq!(bed.run(once, Stdio::null()).0, Some(0), "{name}");
    let mut violations = Vec::new();
    for (command, codes) in COMMANDS {
        let command = command.replace("HASH", &hash());
        // `timeout` ends in the same way as the command, unless it has to end it.
        let script = format!("{each}\nexec timeout --kill-after 5 {TIMEOUT_SECONDS} {command}");
        let (code, stderr) = bed.run(&script, Stdio::null());
        let is_documented = code.is_some_and(|code| codes.contains(&code));
        if !is_documented || stderr.contains("panicked") {
            violations.push(format!("{name}: {command}: {code:?}: {stderr}"));
        }
    }
    violations
}

#[test]
fn every_command_ends_as_documented_in_every_environment() {
    let found: Vec<String> = std::thread::scope(|scope| {
        let run = |(name, once, each): &'static (&str, &str, &str)| {
            scope.spawn(|| violations(name, once, each))
        };
        let running: Vec<_> = ENVIRONMENTS.iter().map(run).collect();
        running
            .into_iter()
            .flat_map(|one| one.join().expect("no panic"))
            .collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The write end of a pipe whose reader is gone.
fn pipe_without_reader() -> Stdio {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.write_all(b"x").expect_err("nobody reads");
    writer.into()
}

#[test]
fn a_result_that_cannot_be_written_is_an_error_unless_nobody_reads_it() {
    let bed = TestBed::new();
    for (command, code) in [
        ("kindling validate c.ign", 0),
        ("kindling plan --root t c.ign", 2),
        ("kindling plan --json --root t c.ign", 2),
        ("kindling report r/old.json", 0),
        ("kindling platform list", 0),
        ("kindling completions bash", 0),
        ("kindling fetch --platform file", 0),
        ("kindling --help", 0),
    ] {
        let (gone, stderr) = bed.run(&format!("exec {command}"), pipe_without_reader());
        assert_eq!(gone, Some(code), "{command}: {stderr}");
        let (full, stderr) = bed.run(&format!("exec {command} >/dev/full"), Stdio::null());
        assert_eq!(full, Some(5), "{command}: {stderr}");
        let want = "cannot write to standard output: No space left on device";
        assert!(stderr.contains(want), "{command}: {stderr}");
    }
}

#[test]
fn a_run_continues_without_its_progress_output() {
    for (command, code) in [
        ("kindling apply --root t c.ign 2>/dev/full", 0),
        ("kindling apply --root t c.ign 2>&1", 0),
        ("kindling apply --json --root t c.ign >/dev/full", 5),
        ("kindling apply --json --root t c.ign", 0),
        ("ignition-apply --root t c.ign >/dev/full", 0),
        ("ignition-apply --root t c.ign", 0),
    ] {
        let bed = TestBed::new();
        let (ended, stderr) = bed.run(&format!("exec {command}"), pipe_without_reader());
        assert_eq!(
            (ended, bed.files()),
            (Some(code), FILES),
            "{command}: {stderr}"
        );
    }
}

/// Directories are kept open for the files in them, but only as many as a part of the limit for the process.
#[test]
fn few_descriptors_suffice_for_many_directories() {
    let bed = TestBed::new();
    let file = |i| format!(r#"{{"path":"/d/{i}/x","contents":{{"source":"data:,x"}}}}"#);
    let files: Vec<String> = (0..FILES).map(file).collect();
    let config = format!(
        r#"{{"ignition":{{"version":"3.5.0"}},"storage":{{"files":[{}]}}}}"#,
        files.join(",")
    );
    fs::write(bed.path().join("many.ign"), config).expect("written");
    let ran = bed.run(
        "ulimit -n 64; kindling apply --root t many.ign",
        Stdio::null(),
    );
    assert_eq!(ran.0, Some(0), "{ran:?}");
    let made = fs::read_dir(bed.path().join("t/d")).expect("the directories");
    assert_eq!(made.count(), FILES);
}

/// Everything below a home is created with the rights of its user, who must be able to enter it.
#[test]
fn a_umask_without_owner_rights_does_not_fail_a_run() {
    let bed = TestBed::new();
    let config = r#"{"ignition":{"version":"3.5.0"},"passwd":{"users":[{"name":"ada","sshAuthorizedKeys":["ssh-ed25519 AAAA"]}]}}"#;
    fs::write(bed.path().join("keys.ign"), config).expect("written");
    let script = "mkdir -p t/etc t/home; umask 0777; kindling apply --root t keys.ign";
    let ran = bed.run(script, Stdio::null());
    assert_eq!(ran.0, Some(0), "{ran:?}");
    let mode = |name: &str| {
        let about = fs::metadata(bed.path().join("t/home/ada/.ssh").join(name));
        about.expect("there").permissions().mode() & 0o7777
    };
    assert_eq!(mode("authorized_keys.d"), 0o700);
    assert_eq!(mode("authorized_keys.d/ignition"), 0o600);
}

/// Names are looked up in a thread.
#[test]
fn a_name_that_cannot_be_looked_up_for_lack_of_threads_is_an_error() {
    let bed = TestBed::new();
    let config = r#"{"ignition":{"version":"3.5.0","timeouts":{"httpTotal":1}},
        "storage":{"files":[{"path":"/a","contents":{"source":"http://localhost:1/"}}]}}"#;
    fs::write(bed.path().join("name.ign"), config).expect("written");
    let script =
        "export LD_PRELOAD=$PWD/bad.so NO_THREADS=1; exec kindling apply --root t name.ign";
    let (code, stderr) = bed.run(script, Stdio::null());
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("cannot start a thread for it"), "{stderr}");
}

/// The terminal of a run is closed while it waits for a server.
#[test]
fn sighup_ends_a_run_in_order_unless_it_is_ignored() {
    for (option, code) in [("--default-signal=HUP", 5), ("--ignore-signal=HUP", 0)] {
        let bed = TestBed::new();
        let pid_file = bed.path().join("pid");
        let server = Server::start(move |_, stream| {
            let pid = fs::read_to_string(&pid_file).expect("written before");
            let pid = Pid::from_raw(pid.trim().parse().expect("a number"));
            kill(pid, Signal::SIGHUP).expect("sent");
            match code {
                0 => respond(stream, "200 OK", "", b"x"),
                _ => hang(),
            }
        });
        let config = format!(
            r#"{{"ignition":{{"version":"3.5.0"}},
            "storage":{{"files":[{{"path":"/a","contents":{{"source":"{}"}}}}]}}}}"#,
            server.url("/")
        );
        fs::write(bed.path().join("hup.ign"), config).expect("written");
        let script = format!("echo $$ >pid; exec env {option} kindling apply --root t hup.ign");
        let (ended, stderr) = bed.run(&script, Stdio::null());
        assert_eq!(ended, Some(code), "{option}: {stderr}");
        assert_eq!(stderr.contains("was interrupted"), code != 0, "{stderr}");
    }
}

/// An ignored SIGCHLD is inherited.
#[test]
fn ignored_sigchld_does_not_affect_child_processes() {
    let bed = TestBed::new();
    let config = r#"{"ignition":{"version":"3.5.0"},"systemd":{"units":[{"name":"foo.service","enabled":false}]}}"#;
    fs::write(bed.path().join("off.ign"), config).expect("written");
    let script = r"
        mkdir -p t/etc/systemd/system/a.target.wants t/usr/lib/systemd/system
        printf '[Install]\nWantedBy=a.target\n' >t/usr/lib/systemd/system/foo.service
        ln -s /usr/lib/systemd/system/foo.service t/etc/systemd/system/a.target.wants/foo.service
        exec env --ignore-signal=CHLD kindling apply --root t off.ign";
    let ran = bed.run(script, Stdio::null());
    assert_eq!(ran.0, Some(0), "{ran:?}");
}

/// A stage manages without files that it cannot read, or creates them anew.
#[test]
fn pipes_in_place_of_state_files_do_not_block_a_stage() {
    let bed = TestBed::new();
    let flags = "--platform=file --root=t --config-cache=r/c.json --state-file=r/s --neednet=r/n";
    let script = format!(
        "mkdir run && mkfifo run/report.json
        timeout 60 ignition --stage=fetch-offline {flags} || exit
        rm r/.c.json.origins run/report.json
        mkfifo r/.c.json.origins run/report.json
        exec timeout 60 ignition --stage=files {flags}"
    );
    let ran = bed.run(&script, Stdio::null());
    assert_eq!((ran.0, bed.files()), (Some(0), FILES), "{ran:?}");
}

#[test]
fn a_pipe_as_certificate_file_does_not_block_a_fetch() {
    let bed = TestBed::new();
    let config = r#"{"ignition":{"version":"3.5.0","timeouts":{"httpTotal":1},"config":{"merge":[{"source":"https://127.0.0.1:1/"}]}}}"#;
    fs::write(bed.path().join("https.ign"), config).expect("written");
    let script =
        "mkfifo pipe; exec env SSL_CERT_FILE=$PWD/pipe timeout 60 kindling plan --root t https.ign";
    let ran = bed.run(script, Stdio::null());
    assert_eq!(ran.0, Some(3), "{ran:?}");
    let want = "unable to fetch resource in time";
    assert!(ran.1.contains(want), "{ran:?}");
}
