//! Nodes of the target tree, as far as inspected: what is at a path, and where links on the way lead.
//!
//! Paths below a directory that does not exist cost no system call, so a blank root costs almost
//! nothing.

use super::barriers;
use super::content::{self, ExpectedContent};
use super::names::names;
use super::options::ObserveOptions;
use super::units;
use crate::accounts::AccountFile;
use crate::config::Config;
use crate::config::model::Unit;
use crate::facts::root::{ContentFacts, FreeSpace, WriteBarrier};
use crate::facts::{AccountFacts, NodeFacts, NodeKind, RootFacts, unfinished};
use crate::fetch::Fetcher;
use crate::host::TargetRoot;
use crate::layout::{ACCOUNTS_DIRECTORY, PRESET_FILE, UNIT_DIRECTORY};
use crate::paths::{self, Overlay, PathLookup, ResolveError, child, clean, parent};
use anyhow::Context;
use foldhash::{HashMap, HashMapExt as _, HashSet};
use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{
    EXT4_SUPER_MAGIC, FsType, MSDOS_SUPER_MAGIC, Statfs, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs,
};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
const EXFAT_SUPER_MAGIC: FsType = FsType(0x2011_BAB0);

/// Everything a config writes into the tree: resolved path and the requested content, if any.
pub(super) type ExpectedContents<'a> = HashMap<String, Option<ExpectedContent<'a>>>;

/// The tree, as far as inspected.
pub(super) struct TreeObserver<'r> {
    root: &'r TargetRoot,
    options: &'r ObserveOptions,
    /// What is at a path; `None` for nothing.
    seen: HashMap<String, Option<NodeFacts>>,
    /// Whether the file system with this device number keeps owners and modes.
    fixed_permissions: HashMap<u64, bool>,
    /// Free space of file systems, by device number.
    pub(super) free_space: BTreeMap<u64, FreeSpace>,
    /// What keeps this process from writing, by path.
    pub(super) unwritable: BTreeMap<String, WriteBarrier>,
    overlay: Overlay,
    /// Homes that the config moves, from where to where.
    moved: Vec<(String, String)>,
}

impl<'r> TreeObserver<'r> {
    pub(super) fn new(root: &'r TargetRoot, options: &'r ObserveOptions) -> Self {
        Self {
            root,
            options,
            seen: HashMap::new(),
            fixed_permissions: HashMap::new(),
            free_space: BTreeMap::new(),
            unwritable: BTreeMap::new(),
            overlay: Overlay::default(),
            moved: Vec::new(),
        }
    }

    pub(super) fn into_nodes(self) -> BTreeMap<String, NodeFacts> {
        let nodes = self.seen.into_iter();
        nodes
            .filter_map(|(path, node)| Some((path, node?)))
            .collect()
    }

    // ---- which paths

    pub(super) fn expected_contents<'a>(
        &mut self,
        config: &'a Config,
        facts: &RootFacts,
    ) -> anyhow::Result<ExpectedContents<'a>> {
        let count = config.storage.files.len();
        self.seen.reserve(count);
        let redirections = config.storage.redirections();
        self.overlay = Overlay::new(redirections, |at| self.lookup(at));
        self.record_moved_homes(config, &facts.accounts)?;
        let mut expected = ExpectedContents::with_capacity(count);
        self.expect_from_accounts(config, facts, &mut expected)?;
        self.expect_from_storage(config, &mut expected)?;
        for unit in &config.systemd.units {
            for (path, wanted) in unit_files(unit) {
                self.add_expected(&mut expected, &path, wanted)?;
            }
        }
        self.inspect_account_paths(config, facts)?;
        self.add_expected(&mut expected, PRESET_FILE, None)?;
        for path in units::link_paths(config, &facts.units) {
            self.add_expected(&mut expected, &path, None)?;
        }
        for path in &self.options.extra_paths {
            self.add_expected(&mut expected, path, None)?;
        }
        for point in self.options.mount_points.values().flatten() {
            expected.entry(point.clone()).or_insert(None);
        }
        Ok(expected)
    }

    /// Inspects a path, and records what is expected there.
    fn add_expected<'a>(
        &mut self,
        expected: &mut ExpectedContents<'a>,
        path: &str,
        wanted: Option<ExpectedContent<'a>>,
    ) -> anyhow::Result<()> {
        if let Some(path) = self.resolve(path)? {
            self.node(&path)?;
            // The last requested content wins, as it does when the tree is written.
            let known = expected.entry(path).or_insert(None);
            *known = wanted.or(*known);
        }
        Ok(())
    }

    /// Homes, and the files of keys in them.
    fn expect_from_accounts<'a>(
        &mut self,
        config: &'a Config,
        facts: &RootFacts,
        expected: &mut ExpectedContents<'a>,
    ) -> anyhow::Result<()> {
        for user in &config.passwd.users {
            let present = facts.accounts.home(&user.name);
            let home = facts.accounts.home_of(user);
            // The home may be a link, so a path below it is inspected as well.
            for home in [&home, &present] {
                self.add_expected(expected, home, None)?;
                self.add_expected(expected, &format!("{home}/.ssh"), None)?;
            }
            if !user.ssh_authorized_keys.is_empty() {
                let path = format!("{home}/{}", facts.accounts.key_file.below_home());
                self.add_expected(
                    expected,
                    &path,
                    Some(ExpectedContent::Keys(&user.ssh_authorized_keys)),
                )?;
            }
        }
        Ok(())
    }

    /// Mount points, directories, links and files.
    fn expect_from_storage<'a>(
        &mut self,
        config: &'a Config,
        expected: &mut ExpectedContents<'a>,
    ) -> anyhow::Result<()> {
        let storage = &config.storage;
        for path in storage
            .filesystems
            .iter()
            .filter_map(|one| one.path.as_ref())
        {
            match self.options.mount_points.get(&clean(path)) {
                None => self.add_expected(expected, path, None)?,
                // A mount comes before the config's links, so these do not count.
                Some(Ok(point)) => _ = self.node(point)?,
                Some(Err(_)) => {}
            }
        }
        for directory in &storage.directories {
            self.add_expected(expected, &directory.path, None)?;
        }
        for link in &storage.links {
            self.add_expected(expected, &link.path, None)?;
            if let (Some(true), Some(target)) = (link.hard, &link.target) {
                // A target that is an entry of its own keeps what is expected of it.
                self.resolve_and_inspect(target)?;
            }
        }
        for file in &storage.files {
            self.add_expected(expected, &file.path, Some(ExpectedContent::File(file)))?;
        }
        Ok(())
    }

    /// Inspects nodes that the config does not name: account databases, the skeleton of homes, missing shells.
    fn inspect_account_paths(&mut self, config: &Config, facts: &RootFacts) -> anyhow::Result<()> {
        if !(config.passwd.users.is_empty() && config.passwd.groups.is_empty()) {
            self.node(ACCOUNTS_DIRECTORY)?;
            for database in AccountFile::ALL {
                self.resolve_and_inspect(database.path())?;
            }
        }
        // The skeleton of new homes, so that planning sees whether a home would be inside it.
        if !config.passwd.users.is_empty() {
            self.resolve_and_inspect(&facts.accounts.databases.policy.skeleton())?;
        }
        // Paths of missing shells, so that planning sees whether the config creates them.
        for shell in &facts.accounts.missing_shells {
            self.resolve_and_inspect(shell)?;
        }
        Ok(())
    }

    fn resolve_and_inspect(&mut self, path: &str) -> anyhow::Result<()> {
        if let Some(path) = self.resolve(path)? {
            self.node(&path)?;
        }
        Ok(())
    }

    /// Records which homes the config moves: what is below the new home is now below the old one.
    fn record_moved_homes(
        &mut self,
        config: &Config,
        accounts: &AccountFacts,
    ) -> anyhow::Result<()> {
        for user in &config.passwd.users {
            let configured = user.home_dir.as_deref().filter(|home| !home.is_empty());
            let present = accounts.databases.user(&user.name);
            let (Some(to), Some(present)) = (configured, present) else {
                continue;
            };
            let from = self.resolve(&child(&clean(&present.home), "x"))?;
            let to = self.resolve(&child(&clean(to), "x"))?;
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            let (from, to) = (parent(&from).unwrap_or("/"), parent(&to).unwrap_or("/"));
            let node = self.node(from)?;
            let is_directory =
                node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. }));
            if is_directory && from != to && self.node(to)?.is_none() {
                self.moved.push((from.to_owned(), to.to_owned()));
            }
        }
        Ok(())
    }

    /// Resolves the path of a directory, with all links followed.
    pub(super) fn directory(&mut self, path: &str) -> anyhow::Result<Result<String, ResolveError>> {
        match paths::resolve_directory(path, |at| self.lookup(at)) {
            Ok(path) => Ok(Ok(path)),
            Err(LookupError::Path(error)) => Ok(Err(error)),
            Err(LookupError::Inspect(error)) => Err(error),
        }
    }

    /// Where a path leads; `None` if it cannot be resolved, which planning reports.
    fn resolve(&mut self, path: &str) -> anyhow::Result<Option<String>> {
        let overlay = std::mem::take(&mut self.overlay);
        let moved = std::mem::take(&mut self.moved);
        let resolved = paths::resolve(path, |at| {
            overlay.lookup(at, |at| self.lookup(&paths::before_moves(at, &moved)))
        });
        self.overlay = overlay;
        self.moved = moved;
        match resolved {
            Ok(path) => Ok(Some(paths::before_moves(&path, &self.moved).into_owned())),
            Err(LookupError::Path(_)) => Ok(None),
            Err(LookupError::Inspect(error)) => Err(error),
        }
    }

    fn lookup(&mut self, at: &str) -> Result<PathLookup, LookupError> {
        let node = self.node(at).map_err(LookupError::Inspect)?;
        Ok(match node.map(|node| &node.kind) {
            None => PathLookup::Missing,
            Some(NodeKind::Directory { .. }) => PathLookup::Directory,
            Some(NodeKind::Symlink { target }) => PathLookup::Link(target.clone()),
            Some(NodeKind::File { .. } | NodeKind::Other) => PathLookup::Other,
        })
    }

    // ---- looking at one path

    /// What is at a path whose directories are not links.
    fn node(&mut self, path: &str) -> anyhow::Result<Option<&NodeFacts>> {
        if !self.seen.contains_key(path) {
            let node = self.inspect(path)?;
            self.seen.insert(path.to_owned(), node);
        }
        Ok(self.seen.get(path).and_then(Option::as_ref))
    }

    fn inspect(&mut self, path: &str) -> anyhow::Result<Option<NodeFacts>> {
        if self.options.blank_mounts.contains(path) {
            return Ok(Some(blank_directory()));
        }
        if let Some(above) = parent(path) {
            let above = self.node(above)?;
            let into = above.is_some_and(|above| matches!(above.kind, NodeKind::Directory { .. }));
            if !into || self.is_on_blank(path) {
                return Ok(None);
            }
        }
        self.stat(path).with_context(|| {
            format!(
                "cannot examine {path} inside {}",
                self.root.path().display()
            )
        })
    }

    fn is_on_blank(&self, path: &str) -> bool {
        let points = &self.options.blank_mounts;
        !points.is_empty()
            && (points.contains("/") || paths::ancestors(path).any(|above| points.contains(above)))
    }

    fn stat(&mut self, path: &str) -> nix::Result<Option<NodeFacts>> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let node = match self.root.open_at(path, flags, Mode::empty()) {
            // Planning refuses a path that is too long.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => return Ok(None),
            other => other?,
        };
        let stat = fstat(&node)?;
        let kind = self.kind(path, &node, &stat)?;
        let barrier = barriers::write_barrier(&node, &kind)
            .or_else(|| barriers::replace_barrier(self.root, path, &kind));
        if let Some(barrier) = barrier {
            self.unwritable.insert(path.to_owned(), barrier);
        }
        Ok(Some(NodeFacts {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            inode: (stat.st_dev, stat.st_ino),
            fixed_permissions: self.has_fixed_permissions(&node, stat.st_dev)?,
            allocated_bytes: u64::try_from(stat.st_blocks).map_or(0, |blocks| blocks * 512),
        }))
    }

    fn kind(&self, path: &str, node: &OwnedFd, stat: &FileStat) -> nix::Result<NodeKind> {
        Ok(
            match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFDIR => NodeKind::Directory {
                    empty: self.names(path)?.is_empty(),
                    only_requested: false,
                },
                SFlag::S_IFREG => NodeKind::File {
                    bytes: u64::try_from(stat.st_size).unwrap_or(0),
                    content: ContentFacts::NotCompared,
                },
                SFlag::S_IFLNK => NodeKind::Symlink {
                    target: readlinkat(node, "")?.to_string_lossy().into_owned(),
                },
                _ => NodeKind::Other,
            },
        )
    }

    fn has_fixed_permissions(&mut self, node: &OwnedFd, device: u64) -> nix::Result<bool> {
        if let Some(fixed) = self.fixed_permissions.get(&device) {
            return Ok(*fixed);
        }
        let stat = fstatfs(node)?;
        let kind = stat.filesystem_type();
        let space = free_space(&stat);
        self.free_space.extend(space.map(|space| (device, space)));
        let fixed = kind == MSDOS_SUPER_MAGIC || kind == EXFAT_SUPER_MAGIC;
        self.fixed_permissions.insert(device, fixed);
        Ok(fixed)
    }

    /// Names in a directory.
    fn names(&self, path: &str) -> nix::Result<Vec<String>> {
        names(self.root, path)
    }

    // ---- contents

    /// Paths where records of unfinished files may be.
    pub(super) fn record_paths(&self) -> BTreeSet<String> {
        let points = self.options.mount_points.values().flatten();
        let known = [unfinished::IN_ETC.to_owned(), unfinished::record_path("/")];
        let all = points
            .map(|point| unfinished::record_path(point))
            .chain(known);
        all.filter(|path| !self.is_on_blank(path)).collect()
    }

    pub(super) fn compare(
        &mut self,
        expected: &ExpectedContents<'_>,
        facts: &RootFacts,
        fetcher: &Fetcher,
    ) -> anyhow::Result<()> {
        let is_there = |path: &str| matches!(self.seen.get(path), Some(Some(_)));
        let mut present: Vec<(&String, &ExpectedContent<'_>)> = expected
            .iter()
            .filter(|(path, _)| is_there(path))
            .filter_map(|(path, wanted)| Some((path, wanted.as_ref()?)))
            .collect();
        // Sorted, so that the first error is deterministic.
        present.sort_unstable_by_key(|(path, _)| *path);
        for (path, wanted) in present {
            let Some(Some(node)) = self.seen.get_mut(path) else {
                continue;
            };
            if let NodeKind::File { bytes, content } = &mut node.kind {
                *content = content::compare(
                    self.root,
                    path,
                    *bytes,
                    wanted,
                    facts.is_unfinished(path),
                    fetcher,
                )
                .with_context(|| format!("cannot compare {path} with the config"))?;
            }
        }
        Ok(())
    }

    /// Finds directories to overwrite that hold nothing but what the config requests.
    pub(super) fn check_overwritten(
        &mut self,
        config: &Config,
        expected: &ExpectedContents<'_>,
        facts: &RootFacts,
    ) -> anyhow::Result<()> {
        let directories = config.storage.directories.iter();
        let mut overwritten = directories.filter(|d| d.overwrite == Some(true)).peekable();
        if overwritten.peek().is_none() {
            return Ok(());
        }
        let wanted = RequestedPaths {
            nodes: expected.keys().map(String::as_str).collect(),
            directories: expected
                .keys()
                .flat_map(|path| paths::ancestors(path))
                .collect(),
            homes: self.homes(config, facts)?,
        };
        for directory in overwritten {
            let Some(path) = self.resolve(&directory.path)? else {
                continue;
            };
            let Some(Some(node)) = self.seen.get(&path) else {
                continue;
            };
            // Other file systems that are mounted there, such as /proc, are neither removed nor walked.
            let own: BTreeSet<&String> = self.options.mount_points.values().flatten().collect();
            let mut others = facts.mounts.keys().filter(|point| !own.contains(point));
            let has_mounts = others.any(|point| paths::is_at_or_below(point, &path));
            let is_directory = matches!(node.kind, NodeKind::Directory { .. });
            if is_directory && !has_mounts && self.holds_only(&path, &wanted)? {
                self.mark_only_requested(&path);
            }
        }
        Ok(())
    }

    /// Homes of the users that should exist.
    fn homes(&mut self, config: &Config, facts: &RootFacts) -> anyhow::Result<BTreeSet<String>> {
        let mut homes = BTreeSet::new();
        let users = config.passwd.users.iter();
        for user in users.filter(|user| user.should_exist != Some(false)) {
            homes.extend(self.resolve(&facts.accounts.home_of(user))?);
        }
        Ok(homes)
    }

    fn mark_only_requested(&mut self, path: &str) {
        if let Some(Some(node)) = self.seen.get_mut(path)
            && let NodeKind::Directory { only_requested, .. } = &mut node.kind
        {
            *only_requested = true;
        }
    }

    fn holds_only(&mut self, path: &str, wanted: &RequestedPaths<'_>) -> anyhow::Result<bool> {
        for name in self.names(path)? {
            let below = child(path, &name);
            // A home holds what the skeleton and its user put there.
            if wanted.homes.contains(&below) {
                continue;
            }
            let is_directory = self
                .node(&below)?
                .is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. }));
            // A path with others below it has to be a directory.
            let is_wanted = match wanted.directories.contains(below.as_str()) {
                true => is_directory,
                false => wanted.nodes.contains(below.as_str()),
            };
            if !is_wanted {
                return Ok(false);
            }
            if is_directory && !self.holds_only(&below, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Paths of everything that a config writes into the tree, and of the directories above it.
struct RequestedPaths<'a> {
    nodes: HashSet<&'a str>,
    directories: HashSet<&'a str>,
    homes: BTreeSet<String>,
}

/// Why resolving stopped.
enum LookupError {
    Path(ResolveError),
    Inspect(anyhow::Error),
}

impl From<ResolveError> for LookupError {
    fn from(error: ResolveError) -> Self {
        LookupError::Path(error)
    }
}

fn blank_directory() -> NodeFacts {
    NodeFacts {
        kind: NodeKind::Directory {
            empty: true,
            only_requested: false,
        },
        mode: 0o755,
        uid: 0,
        gid: 0,
        inode: (0, 0),
        fixed_permissions: false,
        allocated_bytes: 0,
    }
}

/// Free space of a file system that stores files as they are: with compression it would not be known.
fn free_space(stat: &Statfs) -> Option<FreeSpace> {
    let kind = stat.filesystem_type();
    let has_table = kind == EXT4_SUPER_MAGIC || kind == TMPFS_MAGIC;
    if !has_table && kind != XFS_SUPER_MAGIC && kind != MSDOS_SUPER_MAGIC {
        return None;
    }
    let is_limited = stat.blocks() > 0;
    let block_bytes = u64::try_from(stat.block_size()).ok()?;
    is_limited.then(|| FreeSpace {
        bytes: stat.blocks_free().saturating_mul(block_bytes),
        nodes: (has_table && stat.files() > 0).then(|| stat.files_free()),
        shares_copies: kind == XFS_SUPER_MAGIC,
    })
}

/// Paths that a unit writes to, with the requested text.
fn unit_files(unit: &Unit) -> Vec<(String, Option<ExpectedContent<'_>>)> {
    let dropins = unit.dropins.iter().filter_map(|dropin| {
        let path = format!("{UNIT_DIRECTORY}/{}.d/{}", unit.name, dropin.name);
        Some((
            path,
            Some(ExpectedContent::Text(dropin.contents.as_deref()?)),
        ))
    });
    let contents = unit.contents.as_deref().filter(|text| !text.is_empty());
    let own = format!("{UNIT_DIRECTORY}/{}", unit.name);
    dropins
        .chain([(own, contents.map(ExpectedContent::Text))])
        .collect()
}
