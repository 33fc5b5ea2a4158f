//! A read-only look at the target root: every path the config touches, what is above it, and where
//! links on the way lead.

use super::enabled::{enabled_units, unit_loops};
use super::look::Look;
use super::options::ObserveOptions;
use super::outlook::Outlook;
use super::{ssh_keys, units};
use crate::accounts::{AccountFile, Databases};
use crate::config::Config;
use crate::facts::unit_files::UnitFile;
use crate::facts::{AccountFacts, RootFacts};
use crate::fetch::Fetcher;
use crate::host::TargetRoot;
use crate::layout::{CRYPTTAB, DEBIAN_MDADM_CONF, MDADM_CONF, NSSWITCH, PRESET_FILE};
use crate::paths::{child, clean};
use anyhow::Context;
use std::collections::BTreeSet;

/// Looks at the target root. A root that does not exist is blank.
///
/// # Errors
/// Something in the way cannot be read, or contents to compare with cannot be fetched.
pub fn observe(
    config: &Config,
    root: &TargetRoot,
    fetcher: &Fetcher,
    view: &ObserveOptions,
) -> anyhow::Result<RootFacts> {
    let mut look = Look::new(root, view);
    let mut facts = RootFacts::default();
    if !view.blank_mounts.contains("/") {
        facts.accounts.databases = Databases::read(root)?;
        facts.enabled_units = enabled_units(&config.systemd.units, root)?;
        if !facts.enabled_units.is_empty() {
            facts.unit_loops = unit_loops(root).context("cannot look for links of units")?;
        }
        facts.preset_text = root
            .read(PRESET_FILE)
            .with_context(|| format!("cannot read {PRESET_FILE}"))?;
        facts.selinux = super::selinux(root)?;
        if !config.storage.luks.is_empty() {
            facts.crypttab_text = root
                .read(CRYPTTAB)
                .with_context(|| format!("cannot read {CRYPTTAB}"))?;
        }
        if !config.storage.raid.is_empty() {
            for path in [DEBIAN_MDADM_CONF, MDADM_CONF] {
                let text = root
                    .read(path)
                    .with_context(|| format!("cannot read {path}"))?;
                facts
                    .mdadm_conf_texts
                    .extend(text.map(|text| (path.to_owned(), text)));
            }
        }
    }
    let outlook = Outlook::new(config, root, fetcher, view);
    facts.accounts.layers_change = layers_change(root, &facts.accounts, &outlook)?;
    let choice = ssh_keys::choose(config, &facts.accounts, view.key_file, &outlook);
    facts.accounts.key_file = choice.file;
    facts.accounts.unread_keys = choice.unread.into_iter().collect();
    facts.accounts.undecided_keys = choice.undecided.into_iter().collect();
    facts.accounts.missing_shells = missing_shells(config, &facts.accounts, &outlook);
    facts.units = units::observe(config, &outlook)?;
    facts.mount_points.clone_from(&view.mount_points);
    facts.mounts = super::mounts::observe(root);
    let wishes = look.wishes(config, &facts)?;
    super::unfinished::observe(root, look.records(), &mut facts)?;
    look.compare(&wishes, &facts, fetcher)?;
    look.judge_overwritten(config, &wishes, &facts)?;
    facts.unwritable = std::mem::take(&mut look.unwritable);
    facts.room = std::mem::take(&mut look.room);
    facts.nodes = look.into_nodes();
    Ok(facts)
}

/// True if the config writes an `nsswitch.conf` that names other files with accounts than the present one.
fn layers_change(
    root: &TargetRoot,
    accounts: &AccountFacts,
    outlook: &Outlook<'_>,
) -> anyhow::Result<bool> {
    let text = match outlook.written_node(NSSWITCH).transpose()? {
        None | Some(UnitFile::Unknown) => return Ok(false),
        Some(UnitFile::Text(text)) => Some(text),
        Some(UnitFile::Link(target)) => {
            let from = if target.starts_with('/') { "/" } else { "/etc" };
            outlook.text(&clean(&child(from, &target)))
        }
    };
    let databases = &accounts.databases;
    databases.layers_differ(root, text.as_deref())
}

/// Shells that the config asks for and nobody provides. A target without accounts of its own is not a system whose
/// programs could be looked for.
fn missing_shells(
    config: &Config,
    accounts: &AccountFacts,
    outlook: &Outlook<'_>,
) -> BTreeSet<String> {
    let users = config.passwd.users.iter();
    users
        .filter(|user| {
            accounts.databases.table(AccountFile::Passwd).is_found()
                && user.should_exist != Some(false)
        })
        .filter_map(|user| user.shell.clone().filter(|shell| !shell.is_empty()))
        .filter(|shell| !outlook.exists(&clean(shell)))
        .collect()
}
