//! Addresses of the machine in the text: `$private_ipv4` and its like, which are replaced before anything is read.

use crate::language::clc::dynamic;
use crate::language::surroundings::Surroundings;

/// The variables, without `$`, and what stands for one whose value is not known: a character that texts do not have.
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
    /// Where replaced parts begin and end in the result, and where they begin and end in the original.
    jumps: Vec<[usize; 4]>,
}

/// Replaces variables in `text` by their values. `\$name` becomes `$name`.
pub(super) fn substitute(text: &str, variables: &[(String, String)]) -> SubstitutedText {
    let mut out = String::with_capacity(text.len());
    let mut jumps = Vec::new();
    let mut done = 0;
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        let Some((name, mark)) = VARIABLES.iter().find(|(name, _)| rest.starts_with(name)) else {
            continue;
        };
        let is_escaped = text[done..at].ends_with('\\');
        let begin = if is_escaped { at - 1 } else { at };
        let end = at + 1 + name.len();
        out.push_str(&text[done..begin]);
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
                None => out.push(*mark),
            }
        }
        jumps.push([begin_out, out.len(), begin, end]);
        done = end;
    }
    out.push_str(&text[done..]);
    SubstitutedText { text: out, jumps }
}

impl SubstitutedText {
    /// Where what is at `offset` of the result was.
    pub(super) fn was(&self, offset: usize) -> usize {
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
    text.contains(|c| VARIABLES.iter().any(|(_, mark)| *mark == c))
}

/// `text` with unknown variables as those of the metadata agent, e.g. `${COREOS_EC2_IPV4_LOCAL}`. Where the platform
/// is not known, they have the names that they had for coreos-cloudinit.
pub(super) fn with_agent_variables(text: &str, surroundings: &Surroundings<'_>) -> String {
    let mut out = text.to_owned();
    for (name, mark) in VARIABLES {
        if out.contains(mark) {
            let field = name.to_ascii_uppercase();
            let platform = surroundings.platform.unwrap_or_default();
            let variable = dynamic::variable(platform, &field, surroundings);
            let variable = variable.unwrap_or_else(|| format!("COREOS_{field}"));
            out = out.replace(mark, &format!("${{{variable}}}"));
        }
    }
    out
}

/// Names of the unknown variables in `text`, as they are written.
pub(super) fn unresolved(text: &str) -> String {
    let names = VARIABLES.iter().filter(|(_, mark)| text.contains(*mark));
    let names: Vec<String> = names.map(|(name, _)| format!("${name}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_places_kept() {
        let variables = [("public_ipv4".to_owned(), "192.0.2.1".to_owned())];
        let text = "a: $public_ipv4 \\$private_ipv4 $private_ipv4x $other\nb: 1";
        let done = substitute(text, &variables);
        assert_eq!(
            done.text,
            "a: 192.0.2.1 $private_ipv4 \u{f8a1}x $other\nb: 1"
        );
        let was = done.was(done.text.find("b:").unwrap());
        assert_eq!(text[was..].get(..2), Some("b:"));
        assert_eq!(done.was(0), 0);
        assert_eq!(done.was(4), 3);
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
