//! `oem:///path`: a file on the OEM partition. Only Flatcar has one.

use super::byte_stream::ByteStream;
use super::pipeline::BodyError;
use super::{FetchError, Request};

use crate::config::url::{self, percent_decode};
use crate::input::{self, Input};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Default directory of the files.
pub const OEM_DIR: &str = "/usr/share/oem";

/// Opens the file of a request below `dir`.
pub(super) fn open(dir: &Path, request: &Request) -> Result<ByteStream<'static>, FetchError> {
    let path = dir.join(relative_path(request)?);
    match input::open(&path) {
        Ok(file) => Ok(ByteStream {
            length_bytes: None,
            body: Box::new(OemFile(file)),
            attempts: 1,
        }),
        Err(cause) => Err(FetchError::OemFile {
            url: request.shown_url(),
            path,
            cause,
        }),
    }
}

/// The path relative to the directory; `..` does not lead out of it.
fn relative_path(request: &Request) -> Result<PathBuf, FetchError> {
    let url = url::parse(&request.url).map_err(|error| request.invalid(error.to_string()))?;
    if url
        .authority
        .is_some_and(|authority| !authority.host.is_empty())
    {
        return Err(request.invalid("an oem URL has no host; write oem:///path".into()));
    }
    if !url.path.starts_with('/') {
        return Err(request.invalid("an oem URL has an absolute path; write oem:///path".into()));
    }
    let path = PathBuf::from(OsString::from_vec(percent_decode(&url.path)));
    let mut relative = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => relative.push(part),
            Component::ParentDir => drop(relative.pop()),
            _ => {}
        }
    }
    Ok(relative)
}

/// A file whose read errors count as errors of the body, not of the decompression.
struct OemFile(Input);

impl Read for OemFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer);
        read.map_err(|error| BodyError::Broken(error.to_string()).into())
    }
}
