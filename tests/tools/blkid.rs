//! Compares our probe with `blkid` on the output of real mkfs programs, and tests it on damaged and hostile bytes.

use kindling::disk::superblock::{Superblock, probe};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

/// Programs with arguments and the size of the device in MiB; the device comes last.
const MKFS_COMMANDS: &[(&str, u64)] = &[
    ("mkfs.ext4 -q -L data", 16),
    ("mkfs.ext4 -q -U 01234567-89ab-cdef-0123-456789abcdef", 16),
    ("mkfs.ext4 -q -b 4096 -O ^metadata_csum", 32),
    ("mkfs.ext3 -q -L old", 16),
    ("mkfs.ext2 -q -L older", 16),
    ("mkfs.xfs -q -L data", 320),
    (
        "mkfs.xfs -q -m uuid=01234567-89ab-cdef-0123-456789abcdef",
        320,
    ),
    ("mkfs.btrfs -q -L pool", 128),
    ("mkfs.btrfs -q --mixed", 32),
    ("mkfs.fat -F 12 -n TWELVE", 4),
    ("mkfs.fat -F 16 -n SIXTEEN", 32),
    ("mkfs.fat -F 32 -n EFI-SYSTEM", 64),
    ("mkfs.fat -F 32 -i a1b2c3d4", 64),
    ("mkfs.fat -S 4096 -n LARGE", 64),
    ("mkswap -q -L swap", 4),
    ("mkswap -q -p 8192", 4),
    ("mkswap -q -U 01234567-89ab-cdef-0123-456789abcdef", 4),
];

fn image(directory: &Path, mib: u64) -> std::path::PathBuf {
    let path = directory.join("device");
    let file = File::create(&path).expect("image");
    file.set_len(mib * 1024 * 1024).expect("size");
    path
}

fn run(line: &str, path: &Path) {
    let mut words = line.split(' ');
    let program = words.next().expect("a program");
    let output = Command::new(program)
        .args(words)
        .arg(path)
        .output()
        .unwrap_or_else(|e| panic!("{program} is not installed: {e}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {text}");
}

/// Tags of `blkid -p`; empty when it finds nothing.
fn blkid(path: &Path) -> BTreeMap<String, String> {
    let output = Command::new("blkid")
        .args(["-p", "-o", "export"])
        .arg(path)
        .output()
        .expect("blkid is installed (package util-linux)");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.replace('\\', "")))
        .collect()
}

fn probe_image(path: &Path) -> Superblock {
    probe(&mut File::open(path).expect("image")).expect("readable image")
}

#[test]
fn file_systems_are_named_as_blkid_names_them() {
    for (line, mib) in MKFS_COMMANDS {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = image(directory.path(), *mib);
        run(line, &path);
        let (ours, theirs) = (probe_image(&path), blkid(&path));
        assert_eq!(ours.kind.as_ref(), theirs.get("TYPE"), "{line}");
        assert_eq!(ours.label.as_ref(), theirs.get("LABEL"), "{line}");
        assert_eq!(ours.uuid.as_ref(), theirs.get("UUID"), "{line}");
        assert!(ours.kind.is_some(), "{line}");
        assert!(ours.also.is_empty(), "{line}: {ours:?}");
        assert!(!ours.needs_recovery && !ours.incomplete, "{line}: {ours:?}");
    }
}

#[test]
fn a_blank_device_shows_nothing() {
    for bytes in [0, 1, 511, 512, 4096, 65536, 1 << 20] {
        let mut device = Cursor::new(vec![0; bytes]);
        assert_eq!(
            probe(&mut device).expect("readable"),
            Superblock::default(),
            "{bytes} bytes"
        );
    }
}

/// What a device of 1 MiB contains, and its bytes by offset.
type Sketch = (&'static str, Vec<(u64, Vec<u8>)>);

/// Hand-written signatures of formats whose programs are not installed in every test environment.
fn sketches() -> Vec<Sketch> {
    let mut raid = 0xA92B_4EFC_u32.to_le_bytes().to_vec();
    raid.extend(1_u32.to_le_bytes());
    let uuid = [0x11; 16].to_vec();
    let raid_at = |offset: u64| {
        vec![
            (offset, raid.clone()),
            (offset + 16, uuid.clone()),
            (offset + 32, b"host:data".to_vec()),
            (offset + 144, (offset / 512).to_le_bytes().to_vec()),
        ]
    };
    let mut luks = b"LUKS\xba\xbe\x00\x02".to_vec();
    luks.resize(168, 0);
    luks.splice(24..30, *b"secret");
    luks.extend(b"01234567-89ab-cdef-0123-456789abcdef");
    let mut lvm = b"LABELONE".to_vec();
    lvm.extend(1_u64.to_le_bytes());
    lvm.extend([0; 4]);
    lvm.extend(32_u32.to_le_bytes());
    lvm.extend(b"LVM2 001");
    lvm.extend(b"abcdefghijklmnopqrstuvwxyz012345");
    let end = 1 << 20;
    vec![
        ("linux_raid_member", raid_at(4096)),
        ("linux_raid_member", raid_at(0)),
        ("linux_raid_member", raid_at(end - 8192)),
        (
            "linux_raid_member",
            vec![(
                end - 65536,
                [0xA92B_4EFC_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat(),
            )],
        ),
        ("crypto_LUKS", vec![(0, luks)]),
        ("LVM2_member", vec![(512, lvm)]),
        (
            "bcache",
            vec![(
                4096 + 24,
                b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81".to_vec(),
            )],
        ),
        ("f2fs", vec![(1024, 0xF2F5_2010_u32.to_le_bytes().to_vec())]),
        ("squashfs", vec![(0, b"hsqs".to_vec()), (28, vec![4, 0])]),
        (
            "iso9660",
            vec![
                (32768, b"\x01CD001\x01".to_vec()),
                (32768 + 40, b"CDROM   ".to_vec()),
                (32768 + 830, b"2026112212304500\x00".to_vec()),
            ],
        ),
        (
            "exfat",
            vec![
                (0, b"\xeb\x76\x90EXFAT   ".to_vec()),
                (100, vec![0x78, 0x56, 0x34, 0x12]),
                (510, vec![0x55, 0xAA]),
            ],
        ),
        (
            "swap",
            vec![
                (4086, b"SWAPSPACE2".to_vec()),
                (1024, [1_u32.to_be_bytes(), 255_u32.to_be_bytes()].concat()),
                (1024 + 12, vec![0x22; 16]),
                (1024 + 28, b"of s390x".to_vec()),
            ],
        ),
        ("ntfs", vec![(3, b"NTFS    ".to_vec()), (72, vec![1; 8])]),
        (
            "zfs_member",
            (0..8)
                .map(|i| {
                    let magic = 0x00BA_B10C_u64.to_le_bytes().to_vec();
                    (128 * 1024 + 1024 * i, magic)
                })
                .collect(),
        ),
    ]
}

fn draw(sketch: &Sketch) -> Cursor<Vec<u8>> {
    let mut device = Cursor::new(vec![0; 1 << 20]);
    for (offset, bytes) in &sketch.1 {
        device.seek(SeekFrom::Start(*offset)).expect("seek");
        device.write_all(bytes).expect("write");
    }
    device
}

#[test]
fn containers_and_rarer_file_systems_are_recognized() {
    for sketch in sketches() {
        let found = probe(&mut draw(&sketch)).expect("readable");
        assert_eq!(found.kind.as_deref(), Some(sketch.0), "{found:?}");
    }
}

#[test]
fn identities_of_sketches_are_read() {
    let of = |kind: &str| {
        let all = sketches();
        let sketch = all.iter().find(|s| s.0 == kind).expect("a sketch");
        let found = probe(&mut draw(sketch)).expect("readable");
        (
            found.label.unwrap_or_default(),
            found.uuid.unwrap_or_default(),
        )
    };
    for (kind, label, uuid) in [
        (
            "linux_raid_member",
            "host:data",
            "11111111-1111-1111-1111-111111111111",
        ),
        (
            "crypto_LUKS",
            "secret",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
        ("LVM2_member", "", "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"),
        ("iso9660", "CDROM", "2026-11-22-12-30-45-00"),
        ("exfat", "", "1234-5678"),
        ("swap", "of s390x", "22222222-2222-2222-2222-222222222222"),
        ("ntfs", "", "0101010101010101"),
    ] {
        assert_eq!(of(kind), (label.into(), uuid.into()), "{kind}");
    }
}

#[test]
fn two_signatures_are_both_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = image(directory.path(), 32);
    run("mkfs.ext4 -q -L data", &path);
    let mut file = File::options().write(true).open(&path).expect("image");
    file.seek(SeekFrom::Start(4086)).expect("seek");
    file.write_all(b"SWAP-SPACE").expect("write");
    let found = probe_image(&path);
    assert_eq!(found.kind.as_deref(), Some("swap"));
    assert_eq!(found.also, ["ext4"]);
}

#[test]
fn an_encrypted_volume_hides_its_contents() {
    let all = sketches();
    let luks = all.iter().find(|s| s.0 == "crypto_LUKS").expect("a sketch");
    let mut device = draw(luks);
    device.seek(SeekFrom::Start(4086)).expect("seek");
    device.write_all(b"SWAP-SPACE").expect("write");
    let found = probe(&mut device).expect("readable");
    assert_eq!(found.kind.as_deref(), Some("crypto_LUKS"));
    assert!(found.also.is_empty(), "{found:?}");
}

/// Single bytes are overwritten on devices that were formatted by a program.
#[test]
fn interrupted_mkfs_and_dirty_journals_are_recognized() {
    let changed = |line: &str, mib: u64, offset: u64, byte: u8| {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = image(directory.path(), mib);
        run(line, &path);
        let mut file = File::options().write(true).open(&path).expect("image");
        file.seek(SeekFrom::Start(offset)).expect("seek");
        file.write_all(&[byte]).expect("write");
        probe_image(&path)
    };
    let xfs = changed("mkfs.xfs -q", 320, 126, 1);
    assert!(xfs.incomplete, "{xfs:?}");
    // The FAT starts after 32 reserved sectors.
    let vfat = changed("mkfs.fat -F 32", 64, 32 * 512, 0);
    assert!(vfat.incomplete, "{vfat:?}");
    let ext4 = changed("mkfs.ext4 -q", 16, 1024 + 96, 0x02 | 0x04 | 0x40);
    assert!(ext4.needs_recovery && !ext4.incomplete, "{ext4:?}");
}

#[test]
fn damaged_superblocks_never_panic() {
    let mut seed = 0x1234_5678_9ABC_DEF1_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut starts: Vec<Vec<u8>> = sketches().iter().map(|s| draw(s).into_inner()).collect();
    for line in [
        "mkfs.fat -F 32",
        "mkfs.fat -F 16",
        "mkfs.ext4 -q",
        "mkswap -q",
    ] {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = image(directory.path(), 64);
        run(line, &path);
        let mut bytes = Vec::new();
        let file = File::open(&path).expect("image");
        file.take(1 << 20).read_to_end(&mut bytes).expect("read");
        starts.push(bytes);
    }
    for start in &starts {
        for _ in 0..60 {
            let mut bytes = start.clone();
            // Most damage is done where the significant bytes are.
            for _ in 0..1 + random() % 40 {
                let window = [512, 4096, 70_000][(random() % 3) as usize];
                let at = (random() % window) as usize;
                bytes[at] = [0x00, 0xFF, random() as u8][(random() % 3) as usize];
            }
            bytes.truncate((random() % (1 << 20)) as usize + 1);
            probe(&mut Cursor::new(bytes)).expect("memory does not fail");
        }
    }
}
