//! Planning rejects what the mkfs programs reject, as tested with the installed programs.

use kindling::disk::superblock::{self, Superblock};
use kindling::facts::KernelFacts;
use kindling::facts::rehearsal::MkfsRequest;
use kindling::observe;
use kindling::plan::filesystems::canonical_uuid;
use kindling::plan::formats;
use std::fs::File;
use std::process::{Command, Stdio};

const MIB: u64 = 1024 * 1024;

/// Format, program, arguments, the flags of label and UUID, a size that is large enough.
type Format = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    u64,
);

const FORMATS: &[Format] = &[
    ("ext4", "mkfs.ext4", &["-F"], "-L", "-U", 16 * MIB),
    ("xfs", "mkfs.xfs", &["-f"], "-L", "-m", 400 * MIB),
    ("btrfs", "mkfs.btrfs", &["--force"], "-L", "-U", 256 * MIB),
    ("vfat", "mkfs.fat", &[], "-n", "-i", 16 * MIB),
    ("swap", "mkswap", &["-f"], "-L", "-U", 16 * MIB),
];

fn is_installed(program: &str) -> bool {
    observe::tools().contains(program)
}

/// What the program creates in a blank file; `None` if it fails.
fn run_mkfs(program: &str, arguments: &[String], bytes: u64) -> Option<Superblock> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(bytes).expect("a sparse file");
    let status = Command::new(program)
        .args(arguments)
        .arg(file.path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut created = File::open(file.path()).expect("it is there");
    let found = superblock::probe(&mut created).expect("it can be read");
    found.kind.is_some().then_some(found)
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn labels_are_rejected_as_by_the_programs() {
    let long = "x".repeat(300);
    let mut labels: Vec<String> = strings(&[
        "a", "A B", " a", "a ", "a\tb", "a/b", "é", "ÉÉ", "NO NAME", "no name", "~A", "A'B", "-x",
        "\u{7f}A", "a\nb", "  ", "\u{5}",
    ]);
    labels.extend("*?.,;:/\\|+=<>[]\"".chars().map(|c| format!("A{c}B")));
    labels.extend([11, 12, 13, 15, 16, 17, 254, 255, 256].map(|bytes| long[..bytes].to_owned()));
    for (format, program, fixed, flag, _, bytes) in FORMATS.iter().filter(|f| is_installed(f.1)) {
        for label in &labels {
            let mut arguments = strings(fixed);
            arguments.extend([(*flag).to_owned(), label.clone()]);
            let created = run_mkfs(program, &arguments, *bytes);
            let is_applied = created.is_some_and(|found| found.label.as_ref() == Some(label));
            let result = formats::check_label(format, label);
            assert_eq!(result.is_ok(), is_applied, "{format} {label:?}: {result:?}");
        }
    }
}

#[test]
fn uuids_are_rejected_as_by_the_programs() {
    let uuids = [
        "01234567-89ab-cdef-0123-456789abcdef",
        "01234567-89AB-CDEF-0123-456789ABCDEF",
        "00000000-0000-0000-0000-000000000001",
        "01234567-89ab-cdef-0123-456789abcdeg",
        "01234567-89ab-cdef-0123-456789abcde",
        "random",
        "clear",
        "time",
        "1234abcd",
        "1234-ABCD",
        "00000001",
        "123456789",
        "12",
        "x",
    ];
    for (format, program, fixed, _, flag, bytes) in FORMATS.iter().filter(|f| is_installed(f.1)) {
        for uuid in uuids {
            let canonical = canonical_uuid(format, uuid);
            let value = match *flag {
                "-m" => format!("uuid={canonical}"),
                _ => canonical.clone(),
            };
            let mut arguments = strings(fixed);
            arguments.extend([(*flag).to_owned(), value]);
            let created = run_mkfs(program, &arguments, *bytes);
            let found = created.and_then(|found| found.uuid);
            let is_applied = found.is_some_and(|found| canonical_uuid(format, &found) == canonical);
            let result = formats::check_uuid(format, &canonical);
            assert_eq!(result.is_ok(), is_applied, "{format} {uuid:?}: {result:?}");
        }
    }
}

#[test]
fn a_rehearsal_predicts_what_the_program_will_do() {
    let kib = [16, 36, 40, 44, 56, 60, 64, 68, 100, 200].map(|kib| kib * 1024);
    let mib = [1, 15, 16, 50, 108, 109, 115, 127, 128, 256, 299, 300, 301].map(|mib| mib * MIB);
    let sizes: Vec<u64> = kib.into_iter().chain(mib).collect();
    let options: &[(&str, &[&str])] = &[
        ("ext4", &["-b", "4096"]),
        ("ext4", &["-O", "^has_journal,^extent,^64bit"]),
        ("ext4", &["-t", "ext2"]),
        ("ext4", &["-N", "10"]),
        ("ext4", &["--bad"]),
        ("xfs", &["-b", "size=1024"]),
        ("btrfs", &["--mixed"]),
        ("btrfs", &["-n", "64k", "-m", "single"]),
        ("vfat", &["-F", "32"]),
        ("vfat", &["-F", "12"]),
        ("vfat", &["-S", "4096"]),
        ("swap", &["-p", "65536"]),
    ];
    for (format, program, fixed, _, _, _) in FORMATS.iter().filter(|f| is_installed(f.1)) {
        let given = options.iter().filter(|(of, _)| of == format);
        for options in std::iter::once([].as_slice()).chain(given.map(|(_, options)| *options)) {
            let mut arguments = strings(options);
            arguments.extend(strings(fixed));
            for bytes in &sizes {
                let created = run_mkfs(program, &arguments, *bytes);
                let is_applied =
                    created.is_some_and(|found| found.kind.as_deref() == Some(*format));
                let request = MkfsRequest {
                    program: (*program).to_owned(),
                    arguments: arguments.clone(),
                    options: strings(options),
                    bytes: *bytes,
                    sector_bytes: 512,
                    format: (*format).to_owned(),
                    ..MkfsRequest::default()
                };
                let rehearsed = observe::rehearse(vec![request]);
                let objection = rehearsed.first().and_then(|r| r.objection.as_ref());
                assert_eq!(
                    objection.is_none(),
                    is_applied,
                    "{program} {arguments:?} on {bytes} bytes: {objection:?}"
                );
            }
        }
    }
}

/// The device is too large to be filled, so the effect of the options is checked on a smaller one.
#[test]
fn options_that_make_another_format_are_found_on_large_devices_too() {
    let objection = |options: &[&str]| {
        let options = strings(options);
        let request = MkfsRequest {
            program: "mkfs.ext4".into(),
            arguments: [options.clone(), strings(&["-F"])].concat(),
            options,
            bytes: 64 * 1024 * MIB,
            format: "ext4".into(),
            ..MkfsRequest::default()
        };
        let rehearsed = observe::rehearse(vec![request]);
        rehearsed.into_iter().find_map(|r| r.objection)
    };
    if is_installed("mkfs.ext4") {
        assert_eq!(objection(&["-m", "0"]), None);
        assert!(objection(&["-t", "ext2"]).is_some_and(|why| why.contains("it would create ext2")));
        assert!(objection(&["--bad"]).is_some());
    }
}

/// A label is not a file name, whatever it looks like.
#[test]
fn a_label_with_a_slash_is_rehearsed() {
    let request = MkfsRequest {
        program: "mkfs.btrfs".into(),
        arguments: strings(&["--force", "-L", "a/b"]),
        bytes: 16 * MIB,
        format: "btrfs".into(),
        label: Some("a/b".into()),
        ..MkfsRequest::default()
    };
    if is_installed("mkfs.btrfs") {
        let rehearsed = observe::rehearse(vec![request]);
        assert!(
            rehearsed.iter().any(|r| r.objection.is_some()),
            "{rehearsed:?}"
        );
    }
}

/// Programs are never run with options that name devices, which they would write to.
#[test]
fn no_rehearsal_touches_other_devices() {
    let request = MkfsRequest {
        program: "mkfs.btrfs".into(),
        arguments: strings(&["-d", "raid1", "/dev/vdb", "--force"]),
        options: strings(&["-d", "raid1", "/dev/vdb"]),
        bytes: 512 * MIB,
        format: "btrfs".into(),
        ..MkfsRequest::default()
    };
    assert!(observe::rehearse(vec![request]).is_empty());
}

#[test]
fn a_format_that_the_kernel_does_not_know_cannot_be_mounted() {
    let kernel = KernelFacts {
        filesystems: ["ext4".to_owned()].into(),
        ..KernelFacts::default()
    };
    assert!(formats::check_mountable(Some(&kernel), "ext4").is_ok());
    assert!(formats::check_mountable(None, "vfat").is_ok());
    let (cause, _) = formats::check_mountable(Some(&kernel), "vfat").expect_err("it is unknown");
    assert_eq!(cause, "the kernel of this machine cannot mount vfat");
}
