//! Compares an existing file with the bytes that a config requests, without holding either in memory.

use super::bodies;
use crate::config::model::{File, Resource};
use crate::facts::root::ContentFacts;
use crate::fetch::{Fetcher, Request, Silent};
use crate::host::TargetRoot;
use anyhow::Context;
use nix::fcntl::OFlag;
use sha2::{Digest, Sha256, Sha512};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Fragments up to this size are kept in memory while the end of a file is compared with them.
const MAX_MEMORY_BYTES: usize = 1 << 20;

/// The content requested at a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum ExpectedContent<'a> {
    /// A `storage.files` entry.
    File(&'a File),
    Text(&'a str),
    /// Public keys, one per line.
    Keys(&'a [String]),
}

/// Compares the regular file at `path`, which has `bytes` bytes, with the requested content. A file that is
/// `unfinished` was created by an earlier run.
pub(super) fn compare(
    root: &TargetRoot,
    path: &str,
    bytes: u64,
    wanted: &ExpectedContent<'_>,
    unfinished: bool,
    fetcher: &Fetcher,
) -> anyhow::Result<ContentFacts> {
    let file = || open(root, path);
    let gaps = match unfinished {
        true => Gaps::Tolerated,
        false => Gaps::Differ,
    };
    match wanted {
        // Planning reports it with its place in the config, whatever the file holds.
        ExpectedContent::File(expected) if is_unusable(expected, fetcher) => {
            Ok(ContentFacts::NotCompared)
        }
        ExpectedContent::Text(text) => compare_text(bytes, text, file),
        ExpectedContent::Keys(keys) => {
            let mut text = keys.join("\n");
            if !text.ends_with('\n') {
                text.push('\n');
            }
            compare_text(bytes, &text, file)
        }
        ExpectedContent::File(expected)
            if expected.overwrite == Some(true) || expected.contents.source.is_some() =>
        {
            let contents = expected
                .contents
                .source
                .as_ref()
                .map(|_| &expected.contents);
            let parts: Vec<&Resource> = contents.into_iter().chain(&expected.append).collect();
            compare_whole(&file, bytes, &parts, gaps, fetcher)
        }
        ExpectedContent::File(expected) if expected.append.is_empty() => {
            Ok(ContentFacts::NotCompared)
        }
        // A file that was to be created from the fragments alone has nothing before them.
        ExpectedContent::File(expected) if unfinished => compare_whole(
            &file,
            bytes,
            &expected.append.iter().collect::<Vec<_>>(),
            gaps,
            fetcher,
        ),
        ExpectedContent::File(expected) => ends_with(file()?, bytes, &expected.append, fetcher)
            .map(|same| match same {
                true => ContentFacts::EndsAsRequested,
                false => ContentFacts::Differs,
            }),
    }
}

fn is_unusable(expected: &File, fetcher: &Fetcher) -> bool {
    let mut parts = std::iter::once(&expected.contents).chain(&expected.append);
    parts.any(|part| bodies::is_faulty(part, fetcher))
}

fn open(root: &TargetRoot, path: &str) -> anyhow::Result<std::fs::File> {
    let opened = root.open_file(path, OFlag::O_RDONLY | OFlag::O_NOFOLLOW);
    let (file, _) = opened
        .context("cannot open it")?
        .context("it is not a regular file any more")?;
    Ok(file)
}

fn compare_text(
    bytes: u64,
    text: &str,
    file: impl Fn() -> anyhow::Result<std::fs::File>,
) -> anyhow::Result<ContentFacts> {
    if bytes != text.len() as u64 {
        return Ok(ContentFacts::Differs);
    }
    let mut comparison = Comparison::new(file()?, Gaps::Differ);
    comparison.write_all(text.as_bytes())?;
    comparison.finish()
}

/// Compares a file with the parts it should consist of. The digest of a single part is compared first: nothing is
/// fetched if it matches, or if the file is empty.
fn compare_whole(
    file: &impl Fn() -> anyhow::Result<std::fs::File>,
    bytes: u64,
    parts: &[&Resource],
    gaps: Gaps,
    fetcher: &Fetcher,
) -> anyhow::Result<ContentFacts> {
    let hash = match parts {
        [part] => part.verification.hash.as_deref(),
        _ => None,
    };
    let digest_matches = match hash {
        Some(hash) => has_digest(&file()?, hash)?,
        None => None,
    };
    match digest_matches {
        Some(true) => Ok(ContentFacts::AsRequested),
        Some(false) if bytes == 0 => Ok(ContentFacts::Incomplete),
        // It is another file, unless the requested bytes turn out to begin with it.
        Some(false) => {
            Ok(compare_parts(file()?, parts, gaps, fetcher).unwrap_or(ContentFacts::Differs))
        }
        None => compare_parts(file()?, parts, gaps, fetcher),
    }
}

fn compare_parts(
    file: std::fs::File,
    parts: &[&Resource],
    gaps: Gaps,
    fetcher: &Fetcher,
) -> anyhow::Result<ContentFacts> {
    let mut comparison = Comparison::new(file, gaps);
    for part in parts {
        fetcher.fetch(&Request::of(part)?, &mut comparison, &Silent)?;
    }
    comparison.finish()
}

/// Compares with `sha256-...` or `sha512-...`; `None` for unknown digests.
fn has_digest(file: &std::fs::File, wanted: &str) -> anyhow::Result<Option<bool>> {
    let found = match wanted.split_once('-') {
        Some(("sha256", _)) => digest::<Sha256>(file)?,
        Some(("sha512", _)) => digest::<Sha512>(file)?,
        _ => return Ok(None),
    };
    let (_, wanted) = wanted.split_once('-').unwrap_or_default();
    Ok(Some(found.eq_ignore_ascii_case(wanted)))
}

fn digest<D: Digest>(mut file: &std::fs::File) -> io::Result<String> {
    let mut state = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => state.update(&buffer[..count]),
        }
    }
    Ok(state
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// True if the file ends with these fragments in order.
fn ends_with(
    mut file: std::fs::File,
    bytes: u64,
    fragments: &[Resource],
    fetcher: &Fetcher,
) -> anyhow::Result<bool> {
    let mut end = tempfile::SpooledTempFile::new(MAX_MEMORY_BYTES);
    for fragment in fragments {
        fetcher.fetch(&Request::of(fragment)?, &mut end, &Silent)?;
    }
    let length = end.stream_position()?;
    let Some(start) = bytes.checked_sub(length) else {
        return Ok(false);
    };
    end.rewind()?;
    file.seek(SeekFrom::Start(start))?;
    let mut comparison = Comparison::new(file, Gaps::Differ);
    io::copy(&mut end, &mut comparison)?;
    Ok(comparison.finish()? == ContentFacts::AsRequested)
}

/// How zero bytes in place of other bytes are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// As bytes that were not written before a power cut. File systems make the size of a file durable ahead of its
    /// bytes: ext4 does so for extents that are allocated but not yet written, and they read as zeros.
    Tolerated,
    /// As different content.
    Differ,
}

/// A writer that compares the requested bytes with those of a file.
struct Comparison {
    file: BufReader<std::fs::File>,
    gaps: Gaps,
    so_far: ContentFacts,
}

impl Comparison {
    fn new(file: std::fs::File, gaps: Gaps) -> Self {
        Self {
            file: BufReader::new(file),
            gaps,
            so_far: ContentFacts::AsRequested,
        }
    }

    fn finish(mut self) -> anyhow::Result<ContentFacts> {
        let has_more = self.so_far != ContentFacts::Differs && self.file.read(&mut [0])? != 0;
        Ok(match has_more {
            true => ContentFacts::Differs,
            false => self.so_far,
        })
    }

    /// Compares with the next bytes of the file, as far as there are any.
    fn next(&mut self, wanted: &[u8]) -> io::Result<ContentFacts> {
        let mut actual = Vec::with_capacity(wanted.len());
        let limit = wanted.len() as u64;
        self.file.by_ref().take(limit).read_to_end(&mut actual)?;
        Ok(match wanted.strip_prefix(actual.as_slice()) {
            Some([]) => ContentFacts::AsRequested,
            Some(_) => ContentFacts::Incomplete,
            None if self.gaps == Gaps::Tolerated && has_gaps_only(wanted, &actual) => {
                ContentFacts::Incomplete
            }
            None => ContentFacts::Differs,
        })
    }
}

/// True if all bytes that differ from the requested ones are zeros.
fn has_gaps_only(wanted: &[u8], actual: &[u8]) -> bool {
    let mut pairs = wanted.iter().zip(actual);
    pairs.all(|(wanted, actual)| wanted == actual || *actual == 0)
}

impl Write for Comparison {
    fn write(&mut self, wanted: &[u8]) -> io::Result<usize> {
        if self.so_far != ContentFacts::Differs {
            let next = self.next(wanted)?;
            if next != ContentFacts::AsRequested {
                self.so_far = next;
            }
        }
        Ok(wanted.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_or_incomplete_or_another() {
        use ContentFacts::{AsRequested, Differs, Incomplete};
        // With gaps tolerated, and without.
        let cases = [
            ("abcdef", AsRequested, AsRequested),
            ("abcd", Incomplete, Incomplete),
            ("a", Incomplete, Incomplete),
            ("", Incomplete, Incomplete),
            ("abcdefg", Differs, Differs),
            ("abx", Differs, Differs),
            ("abcx", Differs, Differs),
            ("abc\0\0\0", Incomplete, Differs),
            ("\0\0\0\0\0\0", Incomplete, Differs),
            ("a\0\0def", Incomplete, Differs),
            ("\0", Incomplete, Differs),
            ("\0\0\0\0\0\0\0", Differs, Differs),
            ("\0\0\0\0\0x", Differs, Differs),
        ];
        for (actual, tolerated, other) in cases {
            for (gaps, want) in [(Gaps::Tolerated, tolerated), (Gaps::Differ, other)] {
                let mut file = tempfile::tempfile().expect("a file");
                file.write_all(actual.as_bytes()).expect("written");
                file.rewind().expect("rewound");
                let mut comparison = Comparison::new(file, gaps);
                for part in ["abc", "", "def"] {
                    comparison.write_all(part.as_bytes()).expect("compared");
                }
                assert_eq!(
                    comparison.finish().expect("read"),
                    want,
                    "{actual:?} {gaps:?}"
                );
            }
        }
    }
}
