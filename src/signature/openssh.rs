//! OpenSSH: signatures of `ssh-keygen -Y sign`, and public keys as in `authorized_keys` or `allowed_signers`.

use super::{NAMESPACE, SignatureError, Verified, date};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey, SshSig};
use std::time::SystemTime;

const SIGNATURE_ARMOUR: &[u8] = b"-----BEGIN SSH SIGNATURE-----";

/// A public key, the line it came from, and when it is valid.
#[derive(Debug, Clone)]
pub(super) struct SshKey {
    key: PublicKey,
    location: String,
    valid_from: Option<SystemTime>,
    valid_until: Option<SystemTime>,
}

/// True if `bytes` contain an armoured OpenSSH signature.
pub(super) fn looks_like_signature(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, SIGNATURE_ARMOUR).is_some()
}

/// Parses the keys in a file; at least one.
pub(super) fn keys(file: &str, bytes: &[u8]) -> Result<Vec<SshKey>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither a text nor an OpenPGP key")?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys = lines
        .map(|(number, line)| {
            key(line, format!("{file}:{number}")).map_err(|cause| format!("line {number}: {cause}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    match keys.is_empty() {
        true => Err("there is no key in it".into()),
        false => Ok(keys),
    }
}

/// Parses `[principals] [options] type base64 [comment]`.
fn key(line: &str, location: String) -> Result<SshKey, String> {
    let (before, key) = split(line).ok_or("there is no key in it")?;
    let mut result = SshKey {
        key: PublicKey::from_openssh(key).map_err(|error| error.to_string())?,
        location,
        valid_from: None,
        valid_until: None,
    };
    let last = split_unquoted(before, char::is_whitespace)
        .pop()
        .unwrap_or_default();
    for option in split_unquoted(last, |c| c == ',') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => {
                return Err("certificate authorities (cert-authority) are not supported".into());
            }
            "namespaces" if !includes_ours(value) => {
                return Err(format!("its namespaces do not include {NAMESPACE}"));
            }
            "namespaces" => {}
            // If one is given twice, the stricter value applies, as with several lines.
            "valid-after" => result.valid_from = result.valid_from.max(Some(time(value)?)),
            "valid-before" => {
                let until = time(value)?;
                result.valid_until =
                    Some(result.valid_until.map_or(until, |other| other.min(until)));
            }
            // Principals do not matter here, but an option that restricts a key must not be ignored.
            _ if option.contains('=') => {
                return Err(format!("the option {name:?} is not supported"));
            }
            _ => {}
        }
    }
    Ok(result)
}

/// True if a list of patterns permits [`NAMESPACE`]. Negated patterns take precedence in any order. Wildcards are not
/// evaluated, so a negated pattern with wildcards is assumed to match.
fn includes_ours(patterns: &str) -> bool {
    let mut is_permitted = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(denied) if denied == NAMESPACE || denied.contains(['*', '?']) => return false,
            Some(_) => {}
            None => is_permitted |= matches!(pattern, NAMESPACE | "*"),
        }
    }
    is_permitted
}

/// Splits a text, but not inside double quotes.
fn split_unquoted(text: &str, is_end: impl Fn(char) -> bool) -> Vec<&str> {
    let mut is_quoted = false;
    let parts = text.split(|c| {
        is_quoted ^= c == '"';
        !is_quoted && is_end(c)
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// Splits a line into what precedes the key type, and the key.
fn split(line: &str) -> Option<(&str, &str)> {
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|p| word.starts_with(p))
    };
    let mut start = 0;
    for word in line.split_inclusive(char::is_whitespace) {
        if is_type(word) {
            return Some((line[..start].trim_end(), &line[start..]));
        }
        start += word.len();
    }
    None
}

/// Parses `YYYYMMDD[HHMM[SS]][Z]`, always as UTC: a machine that boots for the first time has no time zone.
fn time(text: &str) -> Result<SystemTime, String> {
    let bad = || format!("{text:?} is not a time like 20301231 or 203012312359");
    let digits = text.trim_end_matches('Z');
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(bad());
    }
    let all = format!("{digits:0<14}");
    let part = |start: usize, end: usize| &all[start..end];
    let (day, clock) = (
        (part(0, 4), part(4, 6), part(6, 8)),
        (part(8, 10), part(10, 12), part(12, 14)),
    );
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        day.0, day.1, day.2, clock.0, clock.1, clock.2
    );
    humantime::parse_rfc3339(&text).map_err(|_| bad())
}

/// Verifies that `signature` is a signature over `bytes` by one of `keys`.
pub(super) fn verify(
    keys: &[SshKey],
    bytes: &[u8],
    signature: &[u8],
    now: SystemTime,
) -> Result<Verified, SignatureError> {
    let start = memchr::memmem::find(signature, SIGNATURE_ARMOUR).unwrap_or_default();
    let text = signature[start..].trim_ascii_end();
    let signature =
        SshSig::from_pem(text).map_err(|error| SignatureError::Malformed(error.to_string()))?;
    let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256);
    let Some(key) = merge_lines(keys, signature.public_key()) else {
        return Err(SignatureError::UnknownKey(format!(
            "OpenSSH key {fingerprint}"
        )));
    };
    let by = format!("OpenSSH key {fingerprint} ({})", key.location);
    if signature.namespace() != NAMESPACE {
        let why = format!(
            "for {:?}; sign with: ssh-keygen -Y sign -n {NAMESPACE}",
            signature.namespace()
        );
        return Err(SignatureError::NotAccepted { by, why });
    }
    if key.key.verify(NAMESPACE, bytes, &signature).is_err() {
        return Err(SignatureError::OtherBytes(by));
    }
    match key.valid_until.filter(|valid_until| *valid_until <= now) {
        Some(valid_until) => {
            let why = format!("the key expired on {}", date(valid_until));
            Err(SignatureError::NotAccepted { by, why })
        }
        None => {
            let remark = key
                .valid_from
                .filter(|valid_from| *valid_from > now)
                .map(|valid_from| {
                    format!(
                        "the key is not valid before {}; the clock of this machine says {}",
                        date(valid_from),
                        date(now)
                    )
                });
            Ok(Verified::Signed { by, remark })
        }
    }
}

/// Merges all lines with the same key: the restrictions of all of them apply, regardless of their order.
fn merge_lines(keys: &[SshKey], wanted: &KeyData) -> Option<SshKey> {
    let same = keys.iter().filter(|key| key.key.key_data() == wanted);
    same.cloned().reduce(|one, other| SshKey {
        location: format!("{}, {}", one.location, other.location),
        valid_from: one.valid_from.max(other.valid_from),
        valid_until: one.valid_until.into_iter().chain(other.valid_until).min(),
        key: one.key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";

    #[test]
    fn lines_with_keys() {
        let good = [
            KEY.to_owned(),
            format!("# one\n\n  {KEY} me@here\r\n"),
            format!("ops@example.com {KEY}"),
            format!("* namespaces=\"*\" {KEY}"),
            format!("* namespaces=\"!git,*\" {KEY}"),
            format!("\"ops one\",b valid-after=\"20200101\" {KEY} x=y"),
            format!("ops@a,ops@b namespaces=\"file,kindling\",valid-before=\"20991231Z\" {KEY} me"),
        ];
        for text in good {
            let keys = keys("f", text.as_bytes()).expect("a key");
            assert_eq!(keys.len(), 1, "{text}");
        }
        let bad = [
            (String::new(), "there is no key in it"),
            ("# nothing\n".into(), "there is no key in it"),
            (format!("{KEY}\nnonsense"), "line 2: there is no key in it"),
            ("ssh-ed25519 AAAA".into(), "line 1: "),
            (
                format!("a cert-authority {KEY}"),
                "certificate authorities (cert-authority)",
            ),
            (
                format!("a namespaces=\"git\" {KEY}"),
                "do not include kindling",
            ),
            (
                format!("a namespaces=\"!kindling,*\" {KEY}"),
                "do not include kindling",
            ),
            (
                format!("a namespaces=\"kindling,!k*\" {KEY}"),
                "do not include kindling",
            ),
            (format!("a valid-before=\"soon\" {KEY}"), "is not a time"),
            (
                format!("command=\"a b\" {KEY}"),
                "\"command\" is not supported",
            ),
            (
                format!("a valid-before=\"20991331\" {KEY}"),
                "is not a time",
            ),
        ];
        for (text, cause) in bad {
            let error = keys("f", text.as_bytes()).expect_err("no key");
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn the_stricter_of_repeated_limits_applies() {
        for (one, other) in [("2020", "2030"), ("2030", "2020")] {
            let line = format!(
                "a valid-after=\"{one}0101\",valid-after=\"{other}0101\",valid-before=\"{one}0601\",valid-before=\"{other}0601\" {KEY}"
            );
            let keys = keys("f", line.as_bytes()).expect("a key");
            assert_eq!(keys[0].valid_from, time("20300101").ok());
            assert_eq!(keys[0].valid_until, time("20200601").ok());
        }
    }

    #[test]
    fn times() {
        let day = time("20300102").expect("a day");
        assert_eq!(date(day), "2030-01-02T00:00:00Z");
        let minute = time("203001020304Z").expect("a minute");
        assert_eq!(date(minute), "2030-01-02T03:04:00Z");
    }
}
