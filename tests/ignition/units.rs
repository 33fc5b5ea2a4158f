//! The units, targets and generator that run the stages during a boot. Distributions order their own units by these
//! names, so the lines they rely on are checked here; whole boots are tested by `make test-boot`.

use crate::common::run::{describe_output, require_root};
use crate::common::tree::tree;
use kindling::platform::PLATFORMS;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const STAGES: [&str; 6] = ["fetch-offline", "fetch", "kargs", "disks", "mount", "files"];
const TARGETS: [&str; 4] = ["complete", "diskful", "subsequent", "diskful-subsequent"];

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dracut/30kindling")
}

/// Settings of a unit as `Name=value`, with one for each word of a list.
fn settings(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    let lists = ["After", "Before", "Requires", "Conflicts"];
    let mut all = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, words)) if lists.contains(&name) => {
                all.extend(
                    words
                        .split_whitespace()
                        .map(|word| format!("{name}={word}")),
                );
            }
            Some(_) => {
                all.insert(line.to_string());
            }
            None => {}
        }
    }
    all
}

#[track_caller]
fn assert_settings(unit: &str, lines: &[&str]) {
    let settings = settings(&module().join(unit));
    for line in lines {
        assert!(
            settings.contains(*line),
            "{unit} has no {line}: {settings:#?}"
        );
    }
}

#[test]
fn every_stage_has_its_service() {
    for stage in STAGES {
        let start = format!(
            "ExecStart=/usr/bin/ignition --root=/sysroot --platform=${{PLATFORM_ID}} --stage={stage} ${{IGNITION_ARGS}}"
        );
        assert_settings(
            &format!("ignition-{stage}.service"),
            &[
                "ConditionPathExists=/etc/initrd-release",
                "DefaultDependencies=false",
                "Type=oneshot",
                "RemainAfterExit=yes",
                "EnvironmentFile=/run/ignition.env",
                "OnFailure=emergency.target",
                "OnFailureJobMode=isolate",
                "Before=ignition-complete.target",
                &start,
            ],
        );
    }
}

#[test]
fn services_are_ordered_as_distributions_expect() {
    let fetch_offline = ["After=basic.target", "Before=ignition-fetch.service"];
    assert_settings("ignition-fetch-offline.service", &fetch_offline);
    assert_settings(
        "ignition-fetch.service",
        &[
            "After=basic.target",
            "After=ignition-fetch-offline.service",
            "After=network.target",
            "Before=ignition-disks.service",
            "ConditionPathExists=/run/ignition/neednet",
            "ConditionPathExists=!/run/ignition.json",
        ],
    );
    assert_settings(
        "ignition-kargs.service",
        &[
            "After=ignition-fetch.service",
            "Before=ignition-disks.service",
            "MountFlags=slave",
        ],
    );
    assert_settings(
        "ignition-disks.service",
        &[
            "After=ignition-fetch.service",
            "Before=ignition-mount.service",
            "Before=initrd-root-device.target",
            "Before=sysroot.mount",
            "Requires=systemd-udevd.service",
            "After=systemd-udevd.service",
        ],
    );
    assert_settings(
        "ignition-mount.service",
        &[
            "After=ignition-disks.service",
            "After=ignition-remount-sysroot.service",
            "After=network.target",
            "Before=ignition-files.service",
            "Before=initrd-switch-root.target",
            "Requires=initrd-root-fs.target",
            "After=initrd-root-fs.target",
            "ExecStop=/usr/bin/ignition --root=/sysroot --platform=${PLATFORM_ID} --stage=umount ${IGNITION_ARGS}",
        ],
    );
    assert_settings(
        "ignition-files.service",
        &[
            "After=ignition-mount.service",
            "Before=initrd-parse-etc.service",
        ],
    );
    assert_settings(
        "ignition-remount-sysroot.service",
        &[
            "After=sysroot.mount",
            "Before=ignition-diskful.target",
            "ConditionPathIsReadWrite=!/sysroot",
            "ExecStart=/bin/mount -o remount,rw /sysroot",
        ],
    );
}

#[test]
fn targets_end_with_the_initramfs() {
    for target in TARGETS {
        assert_settings(
            &format!("ignition-{target}.target"),
            &[
                "ConditionPathExists=/etc/initrd-release",
                "Conflicts=initrd-switch-root.target",
                "Conflicts=umount.target",
                "Conflicts=dracut-emergency.service",
                "Conflicts=emergency.service",
                "Conflicts=emergency.target",
            ],
        );
    }
    assert_settings("ignition-complete.target", &["Before=initrd.target"]);
    assert_settings("ignition-subsequent.target", &["Before=initrd.target"]);
    assert_settings(
        "ignition-diskful.target",
        &["Before=ignition-complete.target"],
    );
    assert_settings(
        "ignition-diskful-subsequent.target",
        &["Before=ignition-subsequent.target"],
    );
}

#[test]
fn empty_encrypted_volumes_count_as_ready() {
    let rule = fs::read_to_string(module().join("99-xx-ignition-systemd-cryptsetup.rules"));
    let rule = rule.expect("the rule");
    for part in [
        r#"ENV{DM_UUID}=="CRYPT-*""#,
        r#"ENV{ID_PART_TABLE_TYPE}=="""#,
        r#"ENV{ID_FS_USAGE}=="""#,
        r#"ENV{SYSTEMD_READY}="1""#,
    ] {
        assert!(rule.contains(part), "{part}");
    }
}

#[test]
fn the_config_is_deleted_from_the_real_root() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dracut/real-root/ignition-delete-config.service");
    let settings = settings(&unit);
    for line in [
        "ConditionFirstBoot=true",
        "ConditionPathExists=/run/ignition.env",
        "ConditionKernelCommandLine=|ignition.platform.id=virtualbox",
        "ConditionKernelCommandLine=|ignition.platform.id=vmware",
        "Before=sysinit.target",
        "OnFailure=emergency.target",
        "ExecStart=/usr/libexec/ignition-rmcfg --platform=${PLATFORM_ID}",
        "WantedBy=sysinit.target",
    ] {
        assert!(settings.contains(line), "{line}");
    }
}

/// Runs the generator for a kernel command line; returns its links and the environment of the stages.
fn generated(line: &str, live: bool) -> (Vec<String>, String) {
    require_root();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("cmdline"), format!("{line}\n")).expect("a file");
    fs::create_dir(path("bin")).expect("a directory");
    let virt = path("bin/systemd-detect-virt");
    symlink("/bin/false", virt).expect("a link");
    if live {
        symlink("/bin/true", path("bin/is-live-image")).expect("a link");
    }
    let script = "set -e
        mount --bind cmdline /proc/cmdline
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /dev
        mknod /dev/null c 1 3
        PATH=$PWD/bin:$PATH \"$1\" \"$PWD/units\"
        cp /run/ignition.env env";
    let generator = module().join("kindling-generator.sh");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&generator)
        .current_dir(directory.path())
        .output()
        .expect("start unshare");
    assert!(output.status.success(), "{}", describe_output(&output));
    let links: Vec<String> = tree(&path("units"))
        .into_iter()
        .filter(|(_, node)| !node.starts_with('4'))
        .map(|(link, _)| link.trim_start_matches('/').to_string())
        .collect();
    for link in &links {
        let target = fs::read_link(path("units").join(link)).expect("a link");
        assert!(target.starts_with(".."), "{}", target.display());
    }
    let environment = fs::read_to_string(path("env")).expect("the environment");
    (links, environment)
}

#[test]
fn the_generator_distinguishes_first_boots_from_later_ones() {
    let first = [
        "ignition-complete.target.requires/ignition-diskful.target",
        "initrd.target.requires/ignition-complete.target",
    ];
    let later = [
        "ignition-subsequent.target.requires/ignition-diskful-subsequent.target",
        "initrd.target.requires/ignition-subsequent.target",
    ];
    for (line, want) in [
        ("ignition.firstboot", &first[..]),
        ("ignition.firstboot=1 quiet", &first),
        ("flatcar.first_boot=detected", &first),
        ("coreos.first_boot=1", &first),
        ("quiet", &later),
        ("ignition.firstboot=0", &later),
        ("ignition.firstboot ignition.firstboot=off", &later),
        ("a\nignition.firstboot", &first),
        ("a\n\nignition.firstboot\nb", &first),
        (r#""ignition.firstboot=1" quiet"#, &first),
        (r#"quiet "ignition.firstboot""#, &first),
        (r#"ignition.firstboot="1""#, &first),
        (r#"ignition.firstboot="0""#, &later),
        (r#"a="b c" ignition.firstboot"#, &first),
        (r#"a="b ignition.firstboot c""#, &later),
        ("* ignition.firstboot", &first),
    ] {
        assert_eq!(generated(line, false).0, want, "{line}");
    }
    assert_eq!(generated("ignition.firstboot", true).0, first[1..]);
    assert_eq!(generated("", true).0, later[1..]);
}

#[test]
fn the_generator_names_the_platform() {
    for (line, want) in [
        ("ignition.platform.id=qemu", "PLATFORM_ID=qemu\n"),
        (
            "ignition.platform.id=a ignition.platform.id=b",
            "PLATFORM_ID=b\n",
        ),
        ("", "PLATFORM_ID=\n"),
        (r#""ignition.platform.id=qemu" a"#, "PLATFORM_ID=qemu\n"),
        (r#"ignition.platform.id="qemu""#, "PLATFORM_ID=qemu\n"),
        ("a\nignition.platform.id=*", "PLATFORM_ID=*\n"),
        ("flatcar.oem.id=ec2", "PLATFORM_ID=aws\nOEM_ID=ec2\n"),
        ("flatcar.first_boot=1", "PLATFORM_ID=metal\nOEM_ID=metal\n"),
    ] {
        assert_eq!(generated(line, false).1, want, "{line}");
    }
}

#[test]
fn the_scripts_read_the_kernel_command_line_alike() {
    let shared = |name: &str| {
        let text = fs::read_to_string(module().join(name)).expect("there");
        let begin = text.find("# The kernel command line, ").expect("its begin");
        let last = begin + text[begin..].find("\nunquote() {").expect("its end");
        let end = last + text[last..].find("\n}\n").expect("its end");
        text[begin..end].to_owned()
    };
    let generator = shared("kindling-generator.sh");
    assert!(generator.contains("\nargument() {"), "{generator}");
    assert_eq!(generator, shared("kindling-network.sh"));
}

/// Runs `kindling-network up` with NetworkManager: checks the arguments that the generator of connections gets, and the
/// interfaces that are recorded as down before.
#[test]
fn the_network_comes_up_with_any_command_line_and_any_interface() {
    require_root();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    let put = |name: &str, text: &str| {
        fs::create_dir_all(path(name).parent().expect("a directory")).expect("made");
        fs::write(path(name), text).expect("written");
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    put("cmdline", "quiet *\n\"kindling.network.timeout=08\" a?\n");
    put("usr/lib/systemd/system/nm-initrd.service", "");
    put(
        "usr/libexec/nm-initrd-generator",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >arguments\n",
    );
    for program in ["systemctl", "nm-online"] {
        put(&format!("bin/{program}"), "#!/bin/sh\n");
    }
    for (interface, flags) in [
        ("down0", "0x1002"),
        ("up0", "0x1003"),
        ("odd0", "none"),
        ("void0", ""),
    ] {
        put(&format!("net/{interface}/flags"), flags);
        put(&format!("net/{interface}/operstate"), "unknown\n");
    }
    put("a1", "");
    let script = "set -e
        mount --bind cmdline /proc/cmdline
        mount -t overlay overlay -o \"lowerdir=$PWD/usr:/usr\" /usr
        mount --bind net /sys/class/net
        mount -t tmpfs tmpfs /run
        PATH=$PWD/bin:$PATH
        \"$1\" up
        cp /run/kindling/network/was-down was-down";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(module().join("kindling-network.sh"))
        .current_dir(directory.path())
        .output()
        .expect("start unshare");
    assert!(output.status.success(), "{}", describe_output(&output));
    let read = |name: &str| fs::read_to_string(path(name)).expect(name);
    let arguments = "--\nquiet\n*\n\"kindling.network.timeout=08\"\na?\nrd.neednet=1\n";
    assert_eq!(read("arguments"), arguments, "{}", describe_output(&output));
    assert_eq!(read("was-down"), "down0\n", "{}", describe_output(&output));
}

/// Runs the end of a first boot after `setup` has mounted file systems; returns the files in `/boot` after it.
fn after_first_boot(setup: &str) -> String {
    require_root();
    let script = format!(
        "set -e
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/log
        {setup}
        timeout 20 \"$1\" >/dev/null
        ls /boot"
    );
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dracut/real-root/kindling-firstboot-complete.sh");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(program)
        .output()
        .expect("start unshare");
    assert!(output.status.success(), "{}", describe_output(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_flag_is_removed_from_the_topmost_mount() {
    let setup = "mount -t tmpfs low /boot
        mount -t tmpfs top /boot
        touch /boot/ignition.firstboot /boot/kept
        mount -o remount,ro /boot";
    assert_eq!(after_first_boot(setup), "kept\n");
}

#[test]
fn the_end_of_a_first_boot_does_not_wait_for_a_pipe() {
    let flag = "mount -t tmpfs boot /boot
        touch /boot/ignition.firstboot
        mkdir -p /run/kindling /var/log/kindling";
    let setup = format!(
        "{flag}
        echo report >/run/kindling/report.json
        mkfifo /var/log/kindling/first-boot.json.new"
    );
    assert_eq!(after_first_boot(&setup), "");
    assert_eq!(
        after_first_boot(&format!("{flag}\nmkfifo /run/kindling/report.json")),
        ""
    );
}

/// The words of the function of the dracut module that adds kernel modules.
fn kernel_modules() -> BTreeSet<String> {
    let path = module().join("module-setup.sh");
    let text = fs::read_to_string(&path).expect("there");
    let (_, rest) = text.split_once("\ninstallkernel() {").expect("a function");
    let (body, _) = rest.split_once("\n}").expect("its end");
    body.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_initramfs_has_the_kernel_modules_of_every_platform() {
    let included = kernel_modules();
    for platform in PLATFORMS {
        for needed in platform.about().modules {
            let (id, name) = (platform.id(), needed.name());
            assert!(
                included.contains(name),
                "{id} needs {name}, and module-setup.sh does not add it"
            );
        }
    }
}

/// Runs the function of the dracut module that copies trusted keys, after `prepare` has set up `/etc`.
fn copied_keys(prepare: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!(
        "set -u; dfatal() {{ echo \"$*\"; }}; \
         inst_simple() {{ mkdir -p \"$initdir${{1%/*}}\"; cp \"$dracutsysrootdir$1\" \"$initdir$1\"; }}; \
         dracutsysrootdir=$PWD/root initdir=$PWD/image; mkdir -p root/etc image; (cd root/etc; {prepare}); \
         . {}; trusted_keys; cd image; find . -type f | sort",
        module().join("module-setup.sh").display()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(directory.path());
    command.output().expect("bash runs")
}

#[test]
fn trusted_keys_are_copied_to_the_initramfs_or_fail_its_build() {
    let keys = "mkdir -p kindling/trusted-keys.d; cd kindling/trusted-keys.d; echo k > one";
    let both = "./etc/kindling/trusted-keys.d/one\n./etc/kindling/trusted-keys.d/two\n";
    for (prepare, want) in [
        (":", Ok("")),
        ("mkdir kindling", Ok("")),
        ("mkdir -p kindling/trusted-keys.d", Ok("")),
        (&format!("{keys}; echo k > two"), Ok(both)),
        (&format!("{keys}; ln -s one two"), Ok(both)),
        (
            &format!("{keys}; ln -s nowhere two"),
            Err("two is not a file"),
        ),
        (&format!("{keys}; mkdir team"), Err("team is not a file")),
        (&format!("{keys}; : > empty"), Err("empty cannot be copied")),
        (
            "mkdir kindling; ln -s /nowhere kindling/trusted-keys.d",
            Err("leads nowhere"),
        ),
        ("ln -s /nowhere kindling", Err("leads nowhere")),
        (
            "mkdir kindling; echo k > kindling/trusted-keys.d",
            Err("is not a directory"),
        ),
    ] {
        let output = copied_keys(prepare);
        let stdout = String::from_utf8_lossy(&output.stdout);
        match want {
            Ok(files) => assert_eq!(
                (output.status.code(), &*stdout),
                (Some(0), files),
                "{prepare}"
            ),
            Err(cause) => {
                assert_eq!(output.status.code(), Some(1), "{prepare}: {stdout}");
                assert!(stdout.contains(cause), "{prepare}: {stdout}");
            }
        }
    }
}
