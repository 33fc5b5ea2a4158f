//! What an object of JSON is by the keys at its top, without reading all of it.

use super::old_ignition::version::OldVersion;
use crate::config::json::{Cursor, Start, SyntaxError};

/// Keys at the top of an object.
#[derive(Debug, Default)]
pub(super) struct TopLevelKeys {
    pub(super) ignition: bool,
    /// A version before 3.
    pub(super) old: bool,
    pub(super) variant: bool,
}

impl TopLevelKeys {
    /// Looks until a version is found.
    pub(super) fn look(&mut self, text: &[u8]) -> Result<(), SyntaxError> {
        let mut cursor = Cursor::new(text);
        let Start::Object = cursor.start()? else {
            return Ok(());
        };
        let mut is_first = true;
        while let Some((_, key)) = cursor.key(is_first)? {
            is_first = false;
            let is_ignition = key.eq_ignore_ascii_case("ignition");
            self.ignition |= is_ignition;
            self.variant |= key == "variant";
            if key.eq_ignore_ascii_case("ignitionVersion") {
                self.old = true;
                return Ok(());
            }
            match cursor.start()? {
                Start::Object if is_ignition => {
                    if self.version(&mut cursor)? {
                        return Ok(());
                    }
                }
                container => cursor.skip_rest(&container)?,
            }
        }
        Ok(())
    }

    /// Looks for the version in the object just entered.
    fn version(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SyntaxError> {
        let mut is_first = true;
        while let Some((_, key)) = cursor.key(is_first)? {
            is_first = false;
            match cursor.start()? {
                Start::Text(version) if key.eq_ignore_ascii_case("version") => {
                    let is_old = OldVersion::stated(&version).is_some();
                    self.old = is_old || version.starts_with("1.") || version.starts_with("2.");
                    return Ok(true);
                }
                value => cursor.skip_rest(&value)?,
            }
        }
        Ok(false)
    }
}
