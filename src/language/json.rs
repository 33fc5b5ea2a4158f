//! JSON as a [`Node`], for the languages that are written in it.

use super::node::{MappingEntry, Node, NodeContent};
use crate::config::json::{Cursor, Number, Start, SyntaxError};

/// Reads `text`. Numbers that are not 64-bit integers become scalars with the text `1e999` (too large) or `0.5` (with
/// a fraction or an exponent): no language here has such values, so only that they are wrong matters.
pub(crate) fn read(text: &[u8]) -> Result<Node<'_>, SyntaxError> {
    let mut cursor = Cursor::new(text);
    let root = value(&mut cursor)?;
    cursor.finish()?;
    Ok(root)
}

/// How deep containers may be nested; the languages have less than ten levels.
const MAX_DEPTH: usize = 200;

fn value<'t>(cursor: &mut Cursor<'t>) -> Result<Node<'t>, SyntaxError> {
    nested(cursor, 0)
}

fn nested<'t>(cursor: &mut Cursor<'t>, depth: usize) -> Result<Node<'t>, SyntaxError> {
    let offset = cursor.offset();
    let at = u32::try_from(offset).unwrap_or(u32::MAX);
    if depth > MAX_DEPTH {
        return Err(SyntaxError {
            offset,
            message: format!("nested deeper than {MAX_DEPTH} levels"),
            help: None,
        });
    }
    Ok(match cursor.start()? {
        Start::Null => Node::null(at),
        Start::Bool(value) => Node::flag(at, value),
        Start::Number(Number::Int(number)) => Node::int(at, number),
        Start::Number(Number::Huge) => Node::plain(at, "1e999"),
        Start::Number(Number::Fraction) => Node::plain(at, "0.5"),
        Start::Text(text) => Node::text(at, text),
        Start::List => {
            let mut elements = Vec::new();
            while cursor.element(elements.is_empty())? {
                elements.push(nested(cursor, depth + 1)?);
            }
            Node::list(at, elements)
        }
        Start::Object => {
            let mut entries = Vec::new();
            while let Some((key_at, key)) = cursor.key(entries.is_empty())? {
                let key_at = u32::try_from(key_at).unwrap_or(u32::MAX);
                let value = nested(cursor, depth + 1)?;
                entries.push(MappingEntry { key, key_at, value });
            }
            Node {
                at,
                value: NodeContent::Mapping(entries),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_offsets_and_types() {
        let text = br#"{"a": [1, "1", null, true, 1.5, 99999999999999999999]}"#;
        let root = read(text).expect("JSON");
        let list = root.get("a").expect("a member");
        let scalars: Vec<(u32, String, bool)> = list
            .elements()
            .iter()
            .filter_map(|node| {
                let scalar = node.as_scalar()?;
                let is_text = scalar.style == super::super::node::Style::Quoted;
                Some((node.at, scalar.text.to_string(), is_text))
            })
            .collect();
        let want = [
            (7, "1", false),
            (10, "1", true),
            (15, "null", false),
            (21, "true", false),
            (27, "0.5", false),
            (32, "1e999", false),
        ];
        let want = want.map(|(at, text, is_text)| (at, text.to_owned(), is_text));
        assert_eq!(scalars, want);
    }

    #[test]
    fn depth_is_limited_and_syntax_errors_have_an_offset() {
        let deep = "[".repeat(MAX_DEPTH + 2);
        let error = read(deep.as_bytes()).expect_err("too deep");
        assert!(error.message.contains("nested deeper"), "{error:?}");
        assert_eq!(read(b"{\"a\": }").expect_err("broken").offset, 6);
    }
}
