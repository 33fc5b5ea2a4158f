//! Endpoint URLs of Amazon S3.

use super::PATH;
use super::object::{Bucket, Object, is_label};
use percent_encoding::{percent_encode, utf8_percent_encode};
use reqwest::Url;

/// URL to query for the region of a bucket, given a region to query in.
pub(super) fn of_bucket(name: &str, region: &str) -> Option<Url> {
    let suffix = suffix(region);
    let text = match is_host_label(name) {
        true => format!("https://{name}.s3.{region}.{suffix}/"),
        false => format!("https://s3.{region}.{suffix}/{name}"),
    };
    Url::parse(&text).ok()
}

/// URL of an object in a bucket in `region`. None for keys that a URL cannot express: those with a segment `.` or
/// `..`, which have another meaning there.
pub(super) fn of_object(object: &Object, region: &str) -> Option<Url> {
    let suffix = suffix(region);
    let key = percent_encode(&object.key, PATH).to_string();
    let (host, path) = match &object.bucket {
        Bucket::Named { name, .. } if is_host_label(name) => (
            format!("{name}.s3.dualstack.{region}.{suffix}"),
            format!("/{key}"),
        ),
        Bucket::Named { name, .. } => (
            format!("s3.dualstack.{region}.{suffix}"),
            format!("/{name}/{key}"),
        ),
        Bucket::AccessPoint { name, account, .. } => (
            format!("{name}-{account}.s3-accesspoint.dualstack.{region}.{suffix}"),
            format!("/{key}"),
        ),
    };
    let query = match &object.version {
        None => String::new(),
        Some(version) => format!(
            "?versionId={}",
            utf8_percent_encode(version, super::SEGMENT)
        ),
    };
    let url = Url::parse(&format!("https://{host}{path}{query}")).ok()?;
    (url.path() == path).then_some(url)
}

/// The wildcard certificates of Amazon match only one label.
fn is_host_label(bucket: &str) -> bool {
    bucket.len() >= 3 && is_label(bucket)
}

fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else {
        "amazonaws.com"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Request;

    fn object(url: &str, region: &str) -> Option<String> {
        let request = Request::get(url);
        let scheme = request.scheme().expect("a scheme we know");
        let object = Object::of(scheme, &request).expect("an object");
        of_object(&object, region).map(String::from)
    }

    #[test]
    fn objects() {
        let cases = [
            (
                "s3://b-1/k",
                "eu-west-1",
                "b-1.s3.dualstack.eu-west-1.amazonaws.com/k",
            ),
            (
                "s3://b-1/a%2Fb//%C3%A4 +~=&%25",
                "eu-west-1",
                "b-1.s3.dualstack.eu-west-1.amazonaws.com/a/b//%C3%A4%20%2B~%3D%26%25",
            ),
            (
                "s3://a.b/k",
                "us-gov-west-1",
                "s3.dualstack.us-gov-west-1.amazonaws.com/a.b/k",
            ),
            (
                "s3://B_1/k",
                "cn-north-1",
                "s3.dualstack.cn-north-1.amazonaws.com.cn/B_1/k",
            ),
            (
                "s3://bbb/k?versionId=a b/",
                "eusc-de-east-1",
                "bbb.s3.dualstack.eusc-de-east-1.amazonaws.eu/k?versionId=a%20b%2F",
            ),
            (
                "arn:aws:s3:eu-west-1:12:accesspoint/ap/object/k%20",
                "eu-west-1",
                "ap-12.s3-accesspoint.dualstack.eu-west-1.amazonaws.com/k%2520",
            ),
        ];
        for (url, region, expected) in cases {
            let expected = format!("https://{expected}");
            assert_eq!(object(url, region), Some(expected), "{url}");
        }
    }

    #[test]
    fn keys_that_urls_cannot_carry() {
        for key in ["..", "a/../b", "a/./b", "%2E%2E/b", "."] {
            assert_eq!(object(&format!("s3://bbb/{key}"), "r"), None, "{key}");
        }
        assert!(object("s3://bbb/a..b/.c/d.", "r").is_some());
    }

    #[test]
    fn buckets() {
        let text = |name, region| of_bucket(name, region).map(String::from);
        let host = "https://bbb.s3.cn-north-1.amazonaws.com.cn/";
        assert_eq!(text("bbb", "cn-north-1").as_deref(), Some(host));
        let path = "https://s3.us-east-1.amazonaws.com/b.b";
        assert_eq!(text("b.b", "us-east-1").as_deref(), Some(path));
    }
}
