//! File systems made once for all rounds, to be copied into images.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A kind of file system, its size in MiB, and how it is made: `$F` is the file, `$D` a small tree.
pub const KINDS: &[(&str, u64, &str)] = &[
    ("ext4-root", 64, "mkfs.ext4 -q -L root -d $D $F"),
    (
        "ext4-small",
        8,
        "mkfs.ext4 -q -L data -U 11111111-2222-4333-8444-555555555555 $F",
    ),
    ("ext4-32", 32, "mkfs.ext4 -q -d $D $F"),
    ("xfs-300", 300, "mkfs.xfs -q -L root $F"),
    ("btrfs-128", 128, "mkfs.btrfs -q -L data --rootdir $D $F"),
    ("vfat-40", 40, "mkfs.vfat -n ESP $F"),
    ("swap-8", 8, "mkswap -L swap $F"),
    (
        "luks-20",
        20,
        "printf secret | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $F -",
    ),
];

static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();

/// Makes them, if they are not there yet.
pub fn prepare() {
    DIRECTORY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tree = directory.path().join("tree");
        for (path, text) in [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
            ),
            ("etc/group", "root:x:0:\nalice:x:1000:\nwheel:x:10:\n"),
            ("etc/hostname", "old\n"),
            ("etc/a", "hello"),
            ("srv/d/e", ""),
            ("usr/lib/os-release", "ID=test\n"),
        ] {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        std::os::unix::fs::symlink("srv/d", tree.join("link")).expect("a link");
        std::os::unix::fs::symlink("var/home", tree.join("home")).expect("a link");
        for (name, mib, command) in KINDS {
            let file = directory.path().join(name);
            File::create(&file)
                .and_then(|file| file.set_len(mib << 20))
                .expect("a file");
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(command).env("F", &file).env("D", &tree);
            let status = done_quietly(&mut shell);
            assert!(status, "{command}; see tests/needs.sh");
        }
        directory
    });
}

fn done_quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The size of one, in MiB.
pub fn mib(name: &str) -> u64 {
    KINDS
        .iter()
        .find(|kind| kind.0 == name)
        .map_or(0, |kind| kind.1)
}

/// Copies one into an image, and leaves holes where it has none but zeros.
pub fn copy(name: &str, image: &Path, at: u64) -> io::Result<()> {
    let directory = DIRECTORY
        .get()
        .map(|directory| directory.path().to_path_buf());
    let mut from = File::open(directory.unwrap_or_default().join(name))?;
    let mut to = File::options().write(true).open(image)?;
    let room = to.metadata()?.len();
    let mut block = vec![0; 1 << 16];
    let mut place = at;
    loop {
        let length = from.read(&mut block)?;
        if length == 0 || place + length as u64 > room {
            return Ok(());
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(place))?;
            to.write_all(&block[..length])?;
        }
        place += length as u64;
    }
}
