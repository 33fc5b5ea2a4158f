//! Hashes of passwords that a config has in clear text.

use sha2::{Digest, Sha512};

/// The alphabet of crypt(5), in the order of its values.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of a salt in characters, the maximum for this kind of hash.
const SALT_CHARACTERS: usize = 16;

/// The hash of the password of `account` as crypt(5) writes it: SHA-512 in 5000 rounds.
///
/// The same account and password give the same hash, so that applying a config twice changes nothing. The salt is part
/// of another hash of the password: it reveals nothing that could be tried faster than the result itself.
pub(crate) fn hash(account: &str, password: &str) -> String {
    let first = hash_with(password, &salt_of(Sha512::digest(account).as_ref()));
    let salt = first.rsplit('$').next().unwrap_or_default();
    hash_with(password, salt.get(..SALT_CHARACTERS).unwrap_or(salt))
}

/// A salt with one character for each of the first bytes.
fn salt_of(bytes: &[u8]) -> String {
    let bytes = bytes.iter().take(SALT_CHARACTERS);
    bytes
        .map(|byte| char::from(ALPHABET[usize::from(byte & 0x3f)]))
        .collect()
}

fn hash_with(password: &str, salt: &str) -> String {
    let digest = sha_crypt::sha512_crypt(
        password.as_bytes(),
        salt.as_bytes(),
        sha_crypt::Params::default(),
    );
    let mut out = format!("$6${salt}$");
    let byte = |i: usize| u32::from(digest[i]);
    // Three bytes make four characters. They are 21 bytes apart, and each group begins 22 bytes after the last, modulo
    // 63.
    for group in 0..21 {
        let first = 22 * group % 63;
        let bits = byte(first) << 16 | byte((first + 21) % 63) << 8 | byte((first + 42) % 63);
        push_characters(&mut out, bits, 4);
    }
    push_characters(&mut out, byte(63), 2);
    out
}

fn push_characters(out: &mut String, mut bits: u32, characters: usize) {
    for _ in 0..characters {
        out.push(char::from(ALPHABET[(bits & 0x3f) as usize]));
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `openssl passwd -6` makes.
    #[test]
    fn known_hash() {
        assert_eq!(
            hash_with("Hello world!", "saltstring"),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
    }

    #[test]
    fn hashes_depend_on_the_account() {
        assert_eq!(hash("core", "secret"), hash("core", "secret"));
        let salt = |account: &str, password: &str| {
            let hash = hash(account, password);
            hash.split('$').nth(2).map(str::to_owned)
        };
        assert_ne!(salt("core", "secret"), salt("ops", "secret"));
        assert_ne!(salt("core", "secret"), salt("core", "other"));
        assert_eq!(
            salt("core", "secret").map(|salt| salt.len()),
            Some(SALT_CHARACTERS)
        );
    }
}
