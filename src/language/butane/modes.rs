//! Modes that were probably meant to be octal but are decimal.

/// What a mode is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModeTarget {
    File,
    Directory,
}

const READ: i64 = 4;
const WRITE: i64 = 2;
const EXECUTE: i64 = 1;
const MAX_MODE: i64 = 0o7777;

/// The mode that was probably intended: `mode` is implausible, and its decimal digits read as octal are not.
pub(super) fn intended(mode: i64, target: ModeTarget) -> Option<i64> {
    if is_plausible(mode, target) {
        return None;
    }
    let octal = i64::from_str_radix(&mode.to_string(), 8).ok()?;
    (octal <= MAX_MODE && is_plausible(octal, target)).then_some(octal)
}

/// True for a mode that somebody may have chosen.
fn is_plausible(mode: i64, target: ModeTarget) -> bool {
    if mode == 0 {
        return true;
    }
    if !(0..=MAX_MODE).contains(&mode) {
        return false;
    }
    let (user, group, other) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7);
    let (set_uid, set_gid, sticky) = (mode & 0o4000 != 0, mode & 0o2000 != 0, mode & 0o1000 != 0);
    let classes = [user, group, other];
    let is_nested = other & !group == 0 && group & !user == 0;
    let has_read_bits = classes
        .iter()
        .all(|bits| bits & (WRITE | EXECUTE) == 0 || bits & READ != 0);
    // A class that may execute is not followed by a less specific one that may read but not execute.
    let is_uneven =
        |more: i64, less: i64| more & EXECUTE != 0 && less & READ != 0 && less & EXECUTE == 0;
    let is_even = !is_uneven(user, group) && !is_uneven(user, other) && !is_uneven(group, other);
    let any = |bit: i64| classes.iter().any(|bits| bits & bit != 0);
    if !is_nested || !has_read_bits || !is_even || !any(READ) {
        return false;
    }
    match target {
        ModeTarget::File => {
            !sticky && (!(set_uid || set_gid) || any(EXECUTE) && other & WRITE == 0)
        }
        ModeTarget::Directory => any(EXECUTE) && !set_uid && (!(set_gid || sticky) || any(WRITE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_modes_are_found() {
        assert_eq!(intended(644, ModeTarget::File), Some(0o644));
        assert_eq!(intended(0o644, ModeTarget::File), None);
        assert_eq!(intended(755, ModeTarget::Directory), Some(0o755));
        assert_eq!(intended(0, ModeTarget::File), None);
        assert_eq!(intended(899, ModeTarget::File), None);
        assert_eq!(intended(0o4755, ModeTarget::File), None);
        assert_eq!(intended(-1, ModeTarget::File), None);
    }
}
