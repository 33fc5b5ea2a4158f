//! Ranges of subordinate ids, which users run containers with: `subuid(5)` and `subgid(5)`.

use super::{AccountRefusal, AccountTable, Databases, Policy};

/// Where ranges may lie.
struct Limits {
    first: u64,
    last: u64,
    count: u64,
}

impl Limits {
    fn of(policy: &Policy, kind: &str) -> Self {
        let number =
            |what: &str, default| u64::from(policy.number(&format!("SUB_{kind}_{what}"), default));
        Self {
            first: number("MIN", 100_000),
            last: number("MAX", 600_100_000),
            count: number("COUNT", 65536),
        }
    }
}

impl Databases {
    /// Gives a new user a range of each kind, where the target has the files. System accounts and users
    /// whose number is not one of a person get none.
    pub(super) fn give_ranges(
        &mut self,
        name: &str,
        uid: Option<u32>,
        system: bool,
    ) -> Result<(), AccountRefusal> {
        let (first, last) = self.policy.range("UID", false);
        let is_person = uid.is_none_or(|uid| uid == 0 || (first..=last).contains(&uid));
        if system || !is_person {
            return Ok(());
        }
        let uids = Limits::of(&self.policy, "UID");
        let gids = Limits::of(&self.policy, "GID");
        give_range(&mut self.subuid, name, &uids, "UID")?;
        give_range(&mut self.subgid, name, &gids, "GID")
    }

    pub(super) fn take_ranges(&mut self, name: &str) {
        self.subuid.remove(name);
        self.subgid.remove(name);
    }
}

fn give_range(
    table: &mut AccountTable,
    name: &str,
    limits: &Limits,
    kind: &str,
) -> Result<(), AccountRefusal> {
    if !table.is_found() || limits.count == 0 || table.entry(name).is_some() {
        return Ok(());
    }
    table.sort_by_key(|fields| {
        let number = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse::<u64>().ok())
        };
        (number(1), number(2), fields[0].clone())
    });
    let start = free_range(table, limits).ok_or_else(|| {
        AccountRefusal::new(
            format!(
                "no range of {} subordinate ids is free between {} and {}",
                limits.count, limits.first, limits.last
            ),
            format!("widen SUB_{kind}_MIN to SUB_{kind}_MAX in /etc/login.defs of the target"),
        )
    })?;
    table.put([name, &start.to_string(), &limits.count.to_string()]);
    Ok(())
}

/// The lowest hole between the ranges, which are in order.
fn free_range(table: &AccountTable, limits: &Limits) -> Option<u64> {
    let (mut low, end) = (limits.first, limits.last + 1);
    for fields in table.entries() {
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let (Some(start), Some(count)) = (number(1), number(2)) else {
            continue;
        };
        let high = start.min(end);
        if high > low && high - low >= limits.count {
            return Some(low);
        }
        low = low.max(start + count);
    }
    (low + limits.count <= end).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::TableLayout;

    #[test]
    fn the_lowest_hole_is_taken() {
        let limits = Limits {
            first: 100,
            last: 599,
            count: 100,
        };
        for (text, want) in [
            ("", Some(100)),
            ("a:100:100\n", Some(200)),
            ("a:150:100\n", Some(250)),
            ("a:200:100\nb:300:100\n", Some(100)),
            ("a:100:400\n", Some(500)),
            ("a:100:401\n", None),
        ] {
            let table = AccountTable::parse(TableLayout::SUBORDINATE, Some(text.as_bytes()));
            assert_eq!(free_range(&table, &limits), want, "{text}");
        }
    }
}
