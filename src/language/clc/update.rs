//! The sections `update` and `locksmith`, which become one file.

use super::services::quoted;
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::typed;

/// Groups of the public update server.
const KNOWN_GROUPS: [&str; 3] = ["stable", "beta", "alpha"];

const STRATEGIES: [&str; 3] = ["reboot", "etcd-lock", "off"];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The text of the file, with the offset of its origin. `None` if nothing is set.
pub(super) fn file(root: &Node<'_>, remarks: &mut Remarks) -> Option<(u32, String)> {
    let mut lines = Vec::new();
    let update = root.get("update");
    if let Some(update) = update {
        update_lines(update, &mut lines, remarks);
    }
    let locksmith = root.get("locksmith");
    if let Some(locksmith) = locksmith {
        check_locksmith(locksmith, remarks);
        locksmith_lines(locksmith, &mut lines);
    }
    let at = update.or(locksmith)?.at;
    (!lines.is_empty()).then(|| (at, lines.join("\n")))
}

fn update_lines(update: &Node<'_>, lines: &mut Vec<String>, remarks: &mut Remarks) {
    let server = typed::text(update, "server");
    if let Some((at, group)) = typed::text(update, "group") {
        let group = group.to_lowercase();
        if server.is_none() && !KNOWN_GROUPS.contains(&group.as_str()) {
            let message = "the public update server does not know this group";
            let help = "use stable, beta or alpha, or name a `server`";
            remarks.warn_with_help(at, message, help);
        }
        lines.push(format!("GROUP={group}"));
    }
    if let Some((at, server)) = server
        && !is_url(server)
    {
        let help = "write for example https://update.example.com/v1/update/";
        remarks.error_with_help(at, "`server` is not a URL", help);
    }
    for (name, variable) in [
        ("server", "SERVER"),
        ("pcr_policy_server", "PCR_POLICY_SERVER"),
        ("download_user", "DOWNLOAD_USER"),
        ("download_password", "DOWNLOAD_PASSWORD"),
        ("machine_alias", "MACHINE_ALIAS"),
    ] {
        if let Some((at, value)) = typed::text(update, name) {
            if value.contains(['\n', '\r', '\0']) {
                remarks.error(at, format!("`{name}` must be in one line"));
            }
            lines.push(format!("{variable}={value}"));
        }
    }
}

fn locksmith_lines(locksmith: &Node<'_>, lines: &mut Vec<String>) {
    for (name, variable) in [
        ("reboot_strategy", "REBOOT_STRATEGY"),
        ("window_start", "LOCKSMITHD_REBOOT_WINDOW_START"),
        ("window_length", "LOCKSMITHD_REBOOT_WINDOW_LENGTH"),
        ("group", "LOCKSMITHD_GROUP"),
        ("etcd_endpoints", "LOCKSMITHD_ENDPOINT"),
        ("etcd_cafile", "LOCKSMITHD_ETCD_CAFILE"),
        ("etcd_certfile", "LOCKSMITHD_ETCD_CERTFILE"),
        ("etcd_keyfile", "LOCKSMITHD_ETCD_KEYFILE"),
    ] {
        if let Some((_, value)) = typed::text(locksmith, name) {
            lines.push(format!("{variable}={}", quoted(value)));
        }
    }
}

fn check_locksmith(locksmith: &Node<'_>, remarks: &mut Remarks) {
    if let Some((at, strategy)) = typed::text(locksmith, "reboot_strategy")
        && !STRATEGIES.contains(&strategy.to_lowercase().as_str())
    {
        let help = "use reboot, etcd-lock or off";
        remarks.error_with_help(at, "unknown reboot strategy", help);
    }
    let start = typed::text(locksmith, "window_start");
    let length = typed::text(locksmith, "window_length");
    if let Some((at, text)) = start
        && !is_window_start(text)
    {
        let help = "write for example `Thu 04:00` or `04:00`";
        remarks.error_with_help(at, "window_start is not a time of a day", help);
    }
    if let Some((at, text)) = length
        && !is_duration(text)
    {
        let help = "write for example 1h30m";
        remarks.error_with_help(at, "window_length is not a duration", help);
    }
    match (start, length) {
        (Some((at, _)), None) => remarks.error(at, "window_start needs window_length"),
        (None, Some((at, _))) => remarks.error(at, "window_length needs window_start"),
        _ => {}
    }
}

/// `[day] HH:MM`.
fn is_window_start(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let time = match words.as_slice() {
        [time] => time,
        [day, time] if DAYS.contains(&day.to_lowercase().as_str()) => time,
        _ => return false,
    };
    let Some((hours, minutes)) = time.split_once(':') else {
        return false;
    };
    let is_number = |text: &str, lengths: std::ops::RangeInclusive<usize>, max: u8| {
        lengths.contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number <= max)
    };
    is_number(hours, 1..=2, 23) && is_number(minutes, 2..=2, 59)
}

/// Nanoseconds of the units of durations, as in `1h30m`.
const DURATION_UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// The longest duration that fits into 64 bits of nanoseconds.
const MAX_DURATION: f64 = 9.223_372_036e18;

fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let Some((number, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return false;
        };
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit_end.unwrap_or(after.len()));
        let unit = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
        let (Ok(number), Some((_, nanoseconds))) = (number.parse::<f64>(), unit) else {
            return false;
        };
        total += number * nanoseconds;
        rest = after;
    }
    !text.is_empty() && total <= MAX_DURATION
}

/// True if a Go program would accept `text` as a URL: it rejects little.
pub(super) fn is_url(text: &str) -> bool {
    if text.bytes().any(|b| b.is_ascii_control()) || text.starts_with(':') {
        return false;
    }
    let scheme_end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    let has_scheme = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme_end.is_some_and(|end| text[end..].starts_with(':'));
    let rest = match (has_scheme, scheme_end) {
        (true, Some(end)) => &text[end + 1..],
        _ => text,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let rest = rest.split('?').next().unwrap_or_default();
    let Some(after_slashes) = rest.strip_prefix("//") else {
        let segment = rest.split('/').next().unwrap_or_default();
        return (has_scheme || !segment.contains(':')) && has_valid_escapes(rest);
    };
    let (authority, path) = after_slashes.split_once('/').unwrap_or((after_slashes, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    is_host(host) && has_valid_escapes(path)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, _)) => (name, &host[name.len()..]),
            None => (host, ""),
        },
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let is_allowed =
        |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b);
    is_port && name.bytes().all(is_allowed) && has_valid_escapes(name)
}

/// True if two hexadecimal digits follow each `%`.
fn has_valid_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_starts() {
        for text in ["04:00", "4:00", "Thu 23:59", "sun   1:30", "SAT 00:00"] {
            assert!(is_window_start(text), "{text}");
        }
        for text in [
            "",
            "24:00",
            "4:60",
            "4",
            "thursday 04:00",
            "Thu",
            "04:0",
            "+4:00",
            "a 1:00",
        ] {
            assert!(!is_window_start(text), "{text}");
        }
    }

    #[test]
    fn durations() {
        for text in ["1h30m", "1.5h", "0", "10s", ".5s", "+1m", "2\u{b5}s"] {
            assert!(is_duration(text), "{text}");
        }
        for text in ["", "1", "h", "-1h", "1d", "1h 30m", "..s", "9999999999h"] {
            assert!(!is_duration(text), "{text}");
        }
    }

    #[test]
    fn urls() {
        for text in [
            "https://x.example.com/v1/update/",
            "http://[::1]:80/",
            "x/y",
            "http://h:8080",
        ] {
            assert!(is_url(text), "{text}");
        }
        for text in [
            "::",
            "https://x y",
            "http://h:x/",
            "a:b:c://\u{1}",
            "http://h/%zz",
            "1:2",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }
}
