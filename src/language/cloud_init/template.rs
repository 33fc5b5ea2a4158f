//! Jinja templates, of which only references to instance data are supported.

/// The first line of a template, in lower case.
pub(super) const HEADER: &str = "## template: jinja";

/// A text with its references replaced, and the origin of its pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RenderedTemplate {
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a rendered text, up to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Offset in the rendered text.
    pub(super) begin: usize,
    /// Offset in the template.
    pub(super) origin: usize,
    /// True if it is copied verbatim; all of a replaced one maps to the beginning of its reference.
    pub(super) is_literal: bool,
}

/// Why a template cannot be rendered, with the offset of what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Replaces the references in `text` by `variables`.
pub(super) fn render(
    text: &str,
    variables: &[(String, String)],
) -> Result<RenderedTemplate, TemplateError> {
    let mut rendered = RenderedTemplate {
        text: String::with_capacity(text.len()),
        pieces: Vec::new(),
    };
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let literal = opening(rest).unwrap_or(rest.len());
        rendered.push(&rest[..literal], at, true);
        at += literal;
        let Some(inner) = rest.get(literal..).filter(|inner| !inner.is_empty()) else {
            break;
        };
        let error = |message: String| TemplateError { at, message };
        let Some(inner) = inner.strip_prefix("{{") else {
            return Err(error(
                "templates with statements or comments are not supported".into(),
            ));
        };
        let Some((name, _)) = inner.split_once("}}") else {
            return Err(error("a reference without its end, `}}`".into()));
        };
        let length = name.len() + 4;
        let name = name.trim_matches('-').trim();
        if !is_reference(name) {
            let message = "only plain references such as {{ v1.instance_id }} are supported";
            return Err(error(message.into()));
        }
        let Some(value) = value_of(name, variables) else {
            return Err(error(format!("{name} is not known")));
        };
        rendered.push(value, at, false);
        at += length;
    }
    Ok(rendered)
}

/// Offset of the next `{{`, `{%` or `{#`.
fn opening(text: &str) -> Option<usize> {
    let mut braces = memchr::memchr_iter(b'{', text.as_bytes());
    braces.find(|at| {
        let next = text.as_bytes().get(at + 1);
        matches!(next, Some(b'{' | b'%' | b'#'))
    })
}

impl RenderedTemplate {
    fn push(&mut self, text: &str, origin: usize, is_literal: bool) {
        self.pieces.push(Piece {
            begin: self.text.len(),
            origin,
            is_literal,
        });
        self.text.push_str(text);
    }
}

/// Whether `name` can be that of a variable. Standard variables are in `v1`, which may be omitted.
fn is_reference(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_part = |c: char| is_plain(c) || matches!(c, '.' | '-');
    let has_group = name.starts_with("v1.") || name.starts_with("ds.");
    let is_short = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (has_group && name.chars().all(is_part)) || (is_short && name.chars().all(is_plain))
}

/// The value of a variable. References may spell dashes in its name as underscores.
fn value_of<'v>(name: &str, variables: &'v [(String, String)]) -> Option<&'v str> {
    let is_it = |variable: &str| variable == name || variable.replace('-', "_") == name;
    let is_meant = |variable: &str| {
        let short = variable.strip_prefix("v1.");
        is_it(variable) || short.is_some_and(is_it)
    };
    let mut variables = variables.iter();
    let variable = variables.find(|(variable, _)| is_meant(variable));
    variable.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let variables = [("v1.local-hostname".to_owned(), "h".to_owned())];
        let rendered = render("a {{ v1.local_hostname }} b", &variables).unwrap();
        assert_eq!(rendered.text, "a h b");
        let short = render("a {{local_hostname}} b", &variables).unwrap();
        assert_eq!(short.text, rendered.text);
        let last = rendered.pieces.last().copied();
        let want = Piece {
            begin: 3,
            origin: 25,
            is_literal: true,
        };
        assert_eq!(last, Some(want));
        for (text, at) in [
            ("{{ v1.nope }}", 0),
            ("x{% if a %}", 1),
            ("{{ v1.a | upper }}", 0),
            ("{{ v1", 0),
            ("{{ 1 + 1 }}", 0),
            ("{{ local-hostname }}", 0),
            ("{{ nope }}", 0),
            ("{# c #}", 0),
            ("{{é}}", 0),
        ] {
            assert_eq!(
                render(text, &variables).map_err(|e| e.at),
                Err(at),
                "{text}"
            );
        }
    }
}
