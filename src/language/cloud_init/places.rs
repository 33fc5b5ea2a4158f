//! Where the values of a part are in the whole text.

use super::template::Piece;
use crate::language::node::{Content, Entry, Node, Scalar};
use std::borrow::Cow;

/// Where the bytes of a body are in the whole text.
#[derive(Debug, Clone)]
pub(super) enum Places {
    /// In the text as they are, from this offset on.
    From(usize),
    /// Unpacked: all at the offset of what they were packed in.
    At(usize),
    /// Pieces of a template that is in the text from this offset on.
    Pieces(usize, Vec<Piece>),
}

impl Places {
    /// The place of `offset` in the whole text.
    pub(super) fn of(&self, offset: u32) -> u32 {
        let offset = offset as usize;
        let place = match self {
            Places::From(start) => start + offset,
            Places::At(place) => *place,
            Places::Pieces(start, pieces) => {
                let after = pieces.partition_point(|piece| piece.begin <= offset);
                let piece = after.checked_sub(1).and_then(|index| pieces.get(index));
                let place = piece.map_or(0, |piece| match piece.is_literal {
                    true => piece.was + (offset - piece.begin),
                    false => piece.was,
                });
                start + place
            }
        };
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Of what begins at `offset` inside.
    pub(super) fn inside(&self, offset: usize) -> Places {
        match self {
            Places::From(start) => Places::From(start + offset),
            _ => Places::At(self.of(u32::try_from(offset).unwrap_or(u32::MAX)) as usize),
        }
    }
}

/// `node` on its own, with its places in the whole text. As deep as a document can be.
pub(super) fn owned(node: Node<'_>, places: &Places) -> Node<'static> {
    let at = places.of(node.at);
    let value = match node.value {
        Content::Scalar(scalar) => Content::Scalar(Scalar {
            text: Cow::Owned(scalar.text.into_owned()),
            style: scalar.style,
            tag: scalar.tag,
        }),
        Content::List(elements) => {
            Content::List(elements.into_iter().map(|one| owned(one, places)).collect())
        }
        Content::Mapping(entries) => Content::Mapping(
            entries
                .into_iter()
                .map(|entry| Entry {
                    key: Cow::Owned(entry.key.into_owned()),
                    key_at: places.of(entry.key_at),
                    value: owned(entry.value, places),
                })
                .collect(),
        ),
    };
    Node { at, value }
}
