//! Public keys that configs may be signed with.

use super::openpgp::PgpKey;
use super::openssh::SshKey;
use super::{SignatureError, Verified, openpgp, openssh};
use crate::input;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most a file with keys may hold; key rings of a whole company are smaller.
const FILE_LIMIT_BYTES: u64 = 4 << 20;

/// Public keys that configs may be signed with, of both kinds.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    pgp: Vec<PgpKey>,
    ssh: Vec<SshKey>,
}

/// Why keys cannot be used. One bad file ends it: with fewer keys than somebody put there, a good config would be
/// refused, and nobody would know why.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file or directory cannot be read.
    #[error("cannot read trusted keys from {}: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A directory that was named, without a key.
    #[error("there is no trusted key in {}, the directory that was named", .path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
    /// A directory among the files with keys.
    #[error(
        "cannot read trusted keys from {}: it is a directory; move its files up: keys in directories below do not count",
        .path.display()
    )]
    Nested {
        /// The file.
        path: PathBuf,
    },
    /// A file holds something else, or a key nobody can sign with.
    #[error(
        "cannot use trusted key {name}: {cause}; it must hold OpenPGP public keys (binary or armoured) or OpenSSH public keys, one in a line"
    )]
    Unusable {
        /// The file.
        name: String,
        /// The cause.
        cause: String,
    },
}

impl TrustedKeys {
    /// The keys of the directory where a machine has them. A machine without the directory has none.
    ///
    /// # Errors
    /// One of them cannot be read or used, or the directory is a link that leads nowhere.
    pub fn of_machine(directory: &Path) -> Result<Self, KeyError> {
        let mut keys = TrustedKeys::default();
        keys.add_of_machine(directory)?;
        Ok(keys)
    }

    /// The keys of a directory that somebody named.
    ///
    /// # Errors
    /// It is not there, there is no key in it, or one of them cannot be read or used.
    pub fn of_directory(directory: &Path) -> Result<Self, KeyError> {
        let mut keys = TrustedKeys::default();
        keys.add_directory(directory)?;
        match keys.is_empty() {
            true => Err(KeyError::None {
                path: directory.into(),
            }),
            false => Ok(keys),
        }
    }

    /// Adds the keys of the directory where a machine has them, which may be missing.
    ///
    /// # Errors
    /// As [`TrustedKeys::of_machine`].
    pub fn add_of_machine(&mut self, directory: &Path) -> Result<(), KeyError> {
        let leads_nowhere = |path: &Path| path.is_symlink() && !path.exists();
        let is_missing = matches!(directory.try_exists(), Ok(false));
        match is_missing && !directory.ancestors().any(leads_nowhere) {
            true => Ok(()),
            false => self.add_directory(directory),
        }
    }

    /// Adds the keys of a directory: all its files but hidden ones.
    ///
    /// # Errors
    /// One of them cannot be read or used, or there is another directory in it: whoever put keys there believes that
    /// they count.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), KeyError> {
        let unreadable = |cause| KeyError::Read {
            path: directory.into(),
            cause,
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden {
                continue;
            }
            if path.is_dir() {
                return Err(KeyError::Nested { path });
            }
            paths.push(path);
        }
        paths.sort();
        paths.iter().try_for_each(|path| self.add_file(path))
    }

    /// Adds the keys of a file.
    ///
    /// # Errors
    /// It cannot be read, or does not hold keys.
    pub fn add_file(&mut self, path: &Path) -> Result<(), KeyError> {
        let unreadable = |cause| KeyError::Read {
            path: path.into(),
            cause,
        };
        let bytes = input::read(path, FILE_LIMIT_BYTES).map_err(unreadable)?;
        self.add(&path.display().to_string(), &bytes)
    }

    /// Adds the keys in some bytes; `name` is for messages.
    ///
    /// # Errors
    /// They do not hold keys.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
        let unusable = |cause| KeyError::Unusable {
            name: name.into(),
            cause,
        };
        if openpgp::looks_like_keys(bytes) {
            let keys = openpgp::keys(name, bytes).map_err(unusable)?;
            keys.into_iter()
                .for_each(|key| openpgp::add(&mut self.pgp, key));
        } else {
            self.ssh
                .extend(openssh::keys(name, bytes).map_err(unusable)?);
        }
        Ok(())
    }

    /// Adds other keys.
    pub fn add_all(&mut self, others: &TrustedKeys) {
        let pgp = others.pgp.iter().cloned();
        pgp.for_each(|key| openpgp::add(&mut self.pgp, key));
        self.ssh.extend(others.ssh.iter().cloned());
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.pgp.is_empty() && self.ssh.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pgp.len() + self.ssh.len()
    }

    /// Whether `signature` is one of these keys over `bytes`, as seen at the time `now`.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(
        &self,
        bytes: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<Verified, SignatureError> {
        if openssh::looks_like_signature(signature) {
            openssh::verify(&self.ssh, bytes, signature, now)
        } else {
            openpgp::verify(&self.pgp, bytes, signature, now)
        }
    }
}
