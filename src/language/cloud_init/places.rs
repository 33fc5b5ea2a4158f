//! Where the values of a part are in the whole text.

use super::template::Piece;

/// Where the bytes of a body are in the whole text.
#[derive(Debug, Clone)]
pub(super) enum BodyPlaces {
    /// In the text as they are, from this offset on.
    From(usize),
    /// Unpacked: all at the offset of what they were packed in.
    At(usize),
    /// Pieces of a template that is in the text from this offset on.
    Pieces(usize, Vec<Piece>),
}

impl BodyPlaces {
    /// The place of `offset` in the whole text.
    pub(super) fn of(&self, offset: u32) -> u32 {
        let offset = offset as usize;
        let place = match self {
            BodyPlaces::From(start) => start + offset,
            BodyPlaces::At(place) => *place,
            BodyPlaces::Pieces(start, pieces) => {
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
    pub(super) fn inside(&self, offset: usize) -> BodyPlaces {
        match self {
            BodyPlaces::From(start) => BodyPlaces::From(start + offset),
            _ => BodyPlaces::At(self.of(u32::try_from(offset).unwrap_or(u32::MAX)) as usize),
        }
    }
}
