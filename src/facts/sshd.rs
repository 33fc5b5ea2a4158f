//! Where the ssh server of the target looks for the public keys of a user, as sshd_config(5) has it.

use super::patterns::matches;
use std::collections::BTreeSet;

/// Main configuration of the server; the second one is the vendor's on systems that leave `/etc` empty.
pub const CONFIG_FILES: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];
/// Directory of relative names of included files.
const CONFIG_DIRECTORY: &str = "/etc/ssh";
/// Files that the server reads by default.
const DEFAULT_FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];
/// Maximum depth of nested includes. The server does not start with more.
const MAX_INCLUDE_DEPTH: usize = 16;
/// Maximum number of files that are included for one user. The server has no such limit, but its time doubles with each
/// level if files include themselves.
const MAX_INCLUDED: usize = 256;
/// Helpers that print the keys of the directory `.ssh/authorized_keys.d` of a user.
const FRAGMENT_HELPERS: [&str; 1] = ["ssh-key-dir"];

/// Where keys are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySources {
    /// Values of `AuthorizedKeysFile`; relative ones are below the home.
    pub files: Vec<String>,
    /// The command that prints keys, without its arguments.
    pub command: Option<String>,
    /// Criteria of a `Match` block that sets one of them for some connections only.
    pub undecided: Option<String>,
}

/// Files of the target, as far as the configuration of the server needs them.
pub trait ServerFiles {
    /// The text of a file.
    fn read(&self, path: &str) -> Option<String>;
    /// Names of what is in a directory.
    fn names(&self, directory: &str) -> Vec<String>;
}

impl KeySources {
    /// Reads the configuration that applies to one user.
    pub fn read(files: &impl ServerFiles, login: &Login) -> Self {
        let mut settings = SshdSettings {
            login,
            global: SshdValues::default(),
            matched: SshdValues::default(),
            undecided: None,
            included: 0,
        };
        let main = CONFIG_FILES.iter().find_map(|path| files.read(path));
        if let Some(text) = main {
            settings.read(&text, files, 0, &MatchScope::Global);
        }
        let (matched, global) = (settings.matched, settings.global);
        let default = || DEFAULT_FILES.map(str::to_owned).to_vec();
        Self {
            files: matched.files.or(global.files).unwrap_or_else(default),
            command: matched.command.or(global.command).flatten(),
            undecided: settings.undecided,
        }
    }

    /// True if the server reads this file below the home, of a user with this name, id and home.
    pub fn reads(&self, below_home: &str, user: &str, uid: Option<u32>, home: &str) -> bool {
        let expected = crate::paths::clean(&format!("{home}/{below_home}"));
        self.files
            .iter()
            .any(|pattern| expand(pattern, user, uid, home).as_ref() == Some(&expected))
    }

    /// True if the command prints the keys of fragments.
    pub fn has_fragment_helper(&self) -> bool {
        let command = self.command.as_deref().unwrap_or_default();
        let name = command.rsplit('/').next().unwrap_or_default();
        FRAGMENT_HELPERS.contains(&name)
    }

    /// Describes the sources for a message.
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

/// Expands a value of `AuthorizedKeysFile` for a user; `None` if it has a token that is not known.
fn expand(pattern: &str, user: &str, uid: Option<u32>, home: &str) -> Option<String> {
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
    Some(crate::paths::clean(&path))
}

/// Values of the settings, of which the first one counts.
#[derive(Default)]
struct SshdValues {
    files: Option<Vec<String>>,
    command: Option<Option<String>>,
}

impl SshdValues {
    fn set_if_unset(&mut self, key: &str, values: &[String]) {
        match key {
            "authorizedkeysfile" => {
                let named = values.iter().filter(|value| *value != "none");
                self.files.get_or_insert_with(|| named.cloned().collect());
            }
            "authorizedkeyscommand" => {
                let first = values.first().filter(|value| *value != "none");
                self.command.get_or_insert_with(|| first.cloned());
            }
            _ => {}
        }
    }
}

/// Which connections the current lines apply to.
#[derive(Clone)]
enum MatchScope {
    /// All of them; values of `Match` blocks take precedence.
    Global,
    /// Those of the user, by a `Match` block.
    Matched,
    /// Only those of other users.
    Other,
    /// It depends on the connection, by these criteria.
    Undecided(String),
}

/// Settings read so far for a user.
struct SshdSettings<'l> {
    login: &'l Login,
    global: SshdValues,
    matched: SshdValues,
    undecided: Option<String>,
    /// Number of files included so far.
    included: usize,
}

impl SshdSettings<'_> {
    /// Reads a text. Files included beyond [`MAX_INCLUDE_DEPTH`] and [`MAX_INCLUDED`] count as empty: what the server
    /// would do with such a configuration is not known.
    fn read(&mut self, text: &str, files: &impl ServerFiles, depth: usize, outer: &MatchScope) {
        let mut scope = outer.clone();
        for line in text.lines() {
            let (key, values) = words(line);
            match key.to_ascii_lowercase().as_str() {
                "match" => scope = nested_scope(outer, self.login.scope(&values)),
                "include" if depth < MAX_INCLUDE_DEPTH && !matches!(scope, MatchScope::Other) => {
                    for value in &values {
                        self.include(value, files, depth + 1, &scope);
                    }
                }
                key => self.set(key, &values, &scope),
            }
        }
    }

    fn include(&mut self, value: &str, files: &impl ServerFiles, depth: usize, scope: &MatchScope) {
        if self.included >= MAX_INCLUDED {
            return;
        }
        for path in include_paths(value, files) {
            if self.included >= MAX_INCLUDED {
                return;
            }
            self.included += 1;
            if let Some(text) = files.read(&path) {
                self.read(&text, files, depth, scope);
            }
        }
    }

    fn set(&mut self, key: &str, values: &[String], scope: &MatchScope) {
        match scope {
            MatchScope::Global => self.global.set_if_unset(key, values),
            MatchScope::Matched => self.matched.set_if_unset(key, values),
            MatchScope::Other => {}
            MatchScope::Undecided(criteria) => {
                let is_set = match key {
                    "authorizedkeysfile" => self.matched.files.is_some(),
                    "authorizedkeyscommand" => self.matched.command.is_some(),
                    _ => return,
                };
                if !is_set {
                    self.undecided.get_or_insert_with(|| criteria.clone());
                }
            }
        }
    }
}

/// The scope of a `Match` block of a file that is included in another scope.
fn nested_scope(outer: &MatchScope, scope: MatchScope) -> MatchScope {
    match (outer, scope) {
        (MatchScope::Other, _) => MatchScope::Other,
        (MatchScope::Undecided(criteria), MatchScope::Matched) => {
            MatchScope::Undecided(criteria.clone())
        }
        (_, scope) => scope,
    }
}

/// A user who logs in.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The name.
    pub user: String,
    /// Names of all groups of the user.
    pub groups: BTreeSet<String>,
}

impl Login {
    /// The scope of a `Match` block with these criteria, all of which have to hold.
    fn scope(&self, criteria: &[String]) -> MatchScope {
        let words = criteria.iter().flat_map(|word| word.split('='));
        let mut words = words.filter(|word| !word.is_empty());
        let mut is_decided = true;
        while let Some(name) = words.next() {
            let holds = match name.to_ascii_lowercase().as_str() {
                "all" => Some(true),
                "user" => words.next().map(|list| in_list(list, [&self.user])),
                "group" => words.next().map(|list| in_list(list, &self.groups)),
                // The user exists.
                "invalid-user" => Some(false),
                // Host, Address, LocalAddress, LocalPort, RDomain, Version: known only when a client connects.
                _ => {
                    words.next();
                    None
                }
            };
            match holds {
                Some(true) => {}
                Some(false) => return MatchScope::Other,
                None => is_decided = false,
            }
        }
        match is_decided {
            true => MatchScope::Matched,
            false => MatchScope::Undecided(criteria.join(" ")),
        }
    }
}

/// True if one of the names matches a list of patterns; a pattern after `!` excludes the names that match it.
fn in_list<'n>(list: &str, names: impl IntoIterator<Item = &'n String>) -> bool {
    let mut is_in = false;
    for name in names {
        for pattern in list.split(',') {
            match pattern.strip_prefix('!') {
                Some(excluded) if matches(excluded, name) => return false,
                Some(_) => {}
                None => is_in |= matches(pattern, name),
            }
        }
    }
    is_in
}

/// Files that a value of `Include` names, sorted as a shell does.
fn include_paths(value: &str, files: &impl ServerFiles) -> Vec<String> {
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
    let is_selected = |name: &String| {
        matches(pattern, name) && (pattern.starts_with('.') || !name.starts_with('.'))
    };
    let mut names: Vec<String> = names.filter(is_selected).collect();
    names.sort();
    names
        .iter()
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

/// The key of a line and its values, which are separated by blanks or `=` and may be quoted.
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

    struct FakeFiles(BTreeMap<String, String>);

    impl ServerFiles for FakeFiles {
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
        let tree = FakeFiles(files.map(|(p, t)| ((*p).into(), (*t).into())).collect());
        let login = Login {
            user: "core".into(),
            groups: ["core".to_owned(), "wheel".into()].into(),
        };
        KeySources::read(&tree, &login)
    }

    #[test]
    fn match_blocks_apply_by_their_criteria() {
        let global = &["global"][..];
        for (text, files, undecided) in [
            ("Match User git\nAuthorizedKeysFile x", global, None),
            ("Match User git,co*\nAuthorizedKeysFile x", &["x"], None),
            ("Match User !core,*\nAuthorizedKeysFile x", global, None),
            ("Match User=core\nAuthorizedKeysFile x", &["x"], None),
            ("match group wheel\nAuthorizedKeysFile x", &["x"], None),
            (
                "Match Group wheel User git\nAuthorizedKeysFile x",
                global,
                None,
            ),
            ("Match Group *,!wheel\nAuthorizedKeysFile x", global, None),
            ("Match Invalid-User\nAuthorizedKeysFile x", global, None),
            (
                "Match Address 10.0.0.0/8\nAuthorizedKeysFile x",
                global,
                Some("Address 10.0.0.0/8"),
            ),
            (
                "Match User git Address 10.0.0.0/8\nAuthorizedKeysFile x",
                global,
                None,
            ),
            ("Match LocalPort 22\nX11Forwarding no", global, None),
            (
                "Match User core\nAuthorizedKeysFile x\nMatch LocalPort 22\nAuthorizedKeysFile y",
                &["x"],
                None,
            ),
            ("Match all\nAuthorizedKeysFile none", &[], None),
        ] {
            let text = format!("AuthorizedKeysFile global\n{text}\n");
            let found = sources(&[("/etc/ssh/sshd_config", &text)]);
            assert_eq!(found.files, files, "{text}");
            assert_eq!(found.undecided.as_deref(), undecided, "{text}");
        }
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

    /// Without a limit, a file that includes itself three times would be read 3^16 times, and one with 64 includes
    /// 64^16 times.
    #[test]
    fn files_that_include_themselves_are_cut_off() {
        let main = "/etc/ssh/sshd_config";
        for times in [3, 64] {
            let include = "Include sshd_config\n".repeat(times);
            let text = format!("AuthorizedKeysFile first\n{include}AuthorizedKeysFile late\n");
            assert_eq!(sources(&[(main, &text)]).files, ["first"]);
            let text = format!("{include}AuthorizedKeysFile last\n");
            assert_eq!(sources(&[(main, &text)]).files, ["last"]);
            let text = format!("{}AuthorizedKeysFile x\n", "Include *\n".repeat(times));
            assert_eq!(sources(&[(main, &text), ("/etc/ssh/b", "")]).files, ["x"]);
        }
    }

    #[test]
    fn the_maximum_number_of_included_files_is_read() {
        let paths: Vec<String> = (0..MAX_INCLUDED)
            .map(|n| format!("/etc/ssh/sshd_config.d/{n:03}.conf"))
            .collect();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files[MAX_INCLUDED - 1].1 = "AuthorizedKeysFile last\n";
        files.push(("/etc/ssh/sshd_config", "Include sshd_config.d/*.conf\n"));
        assert_eq!(sources(&files).files, ["last"]);
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
                ..KeySources::default()
            };
            let reads = sources.reads(own, "core", Some(1000), "/home/core");
            assert_eq!(reads, want, "{pattern}");
        }
    }
}
