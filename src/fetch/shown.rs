//! Redacts URLs for messages.

use crate::config::url;

/// Redacts `url` for messages. The body of a `data:` URL, user info, query values and fragments may be secrets or
/// tokens, so they are left out; the names of query parameters stay.
pub fn shown_url(url: &str) -> String {
    if url
        .get(..5)
        .is_some_and(|s| s.eq_ignore_ascii_case("data:"))
    {
        return "data:".into();
    }
    // An unescaped `/`, `?` or `#` in a password ends the authority early, and as the text after the colon is not a
    // port number, the URL is invalid.
    let mended = url::parse(url).is_err().then(|| without_all_user_info(url));
    let url = mended.as_deref().unwrap_or(url);
    let url = url.split('#').next().unwrap_or_default();
    let (main, query) = url
        .split_once('?')
        .map_or((url, None), |(m, q)| (m, Some(q)));
    let mut shown = without_user_info(main);
    if let Some(query) = query {
        shown.push('?');
        shown.push_str(&without_values(query));
    }
    shown.retain(|c| !c.is_control());
    shown
}

/// Removes everything between the scheme and the last `@` from a text that is not a valid URL.
fn without_all_user_info(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else {
        return text.into();
    };
    match split_scheme(before) {
        (scheme, rest) if rest.starts_with("//") => format!("{scheme}//{after}"),
        _ => after.into(),
    }
}

fn without_user_info(main: &str) -> String {
    let (scheme, rest) = split_scheme(main);
    let is_web = ["http:", "https:"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    // Some parsers treat backslashes as slashes, and accept more or fewer than two of them before the host.
    let slashes = rest.bytes().take_while(|b| matches!(b, b'/' | b'\\'));
    let skipped = match slashes.count() {
        count if is_web => count,
        1 => return main.into(),
        count => count.min(2),
    };
    let (slashes, rest) = rest.split_at(skipped);
    // A backslash ends the authority for some parsers; cutting at the last `@` is on the safe side.
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}{slashes}{}", &rest[at + 1..]),
        None => main.into(),
    }
}

/// Splits a URL into the scheme with its colon, which may be missing, and the rest.
fn split_scheme(main: &str) -> (&str, &str) {
    let is_scheme_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    match main.find(':') {
        Some(at) if main.bytes().take(at).all(is_scheme_byte) => main.split_at(at + 1),
        _ => ("", main),
    }
}

fn without_values(query: &str) -> String {
    let parameter = |p: &str| {
        p.split_once('=')
            .map_or("…".into(), |(name, _)| format!("{name}=…"))
    };
    query
        .split('&')
        .map(parameter)
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let cases = [
            ("", ""),
            ("http://h/p", "http://h/p"),
            ("http://user:pw@h:8/p", "http://h:8/p"),
            ("http://user:p@w@h/p@q", "http://h/p@q"),
            ("https://h/p?token", "https://h/p?…"),
            ("https://h/p?a=1&sig=x=y#frag", "https://h/p?a=…&sig=…"),
            ("data:,secret", "data:"),
            ("DATA:text/plain;base64,c2VjcmV0", "data:"),
            ("arn:aws:s3:::b/k", "arn:aws:s3:::b/k"),
            ("s3://b/k?versionId=3", "s3://b/k?versionId=…"),
            ("oem:///a@b", "oem:///a@b"),
            ("arn:aws:s3:::b/k@v", "arn:aws:s3:::b/k@v"),
        ];
        for (url, shown) in cases {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }

    #[test]
    fn malformed_urls_show_no_secrets() {
        let cases = [
            ("http:user:pw@h/p", "http:h/p"),
            ("HTTP:/user:pw@h/p", "HTTP:/h/p"),
            ("http:///user:pw@h/p", "http:///h/p"),
            ("http:\\\\user:pw@h/p", "http:\\\\h/p"),
            ("//user:pw@h/p", "//h/p"),
            ("user:pw@h:3128", "user:h:3128"),
            ("http://user:p/w@h/p", "http://h/p"),
            ("http://user:p#w@h/p", "http://h/p"),
            ("http://user:p?w@h/p?a=1", "http://h/p?a=…"),
            ("http://user:p w@h/", "http://h/"),
            ("http://user:p%@h/", "http://h/"),
            ("http://[::1", "http://[::1"),
        ];
        for (url, shown) in cases {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }
}
