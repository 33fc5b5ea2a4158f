//! A text that may be a piece of a larger one without being copied out of it.
//!
//! Nearly all bytes of a large config are the bodies of `data:` URLs. Config and plan refer to them in the text that
//! was read, which is in memory once.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Shorter texts are copied: a reference would be as large, and would keep the whole text in memory. In bytes.
const MIN_SHARED_BYTES: usize = 64;

thread_local! {
    /// The text that this thread is reading.
    static CURRENT_TEXT: RefCell<Option<Arc<String>>> = const { RefCell::new(None) };
}

/// Text that is cheap to clone.
#[derive(Clone, Default)]
pub struct SharedText {
    whole: Arc<String>,
    piece: Range<usize>,
}

/// Runs `read` on a text. Texts that are deserialized from it refer to it, and keep it in memory.
pub fn sharing<T>(text: Vec<u8>, read: impl FnOnce(&[u8]) -> T) -> T {
    let text = match String::from_utf8(text) {
        Ok(text) => Arc::new(text),
        Err(error) => return read(error.as_bytes()),
    };
    let outer = CURRENT_TEXT.replace(Some(Arc::clone(&text)));
    let result = read(text.as_bytes());
    CURRENT_TEXT.set(outer);
    result
}

impl SharedText {
    /// `piece` as a reference, if it is part of the text that is being read.
    fn from_current_text(piece: &str) -> Option<Self> {
        if piece.len() < MIN_SHARED_BYTES {
            return None;
        }
        CURRENT_TEXT.with_borrow(|read| {
            let whole = read.as_ref()?;
            let start = piece.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
            let piece = start..start.checked_add(piece.len())?;
            whole.get(piece.clone())?;
            Some(Self {
                whole: Arc::clone(whole),
                piece,
            })
        })
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        self.whole.get(self.piece.clone()).unwrap_or_default()
    }
}

impl From<String> for SharedText {
    fn from(text: String) -> Self {
        Self {
            piece: 0..text.len(),
            whole: Arc::new(text),
        }
    }
}

impl From<&str> for SharedText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for SharedText {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedText {}

impl Hash for SharedText {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }
}

impl Serialize for SharedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for SharedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = SharedText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SharedText, E> {
        Ok(SharedText::from_current_text(text).unwrap_or_else(|| text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SharedText, E> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deserialized(text: &str) -> SharedText {
        let deserializer = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        SharedText::deserialize(deserializer).expect("a text")
    }

    #[test]
    fn long_pieces_of_the_text_are_shared_and_others_copied() {
        let piece = "é".repeat(MIN_SHARED_BYTES);
        let is_shared = |of: &str| deserialized(of).piece.start > 0;
        assert!(!is_shared(&piece), "nothing is being read");
        sharing(format!("<{piece}>").into_bytes(), |text| {
            let text = std::str::from_utf8(text).expect("the text");
            let inner = &text[1..=piece.len()];
            assert!(is_shared(inner));
            assert_eq!(deserialized(inner), piece.as_str().into());
            assert!(!is_shared(&text[1..MIN_SHARED_BYTES - 1]), "too short");
            assert!(!is_shared(&piece), "the same text elsewhere");
            sharing(b"other".to_vec(), |_| assert!(!is_shared(inner)));
            assert!(is_shared(inner), "part of the outer text again");
        });
        let broken = [b"\xff", piece.as_bytes()].concat();
        sharing(broken, |text| {
            let piece = std::str::from_utf8(&text[1..]).expect("the text");
            assert!(!is_shared(piece), "the whole text is not UTF-8");
        });
    }
}
