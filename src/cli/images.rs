//! Checks the files bound with `--image` before their contents are observed.

use super::exit::{Exit, ExitError};
use super::target::ImageBinding;
use crate::disk::container::{self, Container, Conversion};
use crate::host::devices::DeviceAccess;
use crate::host::image_use::{HeldImage, HoldError};
use crate::paths;
use crate::plan::{ErrorCode, Failure};
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Checks that every file can be the raw image of one disk, and locks it against use by other processes.
pub(crate) fn hold(
    bindings: &[ImageBinding],
    access: DeviceAccess,
) -> Result<Vec<HeldImage>, ExitError> {
    if let Some((first, second)) = find_bound_twice(bindings) {
        return Err(ExitError::usage(format!(
            "--image binds {} to two images, {} and {}",
            second.device,
            first.file.display(),
            second.file.display()
        )));
    }
    let mut refusals = Vec::new();
    let mut held = Vec::new();
    let mut seen: Vec<(ImageIdentity, &ImageBinding)> = Vec::new();
    for binding in bindings {
        match check(binding, &seen, access)? {
            Ok((identity, image)) => {
                seen.push((identity, binding));
                held.extend(image);
            }
            Err(refusal) => refusals.push(*refusal),
        }
    }
    if refusals.is_empty() {
        Ok(held)
    } else {
        Err(ExitError::refused(&refusals))
    }
}

/// Finds two images bound to the same device.
fn find_bound_twice(bindings: &[ImageBinding]) -> Option<(&ImageBinding, &ImageBinding)> {
    let clean = |binding: &ImageBinding| paths::clean(&binding.device);
    let mut earlier = std::collections::HashMap::new();
    bindings
        .iter()
        .find_map(|binding| Some((earlier.insert(clean(binding), binding)?, binding)))
}

/// Refuses images that are not writable.
pub(crate) fn check_writable(bindings: &[ImageBinding]) -> Result<(), ExitError> {
    let refusals: Vec<Failure> = bindings
        .iter()
        .filter(|binding| binding.file.exists())
        .filter_map(|binding| {
            let opened = File::options().write(true).open(&binding.file);
            let remedy = "make the file and its file system writable, or copy the image";
            let error = opened.err()?;
            Some(*refuse(
                binding,
                format!("it cannot be written to: {error}"),
                remedy,
            ))
        })
        .collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(ExitError::refused(&refusals))
    }
}

/// Identifies an image, whatever name it is given by.
#[derive(Debug, PartialEq, Eq)]
enum ImageIdentity {
    File {
        device: u64,
        inode: u64,
    },
    New {
        device: u64,
        inode: u64,
        name: OsString,
    },
}

type ImageCheck = Result<(ImageIdentity, Option<HeldImage>), Box<Failure>>;

fn refuse(
    binding: &ImageBinding,
    cause: impl Into<String>,
    remedy: impl Into<String>,
) -> Box<Failure> {
    Box::new(Failure {
        act: "use".into(),
        object: format!(
            "{} as the image of {}",
            binding.file.display(),
            binding.device
        ),
        cause: cause.into(),
        origin: None,
        remedy: remedy.into(),
        code: Some(ErrorCode::IMAGE),
    })
}

fn unobservable(binding: &ImageBinding, error: impl Into<anyhow::Error>) -> ExitError {
    let error = error.into();
    let context = format!("cannot examine image {}", binding.file.display());
    ExitError::new(Exit::CannotObserve, &error.context(context))
}

fn check(
    binding: &ImageBinding,
    seen: &[(ImageIdentity, &ImageBinding)],
    access: DeviceAccess,
) -> Result<ImageCheck, ExitError> {
    let found = match fs::metadata(&binding.file) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(unobservable(binding, error)),
    };
    let identity = match &found {
        Some(found) => match file_identity(binding, found) {
            Ok(identity) => identity,
            Err(refusal) => return Ok(Err(refusal)),
        },
        None => match new_identity(binding)? {
            Ok(identity) => identity,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    if let Some((_, other)) = seen.iter().find(|(known, _)| *known == identity) {
        let cause = format!(
            "it is the same file as {}, the image of {}",
            other.file.display(),
            other.device
        );
        return Ok(Err(refuse(
            binding,
            cause,
            "give each device a file of its own",
        )));
    }
    if found.is_none() {
        return Ok(rehearse_size(binding).map(|()| (identity, None)));
    }
    let mut image = match HeldImage::take(&binding.file, access) {
        Ok(image) => image,
        Err(HoldError::InUse(by)) => {
            let remedy = "unmount it, detach it (losetup -d) or stop the program that uses it, then try again";
            return Ok(Err(refuse(binding, format!("it is in use: {by}"), remedy)));
        }
        Err(HoldError::Io(error)) => return Err(unobservable(binding, error)),
    };
    if !binding.is_raw {
        let container =
            container::detect(&mut image.file).map_err(|error| unobservable(binding, error))?;
        if let Some(container) = container {
            return Ok(Err(not_raw(binding, container)));
        }
    }
    Ok(rehearse_size(binding).map(|()| (identity, Some(image))))
}

fn file_identity(binding: &ImageBinding, found: &Metadata) -> Result<ImageIdentity, Box<Failure>> {
    let kind = found.file_type();
    if kind.is_block_device() {
        let remedy = "give --target DIR instead, and name the device in the config";
        return Err(refuse(binding, "it is a block device, not a file", remedy));
    }
    if kind.is_file() {
        let (device, inode) = (found.dev(), found.ino());
        return Ok(ImageIdentity::File { device, inode });
    }
    let cause = format!("it is a {}", kind_name(kind));
    Err(refuse(binding, cause, "name a regular file"))
}

fn kind_name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "character device"
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.into(),
        _ => ".".into(),
    }
}

/// The identity of a file that does not exist yet: its directory and its name.
fn new_identity(binding: &ImageBinding) -> Result<Result<ImageIdentity, Box<Failure>>, ExitError> {
    if binding.file.is_symlink() {
        let remedy = "name the file itself, or remove the link";
        return Ok(Err(refuse(
            binding,
            "it is a symbolic link to a file that does not exist",
            remedy,
        )));
    }
    let (parent, name) = (parent(&binding.file), binding.file.file_name());
    let found = match fs::metadata(&parent) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let cause = format!("directory {} does not exist", parent.display());
            let remedy = format!("mkdir -p {}", quoted(&parent));
            return Ok(Err(refuse(binding, cause, remedy)));
        }
        Err(error) => return Err(unobservable(binding, error)),
    };
    if binding.bytes.is_none() {
        let option = format!(
            "--image {}={},size=4G",
            binding.device,
            binding.file.display()
        );
        let remedy = format!("correct its name, or have it created by giving a size: {option}");
        return Ok(Err(refuse(binding, "it does not exist", remedy)));
    }
    Ok(Ok(ImageIdentity::New {
        device: found.dev(),
        inode: found.ino(),
        name: name.unwrap_or_default().to_owned(),
    }))
}

/// Checks with an unnamed temporary file whether the directory is writable and the file system can hold this size.
fn rehearse_size(binding: &ImageBinding) -> Result<(), Box<Failure>> {
    let Some(bytes) = binding.bytes else {
        return Ok(());
    };
    if fs::metadata(&binding.file).is_ok_and(|found| found.len() >= bytes) {
        return Ok(());
    }
    let directory = parent(&binding.file);
    let mut options = File::options();
    options
        .write(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_TMPFILE);
    let failed = match options.open(&directory) {
        Ok(file) => file.set_len(bytes).err(),
        Err(error) => Some(error),
    };
    let Some(error) = failed else {
        return Ok(());
    };
    let is_new = !binding.file.exists();
    match error.raw_os_error() {
        Some(nix::libc::EFBIG | nix::libc::EINVAL) => Err(refuse(
            binding,
            format!("its file system cannot hold a file of {bytes} bytes"),
            "give a smaller size, or use another file system",
        )),
        Some(
            nix::libc::EROFS
            | nix::libc::EACCES
            | nix::libc::EPERM
            | nix::libc::ENOSPC
            | nix::libc::ENOTDIR,
        ) if is_new => {
            let cause = format!("it cannot be created in {}: {error}", directory.display());
            Err(refuse(
                binding,
                cause,
                "use a writable directory with enough free space",
            ))
        }
        // File systems without O_TMPFILE report it only when the file is created.
        _ => Ok(()),
    }
}

fn not_raw(binding: &ImageBinding, container: Container) -> Box<Failure> {
    let (file, raw) = (quoted(&binding.file), quoted(&raw_name(&binding.file)));
    let conversion = match container.conversion {
        Conversion::QemuImg(format) => {
            format!("qemu-img convert -f {format} -O raw {file} {raw}, then use {raw}")
        }
        Conversion::Decompress(command) => format!("{command} {file} > {raw}, then use {raw}"),
        Conversion::Unpack(command) => {
            format!("unpack it ({command} {file}), then use the image that was in it")
        }
        Conversion::None => "name the image of a disk".into(),
    };
    let remedy = format!(
        "{conversion}; to overwrite it: --image {}={},format=raw",
        binding.device,
        binding.file.display()
    );
    let what = container.name;
    let cause = format!("it is {what}, not a raw image; a run would destroy it");
    refuse(binding, cause, remedy)
}

/// A name for the raw image that a file is converted to.
fn raw_name(path: &Path) -> PathBuf {
    let has_other_extension = path.extension().is_some_and(|extension| extension != "raw");
    let mut name = if has_other_extension {
        path.with_extension("").into_os_string()
    } else {
        path.as_os_str().to_owned()
    };
    name.push(".raw");
    name.into()
}

/// A path, quoted for a shell if necessary.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
