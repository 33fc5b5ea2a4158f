//! Values that a line of a database can hold.

use super::{AccountRefusal, UserRequest};

/// Maximum length of the name of a user or group.
const MAX_NAME_BYTES: usize = 32;

/// Refuses a name that no tool would take, or that would break the line it is written to.
pub(super) fn check_name(name: &str) -> Result<(), AccountRefusal> {
    let refused = |cause: &str| {
        Err(AccountRefusal::new(
            format!("{name:?} is not a valid name: {cause}"),
            "choose another name",
        ))
    };
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || ":,/\"\\'".contains(c);
    match name {
        "" => refused("it is empty"),
        "." | ".." => refused("it is the name of a directory"),
        _ if name.len() > MAX_NAME_BYTES => {
            refused(&format!("it is longer than {MAX_NAME_BYTES} bytes"))
        }
        _ if name.starts_with(['-', '+', '~', '#']) => refused("of its first character"),
        _ if name.chars().any(is_bad) => {
            refused("blanks, control characters, quotes and :,/\\ cannot be in it")
        }
        _ if name.bytes().all(|byte| byte.is_ascii_digit()) => {
            refused("a name of digits is taken for a number")
        }
        _ => Ok(()),
    }
}

/// Refuses the id that the kernel reserves.
pub(super) fn check_id(id: Option<u32>) -> Result<(), AccountRefusal> {
    match id {
        Some(u32::MAX) => Err(AccountRefusal::new(
            format!("{} means \"no id\" to the kernel", u32::MAX),
            "choose another number",
        )),
        _ => Ok(()),
    }
}

/// Refuses a hash that would break its line. The message does not contain the hash.
pub(super) fn check_hash(hash: Option<&str>) -> Result<(), AccountRefusal> {
    match hash {
        Some(hash) if breaks_line(hash) => Err(AccountRefusal::new(
            "its password hash holds a colon or a control character",
            "give a hash as crypt(5) describes it",
        )),
        _ => Ok(()),
    }
}

/// Refuses values of a user that would break the line.
pub(super) fn check_user(request: &UserRequest) -> Result<(), AccountRefusal> {
    check_id(request.uid)?;
    check_hash(request.password_hash.as_deref())?;
    let texts = [
        ("comment", &request.gecos),
        ("home", &request.home),
        ("shell", &request.shell),
    ];
    for (field, text) in texts {
        let Some(text) = text else { continue };
        if breaks_line(text) {
            return Err(AccountRefusal::new(
                format!("{field} {text:?} holds a colon or a control character"),
                "a line of /etc/passwd cannot hold it; leave it out",
            ));
        }
    }
    for (field, text) in [("home", &request.home), ("shell", &request.shell)] {
        if text.as_ref().is_some_and(|text| !text.starts_with('/')) {
            let text = text.as_deref().unwrap_or_default();
            return Err(AccountRefusal::new(
                format!("{field} {text:?} is not an absolute path"),
                "give a path that starts with /",
            ));
        }
    }
    Ok(())
}

fn breaks_line(text: &str) -> bool {
    text.chars().any(|c| c == ':' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["core", "_a", "Ab.c-d_e", "name$", "k8s", "müller"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "a".repeat(33);
        for name in [
            "", ".", "..", "-a", "+a", "a b", "a:b", "a,b", "a/b", "a\nb", "100", &long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
