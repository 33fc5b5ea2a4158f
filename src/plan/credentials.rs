//! Warns about passwords and keys that nobody can log in with. None of them is shown: what is not a hash may be the
//! password itself.

use super::{Draft, Warning};
use crate::config::model::PasswdUser;

/// Length of the last part of a hash, by the method in its first part (crypt(5)).
const DIGEST_CHARACTERS: [(&str, usize); 8] = [
    ("1", 22),
    ("2a", 53),
    ("2b", 53),
    ("2y", 53),
    ("5", 43),
    ("6", 86),
    ("gy", 43),
    ("y", 43),
];
/// Length of a hash of the traditional method, which has no parts (crypt(5)).
const DES_CHARACTERS: usize = 13;
/// Length of a hash of BSDi's method, after its `_` (crypt(5)).
const BSDI_CHARACTERS: usize = 19;

/// Adds the warnings about the user at `path` in the config.
pub(super) fn warn(draft: &mut Draft<'_>, path: &str, user: &PasswdUser) {
    if let Some(cause) = user.password_hash.as_deref().and_then(password_problem) {
        draft.warn(Warning {
            what: format!("password of user {}", user.name),
            cause: format!("{cause}, so nobody can log in with it"),
            origin: draft.origin(&format!("{path}.passwordHash")),
            hint: "make a hash with `openssl passwd -6` or `mkpasswd -m sha-512`".into(),
        });
    }
    for (index, keys) in user.ssh_authorized_keys.iter().enumerate() {
        if let Some(cause) = keys.lines().find_map(key_problem) {
            draft.warn(Warning {
                what: format!("ssh key {index} of user {}", user.name),
                cause: cause.into(),
                origin: draft.origin(&format!("{path}.sshAuthorizedKeys.{index}")),
                hint: "give the content of a file such as ~/.ssh/id_ed25519.pub".into(),
            });
        }
    }
}

/// Why a password cannot match. Accounts that are locked on purpose (`!`, `*`) and unknown methods are accepted.
fn password_problem(hash: &str) -> Option<&'static str> {
    let is_crypt = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
    };
    if hash.is_empty() || hash.starts_with(['!', '*']) {
        return None;
    }
    if let Some(parts) = hash.strip_prefix('$') {
        let (method, rest) = parts.split_once('$').unwrap_or((parts, ""));
        let digest = rest.rsplit('$').next().unwrap_or_default();
        let known = DIGEST_CHARACTERS.iter().find(|(name, _)| *name == method);
        let is_complete = known.is_none_or(|(_, characters)| digest.len() == *characters);
        return (!is_complete).then_some("the hash is incomplete");
    }
    let is_hash = match hash.strip_prefix('_') {
        Some(rest) => rest.len() == BSDI_CHARACTERS && is_crypt(rest),
        None => hash.len() == DES_CHARACTERS && is_crypt(hash),
    };
    (!is_hash).then_some("it is not a hash")
}

/// Why a line of an authorized_keys file has no effect: it has no key type that is followed by a key.
fn key_problem(line: &str) -> Option<&'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if line.contains("PRIVATE KEY-----") {
        return Some("it is a private key");
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_key = words.windows(2).any(|pair| {
        let is_type = ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| pair[0].starts_with(start));
        // The length of the type in four bytes, of which three are zero, as base64.
        is_type && pair[1].starts_with("AAAA")
    });
    (!is_key).then_some("it is not a public key, and the ssh server ignores it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let sha512 = format!("$6$salt${}", "a".repeat(86));
        let bcrypt = format!("$2b$10${}", "a".repeat(53));
        let rounds = format!("$5$rounds=9$salt${}", "a".repeat(43));
        let yescrypt = format!("$y$j9T$salt${}", "a".repeat(43));
        for hash in [
            "",
            "*",
            "!",
            "!!",
            "!$6$x",
            "ab.DEF/456789",
            "_J9..rasmBYk8r9AiWNc",
            "$9$unknown",
            &sha512,
            &bcrypt,
            &rounds,
            &yescrypt,
        ] {
            assert_eq!(password_problem(hash), None, "{hash}");
        }
        for hash in ["$6$salt$abc", "$6$", "$y$j9T$salt"] {
            assert_eq!(password_problem(hash), Some("the hash is incomplete"));
        }
        for hash in ["hunter2", "correct horse", "_short", "exactly13$$$$"] {
            assert_eq!(password_problem(hash), Some("it is not a hash"), "{hash}");
        }
    }

    #[test]
    fn keys() {
        for line in [
            "",
            "# me",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me",
            "command=\"echo a b\",no-pty ecdsa-sha2-nistp256 AAAAE2Vj",
            "sk-ssh-ed25519@openssh.com AAAAGnNr",
        ] {
            assert_eq!(key_problem(line), None, "{line}");
        }
        for line in ["~/.ssh/id.pub", "ssh-rsa", "ssh-rsa B3Nza", "AAAAB3Nza me"] {
            assert!(key_problem(line).is_some(), "{line}");
        }
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----";
        assert_eq!(key_problem(private), Some("it is a private key"));
    }
}
