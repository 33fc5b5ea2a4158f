//! Remedies for common errors.

use super::code;
use crate::fetch::FetchError;
use crate::host::command::CannotStart;
use nix::errno::Errno;

/// Who remedies are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A user of the command line, with an image or a tree.
    Desk,
    /// Someone in front of a machine that does not boot, whose config has to be changed.
    Boot,
}

/// What to do about an error, if its cause is a common one.
pub(crate) fn remedy(error: &anyhow::Error, audience: Audience) -> Option<String> {
    let no_program = error.chain().any(|cause| {
        let start = cause.downcast_ref::<CannotStart>();
        start.is_some_and(CannotStart::is_missing)
    });
    error.chain().find_map(|cause| {
        let fetch = cause
            .downcast_ref::<FetchError>()
            .and_then(FetchError::remedy);
        let text = match (code::errno(cause), audience) {
            (Some(Errno::ENOSPC), Audience::Desk) => {
                "make the file system larger (sizeMiB, or size= of the image)"
            }
            (Some(Errno::ENOSPC), Audience::Boot) => {
                "make the file system larger (sizeMiB in the config, or a larger disk)"
            }
            (
                Some(Errno::EROFS | Errno::EACCES | Errno::EPERM | Errno::ETXTBSY),
                Audience::Desk,
            ) => "make the image or tree writable for this user",
            (Some(Errno::EROFS), Audience::Boot) => {
                "choose a path on a writable file system, or mount one there"
            }
            (Some(Errno::ENOENT), Audience::Desk) if no_program => "install the program",
            (Some(Errno::ENOENT), Audience::Boot) if no_program => {
                "add the program to the initramfs (dracut --install)"
            }
            _ => fetch?,
        };
        Some(text.to_string())
    })
}
