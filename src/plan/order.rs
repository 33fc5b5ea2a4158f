//! Order from claims: which operations must be done before which.

use super::claims::{Access, ClaimedResource};
use super::op::{OpId, Operation};
use foldhash::{HashMap, HashMapExt as _};
use std::collections::BTreeSet;

/// Fills [`Operation::after`] from the claims. Edges stay linear in the number of claims: between two
/// groups only the last of the earlier writers and the first of the later ones are joined.
///
/// # Errors
/// The ids of operations on a cycle; a bug of the planner, never of a config.
pub fn derive(operations: &mut [Operation]) -> Result<(), Vec<OpId>> {
    let mut after: Vec<Vec<u32>> = vec![Vec::new(); operations.len()];
    let mut turns: Vec<Vec<u32>> = Vec::new();
    let (resources, claims) = collect(operations);
    for claimants in claims.chunk_by(|one, other| one.resource == other.resource) {
        let resource = claimants.first().map(|claim| claim.resource);
        match resource.and_then(|index| resources.get(index as usize)) {
            // Any order of the turns will do, so it follows from the other claims: an array may lie on an
            // encrypted volume as well as the other way round.
            Some(ClaimedResource::Spindle(_) | ClaimedResource::KeyDerivation) => {
                turns.push(claimants.iter().map(|claim| claim.operation).collect());
            }
            _ => join(claimants, &mut after),
        }
    }
    let positions = positions(&after)?;
    for mut writers in turns {
        writers.sort_by_key(|id| positions[*id as usize]);
        chain(writers, &mut after);
    }
    for (operation, mut before) in operations.iter_mut().zip(after) {
        let own = operation.id.0;
        before.sort_unstable();
        before.dedup();
        before.retain(|id| *id != own);
        operation.after = before.into_iter().map(OpId).collect();
    }
    Ok(())
}

/// One operation touches one resource, which is given by its number. Sorts by resource, access and plan order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    resource: u32,
    access: Access,
    operation: u32,
}

fn collect(operations: &[Operation]) -> (Vec<&ClaimedResource>, Vec<Claimant>) {
    let mut numbers: HashMap<&ClaimedResource, u32> = HashMap::with_capacity(operations.len());
    let mut resources = Vec::new();
    let mut claims = Vec::new();
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

/// Lets operations wait that touch one resource. Some may come to wait twice for the same one.
fn join(claimants: &[Claimant], after: &mut [Vec<u32>]) {
    let (writers, others) =
        claimants.split_at(claimants.partition_point(|claim| claim.access <= Access::Change));
    let (used, release) =
        others.split_at(others.partition_point(|claim| claim.access == Access::Use));
    let ids = |claims: &[Claimant]| claims.iter().map(|claim| claim.operation).collect();
    let (writers, release): (Vec<u32>, Vec<u32>) = (ids(writers), ids(release));
    if let Some(last) = writers.last() {
        for user in used {
            after[user.operation as usize].push(*last);
        }
        if let Some(first) = release.first() {
            after[*first as usize].push(*last);
        }
    }
    if let Some(first) = release.first() {
        after[*first as usize].extend(used.iter().map(|claim| claim.operation));
    }
    chain(writers, after);
    chain(release, after);
}

fn chain(ids: Vec<u32>, after: &mut [Vec<u32>]) {
    for pair in ids.windows(2) {
        after[pair[1] as usize].push(pair[0]);
    }
}

/// The position of each operation in an order that keeps every wait; plan order where there is a choice.
fn positions(after: &[Vec<u32>]) -> Result<Vec<usize>, Vec<OpId>> {
    let is_other = |own: usize, before: u32| before as usize != own;
    let mut waiting: Vec<usize> = Vec::with_capacity(after.len());
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (own, before) in after.iter().enumerate() {
        let before: Vec<u32> = before
            .iter()
            .copied()
            .filter(|id| is_other(own, *id))
            .collect();
        waiting.push(before.len());
        for id in before {
            followers[id as usize].push(own);
        }
    }
    let first = (0..after.len()).filter(|id| waiting[*id] == 0);
    let mut ready: BTreeSet<usize> = first.collect();
    let mut positions = vec![0; after.len()];
    let mut next = 0;
    while let Some(done) = ready.pop_first() {
        positions[done] = next;
        next += 1;
        for follower in &followers[done] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                ready.insert(*follower);
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
    fn users_run_side_by_side_and_before_release() {
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

    /// What a volume group needs: members before the group, the group before its volumes, which are
    /// devices like any other.
    #[test]
    fn a_pool_stands_between_its_members_and_its_volumes() {
        let device = |path: &str| ClaimedResource::Device(DeviceRef::Path { path: path.into() });
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

    /// What a subvolume needs: it is made in a mounted file system, and is a node that others lie in.
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
