//! Derives the order from claims: which operations must be done before which.

use super::claims::{Access, ClaimedResource};
use super::op::{OpId, Operation};
use foldhash::{HashMap, HashMapExt as _};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Fills [`Operation::after`] from the claims. The number of edges is linear in the number of claims: between two
/// groups, only the last of the earlier writers and the first of the later ones are connected.
///
/// # Errors
/// The ids of the operations on a cycle, which is a bug of the planner and never of a config.
pub fn derive(operations: &mut [Operation]) -> Result<(), Vec<OpId>> {
    let mut turns: Vec<Vec<u32>> = Vec::new();
    let (resources, claims) = collect(operations);
    let mut waits = Waits(Vec::with_capacity(claims.len()));
    for claimants in claims.chunk_by(|one, other| one.resource == other.resource) {
        let resource = claimants.first().map(|claim| claim.resource);
        match resource.and_then(|index| resources.get(index as usize)) {
            // Any order of the turns is fine, so it follows from the other claims: an array may be on an encrypted
            // volume or the other way round.
            Some(ClaimedResource::Spindle(_) | ClaimedResource::KeyDerivation) => {
                turns.push(claimants.iter().map(|claim| claim.operation).collect());
            }
            _ => add_waits(claimants, &mut waits),
        }
    }
    // No longer needed, and this is when a run uses the most memory.
    drop((resources, claims));
    let positions = positions(operations.len(), &mut waits)?;
    for mut writers in turns {
        writers.sort_by_key(|id| positions[*id as usize]);
        chain(writers.into_iter(), &mut waits);
    }
    waits.sort_and_dedup();
    for waits in waits
        .0
        .chunk_by(|one, other| one.operation == other.operation)
    {
        let operation = waits.first().map_or(0, |wait| wait.operation);
        operations[operation as usize].after = waits.iter().map(|wait| OpId(wait.before)).collect();
    }
    Ok(())
}

/// One operation waits for another one, given by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wait {
    operation: u32,
    before: u32,
}

/// All waits in one list: a list per operation would be most of the memory that planning uses.
#[derive(Debug)]
struct Waits(Vec<Wait>);

impl Waits {
    fn add(&mut self, operation: u32, before: u32) {
        if operation != before {
            self.0.push(Wait { operation, before });
        }
    }

    /// Sorts by operation, and removes duplicates.
    fn sort_and_dedup(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }
}

/// One operation claims one resource, given by its index. Sorts by resource, access and plan order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    resource: u32,
    access: Access,
    operation: u32,
}

impl Claimant {
    fn number(&self) -> u32 {
        self.operation
    }
}

fn collect(operations: &[Operation]) -> (Vec<&ClaimedResource>, Vec<Claimant>) {
    let mut numbers: HashMap<&ClaimedResource, u32> = HashMap::with_capacity(operations.len());
    let mut resources = Vec::new();
    let count = operations.iter().map(|one| one.claims.len()).sum();
    let mut claims = Vec::with_capacity(count);
    for operation in operations {
        for claim in &operation.claims {
            let number = numbers.entry(&claim.resource).or_insert_with(|| {
                resources.push(&claim.resource);
                u32::try_from(resources.len() - 1).unwrap_or(u32::MAX)
            });
            claims.push(Claimant {
                resource: *number,
                access: claim.access,
                operation: operation.id.0,
            });
        }
    }
    claims.sort_unstable();
    claims.dedup();
    (resources, claims)
}

/// Adds the waits between operations that claim one resource. There may be duplicates.
fn add_waits(claimants: &[Claimant], waits: &mut Waits) {
    let (writers, others) =
        claimants.split_at(claimants.partition_point(|claim| claim.access <= Access::Change));
    let (used, release) =
        others.split_at(others.partition_point(|claim| claim.access == Access::Use));
    if let Some(last) = writers.last() {
        for user in used.iter().chain(release.first()) {
            waits.add(user.operation, last.operation);
        }
    }
    if let Some(first) = release.first() {
        for user in used {
            waits.add(first.operation, user.operation);
        }
    }
    chain(writers.iter().map(Claimant::number), waits);
    chain(release.iter().map(Claimant::number), waits);
}

fn chain(mut ids: impl Iterator<Item = u32>, waits: &mut Waits) {
    let Some(mut before) = ids.next() else { return };
    for id in ids {
        waits.add(id, before);
        before = id;
    }
}

/// The position of each of `count` operations in an order that satisfies every wait; in plan order where there is a
/// choice.
fn positions(count: usize, waits: &mut Waits) -> Result<Vec<u32>, Vec<OpId>> {
    waits
        .0
        .sort_unstable_by_key(|wait| (wait.before, wait.operation));
    waits.0.dedup();
    let followers = |done: u32| {
        let first = waits.0.partition_point(|wait| wait.before < done);
        waits.0[first..]
            .iter()
            .take_while(move |wait| wait.before == done)
    };
    let mut waiting: Vec<u32> = vec![0; count];
    for wait in &waits.0 {
        waiting[wait.operation as usize] += 1;
    }
    let first = (0u32..).zip(&waiting).filter(|(_, waiting)| **waiting == 0);
    let mut ready: BinaryHeap<Reverse<u32>> = first.map(|(id, _)| Reverse(id)).collect();
    let mut positions = vec![0; count];
    let mut next = 0;
    while let Some(Reverse(done)) = ready.pop() {
        positions[done as usize] = next;
        next += 1;
        for follower in followers(done) {
            let waiting = &mut waiting[follower.operation as usize];
            *waiting -= 1;
            if *waiting == 0 {
                ready.push(Reverse(follower.operation));
            }
        }
    }
    let stuck = (0u32..)
        .zip(&waiting)
        .filter(|(_, waiting)| **waiting > 0)
        .map(|(id, _)| OpId(id));
    let stuck: Vec<OpId> = stuck.collect();
    match stuck.is_empty() {
        true => Ok(positions),
        false => Err(stuck),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DeviceRef;
    use crate::plan::op::{Effect, MountPoint, OpKind, Phase};
    use crate::plan::{Claim, ClaimedResource};

    fn operation(id: u32, claims: &[(Access, &str)]) -> Operation {
        Operation {
            id: OpId(id),
            phase: Phase::Files,
            effect: Effect::Create,
            kind: OpKind::Sync(MountPoint {
                point: id.to_string(),
            }),
            origin: None,
            claims: claims
                .iter()
                .map(|(access, path)| Claim::new(*access, ClaimedResource::Path((*path).into())))
                .collect(),
            destroys: Vec::new(),
            after: Vec::new(),
        }
    }

    fn edges(claims: &[&[(Access, &str)]]) -> Result<Vec<Vec<u32>>, Vec<OpId>> {
        let mut operations: Vec<Operation> = claims
            .iter()
            .enumerate()
            .map(|(i, c)| operation(i as u32, c))
            .collect();
        derive(&mut operations)?;
        Ok(operations
            .iter()
            .map(|o| o.after.iter().map(|id| id.0).collect())
            .collect())
    }

    use Access::{Change, Make, Release, Use};

    #[test]
    fn makers_come_before_users_whatever_the_plan_order() {
        let got = edges(&[&[(Use, "/a")], &[(Make, "/a")]]);
        assert_eq!(got, Ok(vec![vec![1], vec![]]));
    }

    #[test]
    fn changes_are_serial_and_between_making_and_using() {
        let got = edges(&[
            &[(Make, "/a")],
            &[(Change, "/a")],
            &[(Change, "/a")],
            &[(Use, "/a")],
        ]);
        assert_eq!(got, Ok(vec![vec![], vec![0], vec![1], vec![2]]));
    }

    #[test]
    fn users_run_in_parallel_and_before_release() {
        let got = edges(&[
            &[(Make, "/a")],
            &[(Use, "/a")],
            &[(Use, "/a")],
            &[(Release, "/a")],
        ]);
        assert_eq!(got, Ok(vec![vec![], vec![0], vec![0], vec![0, 1, 2]]));
    }

    #[test]
    fn unrelated_operations_do_not_wait() {
        assert_eq!(
            edges(&[&[(Make, "/a")], &[(Make, "/b")]]),
            Ok(vec![vec![], vec![]])
        );
    }

    fn order(claims: &[&[Claim]]) -> Vec<Vec<u32>> {
        let mut operations: Vec<Operation> = (0..)
            .zip(claims)
            .map(|(id, _)| operation(id, &[]))
            .collect();
        for (operation, claims) in operations.iter_mut().zip(claims) {
            operation.claims = claims.to_vec();
        }
        derive(&mut operations).expect("no cycle");
        let after = operations.iter().map(|o| o.after.iter().map(|id| id.0));
        after.map(Iterator::collect).collect()
    }

    /// Like a volume group: members before the group, the group before its volumes, which are devices like any other.
    #[test]
    fn a_pool_is_ordered_between_its_members_and_its_volumes() {
        let device =
            |path: &str| ClaimedResource::Device(DeviceRef::Path { path: path.into() }.into());
        let claim = |access, resource: &ClaimedResource| Claim::new(access, resource.clone());
        let (a, b, volume) = (
            device("/dev/a1"),
            device("/dev/b1"),
            device("/dev/vg0/data"),
        );
        let pool = ClaimedResource::Pool("vg0".into());
        let got = order(&[
            &[claim(Change, &volume)],
            &[claim(Make, &volume), claim(Use, &pool)],
            &[claim(Make, &pool), claim(Use, &a), claim(Use, &b)],
            &[claim(Change, &a)],
            &[claim(Change, &b)],
        ]);
        assert_eq!(got, [vec![1], vec![2], vec![3, 4], vec![], vec![]]);
    }

    /// Like a subvolume: it is created in a mounted file system, and is a node that holds others.
    #[test]
    fn a_subvolume_is_a_node_of_a_mounted_file_system() {
        let mount = ClaimedResource::Mount("/".into());
        let (home, file) = (Claim::make_path("/home"), Claim::make_path("/home/a"));
        let got = order(&[
            &[file, Claim::use_path("/home"), Claim::use_mount("/")],
            &[home, Claim::use_mount("/")],
            &[Claim::new(Make, mount)],
        ]);
        assert_eq!(got, [vec![1, 2], vec![2], vec![]]);
    }

    #[test]
    fn a_cycle_is_reported() {
        let got = edges(&[&[(Make, "/a"), (Use, "/b")], &[(Make, "/b"), (Use, "/a")]]);
        assert_eq!(got, Err(vec![OpId(0), OpId(1)]));
    }
}
