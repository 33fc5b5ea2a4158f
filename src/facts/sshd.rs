//! Where the ssh server of the target looks for the public keys of a user, as sshd_config(5) has it.

use super::patterns::matches;

/// Main configuration of the server; the second one is the vendor's on systems that leave `/etc` empty.
pub const CONFIG_FILES: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];
/// What relative names of included files are below.
const CONFIG_DIRECTORY: &str = "/etc/ssh";
/// What the server reads when its configuration does not say.
const DEFAULT_FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];
/// Included files include others, up to this depth.
const MAX_DEPTH: usize = 16;
/// Helpers that print the keys of the directory `.ssh/authorized_keys.d` of a user.
const FRAGMENT_HELPERS: [&str; 1] = ["ssh-key-dir"];

/// Where keys are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySources {
    /// Values of `AuthorizedKeysFile`; relative ones are below the home.
    pub files: Vec<String>,
    /// The command that prints keys, without its arguments.
    pub command: Option<String>,
}

/// Files of the target, as far as the configuration of the server needs them.
pub trait Files {
    /// The text of a file.
    fn read(&self, path: &str) -> Option<String>;
    /// Names of what is in a directory.
    fn names(&self, directory: &str) -> Vec<String>;
}

impl KeySources {
    /// Reads the configuration.
    pub fn of(files: &impl Files) -> Self {
        let mut settings = Settings::default();
        let main = CONFIG_FILES.iter().find_map(|path| files.read(path));
        if let Some(text) = main {
            settings.read(&text, files, 0);
        }
        let default = || DEFAULT_FILES.map(str::to_owned).to_vec();
        Self {
            files: settings.files.unwrap_or_else(default),
            command: settings.command.flatten(),
        }
    }

    /// True if the server reads this file below the home, of a user with this name, id and home.
    pub fn reads(&self, below_home: &str, user: &str, uid: Option<u32>, home: &str) -> bool {
        let wanted = super::paths::clean(&format!("{home}/{below_home}"));
        self.files
            .iter()
            .any(|pattern| place(pattern, user, uid, home).as_ref() == Some(&wanted))
    }

    /// True if the command prints the keys of fragments.
    pub fn has_fragment_helper(&self) -> bool {
        let command = self.command.as_deref().unwrap_or_default();
        let name = command.rsplit('/').next().unwrap_or_default();
        FRAGMENT_HELPERS.contains(&name)
    }

    /// The places in words.
    pub fn describe(&self) -> String {
        let files = match self.files.is_empty() {
            true => "no file".to_owned(),
            false => self.files.join(" and "),
        };
        match &self.command {
            Some(command) => format!("{files}, and the output of {command}"),
            None => files,
        }
    }
}

/// Where a value of `AuthorizedKeysFile` leads for a user.
fn place(pattern: &str, user: &str, uid: Option<u32>, home: &str) -> Option<String> {
    let mut path = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            path.push(c);
            continue;
        }
        match chars.next()? {
            'h' => path.push_str(home),
            'u' => path.push_str(user),
            'U' => path.push_str(&uid?.to_string()),
            '%' => path.push('%'),
            _ => return None,
        }
    }
    let path = match path.starts_with('/') {
        true => path,
        false => format!("{home}/{path}"),
    };
    Some(super::paths::clean(&path))
}

/// What was set so far; the first value of each setting counts.
#[derive(Default)]
struct Settings {
    files: Option<Vec<String>>,
    command: Option<Option<String>>,
}

impl Settings {
    fn read(&mut self, text: &str, files: &impl Files, depth: usize) {
        // Settings below `Match` are for some users or addresses only.
        let mut counts = true;
        for line in text.lines() {
            let (key, values) = words(line);
            let first = || values.first().cloned();
            match key.to_ascii_lowercase().as_str() {
                "match" => counts = is_for_all(&values),
                _ if !counts => {}
                "authorizedkeysfile" if self.files.is_none() => {
                    let named = values.iter().filter(|value| *value != "none");
                    self.files = Some(named.cloned().collect());
                }
                "authorizedkeyscommand" if self.command.is_none() => {
                    self.command = Some(first().filter(|value| value != "none"));
                }
                "include" if depth < MAX_DEPTH => {
                    for path in values.iter().flat_map(|value| included(value, files)) {
                        if let Some(text) = files.read(&path) {
                            self.read(&text, files, depth + 1);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// `Match all` ends a block.
fn is_for_all(criteria: &[String]) -> bool {
    matches!(criteria, [all] if all.eq_ignore_ascii_case("all"))
}

/// Files that a value of `Include` names, sorted as a shell does.
fn included(value: &str, files: &impl Files) -> Vec<String> {
    let path = match value.starts_with('/') {
        true => value.to_owned(),
        false => format!("{CONFIG_DIRECTORY}/{value}"),
    };
    let Some((directory, pattern)) = path.rsplit_once('/') else {
        return Vec::new();
    };
    if !super::patterns::is_pattern(pattern) {
        return vec![path];
    }
    let names = files.names(directory).into_iter();
    let is_meant = |name: &String| {
        matches(pattern, name) && (pattern.starts_with('.') || !name.starts_with('.'))
    };
    let mut names: Vec<String> = names.filter(is_meant).collect();
    names.sort();
    names
        .iter()
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

/// The key of a line and its values: separated by blanks or `=`, in quotes where needed.
fn words(line: &str) -> (String, Vec<String>) {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=');
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let mut values = Vec::new();
    let mut value: Option<String> = None;
    let mut is_quoted = false;
    for c in rest.chars() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                value.get_or_insert_default();
            }
            '#' if !is_quoted && value.is_none() => break,
            _ if c.is_whitespace() && !is_quoted => values.extend(value.take()),
            _ => value.get_or_insert_default().push(c),
        }
    }
    values.extend(value);
    (key.to_owned(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Tree(BTreeMap<String, String>);

    impl Files for Tree {
        fn read(&self, path: &str) -> Option<String> {
            self.0.get(path).cloned()
        }
        fn names(&self, directory: &str) -> Vec<String> {
            let directory = format!("{directory}/");
            let paths = self.0.keys().rev();
            paths
                .filter_map(|path| path.strip_prefix(&directory).map(str::to_owned))
                .collect()
        }
    }

    fn sources(files: &[(&str, &str)]) -> KeySources {
        let files = files.iter();
        let tree = Tree(files.map(|(p, t)| ((*p).into(), (*t).into())).collect());
        KeySources::of(&tree)
    }

    #[test]
    fn the_first_value_outside_of_match_counts() {
        let main = "/etc/ssh/sshd_config";
        let both = [".ssh/authorized_keys", ".ssh/authorized_keys2"];
        for (text, files, command) in [
            ("", &both[..], None),
            ("AuthorizedKeysFile none\n", &[], None),
            ("authorizedkeysfile=/keys/%u # all\n", &["/keys/%u"], None),
            (
                "AuthorizedKeysFile \"/a b/%u\" .ssh/k\nAuthorizedKeysFile x\n",
                &["/a b/%u", ".ssh/k"],
                None,
            ),
            ("Match User git\nAuthorizedKeysFile git\n", &both, None),
            (
                "Match User git\nAuthorizedKeysFile git\nMatch all\nAuthorizedKeysFile all\n",
                &["all"],
                None,
            ),
            (
                "AuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\n",
                &both,
                Some("/usr/libexec/ssh-key-dir"),
            ),
            (
                "#AuthorizedKeysFile x\nAuthorizedKeysCommand none\n",
                &both,
                None,
            ),
        ] {
            let found = sources(&[(main, text)]);
            assert_eq!(found.files, files, "{text}");
            assert_eq!(found.command.as_deref(), command, "{text}");
        }
    }

    #[test]
    fn included_files_count_where_they_are_included() {
        let found = sources(&[
            (
                "/etc/ssh/sshd_config",
                "Include sshd_config.d/*.conf\nAuthorizedKeysFile late\n",
            ),
            (
                "/etc/ssh/sshd_config.d/20-b.conf",
                "AuthorizedKeysFile second\n",
            ),
            (
                "/etc/ssh/sshd_config.d/10-a.conf",
                "Match User x\nAuthorizedKeysFile x\n",
            ),
            (
                "/etc/ssh/sshd_config.d/05-a.off",
                "AuthorizedKeysFile off\n",
            ),
        ]);
        assert_eq!(found.files, ["second"]);
        let vendor = sources(&[
            ("/usr/etc/ssh/sshd_config", "Include /usr/etc/ssh/more\n"),
            ("/usr/etc/ssh/more", "AuthorizedKeysFile vendor\n"),
        ]);
        assert_eq!(vendor.files, ["vendor"]);
    }

    #[test]
    fn patterns_lead_to_files_of_users() {
        let own = ".ssh/authorized_keys";
        for (pattern, want) in [
            (own, true),
            ("%h/.ssh/authorized_keys", true),
            ("/home/%u/.ssh/authorized_keys", true),
            ("/home/%u/.ssh/authorized_keys.d/ignition", false),
            ("/keys/%U", false),
            ("%x", false),
        ] {
            let sources = KeySources {
                files: vec![pattern.into()],
                command: None,
            };
            let reads = sources.reads(own, "core", Some(1000), "/home/core");
            assert_eq!(reads, want, "{pattern}");
        }
    }
}
