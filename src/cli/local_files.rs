//! The folder of local files that a config may name (`--files-dir`).

use crate::language::{LocalError, LocalFolder, LocalKind, LocalNode};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// A local file may be this large: what a config may hold as a whole.
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

    /// Where `path` is. A path that leads out by its names is refused; one that does so by links is not, since a folder
    /// may hold links to what its owner wants in it.
    fn locate(&self, path: &str) -> Result<PathBuf, LocalError> {
        let mut below: Vec<&std::ffi::OsStr> = Vec::new();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::ParentDir if below.pop().is_none() => {
                    return Err(LocalError::Outside { path: path.into() });
                }
                _ => {}
            }
        }
        Ok(below
            .into_iter()
            .fold(self.folder.clone(), |whole, name| whole.join(name)))
    }
}

impl LocalFolder for LocalFiles {
    fn look(&self, path: &str) -> Result<LocalNode, LocalError> {
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
            // Reading a pipe or a terminal may never end.
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
