//! Mounting below the target root.

use super::TargetRoot;
use super::mountinfo::{self, MountEntry};
use super::root::{UncreatedDirectory, create_directories};
use super::sys;
use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use sys_mount::{MountFlags, UnmountFlags};

/// A device that udev has just probed may be busy for a moment.
const UNMOUNT_ATTEMPTS: u32 = 20;

/// Flags of mounts that only this program uses: no program can be run from them, and no device node on them can be
/// opened.
pub const PRIVATE: MsFlags = MsFlags::MS_NODEV
    .union(MsFlags::MS_NOSUID)
    .union(MsFlags::MS_NOEXEC);

/// Mounts `device` at `point` inside `root`, with `flags` in addition to those of the options. The point must be a
/// directory, not a link to one.
///
/// # Errors
/// If it cannot be mounted; the message names device, type and point.
pub fn mount(
    device: &Path,
    root: &TargetRoot,
    point: &str,
    format: &str,
    options: &[String],
    flags: MsFlags,
) -> anyhow::Result<()> {
    let target = open_mount_point(root, point)?;
    mount_on(&target, device, format, options, flags).map_err(|cause| {
        anyhow!(
            "cannot mount {} ({format}) at {point}: {cause}",
            device.display()
        )
    })
}

/// Mounts `device` on an open directory; the error is the kernel's reason and what it may mean.
fn mount_on(
    target: &OwnedFd,
    device: &Path,
    format: &str,
    options: &[String],
    more_flags: MsFlags,
) -> Result<(), String> {
    let (flags, data) = split_options(options);
    let flags = flags | more_flags;
    let path = format!("/proc/self/fd/{}", target.as_raw_fd());
    let mount = || mount_path(device, Path::new(&path), format, flags, &data);
    let mounted = match mount() {
        // A run that is killed inside mount(2) leaves a stale registration of its file system on this loop device in
        // the kernel. The kernel tries that one first, and drops it when the mount fails (Linux 6.18,
        // `find_fsid_by_device`).
        Err(Errno::EINVAL) if format == "btrfs" => mount(),
        mounted => mounted,
    };
    mounted.map_err(|error| {
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let hint = match error {
            Errno::ENODEV if !known.contains(format) => {
                format!(": the running kernel does not support {format}")
            }
            // The kernel does not report which option it rejects.
            Errno::EINVAL | Errno::ENOENT if !data.is_empty() => {
                format!(": options {}, or what is on it", options.join(","))
            }
            _ => String::new(),
        };
        format!("{error}{hint}")
    })
}

/// Mounts `device` on a directory of the host; `data` are the options for the file system.
///
/// # Errors
/// The error of mount(2).
pub fn mount_path(
    device: &Path,
    point: &Path,
    format: &str,
    flags: MsFlags,
    data: &str,
) -> nix::Result<()> {
    let mut mount = sys_mount::Mount::builder()
        .fstype(format)
        .flags(MountFlags::from_bits_retain(flags.bits()));
    if !data.is_empty() {
        mount = mount.data(data);
    }
    // The value it returns does not unmount when it is dropped.
    mount.mount(device, point).map(drop).map_err(errno)
}

/// Unmounts what is mounted at a path of the host.
///
/// # Errors
/// The error of umount2(2).
pub fn unmount_at(point: &Path, flags: MntFlags) -> nix::Result<()> {
    // By value: the crate defines `NOFOLLOW` with the value of open(2), which differs from that of umount2(2).
    let flags = UnmountFlags::from_bits_retain(flags.bits());
    sys_mount::unmount(point, flags).map_err(errno)
}

fn errno(error: std::io::Error) -> Errno {
    // A path with a NUL character never reaches the kernel.
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

/// Creates missing directories down to `point`, each with mode 0755 minus the umask. Links on the way are followed
/// inside the root.
///
/// # Errors
/// If one cannot be created; the message names it.
pub fn create_mount_point(root: &TargetRoot, point: &str) -> anyhow::Result<()> {
    let refused =
        |path: &str, cause: Errno| anyhow!("cannot create directory {path} for a mount: {cause}");
    let directory = root.open().map_err(|cause| refused(point, cause))?;
    create_directories(&directory, point, |_, _, _| Ok(()))
        .map_err(|UncreatedDirectory { path, cause }| refused(&path, cause))
}

/// Opens a mount point. A link on the way is an error: there was none when the mount was planned, and following it
/// would mount the file system somewhere else.
fn open_mount_point(root: &TargetRoot, point: &str) -> anyhow::Result<OwnedFd> {
    let opened = if point == "/" {
        root.open()
    } else {
        root.open_without_links(point, OFlag::O_PATH | OFlag::O_DIRECTORY)
    };
    opened.with_context(|| format!("mount point {point} is not a directory"))
}

/// Makes everything written below `point` durable.
///
/// # Errors
/// If the disk fails; the message names the point.
pub fn sync(root: &TargetRoot, point: &str) -> anyhow::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    root.open_at(if point == "/" { "." } else { point }, flags, Mode::empty())
        .and_then(|directory| nix::unistd::syncfs(&directory))
        .with_context(|| format!("cannot make {point} durable"))
}

/// Unmounts what is mounted at `point`.
///
/// # Errors
/// If it stays busy; the message names the point.
pub fn unmount(root: &TargetRoot, point: &str) -> anyhow::Result<()> {
    let Some((parent, name)) = point.rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
        return unmount_path(root.path(), point);
    };
    // Relative to its parent directory: a path on the host would resolve links of the target on the host.
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let parent = root
        .open_at(parent, flags, Mode::empty())
        .with_context(|| format!("cannot open the directory of mount point {point}"))?;
    let path = format!("/proc/self/fd/{}/{name}", parent.as_raw_fd());
    unmount_path(Path::new(&path), point)
}

/// Unmounts everything at `root` and below it, the last mount first. For runs that end early: when the process ends,
/// the kernel unmounts the rest only after the devices are closed, and the last writes may be lost. Mounts that stay
/// busy disappear with the process.
pub fn unmount_all(root: &TargetRoot) {
    let mounts = mountinfo::read().unwrap_or_default();
    for point in points_below(&mounts, root.path()).rev() {
        let inside = point.strip_prefix(root.path()).unwrap_or(point);
        let _ = unmount(root, &format!("/{}", inside.to_string_lossy()));
    }
}

/// Mount points at a path and below it, in the order they were mounted.
fn points_below<'m>(
    mounts: &'m [MountEntry],
    root: &Path,
) -> impl DoubleEndedIterator<Item = &'m Path> {
    let points = mounts.iter().map(|mount| Path::new(&mount.point));
    points.filter(move |point| point.starts_with(root))
}

/// Unmounts what is mounted at a path of the host; `point` is its name in messages.
fn unmount_path(path: &Path, point: &str) -> anyhow::Result<()> {
    for attempt in 1..=UNMOUNT_ATTEMPTS {
        match unmount_at(path, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if attempt < UNMOUNT_ATTEMPTS => sleep(Duration::from_millis(50)),
            Err(error) => bail!("cannot unmount {point}: {error}"),
        }
    }
    Ok(())
}

/// Splits mount options into flags of mount(2) and data for the file system.
fn split_options(options: &[String]) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut data: Vec<&str> = Vec::new();
    for option in options
        .iter()
        .flat_map(|option| option.split(','))
        .filter(|o| !o.is_empty() && !is_for_programs(o))
    {
        match flag(option) {
            Some((bits, true)) => flags |= bits,
            Some((bits, false)) => flags &= !bits,
            None => data.push(option),
        }
    }
    (flags, data.join(","))
}

/// Why the kernel rejects options for every file system of a format, if so. Nothing is mounted and no device is needed;
/// formats and kernels that only check options while mounting give `None`.
pub fn rejected_options(format: &str, options: &[String]) -> Option<String> {
    let (_, data) = split_options(options);
    let mut context = File::from(sys::file_system_context(format).ok()?);
    data.split(',')
        .filter(|option| !option.is_empty())
        .find_map(|option| {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let error = sys::set_file_system_option(&context, name, value).err()?;
            let mut message = [0; 512];
            let length = context.read(&mut message).unwrap_or(0);
            let message = String::from_utf8_lossy(&message[..length]);
            // It begins with a letter for its severity.
            let message = message.trim().trim_start_matches("e ");
            Some(match message {
                "" => format!("the kernel rejects the option {option:?}: {error}"),
                message => format!("the kernel rejects the option {option:?}: {message}"),
            })
        })
}

/// Options that mount(8) does not pass to the kernel: they are for programs that read /etc/fstab.
fn is_for_programs(option: &str) -> bool {
    ["x-", "X-", "comment="]
        .iter()
        .any(|prefix| option.starts_with(prefix))
}

/// The flag of mount(2) for an option of mount(8), if there is one, and whether the option sets or clears it.
fn flag(option: &str) -> Option<(MsFlags, bool)> {
    Some(match option {
        "defaults" | "auto" | "noauto" | "nouser" | "_netdev" | "nofail" => {
            (MsFlags::empty(), true)
        }
        "ro" => (MsFlags::MS_RDONLY, true),
        "rw" => (MsFlags::MS_RDONLY, false),
        "nosuid" => (MsFlags::MS_NOSUID, true),
        "suid" => (MsFlags::MS_NOSUID, false),
        "nodev" => (MsFlags::MS_NODEV, true),
        "dev" => (MsFlags::MS_NODEV, false),
        "noexec" => (MsFlags::MS_NOEXEC, true),
        "exec" => (MsFlags::MS_NOEXEC, false),
        "sync" => (MsFlags::MS_SYNCHRONOUS, true),
        "async" => (MsFlags::MS_SYNCHRONOUS, false),
        "dirsync" => (MsFlags::MS_DIRSYNC, true),
        "noatime" => (MsFlags::MS_NOATIME, true),
        "atime" => (MsFlags::MS_NOATIME, false),
        "nodiratime" => (MsFlags::MS_NODIRATIME, true),
        "relatime" => (MsFlags::MS_RELATIME, true),
        "strictatime" => (MsFlags::MS_STRICTATIME, true),
        "lazytime" => (MsFlags::MS_LAZYTIME, true),
        "silent" => (MsFlags::MS_SILENT, true),
        _ => return None,
    })
}

/// A read-only mount for inspecting a file system without changing it; unmounted when dropped.
#[derive(Debug)]
pub struct View {
    root: TargetRoot,
    point: String,
    /// Directories that were created to mount it on, outermost first; they are removed with it.
    created: Vec<String>,
}

impl View {
    /// Mounts `device` read-only at `point`, without replaying its journal, since inspecting must not write. The point
    /// is a path inside the root without links. The options are those it will be mounted with, so that the same tree is
    /// visible, without those that only matter for writing. `None` if another inspected file system has no directory to
    /// mount it on.
    ///
    /// # Errors
    /// If it cannot be mounted; the text is the kernel's reason.
    pub fn open(
        device: &Path,
        root: &TargetRoot,
        point: &str,
        format: &str,
        options: &[String],
    ) -> Result<Option<Self>, String> {
        let mut view = Self {
            root: root.clone(),
            point: String::new(),
            created: Vec::new(),
        };
        // Nothing can be created on another file system that is being inspected.
        if view.create_mount_point(point).is_err() {
            return Ok(None);
        }
        let target = open_mount_point(root, point).map_err(|error| format!("{error:#}"))?;
        let options = view_options(format, options);
        mount_on(&target, device, format, &options, PRIVATE)?;
        point.clone_into(&mut view.point);
        Ok(Some(view))
    }

    /// Creates the directories that are missing on the way to the point, and remembers them.
    fn create_mount_point(&mut self, point: &str) -> nix::Result<()> {
        let root = self.root.open()?;
        create_directories(&root, point, |_, _, path| {
            self.created.push(path.to_owned());
            Ok(())
        })?;
        Ok(())
    }
}

/// Options for inspecting a file system that will be mounted with `options`.
fn view_options(format: &str, options: &[String]) -> Vec<String> {
    let no_replay = match format {
        "ext4" => "noload",
        "xfs" => "norecovery",
        "btrfs" => "rescue=nologreplay",
        _ => "",
    };
    let kept = options.iter().flat_map(|option| option.split(','));
    // The last of `ro` and `rw` takes effect.
    kept.filter(|option| !is_for_writing(option))
        .chain(["ro", no_replay])
        .filter(|option| !option.is_empty())
        .map(str::to_owned)
        .collect()
}

/// True for options that the kernel rejects for a mount that neither writes nor replays a journal, and that do not
/// change what is visible: those of journals, quotas and caches of free space.
fn is_for_writing(option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    matches!(
        name,
        "rw" | "remount"
            | "data"
            | "commit"
            | "journal_checksum"
            | "nojournal_checksum"
            | "journal_async_commit"
            | "init_itable"
            | "discard"
            | "clear_cache"
            | "space_cache"
            | "user_subvol_rm_allowed"
    ) || name.contains("quota")
        || name.contains("qnoenforce")
        || name.starts_with("jqfmt")
        || name.ends_with("jquota")
}

impl Drop for View {
    fn drop(&mut self) {
        // The namespace is private: what cannot be unmounted now disappears with the process.
        if !self.point.is_empty() {
            let _ = unmount(&self.root, &self.point);
        }
        for path in self.created.iter().rev() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let _ = self
                .root
                .open_at(parent, flags, Mode::empty())
                .and_then(|parent| unlinkat(&parent, name, UnlinkatFlags::RemoveDir));
        }
    }
}

/// A temporary read-only mount with the journal replayed; unmounted when dropped.
#[derive(Debug)]
pub struct TemporaryMount {
    root: TargetRoot,
}

impl TemporaryMount {
    /// Mounts `device` read-only over `root`.
    ///
    /// # Errors
    /// If it cannot be mounted; the message names device and type.
    pub fn open(device: &Path, root: &TargetRoot, format: &str) -> anyhow::Result<Self> {
        mount(device, root, "/", format, &["ro".into()], PRIVATE)?;
        Ok(Self { root: root.clone() })
    }
}

impl Drop for TemporaryMount {
    fn drop(&mut self) {
        // The namespace is private: what cannot be unmounted now disappears with it.
        let _ = unmount(&self.root, "/");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_root_are_found() {
        let mount = |point: &str| MountEntry {
            device: "7:0".into(),
            point: point.into(),
            source: "/dev/loop0".into(),
            read_only: false,
        };
        let mounts = ["/", "/t/r", "/t/r/a b", "/t/root"].map(mount);
        let found: Vec<&Path> = points_below(&mounts, Path::new("/t/r")).collect();
        assert_eq!(found, [Path::new("/t/r"), Path::new("/t/r/a b")]);
    }

    #[test]
    fn a_view_sees_the_same_tree_and_never_writes() {
        for (format, options, expected) in [
            (
                "btrfs",
                vec!["subvol=@,rw"],
                "subvol=@,ro,rescue=nologreplay",
            ),
            ("ext4", vec!["data=journal", "noatime"], "noatime,ro,noload"),
            ("xfs", vec!["prjquota,rw"], "ro,norecovery"),
            ("vfat", vec!["uid=7"], "uid=7,ro"),
        ] {
            let options: Vec<String> = options.into_iter().map(Into::into).collect();
            assert_eq!(
                view_options(format, &options).join(","),
                expected,
                "{format}"
            );
        }
    }

    #[test]
    fn options_split_into_flags_and_data() {
        let options = [
            "noatime,nodev".into(),
            "compress=zstd,x-systemd.growfs".into(),
            "ro".into(),
            "rw".into(),
        ];
        let expected = (
            MsFlags::MS_NOATIME | MsFlags::MS_NODEV,
            "compress=zstd".to_string(),
        );
        assert_eq!(split_options(&options), expected);
        assert_eq!(
            split_options(&["defaults".into()]),
            (MsFlags::empty(), String::new())
        );
    }
}
