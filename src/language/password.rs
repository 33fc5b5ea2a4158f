//! Hashes of passwords that a config has in clear text.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The alphabet of crypt(5), in the order of its values.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a salt: the most that this kind of hash takes.
const SALT_CHARACTERS: usize = 16;

/// Six bits of a character.
const SIX_BITS: u64 = 0x3f;

/// The hash of `password` as crypt(5) writes it: SHA-512 in 5000 rounds with a salt of its own.
pub(crate) fn hash(password: &str) -> String {
    hash_with(password, &salt())
}

/// A salt needs to be different each time; nothing is secret about it.
fn salt() -> String {
    // Each state has keys of its own, which come from the system's random numbers.
    let words = [0_u8, 1].map(|i| RandomState::new().hash_one(i));
    let characters = (0..SALT_CHARACTERS).map(|i| {
        let word = words[i % 2] >> (6 * (i / 2));
        char::from(ALPHABET[(word & SIX_BITS) as usize])
    });
    characters.collect()
}

fn hash_with(password: &str, salt: &str) -> String {
    let digest = sha_crypt::sha512_crypt(
        password.as_bytes(),
        salt.as_bytes(),
        sha_crypt::Params::default(),
    );
    let mut out = format!("$6${salt}$");
    let byte = |i: usize| u32::from(digest[i]);
    // Three bytes make four characters; the three are 21 apart, and each group begins one further than the last.
    for group in 0..21 {
        let first = 22 * group % 63;
        let bits = byte(first) << 16 | byte((first + 21) % 63) << 8 | byte((first + 42) % 63);
        push(&mut out, bits, 4);
    }
    push(&mut out, byte(63), 2);
    out
}

fn push(out: &mut String, mut bits: u32, characters: usize) {
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
    fn salts_differ() {
        assert_ne!(salt(), salt());
        assert_eq!(salt().len(), SALT_CHARACTERS);
    }
}
