//! JSON as a [`Node`], for the languages that are written in it.

use super::node::{Content, Entry, Node};
use crate::config::json::{Cursor, Number, Start, SyntaxError};

/// Reads `text`. Numbers that are no 64-bit integers become scalars with the text `1e999` (too large) or `0.5` (with
/// a fraction or an exponent): no language here has such values, so only that they are wrong matters.
pub(crate) fn read(text: &[u8]) -> Result<Node<'_>, SyntaxError> {
    let mut cursor = Cursor::new(text);
    let root = value(&mut cursor)?;
    cursor.finish()?;
    Ok(root)
}

/// Containers may be nested this deep; the languages have less than ten levels.
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
                entries.push(Entry { key, key_at, value });
            }
            Node {
                at,
                value: Content::Mapping(entries),
            }
        }
    })
}
