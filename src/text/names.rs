//! Comparing and finding names of members, which is most of the work in a large config.

/// True if two names are equal. Most are the same static string or differ in the first byte, so comparing all bytes, which
/// is a function call, is rarely needed.
#[inline(always)]
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && (std::ptr::eq(one.as_ptr(), other.as_ptr())
            || one.as_bytes().first() == other.as_bytes().first() && one == other)
}

/// Finds the first matching item at or after `next`, or else before it, and sets `next` to the index that follows. Lookups
/// in roughly the order of the items take one step each.
#[inline(always)]
pub(crate) fn find_in_turn<'i, T>(
    items: &'i [T],
    next: &mut usize,
    is_meant: impl Fn(&T) -> bool,
) -> Option<&'i T> {
    let (before, behind) = items.split_at_checked(*next).unwrap_or((items, &[]));
    let ahead = behind
        .iter()
        .position(&is_meant)
        .map(|index| before.len() + index);
    let index = ahead.or_else(|| before.iter().position(&is_meant))?;
    *next = index + 1;
    items.get(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_by_their_bytes() {
        let text = String::from("path mode");
        assert!(is_same_name("path", &text[..4]) && is_same_name("", ""));
        assert!(!is_same_name("path", "pat") && !is_same_name("mode", "move"));
    }

    #[test]
    fn what_is_in_turn_is_found_and_what_is_not_as_well() {
        let items = ["a", "b", "c", "b"];
        let mut next = 0;
        let mut find = |name: &str| find_in_turn(&items, &mut next, |item| *item == name).copied();
        for name in ["b", "c", "b", "a", "c", "b", "b", "a"] {
            assert_eq!(find(name), Some(name));
        }
        assert_eq!(find("d"), None);
        assert_eq!(find("b"), Some("b"));
    }
}
