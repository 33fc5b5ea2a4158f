//! Recognizes a JSON object by its top-level keys, without reading all of it.

use super::old_ignition::version::OldVersion;
use crate::config::json::{Cursor, Start, SyntaxError};

/// The top-level keys that an object has.
#[derive(Debug, Default)]
pub(super) struct TopLevelKeys {
    pub(super) has_ignition: bool,
    /// A version before 3.
    pub(super) has_old_version: bool,
    pub(super) has_variant: bool,
}

impl TopLevelKeys {
    /// Reads until a version is found.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), SyntaxError> {
        let mut cursor = Cursor::new(text);
        let Start::Object = cursor.start()? else {
            return Ok(());
        };
        let mut is_first = true;
        while let Some((_, key)) = cursor.key(is_first)? {
            is_first = false;
            let is_ignition = key.eq_ignore_ascii_case("ignition");
            self.has_ignition |= is_ignition;
            self.has_variant |= key == "variant";
            if key.eq_ignore_ascii_case("ignitionVersion") {
                self.has_old_version = true;
                return Ok(());
            }
            match cursor.start()? {
                Start::Object if is_ignition => {
                    if self.read_version(&mut cursor)? {
                        return Ok(());
                    }
                }
                container => cursor.skip_rest(&container)?,
            }
        }
        Ok(())
    }

    /// Reads the version in the object just entered. True if there is one.
    fn read_version(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SyntaxError> {
        let mut is_first = true;
        while let Some((_, key)) = cursor.key(is_first)? {
            is_first = false;
            match cursor.start()? {
                Start::Text(version) if key.eq_ignore_ascii_case("version") => {
                    let is_old = OldVersion::parse(&version).is_some();
                    self.has_old_version =
                        is_old || version.starts_with("1.") || version.starts_with("2.");
                    return Ok(true);
                }
                value => cursor.skip_rest(&value)?,
            }
        }
        Ok(false)
    }
}
