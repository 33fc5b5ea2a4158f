//! Whether the members of an array hold the array the config asks for, and what that leaves to do.

use super::super::op::OpKind;
use super::{ArraySpec, Draft, Failure, devices};
use crate::disk::DeviceRef;
use crate::disk::device::partition_path;
use crate::disk::raid::{Health, MemberSet, sets};
use crate::disk::superblock::raid::RaidMember;
use crate::facts::SuperblockFacts;
use crate::facts::arrays::ArrayFacts;

/// What to do about an array.
pub(super) enum ArrayAction {
    /// Nothing.
    Keep { because: String },
    /// It exists, and is started with these members (places in the config's list).
    Assemble {
        uuid: String,
        /// Places of its members in the config's list.
        members: Vec<usize>,
        /// Members it has to do without.
        missing: u32,
    },
    /// It is made; what the members hold is lost.
    Create,
}

/// What to do, and which arrays have to give way first.
pub(super) struct RaidDecision {
    pub way: ArrayAction,
    pub stop: Vec<String>,
}

/// Judges one array.
pub(super) fn judge(draft: &Draft, wish: &ArraySpec) -> Result<RaidDecision, Box<Failure>> {
    let nodes: Vec<Option<String>> = wish.members.iter().map(|m| node_of(draft, m)).collect();
    let touching: Vec<&ArrayFacts> = draft
        .observed
        .raid
        .arrays
        .iter()
        .filter(|array| array.members.iter().any(|m| has(&nodes, m)))
        .collect();
    let set = matching_set(draft, wish)?;
    refuse_taken_name(draft, wish, &touching)?;
    let mut stop: Vec<String> = Vec::new();
    for array in &touching {
        if !array.is_running {
            stop.push(array.node.clone());
        } else if set
            .as_ref()
            .is_some_and(|set| is_all_of(array, set, &nodes))
        {
            match named_node(draft, wish) == Some(&array.node) {
                true => return Ok(keep(array, stop)),
                false => refuse_held_elsewhere(wish, array)?,
            }
            stop.push(array.node.clone());
        }
        // Any other running array holds its members, and is refused for that.
    }
    let way = match set {
        Some(set) => way(draft, wish, set, &touching)?,
        None => ArrayAction::Create,
    };
    Ok(RaidDecision { way, stop })
}

fn keep(array: &ArrayFacts, stop: Vec<String>) -> RaidDecision {
    let mut because = "name, level and members match".to_owned();
    if array.missing > 0 {
        because.push_str(&format!(
            "; it is degraded, {} of its members missing: add them with mdadm --add",
            array.missing
        ));
    }
    RaidDecision {
        way: ArrayAction::Keep { because },
        stop,
    }
}

fn way(
    draft: &Draft,
    wish: &ArraySpec,
    set: MemberSet,
    touching: &[&ArrayFacts],
) -> Result<ArrayAction, Box<Failure>> {
    const ZERO: &str = "mdadm --assemble --force may recover it; if its data is not needed, erase its \
                        members with mdadm --zero-superblock";
    // What a running array writes is not all to be seen on its members.
    let runs = touching.iter().any(|array| array.is_running);
    let missing = match set.health() {
        _ if runs => 0,
        Health::Whole => 0,
        Health::Degraded(missing) => missing,
        Health::NeverRan => return Ok(ArrayAction::Create),
        // A making that was cut short cannot be told from a loss here, and there is nothing left to save.
        Health::Broken(_) if !is_redundant(&set.newest) => return Ok(ArrayAction::Create),
        Health::Broken(missing) => {
            let cause =
                format!("it exists, but {missing} of its members are missing or out of date");
            return Err(wish.refusal(cause, ZERO));
        }
        Health::Dirty(missing) => {
            let cause = format!(
                "it exists, but {missing} of its members are missing or out of date, and it was not \
                 stopped cleanly: some of its data may be wrong"
            );
            return Err(wish.refusal(cause, ZERO));
        }
    };
    if !draft.observed.raid.contents.contains_key(&set.uuid) {
        return Err(wish.refusal(
            "it exists, but its contents cannot be inspected until it is running".into(),
            "start it with mdadm --assemble, then try again",
        ));
    }
    Ok(ArrayAction::Assemble {
        uuid: set.uuid,
        members: set.members,
        missing,
    })
}

fn is_redundant(member: &RaidMember) -> bool {
    use crate::disk::superblock::raid::Level;
    !matches!(member.level, Level::Raid0 | Level::Linear)
}

/// The one set of members that is the array the config asks for.
fn matching_set(draft: &Draft, wish: &ArraySpec) -> Result<Option<MemberSet>, Box<Failure>> {
    if wish.members.iter().any(|member| is_wiped(draft, member)) {
        return Ok(None);
    }
    let found: Vec<SuperblockFacts> = wish
        .members
        .iter()
        .map(|member| devices::content(draft, member))
        .collect();
    let mut sets: Vec<MemberSet> = sets(&found)
        .into_iter()
        .filter(|set| fits(wish, &set.newest))
        .collect();
    if sets.len() > 1 {
        sets.retain(|set| set.health() != Health::NeverRan);
    }
    if sets.len() > 1 {
        let uuids: Vec<&str> = sets.iter().map(|set| set.uuid.as_str()).collect();
        return Err(wish.refusal(
            format!(
                "its devices belong to several arrays of that name: {}",
                uuids.join(", ")
            ),
            "erase those that may go with mdadm --zero-superblock",
        ));
    }
    Ok(sets.pop())
}

fn fits(wish: &ArraySpec, member: &RaidMember) -> bool {
    // Superblocks of version 0.90 have no name.
    let name_fits = member
        .short_name()
        .is_none_or(|name| name == short_name(&wish.raid.name));
    name_fits && member.level == wish.level && member.devices == wish.active()
}

/// The name mdadm stores for an array that is called so: `/dev/md/data` and `data` are `data`, `/dev/md0`
/// is `0`.
fn short_name(name: &str) -> &str {
    let Some(last) = name.strip_prefix("/dev/") else {
        return name;
    };
    let (_, base) = last.rsplit_once('/').unwrap_or(("", last));
    if base != last {
        return base;
    }
    let number = base
        .strip_prefix("md")
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let named = base.strip_prefix("md_").filter(|rest| !rest.is_empty());
    named.or(number).unwrap_or(base)
}

/// The config wants the content of this member gone, or the member is only being made.
fn is_wiped(draft: &Draft, member: &DeviceRef) -> bool {
    let Some(disk) = member.disk() else {
        return devices::is_recreated(draft, member);
    };
    let write = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::WriteTable(write) if write.disk == disk => Some(write),
        _ => None,
    });
    let Some(write) = write else { return false };
    let DeviceRef::Partition { number, .. } = member else {
        return true;
    };
    let old = draft
        .observed
        .disks
        .get(disk)
        .and_then(|facts| facts.table.gpt())
        .and_then(|table| table.entries.get(number));
    let new = write.table.entries.get(number);
    write.wipe || old.map(|entry| entry.start) != new.map(|entry| entry.start)
}

fn node_of(draft: &Draft, member: &DeviceRef) -> Option<String> {
    match member {
        DeviceRef::Disk { disk } => Some(draft.observed.disks.get(disk)?.node.clone()),
        DeviceRef::Partition { disk, number } => {
            let node = &draft.observed.disks.get(disk)?.node;
            Some(partition_path(node, *number))
        }
        other => draft.observed.raid.nodes.get(&other.to_string()).cloned(),
    }
}

fn has(nodes: &[Option<String>], node: &str) -> bool {
    nodes.iter().flatten().any(|n| n == node)
}

/// A running array of nothing but members of the set.
fn is_all_of(array: &ArrayFacts, set: &MemberSet, nodes: &[Option<String>]) -> bool {
    let own: Vec<&String> = set
        .members
        .iter()
        .filter_map(|place| nodes.get(*place)?.as_ref())
        .collect();
    array.members.iter().all(|member| own.contains(&member))
}

fn named_node<'d>(draft: &'d Draft, wish: &ArraySpec) -> Option<&'d String> {
    draft.observed.raid.nodes.get(&wish.array.to_string())
}

/// The node of the array leads to an array of other devices.
fn refuse_taken_name(
    draft: &Draft,
    wish: &ArraySpec,
    touching: &[&ArrayFacts],
) -> Result<(), Box<Failure>> {
    let Some(node) = named_node(draft, wish) else {
        return Ok(());
    };
    if touching.iter().any(|array| array.node == *node) {
        return Ok(());
    }
    let other = draft
        .observed
        .raid
        .arrays
        .iter()
        .find(|array| array.node == *node);
    let of = other.map_or_else(String::new, |array| {
        format!(" of {}", array.members.join(", "))
    });
    Err(wish.refusal(
        format!("{} already exists: {node}, an array{of}", wish.array),
        "stop that array with mdadm --stop, or choose another name",
    ))
}

fn refuse_held_elsewhere(wish: &ArraySpec, array: &ArrayFacts) -> Result<(), Box<Failure>> {
    if array.held_by.is_empty() {
        return Ok(());
    }
    Err(wish.refusal(
        format!(
            "it runs as {}, which is in use: {}",
            array.node,
            array.held_by.join(", ")
        ),
        "unmount or detach it first",
    ))
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn names_as_mdadm_stores_them() {
        for (name, short) in [
            ("data", "data"),
            ("/dev/md/data", "data"),
            ("/dev/md0", "0"),
            ("/dev/md_root", "root"),
            ("/dev/mdx", "mdx"),
        ] {
            assert_eq!(short_name(name), short, "{name}");
        }
    }
}
