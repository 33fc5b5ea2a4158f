//! Modes that look as if they were octal and are not.

/// What a mode is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    File,
    Directory,
}

const READ: i64 = 4;
const WRITE: i64 = 2;
const EXECUTE: i64 = 1;
const MAX_MODE: i64 = 0o7777;

/// The mode that was probably meant, if `mode` makes no sense and its decimal digits do when they are read as octal.
pub(super) fn meant(mode: i64, of: Of) -> Option<i64> {
    if is_plausible(mode, of) {
        return None;
    }
    let octal = i64::from_str_radix(&mode.to_string(), 8).ok()?;
    (octal <= MAX_MODE && is_plausible(octal, of)).then_some(octal)
}

/// True for a mode that somebody may want.
fn is_plausible(mode: i64, of: Of) -> bool {
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
    let is_readable_first = classes
        .iter()
        .all(|bits| bits & (WRITE | EXECUTE) == 0 || bits & READ != 0);
    // Who may execute does not face a less specific class that may read and not execute.
    let leaks =
        |more: i64, less: i64| more & EXECUTE != 0 && less & READ != 0 && less & EXECUTE == 0;
    let is_even = !leaks(user, group) && !leaks(user, other) && !leaks(group, other);
    let any = |bit: i64| classes.iter().any(|bits| bits & bit != 0);
    if !is_nested || !is_readable_first || !is_even || !any(READ) {
        return false;
    }
    match of {
        Of::File => !sticky && (!(set_uid || set_gid) || any(EXECUTE) && other & WRITE == 0),
        Of::Directory => any(EXECUTE) && !set_uid && (!(set_gid || sticky) || any(WRITE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_modes_are_found() {
        assert_eq!(meant(644, Of::File), Some(0o644));
        assert_eq!(meant(0o644, Of::File), None);
        assert_eq!(meant(755, Of::Directory), Some(0o755));
        assert_eq!(meant(0, Of::File), None);
        assert_eq!(meant(899, Of::File), None);
        assert_eq!(meant(0o4755, Of::File), None);
        assert_eq!(meant(-1, Of::File), None);
    }
}
