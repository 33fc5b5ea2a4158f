//! MIME multipart messages, in which some clouds provide vendor data.

use crate::platform::source::encoding;
use anyhow::{Context, bail};

/// Returns the decoded parts of one media type.
///
/// # Errors
/// If it is not a multipart message, or a part has an unknown transfer encoding.
pub(crate) fn parts(archive: &str, media_type: &str) -> anyhow::Result<Vec<String>> {
    let (head, body) = split(archive);
    let kind = header(&head, "content-type").unwrap_or_default();
    let is_archive = kind.to_ascii_lowercase().starts_with("multipart/");
    let boundary = parameter(&kind, "boundary").filter(|boundary| !boundary.is_empty());
    let Some(boundary) = boundary.filter(|_| is_archive) else {
        bail!("it is not a MIME multipart message");
    };
    let mut found = Vec::new();
    for part in sections(body, &boundary) {
        let (head, body) = split(&part);
        let kind = header(&head, "content-type").unwrap_or_default();
        let name = kind.split(';').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case(media_type) {
            found.push(decode_part(&head, body)?);
        }
    }
    Ok(found)
}

/// The parts between the boundaries, each with its headers.
fn sections(body: &str, boundary: &str) -> Vec<String> {
    let (begin, end) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut sections: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in body.lines() {
        if line.trim_end() == end {
            break;
        }
        if line.trim_end() == begin {
            is_inside = true;
            sections.push(String::new());
        } else if let Some(section) = sections.last_mut().filter(|_| is_inside) {
            section.push_str(line);
            section.push('\n');
        }
    }
    sections
}

/// Splits the unfolded headers from the body after the first empty line.
fn split(text: &str) -> (Vec<String>, &str) {
    let mut head: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((line, more)) = rest.split_once('\n') {
        rest = more;
        let line = line.trim_end();
        if line.is_empty() {
            return (head, rest);
        }
        match head.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(last) => last.push_str(line),
            None => head.push(line.into()),
        }
    }
    (head, "")
}

fn header(head: &[String], name: &str) -> Option<String> {
    let mut pairs = head.iter().filter_map(|line| line.split_once(':'));
    let found = pairs.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().into())
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let mut pairs = value.split(';').filter_map(|part| part.split_once('='));
    let found = pairs.find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().trim_matches('"').into())
}

fn decode_part(head: &[String], body: &str) -> anyhow::Result<String> {
    let transfer_encoding = header(head, "content-transfer-encoding").unwrap_or_default();
    match transfer_encoding.to_ascii_lowercase().as_str() {
        "" | "7bit" | "8bit" | "binary" => Ok(body.into()),
        "base64" => {
            let text = encoding::base64(body.as_bytes()).context("a document in it")?;
            let text = String::from_utf8(text).ok();
            text.context("a document in it is not valid UTF-8")
        }
        _ => bail!("a part of it has an unknown transfer encoding"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(parts: &[(&str, &str)]) -> String {
        let mut text = "MIME-Version: 1.0\r\nContent-Type: Multipart/Mixed;\r\n boundary=xx\r\n\r\nfor people\r\n".to_owned();
        for (head, body) in parts {
            text += &format!("--xx\r\n{head}\r\n\r\n{body}\r\n");
        }
        text + "--xx--\r\nbehind\r\n"
    }

    #[test]
    fn documents_of_one_type() {
        let text = archive(&[
            ("Content-Type: text/plain", "no"),
            ("content-type: Text/Cloud-Config; charset=x", "a: b\r\nc: d"),
            (
                "Content-Type: text/cloud-config\r\nContent-Transfer-Encoding: base64",
                "ZTog\r\nZg==",
            ),
        ]);
        let found = parts(&text, "text/cloud-config").expect("good");
        assert_eq!(found, ["a: b\nc: d\n", "e: f"]);
        assert_eq!(parts(&text, "text/html").expect("good"), [""; 0]);
    }

    #[test]
    fn invalid_archives() {
        let strange = archive(&[(
            "Content-Type: text/x\nContent-Transfer-Encoding: quoted-printable",
            "secret",
        )]);
        let broken = archive(&[(
            "Content-Type: text/x\nContent-Transfer-Encoding: base64",
            "secret!",
        )]);
        for (text, want) in [
            ("", "it is not a MIME multipart message"),
            (
                "#cloud-config\nsecret: x\n",
                "it is not a MIME multipart message",
            ),
            (
                "Content-Type: multipart/mixed\n\n--xx\n",
                "it is not a MIME multipart message",
            ),
            (&strange, "a part of it has an unknown transfer encoding"),
            (&broken, "a document in it: not valid base64"),
        ] {
            let error = format!("{:#}", parts(text, "text/x").expect_err(text));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
