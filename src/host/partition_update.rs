//! The differences between the partitions that the kernel knows and those that it should know.

use super::sys::PartitionCall;
use std::collections::BTreeMap;

/// Start and length in the 512-byte units of sysfs, by partition number.
pub type Extents = BTreeMap<u32, (u64, u64)>;

/// One change of a partition in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionUpdate {
    /// The kind of change.
    pub call: PartitionCall,
    /// Its number.
    pub number: u32,
    /// Start and length, in units of 512 bytes.
    pub extent: (u64, u64),
}

/// The changes to make: removals first, then new lengths, then additions.
pub fn steps(present: &Extents, wanted: &Extents) -> Vec<PartitionUpdate> {
    let step = |call, number: &u32, extent: &(u64, u64)| PartitionUpdate {
        call,
        number: *number,
        extent: *extent,
    };
    let mut removals = Vec::new();
    let mut resizes = Vec::new();
    let mut additions = Vec::new();
    for (number, old) in present {
        match wanted.get(number) {
            Some(new) if new == old => {}
            Some(new) if new.0 == old.0 => resizes.push(step(PartitionCall::Resize, number, new)),
            _ => removals.push(step(PartitionCall::Remove, number, old)),
        }
    }
    for (number, new) in wanted {
        if present.get(number).is_none_or(|old| old.0 != new.0) {
            additions.push(step(PartitionCall::Add, number, new));
        }
    }
    // A partition that shrinks frees space for one that grows.
    resizes.sort_by_key(|step| step.extent.1 > present[&step.number].1);
    removals
        .into_iter()
        .chain(resizes)
        .chain(additions)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_updated() {
        let present = Extents::from([(1, (0, 8)), (2, (8, 8)), (3, (16, 8)), (4, (24, 4))]);
        let wanted = Extents::from([(1, (0, 8)), (2, (8, 16)), (4, (28, 4)), (5, (32, 1))]);
        let steps = steps(&present, &wanted);
        let found: Vec<_> = steps.iter().map(|s| (s.call, s.number, s.extent)).collect();
        assert_eq!(
            found,
            [
                (PartitionCall::Remove, 3, (16, 8)),
                (PartitionCall::Remove, 4, (24, 4)),
                (PartitionCall::Resize, 2, (8, 16)),
                (PartitionCall::Add, 4, (28, 4)),
                (PartitionCall::Add, 5, (32, 1)),
            ]
        );
    }

    #[test]
    fn shrinking_comes_before_growing() {
        let present = Extents::from([(1, (0, 8)), (2, (8, 8))]);
        let wanted = Extents::from([(1, (0, 9)), (2, (8, 4))]);
        let order: Vec<u32> = steps(&present, &wanted).iter().map(|s| s.number).collect();
        assert_eq!(order, [2, 1]);
    }
}
