//! Users and groups that systemd-sysusers would create when the target boots: `sysusers.d(5)`.

use super::{DatabaseLookup, DatabaseSource};
use std::collections::BTreeMap;

/// Directories with declarations; a file hides files of the same name in later ones.
pub(super) const DIRECTORIES: [&str; 4] = [
    "/etc/sysusers.d",
    "/run/sysusers.d",
    "/usr/local/lib/sysusers.d",
    "/usr/lib/sysusers.d",
];

/// Declared users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sysusers {
    users: BTreeMap<String, UserEntry>,
    groups: BTreeMap<String, GroupEntry>,
}

/// A declared user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserEntry {
    /// Its number, where the declaration fixes it.
    pub uid: Option<u32>,
    /// Its primary group, unless that is one of the same name.
    pub group: Option<String>,
    pub gecos: String,
    pub home: String,
    pub shell: String,
    /// The file that declares it.
    pub file: String,
}

/// A declared group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupEntry {
    /// Its number, where the declaration fixes it.
    pub gid: Option<u32>,
    /// The file that declares it.
    pub file: String,
}

impl Sysusers {
    pub(super) fn read<S: DatabaseSource>(source: &S) -> Result<Self, S::Error> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for directory in DIRECTORIES {
            for name in source.names(directory)? {
                if name.ends_with(".conf") {
                    let path = format!("{directory}/{name}");
                    files.entry(name).or_insert(path);
                }
            }
        }
        let mut sysusers = Self::default();
        for path in files.into_values() {
            if let DatabaseLookup::File(bytes) = source.file(&path)? {
                sysusers.add(&path, &String::from_utf8_lossy(&bytes));
            }
        }
        Ok(sysusers)
    }

    /// Adds the declarations of a file; the first one of a name wins.
    fn add(&mut self, file: &str, text: &str) {
        for line in text.lines() {
            let words = words(line);
            let word = |index: usize| words.get(index).map_or("-", String::as_str);
            let name = word(1);
            // Names with specifiers are known only on the machine itself.
            if name == "-" || name.contains('%') {
                continue;
            }
            match word(0) {
                "u" | "u!" => self.add_user(file, &words),
                "g" => self.add_group(name, number(word(2)), file),
                "m" => self.add_group(word(2), None, file),
                _ => {}
            }
        }
    }

    fn add_user(&mut self, file: &str, words: &[String]) {
        let word = |index: usize| words.get(index).map_or("-", String::as_str);
        let text = |index: usize, unset: &str| match word(index) {
            "-" | "" => unset.to_owned(),
            text => text.to_owned(),
        };
        let name = word(1);
        let (uid, group) = match word(2).split_once(':') {
            Some((uid, group)) => (number(uid), Some(group.to_owned())),
            None => (number(word(2)), None),
        };
        if group.is_none() {
            self.add_group(name, uid, file);
        }
        let entry = UserEntry {
            uid,
            group,
            gecos: text(3, ""),
            home: text(4, "/"),
            shell: text(5, "/usr/sbin/nologin"),
            file: file.to_owned(),
        };
        self.users.entry(name.to_owned()).or_insert(entry);
    }

    fn add_group(&mut self, name: &str, gid: Option<u32>, file: &str) {
        if name == "-" || name.contains('%') {
            return;
        }
        let entry = GroupEntry {
            gid,
            file: file.to_owned(),
        };
        let known = self.groups.entry(name.to_owned()).or_insert(entry);
        known.gid = known.gid.or(gid);
    }

    pub(super) fn user(&self, name: &str) -> Option<&UserEntry> {
        self.users.get(name)
    }

    pub(super) fn group(&self, name: &str) -> Option<&GroupEntry> {
        self.groups.get(name)
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// Splits a line into words and removes quotes. A comment has no words.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if line.trim_start().starts_with('#') {
        return words;
    }
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations() {
        let mut sysusers = Sysusers::default();
        sysusers.add(
            "/usr/lib/sysusers.d/a.conf",
            "# note\nu  etcd 232 \"etcd user\" /var/lib/etcd\ng docker -\nu! log 10:adm\nm etcd wheel\ng wheel 10\n\
             u %m 5\nr - 500-900\n",
        );
        let etcd = sysusers.user("etcd").expect("it is declared");
        assert_eq!((etcd.uid, etcd.gecos.as_str()), (Some(232), "etcd user"));
        assert_eq!(etcd.shell, "/usr/sbin/nologin");
        let log = sysusers.user("log").expect("it is declared");
        assert_eq!((log.uid, log.group.as_deref()), (Some(10), Some("adm")));
        let gids: Vec<_> = sysusers
            .groups
            .iter()
            .map(|(name, group)| (name.as_str(), group.gid))
            .collect();
        assert_eq!(
            gids,
            [("docker", None), ("etcd", Some(232)), ("wheel", Some(10))]
        );
    }
}
