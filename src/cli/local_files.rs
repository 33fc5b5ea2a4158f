//! The folder of local files that a config may refer to (`--files-dir`).

use crate::language::{LocalDirectory, LocalError, LocalKind, LocalNode};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Maximum size of a local file: that of a whole config.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A folder of local files.
#[derive(Debug)]
pub(crate) struct LocalFiles {
    folder: PathBuf,
}

impl LocalFiles {
    /// The files in `folder`.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Resolves `path` in the folder. A path that leaves it with `..` is refused; one that does so by links is not,
    /// since the owner of the folder may link to anything.
    fn locate(&self, path: &str) -> Result<PathBuf, LocalError> {
        let mut names: Vec<&std::ffi::OsStr> = Vec::new();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::ParentDir if names.pop().is_none() => {
                    return Err(LocalError::Outside { path: path.into() });
                }
                _ => {}
            }
        }
        Ok(names
            .into_iter()
            .fold(self.folder.clone(), |path, name| path.join(name)))
    }
}

impl LocalDirectory for LocalFiles {
    fn inspect(&self, path: &str) -> Result<LocalNode, LocalError> {
        let place = self.locate(path)?;
        let failed = |error| unreadable(path, &error);
        let metadata = fs::symlink_metadata(&place).map_err(failed)?;
        let kind = if metadata.is_symlink() {
            let target = fs::read_link(&place).map_err(failed)?;
            match target.into_os_string().into_string() {
                Ok(target) => LocalKind::Link(target),
                Err(_) => return Err(not_utf8(path)),
            }
        } else {
            kind_of(&metadata)
        };
        Ok(LocalNode {
            kind,
            mode: metadata.permissions().mode() & 0o7777,
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, LocalError> {
        let place = self.locate(path)?;
        let failed = |error| unreadable(path, &error);
        let metadata = fs::metadata(&place).map_err(failed)?;
        if !metadata.is_file() {
            // Reading a pipe or a terminal might block forever.
            return Err(cannot_read(path, "it is not a regular file"));
        }
        let mut bytes = Vec::new();
        let file = File::open(&place).map_err(failed)?;
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(cannot_read(path, "it is larger than 256 MiB"));
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, LocalError> {
        let place = self.locate(path)?;
        let failed = |error| unreadable(path, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&place).map_err(failed)? {
            match entry.map_err(failed)?.file_name().into_string() {
                Ok(name) => names.push(name),
                Err(_) => return Err(not_utf8(path)),
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn kind_of(metadata: &Metadata) -> LocalKind {
    if metadata.is_file() {
        LocalKind::File
    } else if metadata.is_dir() {
        LocalKind::Directory
    } else {
        LocalKind::Other
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> LocalError {
    cannot_read(path, &error.to_string())
}

fn not_utf8(path: &str) -> LocalError {
    cannot_read(path, "a name in it is not UTF-8")
}

fn cannot_read(path: &str, cause: &str) -> LocalError {
    LocalError::Unreadable {
        path: path.into(),
        cause: cause.into(),
    }
}
