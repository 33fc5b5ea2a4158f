//! Settings of the target for new accounts.

use super::AccountRefusal;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Group of users without a group of their own.
const USERS_GID: u32 = 100;

/// Settings of the target for new accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// `login.defs`; `None` if the target has none.
    pub login_defs: Option<BTreeMap<String, String>>,
    /// `/etc/default/useradd`
    pub useradd: BTreeMap<String, String>,
    /// Days since 1970, for the date of the last password change.
    pub today: u64,
}

impl Policy {
    pub(super) fn text(&self, key: &str, default: &str) -> String {
        let value = self.useradd.get(key).filter(|value| !value.is_empty());
        value.cloned().unwrap_or_else(|| default.to_owned())
    }
    fn login_def(&self, key: &str) -> Option<&str> {
        self.login_defs.as_ref()?.get(key).map(String::as_str)
    }
    pub(super) fn number(&self, key: &str, default: u32) -> u32 {
        let value = self.login_def(key).and_then(number);
        value.unwrap_or(default)
    }
    /// A number of days in a shadow entry; `default` where there is no `login.defs`.
    pub(super) fn days(&self, key: &str, default: &str) -> String {
        let unset = if self.login_defs.is_some() {
            ""
        } else {
            default
        };
        let value = self.login_def(key).unwrap_or(unset);
        if value.starts_with('-') { "" } else { value }.to_owned()
    }
    /// Days from the expiry of a password until its account is disabled, for a shadow entry.
    pub(super) fn inactive(&self) -> String {
        let days = self.text("INACTIVE", "");
        if days.starts_with('-') {
            String::new()
        } else {
            days
        }
    }
    /// Home of a new user.
    pub fn home(&self, user: &str) -> String {
        match user {
            "root" => "/root".into(),
            _ => format!("{}/{user}", self.text("HOME", "/home")),
        }
    }
    /// Shell of a new user.
    pub(super) fn shell(&self) -> String {
        let unset = if self.login_defs.is_some() {
            "/bin/bash"
        } else {
            "/bin/sh"
        };
        self.text("SHELL", unset)
    }
    /// Mode of a new home.
    pub fn home_mode(&self) -> u32 {
        let octal = |key| u32::from_str_radix(self.login_def(key)?, 8).ok();
        let unset = if self.login_defs.is_some() {
            0o755
        } else {
            0o700
        };
        let from_mask = || octal("UMASK").map(|mask| 0o777 & !mask);
        octal("HOME_MODE").or_else(from_mask).unwrap_or(unset) & 0o7777
    }
    /// Directory whose content a new home starts with.
    pub fn skeleton(&self) -> String {
        self.text("SKEL", "/etc/skel")
    }
    /// Directory in which to create the mail file of a new user, if one is wanted.
    pub fn new_mail_directory(&self) -> Option<String> {
        let wanted = self.text("CREATE_MAIL_SPOOL", "no");
        let is_kept_at_home =
            self.login_def("MAIL_DIR").is_none() && self.login_def("MAIL_FILE").is_some();
        (wanted.eq_ignore_ascii_case("yes") && !is_kept_at_home).then(|| self.mail_directory())
    }
    /// Directory of the mail files.
    pub fn mail_directory(&self) -> String {
        self.login_def("MAIL_DIR").unwrap_or("/var/mail").to_owned()
    }
    /// Lowest uid of regular users.
    pub fn first_uid(&self) -> u32 {
        self.number("UID_MIN", 1000)
    }
    pub(super) fn has_user_groups(&self) -> bool {
        match &self.login_defs {
            Some(settings) => settings
                .get("USERGROUPS_ENAB")
                .is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            None => true,
        }
    }
    /// The group of users without one of their own, by name or number.
    pub(super) fn shared_group(&self) -> String {
        self.text("GROUP", &USERS_GID.to_string())
    }
    /// First and last id for new accounts.
    pub(super) fn range(&self, kind: &str, system: bool) -> (u32, u32) {
        let first = self.number(&format!("{kind}_MIN"), 1000);
        if system {
            let last = self.number(&format!("SYS_{kind}_MAX"), first.saturating_sub(1));
            (self.number(&format!("SYS_{kind}_MIN"), 101), last)
        } else {
            (first, self.number(&format!("{kind}_MAX"), 60000))
        }
    }
    /// Chooses a free id. `min_max` returns the lowest and the highest id within a range of the database that new
    /// accounts go to, `is_taken` checks all databases.
    pub(super) fn choose_id(
        &self,
        kind: &str,
        system: bool,
        min_max: impl Fn(&RangeInclusive<u32>) -> Option<(u32, u32)>,
        is_taken: impl Fn(u32) -> bool,
    ) -> Result<u32, AccountRefusal> {
        let (first, last) = self.range(kind, system);
        let min_max = min_max(&(first..=last));
        free_id((first, last), system, min_max, is_taken).ok_or_else(|| {
            let field = kind.to_ascii_lowercase();
            AccountRefusal::new(
                format!("all ids from {first} to {last} are taken"),
                format!("set {field}, or widen the range in /etc/login.defs of the target"),
            )
        })
    }
}

/// A number of `login.defs`: decimal, octal or hexadecimal as in C.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// A free id: above the highest one in use or, for system accounts, below the lowest. Gaps are filled only when there
/// is none, so that the id of a deleted account is not soon reused.
fn free_id(
    (first, last): (u32, u32),
    system: bool,
    min_max: Option<(u32, u32)>,
    is_taken: impl Fn(u32) -> bool,
) -> Option<u32> {
    if first > last {
        return None;
    }
    let is_free = |id: &u32| !is_taken(*id);
    if system {
        let top = min_max.map_or(Some(last), |(lowest, _)| lowest.checked_sub(1));
        let below = top.and_then(|top| (first..=top).rev().find(is_free));
        below.or_else(|| (first..=last).rev().find(is_free))
    } else {
        let bottom = min_max.map_or(Some(first), |(_, highest)| highest.checked_add(1));
        let above = bottom.and_then(|bottom| (bottom..=last).find(is_free));
        above.or_else(|| (first..=last).find(is_free))
    }
}

/// Parses `KEY value` or `KEY=value` lines.
pub(super) fn settings(text: &str, separator: fn(char) -> bool) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(separator))
        .map(|(key, value)| {
            let value = value.trim().trim_matches('"');
            (key.trim().to_owned(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn min_max(used: &BTreeSet<u32>, (first, last): (u32, u32)) -> Option<(u32, u32)> {
        let mut in_range = used.range(first..=last).copied();
        let lowest = in_range.next()?;
        Some((lowest, in_range.next_back().unwrap_or(lowest)))
    }

    #[test]
    fn ids_follow_ranges() {
        for (system, used, want) in [
            (false, vec![], Some(1000)),
            (false, vec![0, 999, 1000, 1005], Some(1006)),
            (false, vec![1000, 1009], Some(1001)),
            (true, vec![], Some(999)),
            (true, vec![0, 1000, 998], Some(997)),
            (true, vec![990], Some(999)),
            (true, (990..=999).collect(), None),
        ] {
            let used: BTreeSet<u32> = used.into_iter().collect();
            let range = if system { (990, 999) } else { (1000, 1009) };
            let found = free_id(range, system, min_max(&used, range), |id| {
                used.contains(&id)
            });
            assert_eq!(found, want, "{system} {used:?}");
        }
    }

    #[test]
    fn ids_of_other_databases_are_skipped() {
        let used = BTreeSet::from([1000]);
        let range = (1000, 1009);
        let found = free_id(range, false, min_max(&used, range), |id| id < 1003);
        assert_eq!(found, Some(1003));
    }
}
