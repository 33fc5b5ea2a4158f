//! The state before kindling runs, as a list of steps that create it.
//!
//! A step that cannot be carried out (its parent is a file, something is there already) is skipped silently: the list
//! can then be generated without bookkeeping, and shortened without care.

use crate::stock;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Owner, group and permission bits.
#[derive(Debug, Clone, Copy)]
pub struct Rights(pub u32, pub u32, pub u32);

/// One node to create. Paths are absolute, in the tree.
#[derive(Debug, Clone)]
pub enum Step {
    Directory(String, Rights),
    File(String, String, Rights),
    Link(String, String),
    HardLink(String, String),
    Fifo(String),
    Socket(String),
    Device(String),
    /// An empty file system at a directory.
    Tmpfs(String),
    /// A directory that appears at another one as well.
    Bind(String, String),
    /// A mount point that can no longer be written to.
    ReadOnly(String),
    /// An image file of that many bytes.
    Image(String, u64),
    /// `sgdisk` with these arguments on an image.
    Sgdisk(String, Vec<String>),
    /// A prepared file system ([`stock`]) in an image, at an offset.
    FileSystem(String, u64, &'static str),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Directory(path, Rights(uid, gid, mode)) => {
                write!(
                    f,
                    "mkdir -p -m {mode:04o} {path:?}; chown {uid}:{gid} {path:?}"
                )
            }
            Step::File(path, text, Rights(uid, gid, mode)) => write!(
                f,
                "printf %b {text:?} > {path:?}; chown {uid}:{gid} {path:?}; chmod {mode:04o} {path:?}"
            ),
            Step::Link(path, target) => write!(f, "ln -s {target:?} {path:?}"),
            Step::HardLink(path, target) => write!(f, "ln {target:?} {path:?}"),
            Step::Fifo(path) => write!(f, "mkfifo {path:?}"),
            Step::Socket(path) => write!(f, "a socket at {path:?}"),
            Step::Device(path) => write!(f, "mknod {path:?} c 1 3"),
            Step::Tmpfs(path) => write!(f, "mount -t tmpfs none {path:?}"),
            Step::Bind(from, to) => write!(f, "mount --bind {from:?} {to:?}"),
            Step::ReadOnly(path) => write!(f, "mount -o remount,bind,ro {path:?}"),
            Step::Image(name, bytes) => write!(f, "truncate -s {bytes} {name}"),
            Step::Sgdisk(name, arguments) => write!(f, "sgdisk {arguments:?} {name}"),
            Step::FileSystem(name, at, stock) => {
                write!(f, "dd if={stock} of={name} conv=notrunc seek={at}B")
            }
        }
    }
}

/// Creates everything below `target`; the tree is `target/root`.
pub fn make(steps: &[Step], target: &Path) {
    for step in steps {
        let _ = step.make(target);
    }
}

impl Step {
    fn make(&self, target: &Path) -> io::Result<()> {
        let tree = Tree(&target.join("root"));
        match self {
            Step::Directory(path, rights) => {
                let at = tree.directory(path)?;
                give(&at.path(), *rights)
            }
            Step::File(path, text, rights) => {
                let at = tree.place(path)?;
                // An existing link may lead out of the tree, and a pipe waits for a reader.
                let mut options = File::options();
                options.write(true).create(true).truncate(true);
                let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
                let mut file = options.custom_flags(flags.bits()).open(at.path())?;
                file.write_all(text.as_bytes())?;
                give(&at.path(), *rights)
            }
            Step::Link(path, to) => symlink(to, tree.place(path)?.path()),
            Step::HardLink(path, to) => {
                let (from, to) = (tree.place(to)?, tree.place(path)?);
                fs::hard_link(from.path(), to.path())
            }
            Step::Fifo(path) => node(&tree.place(path)?.path(), SFlag::S_IFIFO),
            Step::Socket(path) => UnixListener::bind(tree.place(path)?.path()).map(drop),
            Step::Device(path) => node(&tree.place(path)?.path(), SFlag::S_IFCHR),
            Step::Tmpfs(path) => {
                let at = tree.existing(path)?;
                let kind = Some("tmpfs");
                Ok(mount(
                    kind,
                    &at.path(),
                    kind,
                    MsFlags::empty(),
                    Some("mode=0755"),
                )?)
            }
            Step::Bind(from, to) => {
                let (from, to) = (tree.existing(from)?, tree.existing(to)?);
                let none = None::<&str>;
                Ok(mount(
                    Some(&from.path()),
                    &to.path(),
                    none,
                    MsFlags::MS_BIND,
                    none,
                )?)
            }
            Step::ReadOnly(path) => {
                let at = tree.existing(path)?;
                let none = None::<&str>;
                let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
                Ok(mount(none, &at.path(), none, flags, none)?)
            }
            Step::Image(name, bytes) => File::create(target.join(name))?.set_len(*bytes),
            Step::Sgdisk(name, arguments) => {
                let mut sgdisk = Command::new("sgdisk");
                let sgdisk = sgdisk.args(arguments).arg(target.join(name));
                sgdisk
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .map(drop)
            }
            Step::FileSystem(name, at, stock) => stock::copy(stock, &target.join(name), *at),
        }
    }
}

fn give(path: &Path, Rights(uid, gid, mode): Rights) -> io::Result<()> {
    chown(path, Some(uid), Some(gid))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn node(path: &Path, kind: SFlag) -> io::Result<()> {
    Ok(mknod(
        path,
        kind,
        Mode::from_bits_truncate(0o640),
        makedev(1, 3),
    )?)
}

/// A tree in which absolute links stay inside the tree instead of leading to the machine that runs the test.
struct Tree<'a>(&'a Path);

/// A directory in the tree, and possibly a name there.
struct Place(OwnedFd, Option<String>);

impl Place {
    fn path(&self) -> PathBuf {
        let directory = PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        match &self.1 {
            Some(name) => directory.join(name),
            None => directory,
        }
    }
}

impl Tree<'_> {
    fn existing(&self, path: &str) -> io::Result<Place> {
        let root = open(self.0, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        Ok(Place(openat2(root, path, how)?, None))
    }

    /// A directory, created with its parents if it is missing.
    fn directory(&self, path: &str) -> io::Result<Place> {
        let mut so_far = String::from("/");
        let mut place = self.existing("/")?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            so_far.push_str(name);
            place = match self.existing(&so_far) {
                Ok(found) => found,
                Err(_) => {
                    fs::create_dir(place.path().join(name))?;
                    fs::set_permissions(place.path().join(name), Permissions::from_mode(0o755))?;
                    self.existing(&so_far)?
                }
            };
            so_far.push('/');
        }
        Ok(place)
    }

    fn place(&self, path: &str) -> io::Result<Place> {
        let (parent, name) = path.rsplit_once('/').ok_or(io::ErrorKind::InvalidInput)?;
        let Place(parent, _) = self.directory(parent)?;
        Ok(Place(parent, Some(name.to_owned())))
    }
}
