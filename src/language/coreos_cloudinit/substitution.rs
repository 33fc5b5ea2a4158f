//! Addresses of the machine in the text, such as `$private_ipv4`, which are replaced before the text is parsed.

use crate::language::clc::dynamic;
use crate::language::surroundings::Surroundings;

/// The variables, without `$`, and the placeholders for unknown values: characters of a private use area.
const VARIABLES: [(&str, char); 4] = [
    ("public_ipv4", '\u{f8a0}'),
    ("private_ipv4", '\u{f8a1}'),
    ("public_ipv6", '\u{f8a2}'),
    ("private_ipv6", '\u{f8a3}'),
];

/// A text with its variables replaced.
#[derive(Debug)]
pub(super) struct SubstitutedText {
    pub(super) text: String,
    /// Begin and end of each replaced part in the result, and its begin and end in the original.
    jumps: Vec<[usize; 4]>,
}

/// Replaces variables in `text` by their values. `\$name` becomes `$name`.
pub(super) fn substitute(text: &str, variables: &[(String, String)]) -> SubstitutedText {
    let mut out = String::with_capacity(text.len());
    let mut jumps = Vec::new();
    let mut copied = 0;
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        let Some((name, placeholder)) = VARIABLES.iter().find(|(name, _)| rest.starts_with(name))
        else {
            continue;
        };
        let is_escaped = text[copied..at].ends_with('\\');
        let begin = if is_escaped { at - 1 } else { at };
        let end = at + 1 + name.len();
        out.push_str(&text[copied..begin]);
        let begin_out = out.len();
        if is_escaped {
            out.push_str(&text[at..end]);
        } else {
            let known = variables.iter().find(|(variable, _)| variable == name);
            match known
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
            {
                Some(value) => out.push_str(value),
                None => out.push(*placeholder),
            }
        }
        jumps.push([begin_out, out.len(), begin, end]);
        copied = end;
    }
    out.push_str(&text[copied..]);
    SubstitutedText { text: out, jumps }
}

impl SubstitutedText {
    /// The offset in the original of `offset` in the result.
    pub(super) fn original_offset(&self, offset: usize) -> usize {
        let after = self.jumps.partition_point(|[begin, ..]| *begin <= offset);
        match after.checked_sub(1).and_then(|index| self.jumps.get(index)) {
            Some([_, end_out, begin, _]) if offset < *end_out => *begin,
            Some([_, end_out, _, end]) => end + (offset - end_out),
            None => offset,
        }
    }
}

/// True if `text` has a variable whose value is not known.
pub(super) fn is_unresolved(text: &str) -> bool {
    text.contains(|c| VARIABLES.iter().any(|(_, placeholder)| *placeholder == c))
}

/// `text` with unknown variables replaced by those of the metadata agent, e.g. `${COREOS_EC2_IPV4_LOCAL}`. If the
/// platform is unknown, they get the names that coreos-cloudinit used.
pub(super) fn with_agent_variables(text: &str, surroundings: &Surroundings<'_>) -> String {
    let mut out = text.to_owned();
    for (name, placeholder) in VARIABLES {
        if out.contains(placeholder) {
            let field = name.to_ascii_uppercase();
            let platform = surroundings.platform.unwrap_or_default();
            let variable = dynamic::variable(platform, &field, surroundings);
            let variable = variable.unwrap_or_else(|| format!("COREOS_{field}"));
            out = out.replace(placeholder, &format!("${{{variable}}}"));
        }
    }
    out
}

/// The names of the unknown variables in `text`, with `$`.
pub(super) fn unresolved(text: &str) -> String {
    let names = VARIABLES
        .iter()
        .filter(|(_, placeholder)| text.contains(*placeholder));
    let names: Vec<String> = names.map(|(name, _)| format!("${name}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_offsets_mapped() {
        let variables = [("public_ipv4".to_owned(), "192.0.2.1".to_owned())];
        let text = "a: $public_ipv4 \\$private_ipv4 $private_ipv4x $other\nb: 1";
        let done = substitute(text, &variables);
        assert_eq!(
            done.text,
            "a: 192.0.2.1 $private_ipv4 \u{f8a1}x $other\nb: 1"
        );
        let original = done.original_offset(done.text.find("b:").unwrap());
        assert_eq!(text[original..].get(..2), Some("b:"));
        assert_eq!(done.original_offset(0), 0);
        assert_eq!(done.original_offset(4), 3);
        let variable = with_agent_variables(&done.text, &Surroundings::default());
        assert!(variable.contains("${COREOS_PRIVATE_IPV4}x"), "{variable}");
        let ec2 = Surroundings {
            platform: Some("ec2"),
            ..Surroundings::default()
        };
        let variable = with_agent_variables(&done.text, &ec2);
        assert!(variable.contains("${COREOS_EC2_IPV4_LOCAL}x"), "{variable}");
        assert_eq!(unresolved(&done.text), "$private_ipv4");
    }
}
