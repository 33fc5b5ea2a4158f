//! Paths inside the target root: lexical helpers, and the algorithm that follows links.
//!
//! Observation and planning must agree on where `/var/log/x` really is, so both use [`resolve`]: observation looks
//! paths up on the machine, planning in the facts. All paths are absolute, clean, and inside the target; `..` never
//! climbs above it.

use crate::config::model::Redirection;
use crate::config::{MAX_NAME_BYTES, MAX_PATH_BYTES};
use foldhash::{HashMap, HashSet};
use std::borrow::Cow;

/// Maximum number of links followed, as in the kernel.
pub(crate) const MAX_LINKS: usize = 40;

/// Result of looking up one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathLookup {
    /// Nothing.
    Missing,
    /// A directory.
    Directory,
    /// A symbolic link with this target text.
    Link(String),
    /// Anything else.
    Other,
}

/// Why a path cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A loop, or an absurdly long chain.
    #[error("more than {MAX_LINKS} symbolic links on the way, the last one at {at}")]
    TooManyLinks {
        /// Where following stopped.
        at: String,
    },
    /// A link leads with `..` out of a directory that does not exist, so no kernel could follow it.
    #[error("{at} does not exist, and a symbolic link leads through it and back with `..`")]
    ThroughMissing {
        /// The missing directory.
        at: String,
    },
    /// A component is longer than a directory entry may be.
    #[error("the name {name:?} has {} bytes, more than the {MAX_NAME_BYTES} that a name may have", name.len())]
    NameTooLong {
        /// The component.
        name: String,
    },
    /// The path is longer than a system call accepts.
    #[error("the path has more than {MAX_PATH_BYTES} bytes")]
    PathTooLong,
    /// Something on the way is not a directory.
    #[error("{at} is not a directory")]
    NotADirectory {
        /// What is not a directory.
        at: String,
    },
}

/// Makes a path absolute and free of `.`, `..` and repeated slashes, by text alone.
pub fn clean(path: &str) -> String {
    let names = path.strip_prefix('/').unwrap_or("").as_bytes();
    let mut names = names.split(|byte| *byte == b'/');
    if names.all(|name| !matches!(name, b"" | b"." | b"..")) {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Cleans the target text of a link, keeping relative ones relative (for comparing targets).
pub fn clean_target(target: &str) -> String {
    if target.starts_with('/') {
        return clean(target);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in target.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(&last)) if last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        ".".into()
    } else {
        parts.join("/")
    }
}

/// `name` below `directory`.
pub fn child(directory: &str, name: &str) -> String {
    let directory = if directory == "/" { "" } else { directory };
    [directory, "/", name].concat()
}

/// The directory a clean path is in; `None` for `/`.
pub fn parent(path: &str) -> Option<&str> {
    match memchr::memrchr(b'/', path.as_bytes()) {
        _ if path == "/" => None,
        Some(0) => Some("/"),
        Some(at) => Some(&path[..at]),
        None => None,
    }
}

/// All directories above a clean path, `/` excluded, nearest first.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |p| parent(p)).take_while(|p| *p != "/")
}

/// Resolves the directory at `path`, with a link at the last component followed as well.
///
/// # Errors
/// Those of [`resolve`].
pub fn resolve_directory<E: From<ResolveError>>(
    path: &str,
    lookup: impl FnMut(&str) -> Result<PathLookup, E>,
) -> Result<String, E> {
    let inside = resolve(&child(path, "x"), lookup)?;
    Ok(parent(&inside).unwrap_or("/").to_owned())
}

/// The path before directories were renamed, in this order: pairs of the old and the new path. The renamed directories
/// themselves keep the new one.
pub fn before_moves<'p>(path: &'p str, moves: &[(String, String)]) -> Cow<'p, str> {
    let mut before = Cow::Borrowed(path);
    for (from, to) in moves.iter().rev() {
        let below = before.strip_prefix(to.as_str());
        if let Some(below) = below.filter(|below| below.starts_with('/')) {
            before = Cow::Owned(format!("{from}{below}"));
        }
    }
    before
}

/// Number of components of a clean path.
pub fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

/// True if `path` is `above` or below it; both are clean.
pub fn is_at_or_below(path: &str, above: &str) -> bool {
    above == "/"
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Follows all links on the way to `path`, but not the last component, as a process does whose root directory is the
/// target (chroot(2)): absolute targets start at the target's root, and `..` stays there. Components that do not exist
/// stay as written; they are created as directories when something is written below them.
///
/// # Errors
/// On a loop of links, something on the way that is not a directory, a name that is too long, or an error of `lookup`.
pub fn resolve<E: From<ResolveError>>(
    path: &str,
    mut lookup: impl FnMut(&str) -> Result<PathLookup, E>,
) -> Result<String, E> {
    // Components still to walk, the next one last.
    let mut todo: Vec<Cow<'_, str>> = components(path).rev().map(Cow::Borrowed).collect();
    // Empty for the root. Thousands of paths are resolved, so it grows and shrinks in place.
    let mut here = String::with_capacity(path.len() + 1);
    let mut links = 0;
    // Number of components left once the target of the last link is reached.
    let mut rest = usize::MAX;
    while let Some(part) = todo.pop() {
        if part == ".." {
            // Directories in the target of a link must exist for a kernel to follow it; those in the path itself can be
            // created.
            let is_in_target = todo.len() >= rest;
            if !here.is_empty() && is_in_target && lookup(&here)? == PathLookup::Missing {
                return Err(ResolveError::ThroughMissing { at: here }.into());
            }
            here.truncate(here.rfind('/').unwrap_or(0));
            continue;
        }
        if part.len() > MAX_NAME_BYTES {
            let name = part.into_owned();
            return Err(ResolveError::NameTooLong { name }.into());
        }
        let above = here.len();
        here.push('/');
        here.push_str(&part);
        if here.len() > MAX_PATH_BYTES {
            return Err(ResolveError::PathTooLong.into());
        }
        if todo.is_empty() {
            return Ok(here);
        }
        match lookup(&here)? {
            PathLookup::Missing | PathLookup::Directory => {}
            PathLookup::Other => return Err(ResolveError::NotADirectory { at: here }.into()),
            PathLookup::Link(_) if links == MAX_LINKS => {
                return Err(ResolveError::TooManyLinks { at: here }.into());
            }
            PathLookup::Link(target) => {
                links += 1;
                rest = todo.len();
                let is_absolute = target.starts_with('/');
                here.truncate(if is_absolute { 0 } else { above });
                let parts = components(&target).rev();
                todo.extend(parts.map(|part| Cow::Owned(part.to_owned())));
            }
        }
    }
    if here.is_empty() {
        here.push('/');
    }
    Ok(here)
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

/// What the config creates: resolution sees its links as if they existed, since a file below a link of the same config
/// belongs where that link will lead.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    places: HashMap<String, PathLookup>,
    /// Directories whose present content is removed: below them, only what the config creates is seen.
    emptied: HashSet<String>,
}

impl Overlay {
    /// Adds what is requested, outermost first, by paths as written.
    pub fn new<'w, E: From<ResolveError>>(
        requested: impl Iterator<Item = (&'w str, Redirection<'w>)>,
        mut lookup: impl FnMut(&str) -> Result<PathLookup, E>,
    ) -> Self {
        let mut requested: Vec<_> = requested.collect();
        requested.sort_by_cached_key(|(path, _)| depth(path));
        let mut overlay = Overlay::default();
        for (path, request) in requested {
            // A path that cannot be resolved is reported when its entry is planned.
            let Ok(place) = resolve(path, |at| overlay.lookup(at, &mut lookup)) else {
                continue;
            };
            let seen = match request {
                Redirection::Link(target) => PathLookup::Link(target.into()),
                Redirection::Directory => {
                    overlay.emptied.insert(place.clone());
                    PathLookup::Directory
                }
                Redirection::File => match overlay.lookup(&place, &mut lookup) {
                    Ok(PathLookup::Link(_) | PathLookup::Directory) => PathLookup::Other,
                    // No path leads through it now.
                    _ => continue,
                },
            };
            overlay.places.insert(place, seen);
        }
        overlay
    }

    /// What will be at `path`: what is requested there, if anything, else what `lookup` finds.
    pub fn lookup<E>(
        &self,
        path: &str,
        mut lookup: impl FnMut(&str) -> Result<PathLookup, E>,
    ) -> Result<PathLookup, E> {
        if let Some(seen) = self.places.get(path) {
            return Ok(seen.clone());
        }
        let is_emptied =
            !self.emptied.is_empty() && ancestors(path).any(|above| self.emptied.contains(above));
        match is_emptied {
            true => Ok(PathLookup::Missing),
            false => lookup(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(at: &str) -> Result<PathLookup, ResolveError> {
        Ok(match at {
            "/usr" | "/data" => PathLookup::Directory,
            "/lib" => PathLookup::Link("usr/lib".into()),
            "/abs" => PathLookup::Link("/data/../usr".into()),
            "/usr/lib" => PathLookup::Directory,
            "/up" => PathLookup::Link("../../../data".into()),
            "/host" => PathLookup::Link("/home/me/outside".into()),
            "/back" => PathLookup::Link("gone/../data".into()),
            "/chain" => PathLookup::Link("abs/share".into()),
            "/usr/share" => PathLookup::Link("/data".into()),
            "/loop" => PathLookup::Link("loop".into()),
            "/file" => PathLookup::Other,
            _ => PathLookup::Missing,
        })
    }

    #[test]
    fn resolves_chains_inside_the_root() {
        for (path, want) in [
            ("/", "/"),
            ("/lib", "/lib"),
            ("/lib/x", "/usr/lib/x"),
            ("/abs/x", "/usr/x"),
            ("/chain/x/y", "/data/x/y"),
            ("/../../x", "/x"),
            ("/a//b/./c", "/a/b/c"),
            ("/lib/../x", "/usr/x"),
            ("/usr/..", "/"),
        ] {
            assert_eq!(resolve(path, tree), Ok(want.to_owned()), "{path}");
        }
    }

    #[test]
    fn refuses_loops_and_files_on_the_way() {
        assert_eq!(
            resolve("/loop/x", tree),
            Err(ResolveError::TooManyLinks { at: "/loop".into() })
        );
        assert_eq!(
            resolve("/file/x", tree),
            Err(ResolveError::NotADirectory { at: "/file".into() })
        );
    }

    #[test]
    fn names_and_paths_longer_than_the_kernel_takes_are_refused() {
        let longest = format!("/usr/{}", "n".repeat(255));
        assert_eq!(resolve(&longest, tree), Ok(longest.clone()));
        let name = "n".repeat(256);
        let error = ResolveError::NameTooLong { name: name.clone() };
        assert_eq!(resolve(&format!("/usr/{name}/x"), tree), Err(error));
        let deep = "/dddddddd".repeat(500);
        assert_eq!(resolve(&deep, tree), Err(ResolveError::PathTooLong));
    }

    #[test]
    fn links_are_followed_inside_the_root_as_a_chroot_does() {
        for (path, want) in [("/up/x", "/data/x"), ("/host/x", "/home/me/outside/x")] {
            assert_eq!(resolve(path, tree), Ok(want.to_owned()), "{path}");
        }
    }

    #[test]
    fn a_link_through_a_missing_directory_and_back_leads_nowhere() {
        let error = ResolveError::ThroughMissing { at: "/gone".into() };
        assert_eq!(resolve("/back/x", tree), Err(error));
        assert_eq!(resolve("/gone/../x", tree), Ok("/x".into()));
    }

    #[test]
    fn planned_links_are_followed() {
        let requested = [
            ("/log/deep", Redirection::Link("/data/deep")),
            ("/log", Redirection::Link("lib/log")),
        ];
        let overlay = Overlay::new(requested.into_iter(), tree);
        let resolve = |path| resolve(path, |at| overlay.lookup(at, tree));
        assert_eq!(resolve("/log/a"), Ok("/usr/lib/log/a".into()));
        assert_eq!(resolve("/log/deep/a"), Ok("/data/deep/a".into()));
    }

    #[test]
    fn no_path_leads_through_a_file_that_replaces_a_link_or_a_directory() {
        let resolve = |request, path| {
            let requested = [(request, Redirection::File)];
            let overlay = Overlay::new(requested.into_iter(), tree);
            resolve(path, |at| overlay.lookup(at, tree))
        };
        for (request, path) in [
            ("/lib", "/lib/x"),
            ("/usr/share", "/chain/x"),
            ("/data", "/up/x"),
        ] {
            let error = ResolveError::NotADirectory { at: request.into() };
            assert_eq!(resolve(request, path), Err(error), "{path}");
        }
        assert_eq!(resolve("/new", "/new/x"), Ok("/new/x".into()));
    }

    #[test]
    fn what_an_emptied_directory_holds_is_not_seen() {
        let overlay = Overlay::new([("/lib/emptied", Redirection::Directory)].into_iter(), tree);
        let lookup = |at: &str| match at {
            "/usr/lib/emptied/old" => Ok(PathLookup::Link("/data".into())),
            other => tree(other),
        };
        let path = resolve("/lib/emptied/old/x", |at| overlay.lookup(at, lookup));
        assert_eq!(path, Ok("/usr/lib/emptied/old/x".into()));
    }

    #[test]
    fn a_link_to_a_directory_is_that_directory() {
        for (path, want) in [("/lib", "/usr/lib"), ("/", "/"), ("/new", "/new")] {
            assert_eq!(resolve_directory(path, tree), Ok(want.to_owned()), "{path}");
        }
    }

    #[test]
    fn what_is_below_a_moved_directory_was_below_the_old_one() {
        let moves = [("/a", "/b"), ("/b/c", "/d")].map(|(from, to)| (from.into(), to.into()));
        for (path, want) in [
            ("/d/x", "/a/c/x"),
            ("/b", "/b"),
            ("/b/x", "/a/x"),
            ("/bc/x", "/bc/x"),
        ] {
            assert_eq!(before_moves(path, &moves), want, "{path}");
        }
    }

    #[test]
    fn lexical_helpers() {
        assert_eq!(clean("/a/../../b//c/."), "/b/c");
        assert_eq!(clean_target("./a//b/../c"), "a/c");
        assert_eq!(clean_target("../../a"), "../../a");
        assert_eq!(clean_target("a/.."), ".");
        assert_eq!(clean_target("/x/../y"), "/y");
        assert_eq!(parent("/a"), Some("/"));
        assert_eq!(parent("/"), None);
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), vec!["/a/b", "/a"]);
        assert_eq!(depth("/"), 0);
        assert!(is_at_or_below("/a/b", "/a"));
        assert!(is_at_or_below("/a", "/a"));
        assert!(!is_at_or_below("/ab", "/a"));
        assert!(is_at_or_below("/ab", "/"));
    }
}
