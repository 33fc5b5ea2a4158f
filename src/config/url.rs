//! URLs as the config language accepts them.
//!
//! A hand-written splitter that follows RFC 3986. Web libraries accept other texts, and repair them (they strip blanks,
//! drop default ports, lower-case hosts). Nothing is decoded or normalized here except the case of the scheme.

use super::data_url;
use super::json::has_control;
use super::version::Version;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A split URL or relative reference; all parts raw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url {
    /// Lower-case scheme, empty if there is none.
    pub scheme: String,
    /// What follows the scheme if that does not begin with a slash, without query.
    pub opaque: Option<String>,
    /// What follows `//`, if there is such a part.
    pub authority: Option<Authority>,
    /// Path, escapes not decoded.
    pub path: String,
    /// What follows the first `?`.
    pub query: Option<String>,
    /// What follows the first `#`.
    pub fragment: Option<String>,
}

/// `[userinfo@]host[:port]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// User and password, escapes not decoded. Secret.
    pub userinfo: Option<String>,
    /// Host name or address; IPv6 addresses keep their brackets.
    pub host: String,
    /// Digits after the last colon; may be empty.
    pub port: Option<String>,
}

/// Why a text is not a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A control character.
    #[error("control character in URL")]
    Control,
    /// Nothing before the first colon.
    #[error("missing scheme before `:`")]
    EmptyScheme,
    /// A colon before the first slash, without a scheme.
    #[error("first path segment contains a colon")]
    ColonInSegment,
    /// A `%` without two hexadecimal digits.
    #[error("broken percent escape")]
    Escape,
    /// A character that user names and passwords cannot hold.
    #[error("invalid character before `@`")]
    UserInfo,
    /// A character that hosts cannot hold, or a malformed IPv6 address.
    #[error("invalid host")]
    Host,
    /// Something other than digits after the last colon of the authority.
    #[error("invalid port")]
    Port,
}

/// Splits `text`. The empty text is fine and has no scheme.
pub fn parse(text: &str) -> Result<Url, UrlError> {
    let (main, fragment) = cut(text, '#');
    if main.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err(UrlError::Control);
    }
    check_escapes(fragment.unwrap_or_default())?;
    let mut url = Url {
        fragment: fragment.map(Into::into),
        ..Url::default()
    };
    if main == "*" {
        url.path = main.into();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(main)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = cut(rest, '?');
    url.query = query.map(Into::into);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            url.opaque = Some(rest.into());
            return Ok(url);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err(UrlError::ColonInSegment);
        }
    }
    let (authority, path) = split_authority(rest, !scheme.is_empty());
    url.authority = authority.map(Authority::from_str).transpose()?;
    check_escapes(path)?;
    url.path = path.into();
    Ok(url)
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn split_scheme(text: &str) -> Result<(&str, &str), UrlError> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err(UrlError::EmptyScheme),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn split_authority(rest: &str, has_scheme: bool) -> (Option<&str>, &str) {
    match rest.strip_prefix("//") {
        Some(after) if has_scheme || !rest.starts_with("///") => {
            let end = after.find('/').unwrap_or(after.len());
            (Some(&after[..end]), &after[end..])
        }
        _ => (None, rest),
    }
}

fn check_escapes(text: &str) -> Result<(), UrlError> {
    escapes(text).try_for_each(|byte| byte.map(|_| ()).ok_or(UrlError::Escape))
}

/// The decoded escapes of a text; `None` for a malformed one.
fn escapes(text: &str) -> impl Iterator<Item = Option<u8>> {
    text.match_indices('%')
        .map(|(i, _)| hex_byte(text.as_bytes().get(i + 1..i + 3)?))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

impl FromStr for Authority {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (userinfo, host) = match text.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, text),
        };
        userinfo.map(check_userinfo).transpose()?;
        let (host, port) = split_port(host)?;
        Ok(Authority {
            userinfo: userinfo.map(Into::into),
            host: host.into(),
            port: port.map(Into::into),
        })
    }
}

fn check_userinfo(text: &str) -> Result<(), UrlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&b);
    if !text.bytes().all(allowed) {
        return Err(UrlError::UserInfo);
    }
    check_escapes(text)
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), UrlError> {
    let (host, port) = if text.contains('[') {
        let end = text.rfind(']').ok_or(UrlError::Host)?;
        let (host, after) = text.split_at(end + 1);
        check_ip_literal(host)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(UrlError::Port),
        }
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if !port.unwrap_or_default().bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    check_host_bytes(host)?;
    Ok((host, port))
}

/// `[address]` or `[address%25zone]`; the brackets must be the only opening one and the last
/// closing one.
fn check_ip_literal(host: &str) -> Result<(), UrlError> {
    let inner = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .ok_or(UrlError::Host)?;
    let (address, zone) = match inner.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (inner, None),
    };
    let is_address = address.parse::<Ipv6Addr>().is_ok();
    if inner.contains('[') || !is_address || zone == Some("") {
        return Err(UrlError::Host);
    }
    Ok(())
}

fn check_host_bytes(host: &str) -> Result<(), UrlError> {
    let allowed = |b: u8| {
        b.is_ascii_alphanumeric() || !b.is_ascii() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b)
    };
    // The zone of an address may contain escapes of the characters that a host may contain.
    let (name, zone) = match host.starts_with('[') {
        true => host.split_once("%25").unwrap_or((host, "")),
        false => (host, ""),
    };
    let is_allowed_in_zone = |b: u8| matches!(b, b' ' | b'%') || (b.is_ascii() && allowed(b));
    let are_escapes_allowed = escapes(name)
        .all(|byte| byte.is_some_and(|b| b >= 0x80 || b == b'%'))
        && escapes(zone).all(|byte| byte.is_some_and(is_allowed_in_zone));
    if host.bytes().all(allowed) && are_escapes_allowed {
        Ok(())
    } else {
        Err(UrlError::Host)
    }
}

/// Decodes percent escapes, e.g. of a path. Broken ones stay as they are.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(b) = bytes.get(i) {
        match (b, bytes.get(i + 1..i + 3).and_then(hex_byte)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            _ => {
                out.push(*b);
                i += 1;
            }
        }
    }
    out
}

/// What is wrong with a non-empty resource source in `version`, if anything.
pub(crate) fn source_problem(text: &str, version: Version) -> Option<String> {
    if is_simple_data_url(text) {
        return None;
    }
    let url = match parse(text) {
        Ok(url) => url,
        Err(e) => return Some(format!("unable to parse url: {e}")),
    };
    match url.scheme.as_str() {
        // `oem` is Flatcar's, in every version; on other systems fetching reports that there is no such file.
        "http" | "https" | "tftp" | "oem" => None,
        "gs" if version >= Version::V3_2 => None,
        "s3" => object_version_problem(&url),
        "arn" if version >= Version::V3_4 => {
            arn_problem(&url).or_else(|| object_version_problem(&url))
        }
        "data" => data_url::decoded_len(text)
            .err()
            .map(|e| format!("invalid data URL: {e}")),
        "" => Some("invalid url scheme: the URL has none".into()),
        "gs" | "arn" => Some(format!(
            "invalid url scheme: `{}` is not supported in version {version}",
            url.scheme
        )),
        other => Some(format!("invalid url scheme: `{other}` is not supported")),
    }
}

/// Shortcut for the bulk of a config: a data URL that can be decoded and contains nothing that is invalid in a URL.
fn is_simple_data_url(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.starts_with("data:")
        && memchr::memchr2(b'#', 0x7f, bytes).is_none()
        && !has_control(bytes)
        && data_url::decoded_len(text).is_ok()
}

fn arn_problem(url: &Url) -> Option<String> {
    let text = format!("arn:{}", url.opaque.as_deref().unwrap_or_default());
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let parts = text.split('/').count();
    let needed = match fields.get(5) {
        Some(resource) if resource.starts_with("accesspoint/") => 3,
        _ => 2,
    };
    let fits = fields.len() == 6 && fields[2] == "s3" && parts >= needed;
    (!fits).then(|| "invalid S3 ARN format".into())
}

fn object_version_problem(url: &Url) -> Option<String> {
    let version = query_value(url.query.as_deref().unwrap_or_default(), "versionId");
    (version.as_deref() == Some("")).then(|| "invalid S3 object VersionId: it is empty".into())
}

/// The first value of parameter `name`, decoded. Parameters with broken escapes or a `;` are
/// ignored.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let usable = query
        .split('&')
        .filter(|p| !p.contains(';') && check_escapes(p).is_ok());
    let mut pairs = usable.filter(|p| !p.is_empty()).map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (decode_parameter(key), decode_parameter(value))
    });
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decode_parameter(text: &str) -> String {
    String::from_utf8_lossy(&percent_decode(&text.replace('+', " "))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlError::{ColonInSegment, Control, EmptyScheme, Escape, Host, Port, UserInfo};

    #[test]
    fn acceptance() {
        let fine = [
            "",
            "*",
            "/",
            "//h",
            "///x",
            "a/b:c",
            "http:",
            "http://",
            "http:///x",
            "HTTP://h",
            "http://h:",
            "http://h:99999999",
            "http://h/a b",
            "http://h/?q=%zz",
            "http://h/ä",
            "http://ä/",
            "http://h%C3%A4/",
            "http://h%25/",
            "http://u:p@h/",
            "http://u@v@h/",
            "http://%41@h/",
            "http://[::1]",
            "http://[::1]:80/",
            "http://[::1]:",
            "http://[::ffff:1.2.3.4]/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%25e%74h0]/",
            "data:,%zz",
            "mailto:a b",
            "x:y?z#f",
            "http://h#\u{1}",
            "http://a\"<>b/",
            "+a/b",
            "1a/b",
        ];
        for text in fine {
            assert!(parse(text).is_ok(), "{text:?}: {:?}", parse(text));
        }
    }

    #[test]
    fn rejection() {
        let cases = [
            ("http://h/\n", Control),
            ("a\u{7f}", Control),
            (":x", EmptyScheme),
            ("1a:b", ColonInSegment),
            ("a b:c", ColonInSegment),
            ("ä:c", ColonInSegment),
            ("http://h/%zz", Escape),
            ("http://h/%4", Escape),
            ("http://h/#%", Escape),
            ("http://u%@h/", Escape),
            ("http://u x@h/", UserInfo),
            ("http://ü@h/", UserInfo),
            ("http://a b/", Host),
            ("http://h%41/", Host),
            ("http://h%/", Host),
            ("http://h:x/", Port),
            ("http://h:-1/", Port),
            ("http://[::1", Host),
            ("http://a[::1]/", Host),
            ("http://[[::1]/", Host),
            ("http://[1.2.3.4]/", Host),
            ("http://[::1]x/", Port),
            ("http://[::1]:x/", Port),
            ("http://[::1%25]/", Host),
            ("http://[::1%eth0]/", Host),
            ("http://[::1%25e%2F]/", Host),
            ("http://[::1%25e%00]/", Host),
            ("http://a^b/", Host),
            ("http://{}/", Host),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn parts() {
        let url = parse("S3://u:p@Host:80/a%20b?x=1?#frag").expect("parses");
        let authority = Authority {
            userinfo: Some("u:p".into()),
            host: "Host".into(),
            port: Some("80".into()),
        };
        let expected = Url {
            scheme: "s3".into(),
            opaque: None,
            authority: Some(authority),
            path: "/a%20b".into(),
            query: Some("x=1?".into()),
            fragment: Some("frag".into()),
        };
        assert_eq!(url, expected);
        let opaque = parse("arn:aws:s3:::b/k?versionId=1").expect("parses");
        assert_eq!(opaque.opaque.as_deref(), Some("aws:s3:::b/k"));
        assert_eq!(opaque.query.as_deref(), Some("versionId=1"));
        assert_eq!(parse("///x").expect("parses").path, "///x");
    }

    #[test]
    fn sources() {
        const OLD: Version = Version::V3_0;
        const NEW: Version = Version::V3_7Experimental;
        let arn = Some("invalid S3 ARN format");
        let id = Some("invalid S3 object VersionId");
        let scheme = Some("invalid url scheme");
        let cases = [
            (OLD, "tftp:", None),
            (OLD, "gs://b/o", scheme),
            (Version::V3_2, "gs://b/o", None),
            (Version::V3_3, "arn:aws:s3:::b/k", scheme),
            (Version::V3_4, "arn:aws:s3:::b/k", None),
            (NEW, "ARN:aws:s3:::b/k", None),
            (NEW, "arn:/aws:s3:::b/k", arn),
            (NEW, "arn:aws:s3:::b", arn),
            (NEW, "arn:aws:sns:::b/k", arn),
            (NEW, "arn:aws:s3::b/k", arn),
            (NEW, "arn:aws:s3:r:1:accesspoint/p", arn),
            (NEW, "arn:aws:s3:r:1:accesspoint/p/a", None),
            (NEW, "arn:aws:s3:::b/k?versionId=", id),
            (OLD, "s3://b/k?versionId=x", None),
            (OLD, "s3://b/k?versionId", id),
            (OLD, "s3://b/k?versionId=&versionId=1", id),
            (OLD, "s3://b/k?version%49d=", id),
            (OLD, "s3://b/k?versionId=+", None),
            (OLD, "s3://b/k?versionId=;&versionId=1", None),
            (OLD, "s3://b/k?versionId=%zz", None),
            (OLD, "", scheme),
            (OLD, "h:x", scheme),
            (OLD, "DATA:,x", Some("invalid data URL")),
            (OLD, "data:,x#y", Some("invalid data URL")),
            (OLD, "data:,\n", Some("unable to parse url")),
            (OLD, "data:;a=\"\n\",x", Some("unable to parse url")),
            (OLD, "data:;a=\"#%\",x", Some("unable to parse url")),
            (OLD, "data:;a=\"#\",x", None),
        ];
        for (version, text, expected) in cases {
            let problem = source_problem(text, version);
            let same = match (&problem, expected) {
                (Some(problem), Some(start)) => problem.starts_with(start),
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{version} {text:?}: {problem:?}");
        }
    }
}
