//! How many unknown keys a text has, and which of them are reported one by one.

/// Unknown keys that are reported one by one. A text can have millions: a finding for each takes a hundred times the
/// memory of the text, and hours on a serial console.
const MAX_REPORTED: usize = 1000;

/// The unknown keys of one text so far.
#[derive(Debug, Default)]
pub(crate) struct UnknownKeyCount {
    count: usize,
    /// Offset of the first one that is only counted.
    first_omitted: u32,
}

impl UnknownKeyCount {
    /// Counts the key at offset `at`. Returns true if it should be reported by itself.
    pub(crate) fn add(&mut self, at: u32) -> bool {
        self.count += 1;
        if self.count == MAX_REPORTED + 1 {
            self.first_omitted = at;
        }
        self.count <= MAX_REPORTED
    }

    /// The number of keys that were only counted, and the offset of the first one; `None` if there are none.
    pub(crate) fn omitted(&self) -> Option<(usize, u32)> {
        let omitted = self.count.saturating_sub(MAX_REPORTED);
        (omitted > 0).then_some((omitted, self.first_omitted))
    }
}
