//! URLs as they may be shown: without what may be secret.

/// `url` for messages. The body of a `data:` URL, user info, query values and fragments may be
/// secrets or tokens, so they are left out; the names of query parameters stay.
pub fn shown_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    if url
        .get(..5)
        .is_some_and(|s| s.eq_ignore_ascii_case("data:"))
    {
        return "data:".into();
    }
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

fn without_user_info(main: &str) -> String {
    let Some((scheme, rest)) = main.split_once("//") else {
        return main.into();
    };
    // A backslash ends the authority for some parsers; cutting at the later `@` is the safe side.
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}//{}", &rest[at + 1..]),
        None => main.into(),
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
        ];
        for (url, shown) in cases {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }
}
