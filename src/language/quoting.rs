//! Quoting of texts for shells, units, environment files and YAML.

use std::fmt::Write as _;

/// `text` as one word of a POSIX shell.
pub(crate) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as one argument of a command line in a unit: specifiers and variables in it are not expanded.
pub(crate) fn unit_argument(text: &str) -> String {
    let needs_quotes = text.is_empty()
        || text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | ';'));
    let mut out = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        match c {
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c => out.push(c),
        }
    }
    match needs_quotes {
        true => format!("\"{out}\""),
        false => out,
    }
}

/// `"KEY=value"` as an assignment in a unit: variables are not expanded there.
pub(crate) fn unit_assignment(key: &str, value: &str) -> String {
    let quoted = unit_argument(&format!("{key}={value}")).replace("$$", "$");
    match quoted.starts_with('"') {
        true => quoted,
        false => format!("\"{quoted}\""),
    }
}

/// `path` as part of a unit name, escaped like `systemd-escape --path`.
pub(crate) fn unit_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-".into();
    }
    let mut out = String::new();
    for (index, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if index == 0 => out.push_str("\\x2e"),
            b':' | b'_' | b'.' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out
}

/// `KEY="value"` as systemd reads it from an environment file.
pub(crate) fn environment(key: &str, value: &str) -> String {
    let mut out = format!("{key}=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `text` as a string in YAML and JSON.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_systemd_does_it() {
        for (path, want) in [
            ("/", "-"),
            ("/etc/x-y", "etc-x\\x2dy"),
            ("/dev/md/md-var", "dev-md-md\\x2dvar"),
            ("//var//lib/", "var-lib"),
            ("/.hidden", "\\x2ehidden"),
            ("/a.b:c_d", "a.b:c_d"),
            ("/\u{e9}\t", "\\xc3\\xa9\\x09"),
        ] {
            assert_eq!(unit_path(path), want, "{path}");
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(shell("a'b c"), r"'a'\''b c'");
        let arguments = [
            ("server", "server"),
            ("--node-label=a=b", "--node-label=a=b"),
            ("a b", "\"a b\""),
            ("100%$X", "100%%$$X"),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("", "\"\""),
            ("a\nb", "\"a\\nb\""),
        ];
        for (text, want) in arguments {
            assert_eq!(unit_argument(text), want, "{text:?}");
        }
        assert_eq!(environment("Q", "a b\"c$"), r#"Q="a b\"c\$""#);
        assert_eq!(double_quoted("a\"\u{1}"), "\"a\\\"\\u0001\"");
    }
}
