//! Quotes values for environment files, so that systemd and shells read the same value and expand nothing.

use crate::text::is_unprintable;

/// Characters that need no quotes, besides letters and digits.
const UNQUOTED: &str = "_-./:@%+,";
/// Characters that a shell interprets inside double quotes. systemd removes a backslash only before these.
const SPECIAL: [char; 4] = ['"', '\\', '`', '$'];

/// `NAME=value`, quoted if necessary.
///
/// Line breaks and tabs are kept inside quotes. Other control characters are replaced by U+FFFD, since systemd rejects
/// variables that contain them.
pub(super) fn assignment(name: &str, value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || UNQUOTED.contains(c);
    if value.chars().all(is_plain) {
        return format!("{name}={value}");
    }
    let mut quoted = String::new();
    for c in printable(value, |c| matches!(c, '\n' | '\t')).chars() {
        if SPECIAL.contains(&c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    format!("{name}=\"{quoted}\"")
}

/// Replaces control characters by U+FFFD, except those for which `keep` is true.
pub(super) fn printable(text: &str, keep: impl Fn(char) -> bool) -> String {
    let shown = |c: char| match is_unprintable(c) && !keep(c) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const NASTY: [&str; 12] = [
        "i-0123",
        "10.0.0.1/24",
        "two words",
        "$(touch /tmp/x)",
        "`id`",
        "a;b&c|d",
        "say \"hi\"",
        "back\\slash\\\\n",
        "it's",
        "line\nAFTERBURN_X=1\nend",
        "#no comment",
        "ä*?~!{}[]",
    ];

    #[test]
    fn quotes_only_where_necessary() {
        for (value, want) in [
            ("i-0123", "A=i-0123"),
            ("fd00::1/64", "A=fd00::1/64"),
            ("two words", "A=\"two words\""),
            ("a$b`c\"d\\e", "A=\"a\\$b\\`c\\\"d\\\\e\""),
            ("it's", "A=\"it's\""),
            ("a\r\0\u{1b}b", "A=\"a\u{fffd}\u{fffd}\u{fffd}b\""),
            ("a\n\tb", "A=\"a\n\tb\""),
        ] {
            assert_eq!(assignment("A", value), want);
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for value in NASTY {
            let script = format!("{}\nprintf %s \"$A\"", assignment("A", value));
            let output = Command::new("sh").args(["-c", &script]).output();
            let output = output.expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), value);
        }
    }

    /// As documented for `EnvironmentFile=` in systemd.exec(5): inside double quotes a backslash is removed before four
    /// characters, and kept before all others.
    #[test]
    fn systemd_reads_back_what_was_written() {
        for value in NASTY {
            let text = assignment("A", value);
            let text = text.strip_prefix("A=").expect("the name");
            let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
                assert_eq!(text, value);
                continue;
            };
            let mut read = String::new();
            let mut rest = inner.chars();
            while let Some(c) = rest.next() {
                match c {
                    '\\' => {
                        let next = rest.next().expect("a character after a backslash");
                        assert!(SPECIAL.contains(&next), "{text}");
                        read.push(next);
                    }
                    '"' => panic!("a quote that ends it: {text}"),
                    other => read.push(other),
                }
            }
            assert_eq!(read, value);
        }
    }
}
