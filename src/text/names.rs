//! Fast comparison and lookup of member names, which is most of the work for a large config.

/// True if two names are equal. Most are the same static string or differ in the first byte, so a call to compare all
/// bytes is rarely needed.
#[inline(always)]
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && (std::ptr::eq(one.as_ptr(), other.as_ptr())
            || one.as_bytes().first() == other.as_bytes().first() && one == other)
}

/// A character without its letter case. Names are ASCII, and the only other characters that fold to ASCII letters are
/// the long s and the Kelvin sign.
pub(crate) fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

/// True if `key` equals `name` except for letter case.
pub(crate) fn folds_to(key: &str, name: &str) -> bool {
    key.chars().map(fold).eq(name.chars().map(fold))
}

/// Finds the first matching item at or after index `next`, or else before it, and sets `next` to the following index.
/// Lookups in roughly the order of the items take one step each.
#[inline(always)]
pub(crate) fn find_in_turn<'i, T>(
    items: &'i [T],
    next: &mut usize,
    matches: impl Fn(&T) -> bool,
) -> Option<&'i T> {
    let (before, after) = items.split_at_checked(*next).unwrap_or((items, &[]));
    let found = after
        .iter()
        .position(&matches)
        .map(|index| before.len() + index);
    let index = found.or_else(|| before.iter().position(&matches))?;
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
    fn letter_case_is_folded() {
        assert!(folds_to("FILE\u{17f}", "files") && folds_to("\u{212a}ey", "KEY"));
        assert!(!folds_to("file", "files") && !folds_to("\u{e4}", "\u{c4}"));
    }

    #[test]
    fn items_are_found_in_and_out_of_turn() {
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
