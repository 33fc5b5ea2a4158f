//! The last screen of a boot that failed: what happened, why, where it was requested, and what to do.
//!
//! It must fit on any console, including serial ones, above the prompt of the emergency shell: plain ASCII, at most 15
//! lines of at most [`WIDTH`] columns. The text of a cause cannot control the terminal.

use super::Failure;

/// Maximum number of lines on the screen.
#[cfg(test)]
const MAX_LINES: usize = 15;
/// Maximum number of columns of a line: a terminal may wrap at the eightieth.
pub(crate) const WIDTH: usize = 79;

const LABEL_WIDTH: usize = 13;
/// Stands for what was cut out.
const ELLIPSIS: &str = " [...] ";

/// Renders the failure of a stage in which `others` more operations failed. Every line ends with a line break.
pub(crate) fn render(stage: &str, failure: &Failure, others: usize) -> String {
    let stage = match others {
        0 => stage.to_owned(),
        others => format!("{stage} (the first of {} failures)", others + 1),
    };
    let code = failure
        .code
        .map_or(String::new(), |code| format!(" [{code}]"));
    let mut lines = vec![format!("kindling: FIRST-BOOT PROVISIONING FAILED{code}")];
    let mut add = |label: &str, text: &str, max_lines| lines.extend(entry(label, text, max_lines));
    add("stage", &stage, 1);
    add("operation", &failure.operation(), 2);
    add("cause", &failure.cause, 4);
    if let Some(origin) = &failure.origin {
        add("requested at", &origin.to_string(), 2);
    }
    if let Some(remedy) = failure.remedy() {
        add("to do", remedy, 2);
    }
    add("see", "journalctl -t ignition", 1);
    add("", "kindling report /run/kindling/report.json", 1);
    add("next boot", "tries again from the start", 1);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A label and its text on at most `max_lines` lines.
fn entry(label: &str, text: &str, max_lines: usize) -> Vec<String> {
    let text = plain(text);
    let lines = fit(&text, max_lines);
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let line = |(label, line): (&str, &String)| format!("  {label:LABEL_WIDTH$} {line}");
    labels.zip(&lines).map(line).collect()
}

/// Wraps a text. One that is too long keeps its beginning and its end, since errors name the object first and the root
/// cause last.
fn fit(text: &str, max_lines: usize) -> Vec<String> {
    let width = WIDTH - LABEL_WIDTH - 3;
    let mut keep = max_lines * width;
    loop {
        let lines = textwrap::wrap(&cut(text, keep), width)
            .into_iter()
            .map(|line| line.into_owned())
            .collect::<Vec<_>>();
        // Words that do not fit leave lines short, so the number of characters alone is not enough.
        if lines.len() <= max_lines {
            return lines;
        }
        keep -= 4;
    }
}

/// At most `max` characters of an ASCII text, its middle cut out.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.into();
    }
    let kept = max.saturating_sub(ELLIPSIS.len());
    let (head, tail) = (kept - kept / 2, kept / 2);
    let head = text.get(..head).unwrap_or_default().trim_end();
    let tail = text
        .get(text.len() - tail..)
        .unwrap_or_default()
        .trim_start();
    format!("{head}{ELLIPSIS}{tail}")
}

/// One line of ASCII: white space, including line breaks, becomes one blank; anything that a console may not show or
/// may interpret is escaped.
fn plain(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(escaped).collect();
    words.join(" ")
}

fn escaped(word: &str) -> String {
    let escape = |c: char| match c {
        '!'..='~' => c.to_string(),
        _ => c.escape_unicode().to_string(),
    };
    word.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JsonPath, Origin};

    fn failure(cause: &str) -> Failure {
        Failure {
            origin: Some(Origin {
                source: "user.ign".into(),
                line: 12,
                column: 7,
                path: JsonPath::new("$.storage.files.0".to_owned()),
            }),
            remedy: "check the URL".into(),
            ..Failure::new("write file /etc/motd", cause)
        }
    }

    fn screen(failure: &Failure) -> String {
        render("files", failure, 0)
    }

    #[test]
    fn the_screen_says_what_why_where_and_what_to_do() {
        let want = "\
kindling: FIRST-BOOT PROVISIONING FAILED
  stage         files
  operation     write file /etc/motd
  cause         resource not found: GET http://example.com/motd: 404 Not Found
  requested at  user.ign:12:7 ($.storage.files.0)
  to do         check the URL
  see           journalctl -t ignition
                kindling report /run/kindling/report.json
  next boot     tries again from the start
";
        let cause = "resource not found: GET http://example.com/motd: 404 Not Found";
        assert_eq!(screen(&failure(cause)), want);
    }

    #[test]
    fn unknown_parts_are_left_out() {
        let failure = Failure::new("write file /etc/motd", "no space left");
        let screen = render("files", &failure, 2);
        assert!(
            !screen.contains("requested") && !screen.contains("to do"),
            "{screen}"
        );
        assert!(
            screen.contains("files (the first of 3 failures)"),
            "{screen}"
        );
    }

    #[test]
    fn every_screen_fits() {
        let long_words = "/very/long/path".repeat(700);
        let stderr = "mkfs.ext4: first line\n\tsecond line\n\n".repeat(300);
        let words = "word ".repeat(2000);
        let awkward = format!("{} ", "x".repeat(60)).repeat(100);
        let unicode = "\u{4e2d}\u{6587} \u{1f525}\u{301}é ".repeat(500);
        for cause in [
            "",
            " ",
            "\n",
            &long_words,
            &stderr,
            &words,
            &awkward,
            &unicode,
        ] {
            let origin = Origin {
                source: cause.into(),
                ..failure(cause).origin.expect("an origin")
            };
            let failure = Failure {
                act: cause.into(),
                origin: Some(origin),
                remedy: cause.into(),
                ..failure(cause)
            };
            let screen = render("files", &failure, usize::MAX - 1);
            assert!(screen.lines().count() <= MAX_LINES, "{screen}");
            for line in screen.lines() {
                assert!(line.len() <= WIDTH, "{line}");
                assert!(line.bytes().all(|b| matches!(b, b' '..=b'~')), "{line:?}");
            }
        }
    }

    #[test]
    fn a_long_cause_keeps_its_beginning_and_its_end() {
        let cause = format!(
            "mkfs.ext4 failed: {} no space left on device",
            "noise ".repeat(1700)
        );
        let screen = screen(&failure(&cause));
        assert!(screen.contains("mkfs.ext4 failed: noise"), "{screen}");
        assert!(screen.contains("no space left on device"), "{screen}");
        assert!(screen.contains("[...]"), "{screen}");
        let lines = screen.lines().count();
        assert_eq!(
            lines, 12,
            "a long cause uses the available space:\n{screen}"
        );
    }

    #[test]
    fn a_cause_cannot_control_the_terminal() {
        let screen = screen(&failure("bad \u{1b}[2Jthing\u{7}\u{9b}31m"));
        assert!(
            screen.contains(r"bad \u{1b}[2Jthing\u{7}\u{9b}31m"),
            "{screen}"
        );
    }
}
