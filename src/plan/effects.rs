//! Warns about what can be executed but will not have the expected effect.

use super::op::{DirectoryAct, Owner};
use super::paths::PlannedTree;
use super::units::preset_text;
use super::{Draft, OpKind, Operation, Phase, Warning, credentials};
use crate::config::model::PasswdUser;
use crate::facts::NodeKind;
use crate::facts::presets::Presets;
use crate::facts::root::ContentFacts;
use crate::layout::{PRESET_FILE, UNIT_DIRECTORY};
use crate::paths::{clean, is_at_or_below};

/// Adds the warnings about a tree whose operations are all drafted; `planned` is the resulting tree.
pub fn warn(draft: &mut Draft<'_>, planned: &PlannedTree<'_>) {
    if users(draft).next().is_some() {
        warn_about_shells(draft, planned);
        for (path, user) in users(draft) {
            credentials::warn(draft, &path, user);
        }
        warn_about_keys(draft, planned);
        warn_about_homes(draft, planned);
    }
    warn_about_presets(draft);
}

/// Users of the config that will exist, with their place in it.
fn users<'a>(draft: &Draft<'a>) -> impl Iterator<Item = (String, &'a PasswdUser)> + use<'a> {
    let users = draft.document.config().passwd.users.iter().enumerate();
    users
        .filter(|(_, user)| user.should_exist != Some(false))
        .map(|(index, user)| (format!("$.passwd.users.{index}"), user))
}

fn home(draft: &Draft<'_>, user: &PasswdUser) -> String {
    clean(&draft.observed.root.accounts.home_of(user))
}

fn warn_about_shells(draft: &mut Draft<'_>, planned: &PlannedTree<'_>) {
    for (path, user) in users(draft) {
        let shell = user.shell.as_deref().unwrap_or_default();
        let is_missing = draft.observed.root.accounts.missing_shells.contains(shell);
        let is_made = planned
            .resolve(shell)
            .is_ok_and(|place| planned.is_made(&place));
        if is_missing && !is_made {
            draft.warn(Warning {
                what: format!("shell {shell} of user {}", user.name),
                cause: "it does not exist in the target, so the user cannot log in".into(),
                origin: draft.origin(&format!("{path}.shell")),
                hint: "use a shell of the target, or install the one that is missing".into(),
            });
        }
    }
}

fn warn_about_keys(draft: &mut Draft<'_>, planned: &PlannedTree<'_>) {
    let accounts = &draft.observed.root.accounts;
    for (path, user) in users(draft) {
        if user.ssh_authorized_keys.is_empty() {
            continue;
        }
        let origin = draft.origin(&format!("{path}.sshAuthorizedKeys"));
        let file = clean(&format!(
            "{}/{}",
            home(draft, user),
            accounts.key_file.below_home()
        ));
        if let Some(places) = accounts.unread_keys.get(&user.name) {
            draft.warn(Warning {
                what: format!("ssh keys of user {}", user.name),
                cause: format!(
                    "the ssh server of the target does not read {file}; AuthorizedKeysFile and \
AuthorizedKeysCommand name {places}"
                ),
                origin: origin.clone(),
                hint: "write the keys to a place that it reads with storage.files, or change its configuration"
                    .into(),
            });
        }
        if let Some(criteria) = accounts.connection_dependent_keys.get(&user.name) {
            draft.warn(Warning {
                what: format!("ssh keys of user {}", user.name),
                cause: format!(
                    "whether the ssh server of the target reads {file} depends on the connection: it has other \
settings behind \"Match {criteria}\""
                ),
                origin: origin.clone(),
                hint: "make sure the keys are read for the connections that need them, or change its configuration".into(),
            });
        }
        let node = planned
            .resolve(&file)
            .ok()
            .and_then(|file| planned.node(&file));
        if let Some(NodeKind::File { content, bytes }) = node.map(|node| &node.kind)
            && *bytes > 0
            && !matches!(
                content,
                ContentFacts::AsRequested | ContentFacts::NotCompared
            )
        {
            draft.warn(Warning {
                what: format!("ssh keys of user {}", user.name),
                cause: format!(
                    "{file} is replaced: keys in it that the config does not repeat are lost"
                ),
                origin,
                hint: "add the keys to keep to sshAuthorizedKeys".into(),
            });
        }
    }
}

/// Directories that are only created as parents belong to root, also inside homes.
fn warn_about_homes(draft: &mut Draft<'_>, planned: &PlannedTree<'_>) {
    let homes: Vec<(String, String)> = users(draft)
        .filter_map(|(_, user)| Some((planned.resolve(&home(draft, user)).ok()?, user)))
        .filter(|(home, user)| home != "/" && user.uid != Some(0) && user.name != "root")
        .map(|(home, user)| (home, user.name.clone()))
        .collect();
    let mut warnings = Vec::new();
    for operation in draft.operations() {
        let Some(act) = implied_directory(operation).filter(|act| is_of_root(act)) else {
            continue;
        };
        let owner = homes
            .iter()
            .filter(|(home, _)| is_at_or_below(&act.path, home) && act.path != *home)
            .max_by_key(|(home, _)| home.len());
        if let Some((_, user)) = owner {
            warnings.push(Warning {
                what: format!("directory {}", act.path),
                cause: format!(
                    "it is created as a parent directory and belongs to root, although it is in the home of \
user {user}"
                ),
                origin: operation.origin.clone(),
                hint: format!(
                    "add it to storage.directories with \"user\": {{\"name\": \"{user}\"}} and a group"
                ),
            });
        }
    }
    warnings.into_iter().for_each(|warning| draft.warn(warning));
}

/// True if nothing states another owner.
fn is_of_root(act: &DirectoryAct) -> bool {
    act.permissions.user == Owner::Keep
}

fn implied_directory(operation: &Operation) -> Option<&DirectoryAct> {
    match &operation.kind {
        OpKind::Directory(act) if act.implied && operation.phase != Phase::Mount => Some(act),
        _ => None,
    }
}

/// The first boot of a machine removes links of units that its presets disable.
fn warn_about_presets(draft: &mut Draft<'_>) {
    let facts = &draft.observed.root;
    if !facts.units.has_systemd || !facts.units.is_first_boot {
        return;
    }
    let config = draft.document.config();
    let mut presets = facts.units.presets.clone();
    let (_, own) = PRESET_FILE.rsplit_once('/').unwrap_or_default();
    let text = presets.entry(own.to_owned()).or_default();
    text.push_str(&format!("\n{}", preset_text(&config.systemd.units, facts)));
    let presets = Presets::parse(&presets);
    let mut warnings = Vec::new();
    for (index, unit) in config.systemd.units.iter().enumerate() {
        if unit.enabled == Some(true)
            && let Some(file) = presets.disabled_by(&unit.name)
        {
            warnings.push(Warning {
                what: format!("unit {}", unit.name),
                cause: format!(
                    "preset file {file} disables it at the first boot, before {own} can enable it"
                ),
                origin: draft.origin(&format!("$.systemd.units.{index}")),
                hint: format!(
                    "write a preset file whose name sorts before {file} with storage.files"
                ),
            });
        }
    }
    for (index, link) in config.storage.links.iter().enumerate() {
        if let Some(unit) = enabled_by(&link.path)
            && let Some(file) = presets.disabled_by(unit)
        {
            warnings.push(Warning {
                what: format!("link {}", link.path),
                cause: format!(
                    "the first boot of the machine applies presets, and preset file {file} disables unit {unit}: \
systemd may remove the link"
                ),
                origin: draft.origin(&format!("$.storage.links.{index}")),
                hint: format!(
                    "replace the link by a unit {unit} with \"enabled\": true in systemd.units"
                ),
            });
        }
    }
    warnings.into_iter().for_each(|warning| draft.warn(warning));
}

/// The unit that a link in a directory of dependencies enables.
fn enabled_by(path: &str) -> Option<&str> {
    let (directory, unit) = path.strip_prefix(UNIT_DIRECTORY)?.rsplit_once('/')?;
    let suffixes = [".wants", ".requires", ".upholds"];
    suffixes
        .iter()
        .any(|suffix| directory.ends_with(suffix))
        .then_some(unit)
}
