//! Public keys that a config may be signed with.

use super::openpgp::PgpKey;
use super::openssh::SshKey;
use super::{SignatureError, Verified, openpgp, openssh};
use crate::input;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Maximum size of a file with keys; the key ring of an entire company is smaller.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Public keys of both kinds that a config may be signed with.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    pgp: Vec<PgpKey>,
    ssh: Vec<SshKey>,
}

/// Why keys cannot be used. A single bad file is an error: if it were skipped, a valid config might be refused for no
/// apparent reason.
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
    /// A directory that was set explicitly has no keys.
    #[error("there is no trusted key in {}, the directory that was named", .path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
    /// There is a directory among the files with keys.
    #[error(
        "cannot read trusted keys from {}: it is a directory; move its files up: keys in subdirectories are not read",
        .path.display()
    )]
    Nested {
        /// The file.
        path: PathBuf,
    },
    /// A file does not contain keys, or contains a key that cannot be used for signing.
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
    /// Reads the keys in the default directory of a machine, which may be missing.
    ///
    /// # Errors
    /// If one of them cannot be read or used, or the directory is a dangling link.
    pub fn of_machine(directory: &Path) -> Result<Self, KeyError> {
        let mut keys = TrustedKeys::default();
        keys.add_of_machine(directory)?;
        Ok(keys)
    }

    /// Reads the keys in a directory that was set explicitly.
    ///
    /// # Errors
    /// If it does not exist, there is no key in it, or one of them cannot be read or used.
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

    /// Adds the keys in the default directory of a machine, which may be missing.
    ///
    /// # Errors
    /// See [`TrustedKeys::of_machine`].
    pub fn add_of_machine(&mut self, directory: &Path) -> Result<(), KeyError> {
        let is_dangling = |path: &Path| path.is_symlink() && !path.exists();
        let is_missing = matches!(directory.try_exists(), Ok(false));
        match is_missing && !directory.ancestors().any(is_dangling) {
            true => Ok(()),
            false => self.add_directory(directory),
        }
    }

    /// Adds the keys in all files of a directory, except hidden ones.
    ///
    /// # Errors
    /// If one of them cannot be read or used, or there is another directory in it: whoever put keys there expects them
    /// to be used.
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

    /// Adds the keys in a file.
    ///
    /// # Errors
    /// If it cannot be read, or does not contain keys.
    pub fn add_file(&mut self, path: &Path) -> Result<(), KeyError> {
        let unreadable = |cause| KeyError::Read {
            path: path.into(),
            cause,
        };
        let bytes = input::read(path, MAX_FILE_BYTES).map_err(unreadable)?;
        self.add(&path.display().to_string(), &bytes)
    }

    /// Adds the keys in `bytes`; `name` is for messages.
    ///
    /// # Errors
    /// If they do not contain keys.
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

    /// True if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.pgp.is_empty() && self.ssh.is_empty()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.pgp.len() + self.ssh.len()
    }

    /// Verifies that `signature` is a signature over `bytes` by one of these keys, at the time `now`.
    ///
    /// # Errors
    /// If it is not.
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
