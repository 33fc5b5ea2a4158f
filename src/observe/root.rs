//! Observes the target root, read-only: every path the config touches, its ancestors, and where links on the way lead.

use super::enabled::{enabled_units, unit_loops};
use super::options::ObserveOptions;
use super::planned_files::PlannedFiles;
use super::tree::TreeObserver;
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

/// Observes the target root. A root that does not exist is blank.
///
/// # Errors
/// If something on the way cannot be read, or contents to compare with cannot be fetched.
pub fn observe(
    config: &Config,
    root: &TargetRoot,
    fetcher: &Fetcher,
    options: &ObserveOptions,
) -> anyhow::Result<RootFacts> {
    let mut tree = TreeObserver::new(root, options);
    let mut facts = RootFacts::default();
    if !options.blank_mounts.contains("/") {
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
    let planned = PlannedFiles::new(config, root, fetcher, options);
    facts.accounts.layers_change = layers_change(root, &facts.accounts, &planned)?;
    let choice = ssh_keys::choose(config, &facts.accounts, options.key_file, &planned);
    facts.accounts.key_file = choice.file;
    facts.accounts.unread_keys = choice.unread.into_iter().collect();
    facts.accounts.connection_dependent_keys = choice.undecided.into_iter().collect();
    facts.accounts.missing_shells = missing_shells(config, &facts.accounts, &planned);
    facts.units = units::observe(config, &planned)?;
    facts.mount_points.clone_from(&options.mount_points);
    facts.mounts = super::mounts::observe(root);
    let expected = tree.expected_contents(config, &facts)?;
    super::unfinished::observe(root, tree.record_paths(), &mut facts)?;
    tree.compare(&expected, &facts, fetcher)?;
    tree.check_overwritten(config, &expected, &facts)?;
    facts.unwritable = std::mem::take(&mut tree.unwritable);
    facts.free_space = std::mem::take(&mut tree.free_space);
    facts.nodes = tree.into_nodes();
    Ok(facts)
}

/// True if the config writes an `nsswitch.conf` that names other files with accounts than the present one.
fn layers_change(
    root: &TargetRoot,
    accounts: &AccountFacts,
    planned: &PlannedFiles<'_>,
) -> anyhow::Result<bool> {
    let text = match planned.written_node(NSSWITCH).transpose()? {
        None | Some(UnitFile::Unknown) => return Ok(false),
        Some(UnitFile::Text(text)) => Some(text),
        Some(UnitFile::Link(target)) => {
            let from = if target.starts_with('/') { "/" } else { "/etc" };
            planned.text(&clean(&child(from, &target)))
        }
    };
    let databases = &accounts.databases;
    databases.layers_differ(root, text.as_deref())
}

/// Shells that the config requests but nothing provides. A target without accounts is not a system that would have
/// them.
fn missing_shells(
    config: &Config,
    accounts: &AccountFacts,
    planned: &PlannedFiles<'_>,
) -> BTreeSet<String> {
    let users = config.passwd.users.iter();
    users
        .filter(|user| {
            accounts.databases.table(AccountFile::Passwd).exists()
                && user.should_exist != Some(false)
        })
        .filter_map(|user| user.shell.clone().filter(|shell| !shell.is_empty()))
        .filter(|shell| !planned.exists(&clean(shell)))
        .collect()
}
