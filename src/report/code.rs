//! Maps errors to error codes.

use crate::fetch::FetchError;
use crate::host::command::{CannotStart, CommandFailure};
use crate::plan::ErrorCode;
use nix::errno::Errno;

/// The code of the first cause that has one.
pub(crate) fn of(error: &anyhow::Error) -> Option<ErrorCode> {
    error.chain().find_map(of_cause)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<ErrorCode> {
    if let Some(fetch) = cause.downcast_ref::<FetchError>() {
        return of_fetch(fetch);
    }
    if let Some(start) = cause.downcast_ref::<CannotStart>() {
        return start.is_missing().then_some(ErrorCode::PROGRAM_MISSING);
    }
    if cause.is::<CommandFailure>() {
        return Some(ErrorCode::COMMAND_FAILED);
    }
    match errno(cause)? {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Some(ErrorCode::NO_ROOM),
        Errno::EROFS | Errno::ETXTBSY => Some(ErrorCode::READ_ONLY),
        Errno::EACCES | Errno::EPERM => Some(ErrorCode::PRIVILEGE),
        Errno::ELOOP | Errno::ENAMETOOLONG | Errno::ENOTDIR => Some(ErrorCode::PATH),
        Errno::EBUSY => Some(ErrorCode::DEVICE_IN_USE),
        _ => None,
    }
}

/// The code of a failed fetch.
pub(crate) fn of_fetch(error: &FetchError) -> Option<ErrorCode> {
    Some(match error {
        FetchError::NeedsNetwork { .. } => ErrorCode::NEEDS_NETWORK,
        FetchError::NotFound { .. } => ErrorCode::NOT_FOUND,
        FetchError::Status { .. } => ErrorCode::REFUSED_BY_SERVER,
        FetchError::OutOfTime { .. } => ErrorCode::TIMED_OUT,
        FetchError::Tls { .. } => ErrorCode::TLS,
        FetchError::HashMismatch { .. } => ErrorCode::HASH_MISMATCH,
        FetchError::Gzip { .. } => ErrorCode::NOT_GZIP,
        FetchError::Body { .. } => ErrorCode::CUT_OFF,
        FetchError::TooLarge { .. } | FetchError::TooManyAuthorities { .. } => ErrorCode::TOO_LARGE,
        FetchError::Tftp { .. } => ErrorCode::TFTP,
        FetchError::Object { .. } | FetchError::Bucket { .. } | FetchError::Token { .. } => {
            ErrorCode::OBJECT_STORE
        }
        FetchError::UnsupportedScheme { .. }
        | FetchError::InvalidUrl { .. }
        | FetchError::InvalidHeader { .. }
        | FetchError::CompressedObject { .. }
        | FetchError::InvalidCompression { .. }
        | FetchError::InvalidDigest { .. }
        | FetchError::DataUrl(_) => ErrorCode::BAD_REQUEST,
        FetchError::Certificates { .. } => ErrorCode::AUTHORITIES,
        FetchError::Untrusted { .. } => ErrorCode::UNTRUSTED,
        FetchError::Sink { cause, .. } | FetchError::OemFile { cause, .. } => {
            return of_cause(cause);
        }
        FetchError::Cancelled { .. } | FetchError::Route { .. } | FetchError::Client(_) => {
            return None;
        }
    })
}

/// The error number of a cause, if it has one.
pub(super) fn errno(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let io = cause.downcast_ref::<std::io::Error>();
    let number = io.and_then(std::io::Error::raw_os_error);
    number
        .map(Errno::from_raw)
        .or(cause.downcast_ref().copied())
}
