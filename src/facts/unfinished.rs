//! The record of files that a run is creating: a file of the tree that is there while the run is not finished.
//!
//! A power cut may leave a new file under its name without all of its bytes. The next run must tell it from a
//! file that was there before, so the names of all files that a run is about to create are made durable before
//! the first of them appears, and forgotten when all of them are durable.
//!
//! Each run adds a line, so that the names an earlier run noted stay durable while a later one adds its own. A
//! line that a power cut left incomplete lists nothing: none of its files was created.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Name of the record.
pub const NAME: &str = ".kindling-unfinished";
/// The record of the root's file system where there is an `/etc`: some systems let nothing else of `/` be written.
pub const IN_ETC: &str = "/etc/.kindling-unfinished";
/// More than the paths of any config that can be read.
pub const MAX_BYTES: u64 = 256 << 20;

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    files: BTreeSet<Arc<str>>,
}

/// The record in the root directory of a file system mounted at `point`.
pub fn at(point: &str) -> String {
    format!("{}/{NAME}", point.trim_end_matches('/'))
}

/// What a run adds to a record: a line, after whatever is there.
///
/// # Errors
/// Never for paths; the writer of JSON has errors.
pub fn line(files: &BTreeSet<Arc<str>>) -> serde_json::Result<String> {
    let record = Record {
        version: VERSION,
        files: files.clone(),
    };
    Ok(format!("\n{}\n", serde_json::to_string(&record)?))
}

/// The files of a record. Lines that are not of this version or not complete list none.
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
        assert_eq!(at("/"), "/.kindling-unfinished");
        assert_eq!(at("/data"), "/data/.kindling-unfinished");
    }
}
