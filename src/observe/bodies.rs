//! Checks the `data:` bodies of a config: each is decompressed and hashed as in a run, and the result is discarded.
//!
//! Only bodies with a hash or a compression are checked. Whether the URL itself can be decoded is checked when the
//! config is validated.

use crate::config::Config;
use crate::config::model::Resource;
use crate::facts::bodies::BodyFault;
use crate::fetch::{FetchError, Fetcher, Silent};
use std::io;

/// The bodies that cannot be used, in the order of the config. Bodies are streamed, so one that expands without end
/// takes time but no memory.
pub fn observe(config: &Config, fetcher: &Fetcher) -> Vec<BodyFault> {
    let mut faults = Vec::new();
    for (index, luks) in config.storage.luks.iter().enumerate() {
        let path = || format!("$.storage.luks.{index}.keyFile");
        let object = || format!("key file of LUKS volume {}", luks.name);
        faults.extend(fault(&luks.key_file, fetcher, object, path));
    }
    for (index, file) in config.storage.files.iter().enumerate() {
        let path = || format!("$.storage.files.{index}.contents");
        let object = || format!("contents of file {}", file.path);
        faults.extend(fault(&file.contents, fetcher, object, path));
        for (part, resource) in file.append.iter().enumerate() {
            let path = || format!("$.storage.files.{index}.append.{part}");
            let object = || format!("text to append to file {}", file.path);
            faults.extend(fault(resource, fetcher, object, path));
        }
    }
    faults
}

/// True if the resource is a `data:` body that cannot be used.
pub(super) fn is_faulty(resource: &Resource, fetcher: &Fetcher) -> bool {
    body_error(resource, fetcher).is_some()
}

fn fault(
    resource: &Resource,
    fetcher: &Fetcher,
    object: impl Fn() -> String,
    path: impl Fn() -> String,
) -> Option<BodyFault> {
    let error = body_error(resource, fetcher)?;
    Some(BodyFault {
        object: object(),
        path: path(),
        member: member(&error),
        cause: cause(&error),
        remedy: error.remedy().unwrap_or_default().to_owned(),
    })
}

fn body_error(resource: &Resource, fetcher: &Fetcher) -> Option<FetchError> {
    let is_data = resource.source.as_deref()?.starts_with("data:");
    let is_packed = resource
        .compression
        .as_deref()
        .is_some_and(|c| !c.is_empty());
    let is_checked = resource.verification.hash.is_some();
    if !is_data || !(is_packed || is_checked) {
        return None;
    }
    fetcher.copy(resource, &mut io::sink(), &Silent).err()
}

fn member(error: &FetchError) -> &'static str {
    match error {
        FetchError::Gzip { .. } | FetchError::InvalidCompression { .. } => "compression",
        FetchError::HashMismatch { .. } | FetchError::InvalidDigest { .. } => "verification.hash",
        FetchError::InvalidHeader { .. } => "httpHeaders",
        _ => "source",
    }
}

/// The error without the URL, which is the body itself.
fn cause(error: &FetchError) -> String {
    match error {
        FetchError::Gzip { cause, .. } => {
            format!("the data: URL cannot be decompressed as gzip: {cause}")
        }
        FetchError::HashMismatch {
            calculated,
            expected,
            ..
        } => {
            format!("the data: URL has the hash {calculated}, but {expected} is expected")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data_url;
    use crate::text::gzip;

    #[test]
    fn bodies_are_checked_against_compression_and_hash() {
        let good = gzip(b"text");
        let hash_of_a = "sha256-ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        let cases = [
            ("data:,a".to_owned(), None, Some(hash_of_a), None),
            ("data:,a".into(), Some(""), None, None),
            (data_url::encode(&good), Some("gzip"), None, None),
            (
                "data:,b".into(),
                None,
                Some(hash_of_a),
                Some("verification.hash"),
            ),
            ("data:,a".into(), Some("gzip"), None, Some("compression")),
            (
                data_url::encode(&good[..good.len() - 3]),
                Some("gzip"),
                None,
                Some("compression"),
            ),
            (
                data_url::encode(&good),
                Some("gzip"),
                Some(hash_of_a),
                Some("verification.hash"),
            ),
            ("http://127.0.0.1:1/".into(), Some("gzip"), None, None),
        ];
        for (source, compression, hash, want) in cases {
            let mut resource = Resource {
                source: Some(source.as_str().into()),
                compression: compression.map(str::to_owned),
                ..Resource::default()
            };
            resource.verification.hash = hash.map(str::to_owned);
            let found = fault(&resource, &Fetcher::default(), String::new, String::new);
            assert_eq!(
                found.map(|f| f.member),
                want,
                "{source} {compression:?} {hash:?}"
            );
        }
    }
}
