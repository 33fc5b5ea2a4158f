//! Maps positions in a part to offsets in the whole text.

use super::template::Piece;

/// Where the bytes of a body are in the whole text.
#[derive(Debug, Clone)]
pub(super) enum BodyPlaces {
    /// Verbatim in the text, from this offset on.
    From(usize),
    /// Unpacked: all bytes are at the offset of the packed value.
    At(usize),
    /// Pieces of a template that begins at this offset of the text.
    Pieces(usize, Vec<Piece>),
}

impl BodyPlaces {
    /// The offset in the whole text of `offset` in the body.
    pub(super) fn of(&self, offset: u32) -> u32 {
        let offset = offset as usize;
        let place = match self {
            BodyPlaces::From(start) => start + offset,
            BodyPlaces::At(place) => *place,
            BodyPlaces::Pieces(start, pieces) => {
                let after = pieces.partition_point(|piece| piece.begin <= offset);
                let piece = after.checked_sub(1).and_then(|index| pieces.get(index));
                let place = piece.map_or(0, |piece| match piece.is_literal {
                    true => piece.origin + (offset - piece.begin),
                    false => piece.origin,
                });
                start + place
            }
        };
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// The places of a body that begins at `offset` of this one.
    pub(super) fn inside(&self, offset: usize) -> BodyPlaces {
        match self {
            BodyPlaces::From(start) => BodyPlaces::From(start + offset),
            _ => BodyPlaces::At(self.of(u32::try_from(offset).unwrap_or(u32::MAX)) as usize),
        }
    }
}
