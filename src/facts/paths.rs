//! Paths inside the target root: lexical helpers, and the one algorithm that follows links.
//!
//! Observation and planning must agree on where `/var/log/x` really is, so both use [`resolve`]:
//! observation looks at the machine, planning at the facts. All paths are absolute, clean, and mean
//! places inside the target; `..` never climbs above it.

use std::collections::HashMap;

/// Links followed before giving up, as the kernel does.
const MAX_LINKS: usize = 40;

/// What a look at one path found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Missing,
    /// A directory.
    Directory,
    /// A symbolic link with this target text.
    Link(String),
    /// A symbolic link the config makes: its author knows where it leads.
    WishedLink(String),
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
    /// A link climbs above the root, or names an absolute path that is not in it: whoever made it
    /// meant a place outside.
    #[error("{at} is a symbolic link to {target}, which leads out of the target root")]
    LeadsOut {
        /// The link.
        at: String,
        /// Its target.
        target: String,
    },
    /// Something on the way is no directory.
    #[error("{at} is not a directory")]
    NotADirectory {
        /// The offender.
        at: String,
    },
}

/// Makes a path absolute and free of `.`, `..` and repeated slashes, by text alone.
pub fn clean(path: &str) -> String {
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
    if directory == "/" {
        format!("/{name}")
    } else {
        format!("{directory}/{name}")
    }
}

/// The directory a clean path is in; `None` for `/`.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
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

/// Number of components of a clean path.
pub fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

/// True if `path` is `above` or lies below it; both clean.
pub fn is_at_or_below(path: &str, above: &str) -> bool {
    above == "/"
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Follows all links on the way to `path`, but not the last component, inside the target: absolute
/// targets start at its root. Components of `path` that do not exist stay as written; but the directory
/// an absolute link points into must exist, or else the link is taken to mean a place outside.
pub fn resolve<E: From<ResolveError>>(
    path: &str,
    mut look: impl FnMut(&str) -> Result<Seen, E>,
) -> Result<String, E> {
    // Components still to walk, next one last.
    let mut todo: Vec<String> = components(path).rev().map(str::to_owned).collect();
    let mut here = String::from("/");
    let mut links = 0;
    // The last link followed, and how much is left to walk when its target is reached.
    let mut link = Link::default();
    while let Some(part) = todo.pop() {
        if part == ".." {
            here = match parent(&here) {
                Some(above) => above.to_owned(),
                None if todo.len() >= link.rest && links > 0 => {
                    return Err(link.leads_out().into());
                }
                None => here,
            };
            continue;
        }
        let at = child(&here, &part);
        if todo.is_empty() {
            return Ok(at);
        }
        match look(&at)? {
            Seen::Missing if link.absolute && todo.len() > link.rest => {
                return Err(link.leads_out().into());
            }
            Seen::Missing | Seen::Directory => {
                here = at;
                continue;
            }
            Seen::Other => return Err(ResolveError::NotADirectory { at }.into()),
            Seen::Link(target) => {
                let absolute = target.starts_with('/');
                let rest = todo.len();
                link = Link {
                    at,
                    target,
                    absolute,
                    rest,
                };
                links += 1;
            }
            Seen::WishedLink(target) => {
                let rest = todo.len();
                link = Link {
                    at,
                    target,
                    absolute: false,
                    rest,
                };
                links += 1;
            }
        }
        if links > MAX_LINKS {
            return Err(ResolveError::TooManyLinks { at: link.at }.into());
        }
        if link.target.starts_with('/') {
            here = "/".into();
        }
        todo.extend(components(&link.target).rev().map(str::to_owned));
    }
    Ok(here)
}

/// A link being followed.
#[derive(Default)]
struct Link {
    at: String,
    target: String,
    /// An absolute one that was there before: its target has to be there as well.
    absolute: bool,
    /// Components left to walk once its target is reached.
    rest: usize,
}

impl Link {
    fn leads_out(&self) -> ResolveError {
        ResolveError::LeadsOut {
            at: self.at.clone(),
            target: self.target.clone(),
        }
    }
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

/// What the config puts where links are looked for: resolution sees its links as if they existed,
/// since a file below a link of the same config belongs where that link will lead.
#[derive(Debug, Clone, Default)]
pub struct Overlay(HashMap<String, Seen>);

impl Overlay {
    /// Places the wishes, outermost first: paths as written, with the target of a link or `None`
    /// for a directory.
    pub fn place<'w, E: From<ResolveError>>(
        wishes: impl Iterator<Item = (&'w str, Option<&'w str>)>,
        mut look: impl FnMut(&str) -> Result<Seen, E>,
    ) -> Self {
        let mut wishes: Vec<_> = wishes.collect();
        wishes.sort_by_key(|(path, _)| depth(path));
        let mut overlay = Overlay::default();
        for (path, target) in wishes {
            let seen = target.map_or(Seen::Directory, |target| Seen::WishedLink(target.into()));
            let place = resolve(path, |at| overlay.look(at, &mut look));
            // A path that cannot be resolved is reported when its entry is planned.
            if let Ok(place) = place {
                overlay.0.insert(place, seen);
            }
        }
        overlay
    }

    /// What will be at `path`: the wish if there is one, else what `look` finds.
    pub fn look<E>(
        &self,
        path: &str,
        mut look: impl FnMut(&str) -> Result<Seen, E>,
    ) -> Result<Seen, E> {
        self.0.get(path).cloned().map_or_else(|| look(path), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(at: &str) -> Result<Seen, ResolveError> {
        Ok(match at {
            "/usr" | "/data" => Seen::Directory,
            "/lib" => Seen::Link("usr/lib".into()),
            "/abs" => Seen::Link("/data/../usr".into()),
            "/up" => Seen::Link("../../../data".into()),
            "/host" => Seen::Link("/home/me/outside".into()),
            "/chain" => Seen::Link("abs/share".into()),
            "/usr/share" => Seen::Link("/data".into()),
            "/loop" => Seen::Link("loop".into()),
            "/file" => Seen::Other,
            _ => Seen::Missing,
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
    fn refuses_links_that_lead_out_of_the_root() {
        for (path, at, target) in [
            ("/up/x", "/up", "../../../data"),
            ("/host/x", "/host", "/home/me/outside"),
        ] {
            let leads_out = ResolveError::LeadsOut {
                at: at.into(),
                target: target.into(),
            };
            assert_eq!(resolve(path, tree), Err(leads_out), "{path}");
        }
    }

    #[test]
    fn planned_links_are_followed() {
        let wishes = [("/log/deep", Some("/data/deep")), ("/log", Some("lib/log"))];
        let overlay = Overlay::place(wishes.into_iter(), tree);
        let resolve = |path| resolve(path, |at| overlay.look(at, tree));
        assert_eq!(resolve("/log/a"), Ok("/usr/lib/log/a".into()));
        assert_eq!(resolve("/log/deep/a"), Ok("/data/deep/a".into()));
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
