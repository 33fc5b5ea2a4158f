//! A config that carries its signature: the text of the config, directly followed by an armoured signature.
//!
//! ```text
//! ssh-keygen -Y sign -n kindling -f KEY config.ign && cat config.ign config.ign.sig > signed.ign
//! gpg --armor --detach-sign config.ign && cat config.ign config.ign.asc > signed.ign
//! ```

/// How armoured signatures begin.
const MARKS: [&[u8]; 2] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// Splits bytes into the config and its signature; none if no signature follows. The signature is the last one: a
/// config may quote others.
pub fn open(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let last = |mark: &[u8]| memchr::memmem::rfind(bytes, mark);
    let at = MARKS.into_iter().filter_map(last).max()?;
    Some(bytes.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_signature_counts() {
        let pgp = "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n";
        let ssh = "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n";
        assert_eq!(open(b"{}\n"), None);
        for (config, signature) in [
            ("{}\n", pgp),
            ("{}", ssh),
            ("", pgp),
            (pgp, ssh),
            (ssh, pgp),
        ] {
            let whole = [config, signature].concat();
            let parts = (config.as_bytes(), signature.as_bytes());
            assert_eq!(open(whole.as_bytes()), Some(parts), "{whole}");
        }
    }
}
