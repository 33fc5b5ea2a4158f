//! File systems that are created once for all rounds and copied into images.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A kind of file system, its size in MiB, and the command that creates it: `$F` is the file, `$D` a small tree.
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

/// Open files without names: nothing is left behind, however the test ends.
static FILES: OnceLock<HashMap<&str, File>> = OnceLock::new();

/// Creates them, if they do not exist yet.
pub fn prepare() {
    FILES.get_or_init(|| {
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
        let made = KINDS.iter().map(|(name, mib, command)| {
            let file = directory.path().join(name);
            File::create(&file)
                .and_then(|file| file.set_len(mib << 20))
                .expect("a file");
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(command).env("F", &file).env("D", &tree);
            let status = run_quietly(&mut shell);
            assert!(status, "{command}; see tests/needs.sh");
            (*name, File::open(&file).expect("a file system"))
        });
        made.collect()
    });
}

fn run_quietly(command: &mut Command) -> bool {
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

/// Copies one into an image, and leaves holes where it has only zeros.
pub fn copy(name: &str, image: &Path, at: u64) -> io::Result<()> {
    let files = FILES.get().ok_or(io::ErrorKind::NotFound)?;
    let from = files.get(name).ok_or(io::ErrorKind::NotFound)?;
    let to = File::options().write(true).open(image)?;
    let size = to.metadata()?.len();
    let mut block = vec![0; 1 << 16];
    let mut offset = at;
    loop {
        let length = from.read_at(&mut block, offset - at)?;
        if length == 0 || offset + length as u64 > size {
            return Ok(());
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            to.write_all_at(&block[..length], offset)?;
        }
        offset += length as u64;
    }
}
