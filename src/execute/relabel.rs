//! Sets SELinux labels with `setfiles`, according to the policy of the target.

use super::{Context, Done};
use crate::host::{Command, TargetRoot};
use crate::plan::op::RelabelAct;
use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstatat};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Labels paths and everything below them.
///
/// # Errors
/// If a directory cannot be read, or setfiles fails.
pub fn relabel(act: &RelabelAct, context: &Context) -> anyhow::Result<Done> {
    let root = context.root;
    if act.only_if_empty && !is_new(root, act.paths.first().map_or("/", String::as_str))? {
        return Ok(Done::default());
    }
    let mut list = Vec::new();
    for path in &act.paths {
        for found in expand(root, path)? {
            list.extend_from_slice(host_path(root, &found)?.as_os_str().as_bytes());
            list.push(0);
        }
    }
    if list.is_empty() {
        return Ok(Done::default());
    }
    let policy = host_path_of_node(root, &act.file_contexts)?;
    command(&host_path_of_node(root, "/")?, &policy, list).run()?;
    Ok(Done::default())
}

/// Paths are passed on standard input, each terminated by a zero byte.
fn command(root: &Path, policy: &Path, list: Vec<u8>) -> Command {
    Command::new("setfiles")
        .args(["-vF0", "-r"])
        .arg(root.to_string_lossy())
        .arg(policy.to_string_lossy())
        .args(["-f", "-"])
        .stdin(list)
}

/// A path inside the root as a path of the host without links, except for a link at its end.
fn host_path(root: &TargetRoot, path: &str) -> anyhow::Result<PathBuf> {
    if path == "/" {
        return host_path_of_node(root, path);
    }
    let (directory, name) = root.open_parent(path)?;
    Ok(kernel_path(&directory, path)?.join(name))
}

/// The same with a link at the end followed.
fn host_path_of_node(root: &TargetRoot, path: &str) -> anyhow::Result<PathBuf> {
    let node = root.open_at(path, OFlag::O_PATH, Mode::empty());
    kernel_path(&node.with_context(|| format!("cannot open {path}"))?, path)
}

/// The path of an open file according to the kernel.
fn kernel_path(node: &OwnedFd, path: &str) -> anyhow::Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", node.as_raw_fd());
    let name = std::fs::read_link(link);
    name.with_context(|| format!("cannot tell where {path} is"))
}

/// The path if it exists, or all existing paths that match one with `*` at its end.
fn expand(root: &TargetRoot, path: &str) -> anyhow::Result<Vec<String>> {
    let Some(start) = path.strip_suffix('*') else {
        let exists = exists(root, path)?;
        return Ok(exists.then(|| path.to_owned()).into_iter().collect());
    };
    let (directory, start) = start.rsplit_once('/').unwrap_or(("", start));
    let mut names = names(root, directory)?;
    names.retain(|name| name.starts_with(start));
    names.sort();
    Ok(names
        .into_iter()
        .map(|name| format!("{directory}/{name}"))
        .collect())
}

/// True if the path exists, even if it is a dangling link.
fn exists(root: &TargetRoot, path: &str) -> anyhow::Result<bool> {
    let (directory, name) = root.open_parent(path)?;
    match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot examine {path}")),
    }
}

fn names(root: &TargetRoot, path: &str) -> anyhow::Result<Vec<String>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let at = if path.is_empty() || path == "/" {
        "."
    } else {
        path
    };
    let act = || format!("cannot read directory {path}");
    let directory = root.open_at(at, flags, Mode::empty()).with_context(act)?;
    let mut stream = nix::dir::Dir::from_fd(directory).with_context(act)?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let name = entry
            .with_context(act)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// True for a file system that nobody has written to yet.
fn is_new(root: &TargetRoot, point: &str) -> anyhow::Result<bool> {
    Ok(names(root, point)?.iter().all(|name| name == "lost+found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_policy_and_root() {
        let policy = Path::new("/sysroot/etc/selinux/t/contexts/files/file_contexts");
        let command = command(Path::new("/sysroot"), policy, b"/sysroot/etc\0".to_vec());
        assert_eq!(
            command.to_string(),
            "setfiles -vF0 -r /sysroot /sysroot/etc/selinux/t/contexts/files/file_contexts -f -"
        );
    }

    #[test]
    fn links_lead_inside_the_root() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("usr/etc")).expect("a directory");
        std::fs::write(at("usr/etc/f"), "").expect("a file");
        std::os::unix::fs::symlink("/usr/etc", at("etc")).expect("a link");
        std::os::unix::fs::symlink("/usr/etc/f", at("usr/etc/l")).expect("a link");
        let root = TargetRoot::new(dir.path());
        let real = dir.path().canonicalize().expect("a path");
        assert_eq!(
            host_path(&root, "/etc/l").expect("a place"),
            real.join("usr/etc/l")
        );
        assert_eq!(
            host_path_of_node(&root, "/etc/l").expect("a file"),
            real.join("usr/etc/f")
        );
        assert_eq!(host_path(&root, "/").expect("the root"), real);
    }

    #[test]
    fn stars_match_existing_names() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("etc")).expect("a directory");
        for name in ["passwd", "passwd-", "group"] {
            std::fs::write(dir.path().join("etc").join(name), "").expect("a file");
        }
        let root = TargetRoot::new(dir.path());
        let found = expand(&root, "/etc/passwd*").expect("readable");
        assert_eq!(found, ["/etc/passwd", "/etc/passwd-"]);
        assert!(expand(&root, "/etc/shadow").expect("readable").is_empty());
    }
}
