//! Shell patterns, as `fnmatch` and `glob` know them.

/// True if a text matches a pattern of `*`, `?`, `[...]` and plain characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    rest_matches(&pattern, &text)
}

/// True if a text has to be matched rather than compared.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn rest_matches(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skipped| rest_matches(rest, &text[skipped..])),
        Some((first, rest)) => {
            let Some((c, more)) = text.split_first() else {
                return false;
            };
            match (first, set(rest)) {
                ('?', _) => rest_matches(rest, more),
                ('[', Some((set, rest))) => is_in(*c, set) && rest_matches(rest, more),
                ('\\', _) if !rest.is_empty() => rest[0] == *c && rest_matches(&rest[1..], more),
                _ => first == c && rest_matches(rest, more),
            }
        }
    }
}

/// What is between the brackets, and what follows them.
fn set(after_bracket: &[char]) -> Option<(&[char], &[char])> {
    let end = after_bracket.iter().skip(1).position(|c| *c == ']')? + 1;
    Some((&after_bracket[..end], &after_bracket[end + 1..]))
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
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }
}
