//! Files of the target as they will be once the config is applied: what it writes inline, else what exists now.

use super::names::{names, names_following_link};
use super::options::ObserveOptions;
use crate::config::Config;
use crate::config::model::{File, Resource};
use crate::facts::sshd;
use crate::facts::unit_files::UnitFile;
use crate::fetch::{Fetcher, Request, Silent};
use crate::host::TargetRoot;
use crate::paths::{ancestors, child, clean, parent};
use anyhow::Context;
use foldhash::{HashMap, HashSet};
use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of links of a config that are followed in a chain.
const MAX_LINKS: usize = 8;

/// The target together with what a config writes into it.
pub(super) struct PlannedFiles<'a> {
    root: &'a TargetRoot,
    options: &'a ObserveOptions,
    fetcher: &'a Fetcher,
    files: BTreeMap<String, &'a File>,
    links: BTreeMap<String, &'a str>,
    directories: BTreeSet<String>,
    /// Cached names in directories of the target; `None` for one that cannot be listed.
    listed: RefCell<HashMap<String, Option<HashSet<String>>>>,
}

impl<'a> PlannedFiles<'a> {
    pub(super) fn new(
        config: &'a Config,
        root: &'a TargetRoot,
        fetcher: &'a Fetcher,
        options: &'a ObserveOptions,
    ) -> Self {
        let files = config.storage.files.iter();
        let links = config.storage.links.iter();
        let directories = config.storage.directories.iter();
        Self {
            root,
            options,
            fetcher,
            files: files.map(|file| (clean(&file.path), file)).collect(),
            links: links
                .filter_map(|link| Some((clean(&link.path), link.target.as_deref()?)))
                .collect(),
            directories: directories.map(|node| clean(&node.path)).collect(),
            listed: RefCell::default(),
        }
    }

    /// False if the target has nothing at a path. Lists the directory once, which is faster than looking up each of
    /// many names in it.
    fn may_be_present(&self, path: &str) -> bool {
        let Some((directory, name)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty())
        else {
            return true;
        };
        let mut listed = self.listed.borrow_mut();
        let names = match listed.get(directory) {
            Some(names) => names,
            None => {
                let names = names_following_link(self.root, directory).ok();
                let names = names.map(|names| names.into_iter().collect());
                listed.entry(directory.to_owned()).or_insert(names)
            }
        };
        names.as_ref().is_none_or(|names| names.contains(name))
    }

    /// What will be at a path: a file or a link.
    pub(super) fn node(&self, path: &str) -> anyhow::Result<Option<UnitFile>> {
        if let Some(written) = self.written_node(path) {
            return written.map(Some);
        }
        if self.is_blank(path) || !self.may_be_present(path) {
            return Ok(None);
        }
        let context = || {
            format!(
                "cannot examine {path} inside {}",
                self.root.path().display()
            )
        };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let node = match self.root.open_at(path, flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG) => {
                return Ok(None);
            }
            other => other.with_context(context)?,
        };
        match readlinkat(&node, "") {
            Ok(target) => Ok(Some(UnitFile::Link(target.to_string_lossy().into_owned()))),
            Err(_) => {
                let text = self.root.read(path).with_context(context)?;
                Ok(text.map(UnitFile::Text))
            }
        }
    }

    /// What the config writes at a path: a file or a link.
    pub(super) fn written_node(&self, path: &str) -> Option<anyhow::Result<UnitFile>> {
        if let Some(target) = self.links.get(path) {
            return Some(Ok(UnitFile::Link((*target).to_owned())));
        }
        let file = self.files.get(path)?;
        Some(self.written_file(path, file))
    }

    /// The text at a path, with links followed. For contents that are fetched later, it is the present text.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let path = self.follow_links(path)?;
        if let Some(file) = self.files.get(&path)
            && let Ok(UnitFile::Text(text)) = self.written_file(&path, file)
        {
            return Some(text);
        }
        self.present_text(&path)
    }

    /// True if something is at a path, links followed.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path)
            || self.links.contains_key(path)
            || (!self.is_blank(path)
                && self
                    .root
                    .open_at(path, OFlag::O_PATH, Mode::empty())
                    .is_ok())
    }

    /// True if something other than a directory is at a path, links followed.
    pub(super) fn has_file(&self, path: &str) -> bool {
        self.follow_links(path).is_some_and(|path| {
            self.files.contains_key(&path)
                || (!self.directories.contains(&path) && self.has_present_file(&path))
        })
    }

    /// Follows links of the config from a path; `None` if the chain is too long.
    fn follow_links(&self, path: &str) -> Option<String> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Some(target) = self.links.get(&path) else {
                return Some(path);
            };
            let from = match target.starts_with('/') {
                true => "/",
                false => parent(&path).unwrap_or("/"),
            };
            path = clean(&child(from, target));
        }
        None
    }

    fn has_present_file(&self, path: &str) -> bool {
        if self.is_blank(path) {
            return false;
        }
        let node = self.root.open_at(path, OFlag::O_PATH, Mode::empty());
        let stat = node.and_then(|node| fstat(&node));
        stat.is_ok_and(|stat| {
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR
        })
    }

    /// Names in a directory.
    pub(super) fn names(&self, directory: &str) -> BTreeSet<String> {
        let present = match self.is_blank(directory) || !self.may_be_present(directory) {
            true => Vec::new(),
            false => names(self.root, directory).unwrap_or_default(),
        };
        let below = format!("{directory}/");
        let files = direct_children(&self.files, &below);
        let links = direct_children(&self.links, &below);
        files.chain(links).chain(present).collect()
    }

    /// True for a path on a file system that is about to be created.
    pub(super) fn is_blank(&self, path: &str) -> bool {
        let points = &self.options.blank_mounts;
        points.contains("/")
            || points.contains(path)
            || ancestors(path).any(|above| points.contains(above))
    }

    fn present_text(&self, path: &str) -> Option<String> {
        match self.is_blank(path) {
            true => None,
            false => self.root.read(path).ok().flatten(),
        }
    }

    fn written_file(&self, path: &str, file: &File) -> anyhow::Result<UnitFile> {
        let keeps_present = file.contents.source.is_none() && file.overwrite != Some(true);
        let mut text = match keeps_present {
            true => self.present_text(path).unwrap_or_default().into_bytes(),
            false => Vec::new(),
        };
        let contents = file.contents.source.is_some().then_some(&file.contents);
        for part in contents.into_iter().chain(&file.append) {
            if !is_inline(part) {
                return Ok(UnitFile::Unknown);
            }
            // A body that does not match its digest is reported where it is written.
            let request = Request::of(part)?;
            if self.fetcher.fetch(&request, &mut text, &Silent).is_err() {
                return Ok(UnitFile::Unknown);
            }
        }
        Ok(UnitFile::Text(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Names of the direct children of a directory, whose path ends in `/` here.
fn direct_children<'m, V>(
    entries: &'m BTreeMap<String, V>,
    directory: &'m str,
) -> impl Iterator<Item = String> + 'm {
    let from = entries.range(directory.to_owned()..);
    from.map_while(move |(path, _)| path.strip_prefix(directory))
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
}

fn is_inline(part: &Resource) -> bool {
    let source = part.source.as_deref().unwrap_or_default();
    source.is_empty() || source.starts_with("data:")
}

impl sshd::ServerFiles for PlannedFiles<'_> {
    fn read(&self, path: &str) -> Option<String> {
        self.text(path)
    }
    fn names(&self, directory: &str) -> Vec<String> {
        PlannedFiles::names(self, directory).into_iter().collect()
    }
}
