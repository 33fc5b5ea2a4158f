//! A config with an embedded signature: the text of the config, directly followed by an armoured signature.
//!
//! ```text
//! ssh-keygen -Y sign -n kindling -f KEY config.ign && cat config.ign config.ign.sig > signed.ign
//! gpg --armor --detach-sign config.ign && cat config.ign config.ign.asc > signed.ign
//! ```

/// First and last lines of armoured signatures.
const ARMOUR: [(&[u8], &[u8]); 2] = [
    (
        b"-----BEGIN PGP SIGNATURE-----",
        b"-----END PGP SIGNATURE-----",
    ),
    (
        b"-----BEGIN SSH SIGNATURE-----",
        b"-----END SSH SIGNATURE-----",
    ),
];

/// Splits bytes into the config and its signature; none if there is no signature at the end. Only white space may
/// follow a signature: a signature that is quoted in a config is followed by the rest of the config.
pub fn open(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let trimmed = bytes.trim_ascii_end();
    let (begin, _) = ARMOUR.into_iter().find(|(_, end)| trimmed.ends_with(end))?;
    let at = memchr::memmem::rfind(trimmed, begin)?;
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
            let signed = [config, signature].concat();
            let parts = (config.as_bytes(), signature.as_bytes());
            assert_eq!(open(signed.as_bytes()), Some(parts), "{signed}");
        }
        for quoted in [
            format!("{{\"a\": {pgp:?}}}"),
            format!("{{\"a\": {ssh:?}}}\n"),
            "{\"a\": \"-----BEGIN SSH SIGNATURE-----\"}".to_owned(),
            format!("{pgp}{{}}"),
            "-----END SSH SIGNATURE-----".to_owned(),
        ] {
            assert_eq!(open(quoted.as_bytes()), None, "{quoted}");
            let signed = [&quoted, ssh].concat();
            let parts = (quoted.as_bytes(), ssh.as_bytes());
            assert_eq!(open(signed.as_bytes()), Some(parts), "{quoted}");
        }
    }
}
