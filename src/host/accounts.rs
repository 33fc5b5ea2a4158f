//! Users and groups as the target sees them.
//!
//! A static program has no name service switch, so the databases are read directly, in the order of
//! the target's `nsswitch.conf`.

use super::TargetRoot;
use anyhow::Context;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which of the two name spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// User names.
    User,
    /// Group names.
    Group,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Space::User => "user",
            Space::Group => "group",
        })
    }
}

/// A line of a passwd database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdLine {
    /// Login name.
    pub name: String,
    /// `x`, or a hash. Secret.
    pub password: String,
    /// Numeric id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of a group database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLine {
    /// Name.
    pub name: String,
    /// `x`, or a hash. Secret.
    pub password: String,
    /// Numeric id.
    pub gid: u32,
    /// Members.
    pub members: Vec<String>,
}

impl PasswdLine {
    /// Reads a line; `None` for anything that is not an account.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(7, ':');
        let mut text = || fields.next().map(str::to_owned);
        Some(Self {
            name: text().filter(|name| !name.is_empty())?,
            password: text()?,
            uid: text()?.parse().ok()?,
            gid: text()?.parse().ok()?,
            gecos: text()?,
            home: text()?,
            shell: text().unwrap_or_default(),
        })
    }
}

impl GroupLine {
    /// Reads a line; `None` for anything that is not a group.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, ':');
        let mut text = || fields.next().map(str::to_owned);
        Some(Self {
            name: text().filter(|name| !name.is_empty())?,
            password: text()?,
            gid: text()?.parse().ok()?,
            members: split_members(&text().unwrap_or_default()),
        })
    }
}

/// Names of a comma-separated list.
pub fn split_members(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `KEY value` or `KEY=value` lines.
pub fn settings(text: &str, separator: fn(char) -> bool) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(separator))
        .map(|(key, value)| {
            (
                key.trim().to_owned(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect()
}

/// Files that hold a name space, in the order the target asks them; the first hit wins.
pub fn database_files(nsswitch: Option<&str>, space: Space) -> Vec<&'static str> {
    let (key, files) = match space {
        Space::User => (
            "passwd",
            [
                "/etc/passwd",
                "/usr/lib/passwd",
                "/usr/share/baselayout/passwd",
            ],
        ),
        Space::Group => (
            "group",
            [
                "/etc/group",
                "/usr/lib/group",
                "/usr/share/baselayout/group",
            ],
        ),
    };
    let services = nsswitch.and_then(|text| {
        text.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let (name, services) = line.split_once(':')?;
            (name.trim() == key).then_some(services)
        })
    });
    let mut found: Vec<&'static str> = Vec::new();
    for service in services.unwrap_or("files").split_whitespace() {
        let file = match service {
            "files" | "compat" => files[0],
            "altfiles" => files[1],
            "usrfiles" => files[2],
            _ => continue,
        };
        if !found.contains(&file) {
            found.push(file);
        }
    }
    found
}

/// Ids of names looked up before.
#[derive(Debug, Default)]
pub struct Names(Mutex<HashMap<(Space, String), Option<u32>>>);

impl Names {
    /// To be called when the databases changed.
    pub fn forget(&self) {
        self.lock().clear();
    }
    fn lock(&self) -> MutexGuard<'_, HashMap<(Space, String), Option<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up names in the databases of a target.
#[derive(Debug)]
pub struct Lookup<'r> {
    root: &'r TargetRoot,
}

impl<'r> Lookup<'r> {
    /// Of this target.
    pub fn new(root: &'r TargetRoot) -> Self {
        Self { root }
    }

    /// The number of a user or group; `None` if there is none of that name. Remembered until
    /// [`Names::forget`]: thousands of files may belong to one name.
    pub fn id(&self, space: Space, name: &str) -> anyhow::Result<Option<u32>> {
        let key = (space, name.to_owned());
        if let Some(id) = self.root.names().lock().get(&key) {
            return Ok(*id);
        }
        let id = self.find_id(space, name)?;
        self.root.names().lock().insert(key, id);
        Ok(id)
    }

    fn find_id(&self, space: Space, name: &str) -> anyhow::Result<Option<u32>> {
        match space {
            Space::User => Ok(self.user(name)?.map(|line| line.uid)),
            Space::Group => self.find(space, |line| {
                let group = GroupLine::parse(line).filter(|group| group.name == name);
                group.map(|group| group.gid)
            }),
        }
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> anyhow::Result<Option<PasswdLine>> {
        self.find(Space::User, |line| {
            PasswdLine::parse(line).filter(|user| user.name == name)
        })
    }

    /// All lines of a name space in the order of precedence.
    pub fn lines(&self, space: Space) -> anyhow::Result<Vec<String>> {
        let nsswitch = self.read("/etc/nsswitch.conf")?;
        let mut lines = Vec::new();
        for file in database_files(nsswitch.as_deref(), space) {
            let text = self.read(file)?.unwrap_or_default();
            lines.extend(text.lines().map(str::to_owned));
        }
        Ok(lines)
    }

    fn find<T>(&self, space: Space, pick: impl Fn(&str) -> Option<T>) -> anyhow::Result<Option<T>> {
        Ok(self.lines(space)?.iter().find_map(|line| pick(line)))
    }

    fn read(&self, path: &str) -> anyhow::Result<Option<String>> {
        let file = self.root.read(path);
        file.with_context(|| format!("cannot read {path} inside {}", self.root.path().display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_follow_nsswitch() {
        for (text, want) in [
            (None, vec!["/etc/passwd"]),
            (Some("group: altfiles\n"), vec!["/etc/passwd"]),
            (
                Some("passwd:  files altfiles systemd # x\n"),
                vec!["/etc/passwd", "/usr/lib/passwd"],
            ),
            (
                Some("#passwd: altfiles\npasswd: usrfiles files"),
                vec!["/usr/share/baselayout/passwd", "/etc/passwd"],
            ),
            (Some("passwd: [NOTFOUND=return] sss"), vec![]),
        ] {
            assert_eq!(database_files(text, Space::User), want, "{text:?}");
        }
    }

    #[test]
    fn lines_are_read() {
        let line = PasswdLine::parse("core:x:1000:1001:Core, User:/home/core:/bin/bash");
        let line = line.expect("a valid line");
        assert_eq!(
            (line.uid, line.gid, line.gecos.as_str()),
            (1000, 1001, "Core, User")
        );
        assert_eq!(PasswdLine::parse("+nis"), None);
        assert_eq!(PasswdLine::parse(":x:0:0::/:"), None);
        let group = GroupLine::parse("wheel:x:10:a, b,").expect("a valid line");
        assert_eq!(group.members, ["a", "b"]);
        assert_eq!(GroupLine::parse("wheel:x:ten:"), None);
    }
}
