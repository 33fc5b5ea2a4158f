//! OpenSSH: what `ssh-keygen -Y sign` makes, and public keys as in `authorized_keys` or `allowed_signers`.

use super::{NAMESPACE, SignatureError, Verified, date};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey, SshSig};
use std::time::SystemTime;

const SIGNATURE_ARMOUR: &[u8] = b"-----BEGIN SSH SIGNATURE-----";

/// A public key, the line it came from, and when it counts.
#[derive(Debug, Clone)]
pub(super) struct SshKey {
    key: PublicKey,
    place: String,
    from: Option<SystemTime>,
    until: Option<SystemTime>,
}

/// True if bytes hold an armoured signature of this kind.
pub(super) fn looks_like_signature(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, SIGNATURE_ARMOUR).is_some()
}

/// The keys in a file; at least one.
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

/// `[principals] [options] type base64 [comment]`
fn key(line: &str, place: String) -> Result<SshKey, String> {
    let (before, key) = split(line).ok_or("there is no key in it")?;
    let mut result = SshKey {
        key: PublicKey::from_openssh(key).map_err(|error| error.to_string())?,
        place,
        from: None,
        until: None,
    };
    let last = words(before, char::is_whitespace).pop().unwrap_or_default();
    for option in words(last, |c| c == ',') {
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
            // Given twice, the stricter one counts, as over several lines.
            "valid-after" => result.from = result.from.max(Some(time(value)?)),
            "valid-before" => {
                let until = time(value)?;
                result.until = Some(result.until.map_or(until, |other| other.min(until)));
            }
            // Names of people, who do not matter here; but what limits a key must not be passed over.
            _ if option.contains('=') => {
                return Err(format!("the option {name:?} is not supported"));
            }
            _ => {}
        }
    }
    Ok(result)
}

/// True if a list of patterns permits [`NAMESPACE`]. What is denied counts more, in whatever order; patterns with wildcards are
/// not matched, so denying one may deny ours.
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

/// Splits a text, but not between quotation marks.
fn words(text: &str, is_end: impl Fn(char) -> bool) -> Vec<&str> {
    let mut is_quoted = false;
    let words = text.split(|c| {
        is_quoted ^= c == '"';
        !is_quoted && is_end(c)
    });
    words.filter(|word| !word.is_empty()).collect()
}

/// What stands before the type of the key, and the key.
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

/// `YYYYMMDD[HHMM[SS]][Z]`; always taken for UTC: a machine that boots for the first time is in no time zone.
fn time(text: &str) -> Result<SystemTime, String> {
    let bad = || format!("{text:?} is not a time like 20301231 or 203012312359");
    let digits = text.trim_end_matches('Z');
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(bad());
    }
    let all = format!("{digits:0<14}");
    let part = |from: usize, to: usize| &all[from..to];
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

/// Whether `signature` is one of `keys` over `bytes`.
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
    let print = signature.public_key().fingerprint(HashAlg::Sha256);
    let Some(key) = merged(keys, signature.public_key()) else {
        return Err(SignatureError::UnknownKey(format!("OpenSSH key {print}")));
    };
    let by = format!("OpenSSH key {print} ({})", key.place);
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
    match key.until.filter(|until| *until <= now) {
        Some(until) => {
            let why = format!("the key expired on {}", date(until));
            Err(SignatureError::NotAccepted { by, why })
        }
        None => {
            let remark = key.from.filter(|from| *from > now).map(|from| {
                format!(
                    "the key is not valid before {}; the clock of this machine says {}",
                    date(from),
                    date(now)
                )
            });
            Ok(Verified::Signed { by, remark })
        }
    }
}

/// All lines with one key as one: the limits of each of them hold, in whatever order they were read.
fn merged(keys: &[SshKey], wanted: &KeyData) -> Option<SshKey> {
    let same = keys.iter().filter(|key| key.key.key_data() == wanted);
    same.cloned().reduce(|one, other| SshKey {
        place: format!("{}, {}", one.place, other.place),
        from: one.from.max(other.from),
        until: one.until.into_iter().chain(other.until).min(),
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
    fn of_limits_that_are_given_twice_the_stricter_counts() {
        for (one, other) in [("2020", "2030"), ("2030", "2020")] {
            let line = format!(
                "a valid-after=\"{one}0101\",valid-after=\"{other}0101\",valid-before=\"{one}0601\",valid-before=\"{other}0601\" {KEY}"
            );
            let keys = keys("f", line.as_bytes()).expect("a key");
            assert_eq!(keys[0].from, time("20300101").ok());
            assert_eq!(keys[0].until, time("20200601").ok());
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
