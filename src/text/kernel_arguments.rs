//! The arguments of a kernel command line.

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelArgument {
    /// The part before the first `=`, or the whole argument.
    pub(crate) key: String,
    /// The part after the first `=`.
    pub(crate) value: Option<String>,
    /// True if a double quote in it is not closed, so that it extends to the end of the line.
    pub(crate) is_open: bool,
}

/// Splits a command line as the kernel (`next_arg` in `lib/cmdline.c`), systemd and dracut do: blanks in double quotes
/// belong to an argument; quotes around an argument or its value do not.
pub(crate) fn kernel_arguments(line: &str) -> Vec<KernelArgument> {
    let mut arguments = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut is_quoted = false;
        let end = rest.find(|c: char| {
            is_quoted ^= c == '"';
            c.is_whitespace() && !is_quoted
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        arguments.push(argument(word, is_quoted));
        rest = after.trim_start();
    }
    arguments
}

fn argument(word: &str, is_open: bool) -> KernelArgument {
    let word = unquoted(word);
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(unquoted(value).to_owned())),
        None => (word, None),
    };
    KernelArgument {
        key: key.to_owned(),
        value,
        is_open,
    }
}

/// Strips a leading quote and, only after that, a trailing one.
fn unquoted(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values.
    type Pairs<'a> = &'a [(&'a str, Option<&'a str>)];

    #[test]
    fn lines_are_split_as_by_the_kernel() {
        let cases: [(&str, Pairs<'_>); 12] = [
            ("", &[]),
            (" \t\n", &[]),
            (
                "a b=c\nd=\n",
                &[("a", None), ("b", Some("c")), ("d", Some(""))],
            ),
            ("a=b=c", &[("a", Some("b=c"))]),
            (r#""a=b c" d"#, &[("a", Some("b c")), ("d", None)]),
            (r#"a="b c" d"#, &[("a", Some("b c")), ("d", None)]),
            (r#""a" "b""#, &[("a", None), ("b", None)]),
            (r#"a=b"c d"e f"#, &[("a", Some(r#"b"c d"e"#)), ("f", None)]),
            (r#"a="" b"#, &[("a", Some("")), ("b", None)]),
            (r#""" b"#, &[("", None), ("b", None)]),
            (r#"a="b c=d"#, &[("a", Some("b c=d"))]),
            ("a='b c'", &[("a", Some("'b")), ("c'", None)]),
        ];
        for (line, want) in cases {
            let arguments = kernel_arguments(line);
            let found: Vec<_> = arguments
                .iter()
                .map(|a| (a.key.as_str(), a.value.as_deref()))
                .collect();
            assert_eq!(found, want, "{line}");
            let is_open = arguments.iter().any(|argument| argument.is_open);
            assert_eq!(is_open, line.matches('"').count() % 2 == 1, "{line}");
        }
    }
}
