//! The record of files that a run is creating: a file in the tree that exists until the run is finished.
//!
//! A power cut may leave a new file under its name without all of its bytes. The next run must distinguish it from a
//! file that was there before, so the names of all files that a run is about to create are made durable before the
//! first of them appears, and removed when all of them are durable.
//!
//! Each run adds a line, so that the names of an earlier run stay durable while a later one adds its own. A line that a
//! power cut left incomplete lists nothing: none of its files was created.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Name of the record.
pub const NAME: &str = ".kindling-unfinished";
/// The record for the file system of the root if there is an `/etc`: some systems do not allow other writes to `/`.
pub const IN_ETC: &str = "/etc/.kindling-unfinished";
/// Maximum size of a record: more than the paths of any config that can be read.
pub const MAX_BYTES: u64 = 256 << 20;

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    files: BTreeSet<Arc<str>>,
}

/// The record in the root directory of a file system mounted at `point`.
pub fn record_path(point: &str) -> String {
    format!("{}/{NAME}", point.trim_end_matches('/'))
}

/// The line that a run adds to a record, after whatever is there.
///
/// # Errors
/// If the names cannot be serialized, which does not happen for paths.
pub fn line(files: &BTreeSet<Arc<str>>) -> serde_json::Result<String> {
    let record = Record {
        version: VERSION,
        files: files.clone(),
    };
    Ok(format!("\n{}\n", serde_json::to_string(&record)?))
}

/// Parses a record into its files. Lines of another version and incomplete lines list none.
pub fn files(text: &[u8]) -> BTreeSet<Arc<str>> {
    let records = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Record>(line).ok())
        .filter(|record| record.version == VERSION);
    records.flat_map(|record| record.files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_lists_what_was_added_to_it_and_nothing_else_does() {
        let paths = BTreeSet::from(["/a\n\"b".into(), "/c".into()]);
        let added = line(&paths).expect("a line");
        assert_eq!(files(added.as_bytes()), paths);
        for other in [
            "",
            "{}",
            "[\"/a\"]",
            r#"{"version": 2, "files": ["/a"]}"#,
            &added[2..],
            &added[..added.len() - 2],
        ] {
            assert_eq!(files(other.as_bytes()), BTreeSet::new(), "{other}");
        }
    }

    #[test]
    fn a_line_follows_an_incomplete_one() {
        let first = line(&BTreeSet::from(["/a".into()])).expect("a line");
        let cut = line(&BTreeSet::from(["/b".into()])).expect("a line");
        let last = line(&BTreeSet::from(["/c".into()])).expect("a line");
        let text = format!("{first}{}{last}", &cut[..cut.len() / 2]);
        let expected = BTreeSet::from(["/a".into(), "/c".into()]);
        assert_eq!(files(text.as_bytes()), expected);
    }

    #[test]
    fn a_record_is_in_the_root_of_its_file_system() {
        assert_eq!(record_path("/"), "/.kindling-unfinished");
        assert_eq!(record_path("/data"), "/data/.kindling-unfinished");
    }
}
