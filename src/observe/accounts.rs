//! Users and groups of the target.

use crate::facts::AccountFacts;
use crate::facts::accounts::{GroupFacts, UserFacts};
use crate::host::TargetRoot;
use crate::host::accounts::{GroupLine, Lookup, PasswdLine, Space, settings};
use anyhow::Context;
use std::collections::BTreeMap;

/// Files with the policy of the shadow tools, the first one found counts.
const POLICY_FILES: [&str; 2] = ["/etc/login.defs", "/usr/etc/login.defs"];

/// Reads the account databases of the target.
pub(super) fn observe(root: &TargetRoot) -> anyhow::Result<AccountFacts> {
    let lookup = Lookup::new(root);
    let mut facts = AccountFacts {
        has_databases: read(root, "/etc/passwd")?.is_some(),
        ..AccountFacts::default()
    };
    for file in POLICY_FILES {
        if let Some(text) = read(root, file)? {
            facts.has_policy = true;
            facts.login_defs = settings(&text, char::is_whitespace);
            break;
        }
    }
    let defaults = read(root, "/etc/default/useradd")?.unwrap_or_default();
    facts.useradd_defaults = settings(&defaults, |c| c == '=');
    facts.users = users(&lookup, &hashes(root, "/etc/shadow")?)?;
    facts.groups = groups(&lookup, &hashes(root, "/etc/gshadow")?)?;
    Ok(facts)
}

fn read(root: &TargetRoot, path: &str) -> anyhow::Result<Option<String>> {
    let text = root.read(path);
    text.with_context(|| format!("cannot read {path} inside {}", root.path().display()))
}

/// Second fields of a shadow database by name.
fn hashes(root: &TargetRoot, path: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let text = read(root, path)?.unwrap_or_default();
    let pair = |line: &str| {
        let mut fields = line.split(':').map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// The hash of an account: in the shadow database, or in the public one of old.
fn hash(name: &str, public: String, shadow: &BTreeMap<String, String>) -> Option<String> {
    shadow
        .get(name)
        .cloned()
        .or_else(|| (public != "x").then_some(public))
}

fn users(
    lookup: &Lookup<'_>,
    shadow: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, UserFacts>> {
    let mut users = BTreeMap::new();
    for line in lookup
        .lines(Space::User)?
        .iter()
        .filter_map(|line| PasswdLine::parse(line))
    {
        let facts = UserFacts {
            uid: line.uid,
            gid: line.gid,
            gecos: line.gecos,
            home: line.home,
            shell: line.shell,
            password_hash: hash(&line.name, line.password, shadow),
        };
        users.entry(line.name).or_insert(facts);
    }
    Ok(users)
}

fn groups(
    lookup: &Lookup<'_>,
    shadow: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, GroupFacts>> {
    let mut groups = BTreeMap::new();
    for line in lookup
        .lines(Space::Group)?
        .iter()
        .filter_map(|line| GroupLine::parse(line))
    {
        let facts = GroupFacts {
            gid: line.gid,
            members: line.members,
            password_hash: hash(&line.name, line.password, shadow),
        };
        groups.entry(line.name).or_insert(facts);
    }
    Ok(groups)
}
