//! Requests of one config that exclude each other on a machine where nothing of it is present yet.
//!
//! The language permits them, but planning refuses them. `kindling validate`, which knows no machine, warns about them.

use super::document::Document;
use super::finding::{Finding, Findings, Position, Severity};
use super::origin::JsonPath;
use foldhash::HashMap;

/// A warning about each of these requests.
pub fn collisions(document: &Document) -> Findings {
    let mut collisions = Collisions {
        document,
        findings: Vec::new(),
    };
    collisions.check_ids();
    collisions.check_paths();
    Findings(collisions.findings)
}

/// An account that will exist: name, id and index in its list.
type Account<'a> = (&'a str, Option<i64>, usize);

struct Collisions<'d> {
    document: &'d Document,
    findings: Vec<Finding>,
}

impl Collisions<'_> {
    /// Users that share a uid, and groups that share a gid.
    fn check_ids(&mut self) {
        let passwd = &self.document.config().passwd;
        let users = passwd.users.iter().enumerate();
        let users = users.filter(|(_, user)| user.should_exist != Some(false));
        let users = users.map(|(i, user)| (user.name.as_str(), user.uid, i));
        self.check_list("users", "uid", users);
        let groups = passwd.groups.iter().enumerate();
        let groups = groups.filter(|(_, group)| group.should_exist != Some(false));
        let groups = groups.map(|(i, group)| (group.name.as_str(), group.gid, i));
        self.check_list("groups", "gid", groups);
    }

    fn check_list<'a>(
        &mut self,
        list: &str,
        key: &str,
        accounts: impl Iterator<Item = Account<'a>>,
    ) {
        let mut first: HashMap<i64, Account<'a>> = HashMap::default();
        let list = JsonPath::root().join("passwd").join(list);
        for account in accounts {
            let (name, Some(id), index) = account else {
                continue;
            };
            let (other, _, other_index) = *first.entry(id).or_insert(account);
            if other_index == index || other == name {
                continue;
            }
            let place = self.place(list.join(other_index).join(key));
            self.warn(
                list.join(index).join(key),
                format!("{key} {id} is also that of {other:?} in {place}"),
                "give another one, or none to have one chosen; the plan for a machine with neither of them is refused",
            );
        }
    }

    /// Paths below a file.
    fn check_paths(&mut self) {
        let storage = &self.document.config().storage;
        let files: Vec<&str> = storage.files.iter().map(|f| f.path.as_str()).collect();
        let directories = storage.directories.iter().map(|d| d.path.as_str());
        let links = storage.links.iter().map(|l| l.path.as_str());
        let lists: [(&str, Vec<&str>); 3] = [
            ("directories", directories.collect()),
            ("files", files.clone()),
            ("links", links.collect()),
        ];
        let mut above = FilesAbove::new(&files);
        for (list, paths) in lists {
            for (node, path) in paths.into_iter().enumerate() {
                let Some(file) = above.first(path) else {
                    continue;
                };
                let path = JsonPath::root().join("storage").join(list).join(node);
                let place = JsonPath::root().join("storage.files").join(file);
                let (file_path, place) = (files[file], self.place(place.join("path")));
                self.warn(
                    path.join("path"),
                    format!("the path leads through the file {file_path} of {place}"),
                    "only a directory can have something below it; choose another path",
                );
            }
        }
    }

    /// Where a value is, for messages.
    fn place(&self, path: JsonPath) -> String {
        match self.document.origin(&path) {
            Some(origin) => format!("line {} column {}", origin.line, origin.column),
            None => path.to_string(),
        }
    }

    fn warn(&mut self, path: JsonPath, message: String, help: &str) {
        let origin = self.document.origin(&path);
        let position = origin.as_ref().map(|origin| Position {
            line: origin.line,
            column: origin.column,
        });
        self.findings.push(Finding {
            severity: Severity::Warning,
            path: Some(origin.map_or(path, |origin| origin.path)),
            position,
            message,
            help: Some(help.into()),
        });
    }
}

/// Finds files above paths. Every directory is looked up once, however many paths lead through it.
struct FilesAbove<'p> {
    /// Indices of files by their paths.
    files: HashMap<&'p str, usize>,
    /// The outermost file that a directory is, or is below.
    known: HashMap<&'p str, Option<usize>>,
}

impl<'p> FilesAbove<'p> {
    fn new(files: &[&'p str]) -> Self {
        FilesAbove {
            files: files.iter().copied().zip(0..).collect(),
            known: HashMap::default(),
        }
    }

    /// The outermost file that `path` is below.
    fn first(&mut self, path: &'p str) -> Option<usize> {
        let mut unknown = Vec::new();
        let mut found = None;
        let mut rest = path;
        while let Some((directory, _)) = rest.rsplit_once('/') {
            if let Some(known) = self.known.get(directory) {
                found = *known;
                break;
            }
            unknown.push(directory);
            rest = directory;
        }
        for directory in unknown.into_iter().rev() {
            found = found.or_else(|| self.files.get(directory).copied());
            self.known.insert(directory, found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{collisions, parse};

    fn found(members: &str) -> Vec<String> {
        let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}},\n{members}}}");
        let document = parse("c.ign", text.as_bytes()).outcome.expect(&text);
        let findings = collisions(&document).0;
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn shared_ids() {
        let users = "\"passwd\": {\"users\": [{\"name\": \"a\", \"uid\": 7}, {\"name\": \"b\"}, {\"name\": \"c\", \"uid\": 7},
            {\"name\": \"d\", \"uid\": 7, \"shouldExist\": false}],
            \"groups\": [{\"name\": \"a\", \"gid\": 7}, {\"name\": \"b\", \"gid\": 7}]}";
        assert_eq!(
            found(users),
            [
                "warning at $.passwd.users.2.uid, line 2 col 83: uid 7 is also that of \"a\" in line 2 column 43",
                "warning at $.passwd.groups.1.gid, line 4 col 70: gid 7 is also that of \"a\" in line 4 column 45",
            ]
        );
    }

    #[test]
    fn paths_below_files() {
        let nodes = "\"storage\": {\"files\": [{\"path\": \"/a\"}, {\"path\": \"/ab/c\"}, {\"path\": \"/a/b/c\"}],
            \"directories\": [{\"path\": \"/a/d\"}, {\"path\": \"/ab\"}],
            \"links\": [{\"path\": \"/ab/c/d\", \"target\": \"x\"}]}";
        assert_eq!(
            found(nodes),
            [
                "warning at $.storage.directories.0.path, line 3 col 38: the path leads through the file /a of line 2 column 32",
                "warning at $.storage.files.2.path, line 2 col 67: the path leads through the file /a of line 2 column 32",
                "warning at $.storage.links.0.path, line 4 col 32: the path leads through the file /ab/c of line 2 column 48",
            ]
        );
    }
}
