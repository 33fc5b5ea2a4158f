//! The account of k3OS: its keys and its password.

use super::values;
use super::write_files;
use crate::language::assembly::{AssembledFile, Assembly, FileBody};
use crate::language::fetched_keys;
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::password;
use crate::language::placed_text::PlacedText;
use crate::language::surroundings::Surroundings;

/// The account of k3OS.
const USER: &str = "rancher";

/// Adds the account if the config needs it.
pub(super) fn convert<'t>(
    config: &Node<'t>,
    k3os: &Node<'t>,
    surroundings: &Surroundings<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let keys = values::texts(config, "ssh_authorized_keys", remarks).unwrap_or_default();
    let secret = PlacedText::of_key(k3os, "password", remarks);
    let secret = secret.filter(|secret| !secret.text.is_empty());
    let name = surroundings.target.default_user.unwrap_or(USER);
    let is_new = !surroundings.target.has_account(name);
    let requested = keys.first().or(secret.as_ref()).map(|text| text.at);
    // On k3OS the account always exists, so files may belong to it.
    let owned = write_files::owned_by(config, name).filter(|_| is_new);
    let Some(at) = requested.or(owned) else {
        return;
    };
    let user = assembly.user(at, name);
    if is_new {
        user.set("shell", Node::text(at, "/bin/bash"));
    }
    let mut remote = Vec::new();
    for key in &keys {
        match url_of(key) {
            Some(url) => remote.push(FileBody::url(key.at, url)),
            None => user.add_key(key.at, &key.text),
        }
    }
    if let Some(secret) = secret {
        let hash = match secret.text.starts_with('$') {
            true => secret.text,
            false => {
                remarks.warn_with_help(
                    secret.at,
                    "the password is in clear text; its hash is what is stored",
                    "write the hash that `mkpasswd -m sha-512` makes",
                );
                password::hash(name, &secret.text)
            }
        };
        user.replace("passwordHash", Node::text(secret.at, hash));
    }
    fetched_keys::add(at, name, None, remote, assembly);
    if is_new && name == USER {
        let rule = format!("{USER} ALL = (ALL) NOPASSWD: ALL\n");
        assembly.add_file(AssembledFile::new(
            at,
            "/etc/sudoers.d/rancher",
            0o440,
            rule,
        ));
    }
}

/// The URL that a key stands for, if it begins with a scheme rather than a key type.
fn url_of(key: &PlacedText) -> Option<String> {
    let (scheme, rest) = key.text.split_once(':')?;
    let mut characters = scheme.chars();
    let is_scheme = characters.next()?.is_ascii_alphabetic()
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme {
        return None;
    }
    Some(match scheme {
        "github" => format!("https://github.com/{}.keys", rest.trim()),
        "gitlab" => format!("https://gitlab.com/{}.keys", rest.trim()),
        _ => key.text.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_urls() {
        let cases = [
            ("github:someone", Some("https://github.com/someone.keys")),
            ("gitlab:x", Some("https://gitlab.com/x.keys")),
            ("https://k/x", Some("https://k/x")),
            ("ssh-ed25519 AAAA me@x:y", None),
            ("1a:b", None),
            ("key", None),
            (":x", None),
        ];
        for (key, want) in cases {
            let text = key.to_owned();
            assert_eq!(
                url_of(&PlacedText { at: 0, text }).as_deref(),
                want,
                "{key}"
            );
        }
    }
}
