//! Shell patterns, as in fnmatch(3) and glob(7).

/// True if a text matches a pattern of `*`, `?`, `[...]` and plain characters.
///
/// The time is at most proportional to the product of both lengths: after a mismatch, only the last `*` is extended by
/// one character. Whatever an earlier one could match in addition, the last one can match as well.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let steps = steps(&pattern);
    let (mut step, mut at) = (0, 0);
    // The step after the last `*`, and the end of what that `*` matches.
    let mut last_star: Option<(usize, usize)> = None;
    loop {
        match (steps.get(step), text.get(at)) {
            (None, None) => return true,
            (Some(Step::Any), _) => {
                step += 1;
                last_star = Some((step, at));
                continue;
            }
            (Some(one), Some(c)) if one.accepts(*c) => {
                step += 1;
                at += 1;
                continue;
            }
            // Whatever a `*` matches, the text is too short.
            (_, None) => return false,
            (_, Some(_)) => {}
        }
        let Some((after_star, end)) = last_star else {
            return false;
        };
        step = after_star;
        at = end + 1;
        last_star = Some((after_star, at));
    }
}

/// True if a text has pattern characters, so that it cannot be compared as it is.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// One part of a pattern.
enum Step<'p> {
    /// `*`: any number of characters.
    Any,
    /// `?`: any character.
    One,
    /// `[...]`: one of a set.
    Set(&'p [char]),
    /// A character that stands for itself.
    Plain(char),
}

impl Step<'_> {
    /// True if it matches this character.
    fn accepts(&self, c: char) -> bool {
        match self {
            Step::Any => false,
            Step::One => true,
            Step::Set(set) => is_in(c, set),
            Step::Plain(plain) => *plain == c,
        }
    }
}

fn steps(pattern: &[char]) -> Vec<Step<'_>> {
    // Without this, a pattern that consists of brackets would take quadratic time.
    let last_end = pattern.iter().rposition(|c| *c == ']');
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(first) = pattern.get(at) {
        let rest = &pattern[at + 1..];
        let may_end = last_end.is_some_and(|end| end > at);
        let (step, length) = match (first, rest.first()) {
            ('*', _) => (Step::Any, 1),
            ('?', _) => (Step::One, 1),
            ('[', _) if may_end => match set(rest) {
                Some(set) => (Step::Set(set), set.len() + 2),
                None => (Step::Plain('['), 1),
            },
            ('\\', Some(escaped)) => (Step::Plain(*escaped), 2),
            (plain, _) => (Step::Plain(*plain), 1),
        };
        steps.push(step);
        at += length;
    }
    steps
}

/// The characters between the brackets; `None` without a closing one.
fn set(after_bracket: &[char]) -> Option<&[char]> {
    let end = after_bracket.iter().skip(1).position(|c| *c == ']')? + 1;
    Some(&after_bracket[..end])
}

fn is_in(c: char, set: &[char]) -> bool {
    let (is_negated, set) = match set.split_first() {
        Some(('!' | '^', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut at = 0;
    let mut found = false;
    while let Some(from) = set.get(at) {
        match (set.get(at + 1), set.get(at + 2)) {
            (Some('-'), Some(to)) => {
                found |= (*from..=*to).contains(&c);
                at += 3;
            }
            _ => {
                found |= *from == c;
                at += 1;
            }
        }
    }
    found != is_negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_match_patterns() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.config", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("a*b*c", "a-b-b-c", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\", "\\", true),
            ("a*b", "a-b-b", true),
            ("*?", "", false),
            ("*[ab]*c", "xaxbxc", true),
            ("*[ab]c", "xaxbxc", false),
            ("[]", "[]", true),
            ("[", "[", true),
            ("*a*a", "a", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_little_time_and_stack() {
        assert!(matches(&"*".repeat(1_000_000), "a.service"));
        let text = format!("{}.service", "a".repeat(240));
        let stars = format!("{}b.service", "*a".repeat(200));
        assert!(!matches(&stars, &text));
        assert!(matches(&format!("{}.service", "*a".repeat(200)), &text));
        assert!(!matches(&"[".repeat(1_000_000), &text));
    }
}
