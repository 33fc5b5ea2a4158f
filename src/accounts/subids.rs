//! Ranges of subordinate ids, which users run containers with: `subuid(5)` and `subgid(5)`.

use super::{AccountRefusal, AccountTable, Databases, Policy};

/// Bounds and size of new ranges.
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
    /// Assigns a range of each kind to a new user, where the target has the files. System accounts, and users whose uid
    /// is outside of the range for regular users, get none.
    pub(super) fn assign_ranges(
        &mut self,
        name: &str,
        uid: Option<u32>,
        system: bool,
    ) -> Result<(), AccountRefusal> {
        let (first, last) = self.policy.range("UID", false);
        let is_regular = uid.is_none_or(|uid| uid == 0 || (first..=last).contains(&uid));
        if system || !is_regular {
            return Ok(());
        }
        let uids = Limits::of(&self.policy, "UID");
        let gids = Limits::of(&self.policy, "GID");
        assign_range(&mut self.subuid, name, &uids, "UID")?;
        assign_range(&mut self.subgid, name, &gids, "GID")
    }

    pub(super) fn remove_ranges(&mut self, name: &str) {
        self.subuid.remove(name);
        self.subgid.remove(name);
    }
}

fn assign_range(
    table: &mut AccountTable,
    name: &str,
    limits: &Limits,
    kind: &str,
) -> Result<(), AccountRefusal> {
    if !table.exists() || limits.count == 0 || table.entry(name).is_some() {
        return Ok(());
    }
    let free = match table.last_range_end() {
        Some(start) => FreeRange::at_the_end(start, limits),
        None => {
            sort(table);
            free_range(table, limits)
        }
    };
    let free = free.ok_or_else(|| {
        AccountRefusal::new(
            format!(
                "no range of {} subordinate ids is free between {} and {}",
                limits.count, limits.first, limits.last
            ),
            format!("widen SUB_{kind}_MIN to SUB_{kind}_MAX in /etc/login.defs of the target"),
        )
    })?;
    // After lines that are not entries, the next sort would move the new entry.
    let stays_last = free.is_last && table.ends_with_entry();
    let FreeRange { start, .. } = free;
    table.put([name, &start.to_string(), &limits.count.to_string()]);
    if stays_last {
        table.set_last_range_end(start + limits.count);
    }
    Ok(())
}

/// Sorts the ranges by their start.
fn sort(table: &mut AccountTable) {
    table.sort_by_key(|fields| {
        let number = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse::<u64>().ok())
        };
        (number(1), number(2), fields[0].clone())
    });
}

/// A gap between ranges.
#[derive(Debug, PartialEq, Eq)]
struct FreeRange {
    start: u64,
    /// No range follows it.
    is_last: bool,
}

impl FreeRange {
    /// The one after all ranges, if there is space.
    fn at_the_end(start: u64, limits: &Limits) -> Option<Self> {
        let is_last = true;
        (start + limits.count <= limits.last + 1).then_some(Self { start, is_last })
    }
}

/// The lowest gap between the ranges, which are in order.
fn free_range(table: &AccountTable, limits: &Limits) -> Option<FreeRange> {
    let (mut low, end) = (limits.first, limits.last + 1);
    for fields in table.entries() {
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let (Some(start), Some(count)) = (number(1), number(2)) else {
            continue;
        };
        let high = start.min(end);
        if high > low && high - low >= limits.count {
            let is_last = false;
            return Some(FreeRange {
                start: low,
                is_last,
            });
        }
        low = low.max(start + count);
    }
    FreeRange::at_the_end(low, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::TableLayout;

    #[test]
    fn the_lowest_gap_is_taken() {
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
            let free = free_range(&table, &limits).map(|free| free.start);
            assert_eq!(free, want, "{text}");
        }
    }

    /// Searching for a gap from the start each time would read hundreds of millions of lines.
    #[test]
    fn many_ranges_follow_each_other() {
        let limits = Limits {
            first: 100,
            last: 10_000_000,
            count: 10,
        };
        let all = 20_000;
        for (text, first) in [("", 100), ("b:100:5\nz:110:10\n", 120)] {
            let mut table = AccountTable::parse(TableLayout::SUBORDINATE, Some(text.as_bytes()));
            for n in 0..all {
                assign_range(&mut table, &format!("u{n:05}"), &limits, "UID")
                    .expect("a free range");
            }
            let last = format!("\nu19999:{}:10\n", first + 10 * (all - 1));
            let text = String::from_utf8(table.bytes()).expect("text");
            assert!(text.ends_with(&last), "{}", &text[text.len() - 40..]);
        }
    }

    #[test]
    fn ranges_are_the_same_whatever_was_known_before() {
        let limits = Limits {
            first: 100,
            last: 189,
            count: 10,
        };
        for text in [
            "",
            "# note\n",
            "a:100:10\nb:130:10\n",
            "b:130:60\n\na:100:1\n",
            "a:150:10\n# x\nb:100:10\n",
        ] {
            let parse = |text: &[u8]| AccountTable::parse(TableLayout::SUBORDINATE, Some(text));
            let mut table = parse(text.as_bytes());
            let mut refused = 0;
            for n in (0..12).rev() {
                let mut fresh = parse(&table.bytes());
                let name = format!("u{n}");
                let assigned = assign_range(&mut table, &name, &limits, "UID");
                assert_eq!(assigned, assign_range(&mut fresh, &name, &limits, "UID"));
                assert_eq!(table, fresh, "{text} {n}");
                refused += u32::from(assigned.is_err());
                if n == 5 {
                    table.remove("u8");
                }
            }
            assert!(refused > 0, "{text}");
        }
    }
}
