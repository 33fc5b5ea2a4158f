//! `password` and `chpasswd`.

use super::CloudInitContext;
use super::account::warn_of_clear_text;
use super::account_extras::AccountExtras;
use super::values;
use crate::language::assembly::Assembly;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::password;
use crate::language::placed_text::PlacedText;

/// Prefixes of password hashes.
const HASH_PREFIXES: [&str; 7] = ["$1$", "$2a$", "$2y$", "$5$", "$6$", "$y$", "$7$"];

/// How a password is given.
#[derive(PartialEq, Eq)]
enum Form {
    Hash,
    ClearText,
    Random,
}

/// Sets the passwords of accounts.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    accounts: &AccountExtras,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["expire", "list", "users"];
    let chpasswd = values::mapping(root, "chpasswd", known, remarks);
    let listed = chpasswd
        .as_ref()
        .map(|node| listed_passwords(node, remarks));
    let listed = listed.unwrap_or_default();
    let mut has_clear_text = false;
    if let Some(password) = values::filled(root, "password", remarks) {
        match &accounts.default {
            // The original uses only one of the two.
            _ if !listed.is_empty() => remarks.warn_with_help(
                password.at,
                "the password has no effect next to the accounts of chpasswd",
                "put the account and its password into `chpasswd`",
            ),
            Some(name) => {
                let name = PlacedText {
                    at: password.at,
                    text: name.clone(),
                };
                let form = form_of(&password.text);
                has_clear_text |= form == Form::ClearText;
                set_password(&name, password, form, assembly, remarks);
            }
            None => remarks.warn_with_help(
                password.at,
                "there is no default account to have the password",
                "add `default` to `users`",
            ),
        }
    }
    for (name, password, form) in listed {
        has_clear_text |= form == Form::ClearText;
        report_missing_account(&name, context, assembly, remarks);
        set_password(&name, password, form, assembly, remarks);
    }
    let expire = chpasswd.as_ref().and_then(|node| {
        let flag = values::flag(node, "expire", remarks)?;
        Some((flag, node.get("expire").map_or(node.at, |value| value.at)))
    });
    match expire {
        Some((true, at)) => warn_of_expiry(at, remarks),
        None if has_clear_text => {
            let node = root.get("chpasswd").or(root.get("password"));
            warn_of_expiry(node.map_or(root.at, |node| node.at), remarks);
        }
        _ => {}
    }
}

/// Reports an account that neither the config nor the system has.
fn report_missing_account(
    name: &PlacedText,
    context: &CloudInitContext<'_>,
    assembly: &Assembly<'_>,
    remarks: &mut Remarks,
) {
    let is_added = assembly.user_named(&name.text).is_some();
    if is_added || context.target.has_account(&name.text) {
        return;
    }
    let help = "add the account to `users`";
    if context.target.accounts.is_some() {
        let message = format!("there is no account {} to have the password", name.text);
        remarks.error_with_help(name.at, message, help);
    } else {
        let message = format!(
            "the account {} is made if the system does not have it",
            name.text
        );
        remarks.warn_with_help(name.at, message, help);
    }
}

fn warn_of_expiry(at: u32, remarks: &mut Remarks) {
    remarks.warn_with_help(
        at,
        "passwords need not be changed at the first login",
        "`chpasswd: {expire: false}` says so",
    );
}

fn form_of(password: &str) -> Form {
    // As in the original, an incomplete hash is taken for a password that happens to begin like one.
    let has_parts = |rest: &str| {
        let parts = rest.split_once('$');
        parts.is_some_and(|(salt, hash)| !salt.is_empty() && !hash.is_empty())
    };
    let is_hash = HASH_PREFIXES
        .iter()
        .any(|prefix| password.strip_prefix(prefix).is_some_and(has_parts));
    match password {
        "R" | "RANDOM" => Form::Random,
        _ if is_hash => Form::Hash,
        _ => Form::ClearText,
    }
}

/// Accounts and passwords of `chpasswd`.
fn listed_passwords(node: &Node<'_>, remarks: &mut Remarks) -> Vec<(PlacedText, PlacedText, Form)> {
    let mut found = Vec::new();
    let lines = match node.get("list").map(|list| &list.value) {
        Some(NodeContent::Scalar(scalar)) => {
            let at = node.get("list").map_or(node.at, |list| list.at);
            let lines = scalar.text.lines().map(|line| PlacedText {
                at,
                text: line.to_owned(),
            });
            lines.collect()
        }
        _ => values::texts(node, "list", remarks),
    };
    for line in lines.iter().filter(|line| !line.text.trim().is_empty()) {
        match line.text.split_once(':') {
            Some((name, password)) if !name.trim().is_empty() => {
                let text = |text: &str| PlacedText {
                    at: line.at,
                    text: text.to_owned(),
                };
                found.push((text(name.trim()), text(password), form_of(password)));
            }
            _ => remarks.error(line.at, "not of the form account:password"),
        }
    }
    for entry in values::mappings(node, "users", remarks) {
        let entry = values::canonical(entry.clone(), &["name", "password", "type"], remarks);
        let kind = values::filled(&entry, "type", remarks);
        let form = match kind.as_ref().map(|kind| kind.text.as_str()) {
            None | Some("hash") => Form::Hash,
            Some("text") => Form::ClearText,
            Some("RANDOM") => Form::Random,
            Some(_) => {
                let at = kind.as_ref().map_or(entry.at, |kind| kind.at);
                remarks.error_with_help(at, "unknown type of password", "use hash or text");
                continue;
            }
        };
        let name = values::filled(&entry, "name", remarks);
        let password = values::filled(&entry, "password", remarks);
        match (name, password) {
            (Some(name), Some(password)) => found.push((name, password, form)),
            (Some(name), None) if form == Form::Random => {
                let password = name.clone();
                found.push((name, password, form));
            }
            _ => remarks.error(entry.at, "an account and its password are needed"),
        }
    }
    found
}

fn set_password(
    name: &PlacedText,
    password: PlacedText,
    form: Form,
    assembly: &mut Assembly<'_>,
    remarks: &mut Remarks,
) {
    let hash = match form {
        Form::Hash => password.text,
        Form::ClearText => {
            warn_of_clear_text(password.at, remarks);
            password::hash(&name.text, &password.text)
        }
        Form::Random => {
            remarks.error_with_help(
                password.at,
                "random passwords are not supported: nobody would see them",
                "give a hash",
            );
            return;
        }
    };
    if hash.contains([':', '\n']) {
        remarks.error(password.at, "the hash has a colon or a line end");
    }
    let user = assembly.user(name.at, &name.text);
    user.replace("passwordHash", Node::text(password.at, hash));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(form_of("$6$s$h") == Form::Hash);
        assert!(form_of("$x$s$h") == Form::ClearText);
        assert!(form_of("$6$secret") == Form::ClearText);
        assert!(form_of("R") == Form::Random);
        assert!(form_of("secret") == Form::ClearText);
    }
}
