//! Parses URLs of Amazon S3 objects.

use crate::config::url::{self, Url};
use crate::fetch::{FetchError, Request, Scheme};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub bucket: Bucket,
    /// Its name in the bucket; any bytes.
    pub key: Vec<u8>,
    /// The requested version; none for the newest.
    pub version: Option<String>,
}

/// A container of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bucket {
    /// A bucket in a region that has to be looked up.
    Named {
        name: String,
        /// The region to query for the actual region.
        hint: Option<&'static str>,
    },
    /// An access point to a bucket.
    AccessPoint {
        /// Its full resource name.
        arn: String,
        name: String,
        /// The account that owns it.
        account: String,
        region: String,
    },
}

impl Bucket {
    /// Name for messages.
    pub(super) fn shown(&self) -> &str {
        match self {
            Bucket::Named { name, .. } => name,
            Bucket::AccessPoint { arn, .. } => arn,
        }
    }
}

impl Object {
    /// Parses an `s3:` or `arn:` URL.
    pub(super) fn of(scheme: Scheme, request: &Request) -> Result<Self, FetchError> {
        let invalid = |cause: &str| request.invalid(cause.into());
        let url = url::parse(&request.url).map_err(|error| invalid(&error.to_string()))?;
        let query = url.query.as_deref().unwrap_or_default();
        let version = url::query_value(query, "versionId");
        if version.as_deref() == Some("") {
            return Err(invalid("invalid S3 object VersionId: it is empty"));
        }
        let (bucket, key) = match scheme {
            Scheme::Arn => parse_arn(&url).ok_or_else(|| invalid("invalid S3 ARN format"))?,
            _ => parse_s3_url(&url).map_err(invalid)?,
        };
        if key.is_empty() {
            return Err(invalid("it names a bucket, but no object in it"));
        }
        Ok(Object {
            bucket,
            key,
            version,
        })
    }
}

fn parse_s3_url(url: &Url) -> Result<(Bucket, Vec<u8>), &'static str> {
    let authority = url.authority.as_ref().ok_or("it names no bucket")?;
    if authority.userinfo.is_some() || authority.port.is_some() || !is_bucket(&authority.host) {
        return Err("what follows s3:// is not the name of a bucket");
    }
    let bucket = Bucket::Named {
        name: authority.host.clone(),
        hint: None,
    };
    let key = url::percent_decode(&url.path);
    let slashes = key.iter().take_while(|byte| **byte == b'/').count();
    Ok((bucket, key[slashes..].to_vec()))
}

/// Keys in resource names are not percent-encoded.
fn parse_arn(url: &Url) -> Option<(Bucket, Vec<u8>)> {
    let text = format!("arn:{}", url.opaque.as_deref()?);
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, "s3", region, account, resource] = fields[..] else {
        return None;
    };
    if let Some(point) = resource.strip_prefix("accesspoint/") {
        let (name, rest) = point.split_once('/')?;
        let key = rest.strip_prefix("object/")?;
        let labels = [name, account, region];
        let bucket = Bucket::AccessPoint {
            arn: format!("arn:{partition}:s3:{region}:{account}:accesspoint/{name}"),
            name: name.into(),
            account: account.into(),
            region: region.into(),
        };
        return labels
            .into_iter()
            .all(is_label)
            .then(|| (bucket, key.into()));
    }
    let (before, key) = text.split_once('/')?;
    let (_, name) = before.rsplit_once(':')?;
    let bucket = Bucket::Named {
        name: name.into(),
        hint: hint(partition),
    };
    is_bucket(name).then(|| (bucket, key.into()))
}

fn hint(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" => Some("us-east-1"),
        "aws-cn" => Some("cn-north-1"),
        "aws-us-gov" => Some("us-gov-west-1"),
        _ => None,
    }
}

/// Old names may have upper-case letters and underscores. Other characters would change the URL.
fn is_bucket(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.trim_matches('.').is_empty() && name.bytes().all(fits)
}

/// True if `text` is a valid label of a host name.
pub(super) fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Object, String> {
        let request = Request::get(url);
        let scheme = request.scheme().expect("a scheme we know");
        Object::of(scheme, &request).map_err(|error| error.to_string())
    }

    fn named(name: &str, hint: Option<&'static str>, key: &str) -> Result<Object, String> {
        Ok(Object {
            bucket: Bucket::Named {
                name: name.into(),
                hint,
            },
            key: key.into(),
            version: None,
        })
    }

    #[test]
    fn buckets_and_keys() {
        let us = Some("us-east-1");
        let cases = [
            ("s3://b1/dir/k.ign", named("b1", None, "dir/k.ign")),
            (
                "s3://b.with.dots///k%2Bk%20%3F",
                named("b.with.dots", None, "k+k ?"),
            ),
            ("arn:aws:s3:::b1/dir/k.ign", named("b1", us, "dir/k.ign")),
            ("arn:aws:s3:::b1//k%20", named("b1", us, "/k%20")),
            ("arn:aws:s3:::b1/k:1", named("b1", us, "k:1")),
            ("arn:aws-cn:s3:::b1/k", named("b1", Some("cn-north-1"), "k")),
            (
                "arn:aws-us-gov:s3:::b1/k",
                named("b1", Some("us-gov-west-1"), "k"),
            ),
            ("arn:other:s3:x:y:b1/k", named("b1", None, "k")),
        ];
        for (url, object) in cases {
            assert_eq!(of(url), object, "{url}");
        }
        let versioned = of("s3://b/k?a=1&versionId=v%2F1&versionId=2").expect("an object");
        assert_eq!(versioned.version.as_deref(), Some("v/1"));
    }

    #[test]
    fn access_points() {
        let arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap1";
        let object = of(&format!("{arn}/object/a/b")).expect("an object");
        let bucket = Bucket::AccessPoint {
            arn: arn.into(),
            name: "ap1".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
        };
        assert_eq!((object.bucket, object.key), (bucket, b"a/b".to_vec()));
    }

    #[test]
    fn invalid_urls() {
        let format = "invalid S3 ARN format";
        let cases = [
            (
                "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap1/a",
                format,
            ),
            ("arn:aws:s3:eu-west-1:111122223333:accesspoint/ap1", format),
            ("arn:aws:s3:evil.com/:1:accesspoint/ap1/object/k", format),
            ("arn:aws:s3::1:accesspoint/ap1/object/k", format),
            ("arn:aws:sns:::b1/k", format),
            ("arn:aws:s3:::b1", format),
            ("arn:aws:s3:::/k", format),
            ("arn:aws:s3:::b@c/k", format),
            ("arn:/aws:s3:::b/k", format),
            ("arn:aws:s3:::b1/", "no object"),
            ("s3://b1", "no object"),
            ("s3://b1///", "no object"),
            ("s3:///k", "name of a bucket"),
            ("s3:k", "names no bucket"),
            ("s3://u@b/k", "name of a bucket"),
            ("s3://b:1/k", "name of a bucket"),
            ("s3://b(1)/k", "name of a bucket"),
            ("s3://b/k?versionId=", "invalid S3 object VersionId"),
        ];
        for (url, fragment) in cases {
            let error = of(url).expect_err(url);
            assert!(error.contains(fragment), "{url}: {error}");
        }
    }
}
